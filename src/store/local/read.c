/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is in the store: describe and fetch.  Must never give a content that
 * does not open.
 */
#include "store/local/common.h"

#include "store/store_refuse.h"

static enum status describe_in(struct lite_tx *tx, void *arg,
			       struct reason *why)
{
	struct store_local_change *c = arg;

	return store_local_rows_state(tx, c->name, c->ret_state, why);
}

enum status store_local_read_describe(struct store *store, const char *name,
				      struct store_state *ret_state,
				      struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	struct store_local_change c = { .s = s,
					.name = name,
					.ret_state = ret_state };
	enum status st;

	st = store_refuse_name(name, why);
	if (st == STATUS_OK)
		st = lite_read(s->db, describe_in, &c, why);
	return store_local_translate(s, st, why);
}

struct lookup {
	struct store_local *s;
	const char *name;
	const char *id;
	struct store_entry *ret_entry;
};

static enum status fetch_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct lookup *l = arg;
	struct lite_stmt *q = NULL;
	struct secret *plain = NULL;
	const void *blob;
	enum status st;
	size_t n = 0;

	st = store_local_prepare(tx,
				 "SELECT sealed FROM version "
				 "WHERE id = ?1 AND name = ?2",
				 l->id, &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 2, l->name);
	st = lite_step(q, why);
	if (st == STATUS_NOT_FOUND)
		return store_refuse_absent(st, l->s->name, l->name, l->id, why);
	if (st != STATUS_OK)
		return st;
	blob = lite_blob(q, 0, &n);
	st = store_local_seal_open(l->s, l->name, l->id, blob, n, &plain, why);
	if (st == STATUS_OK)
		st = store_entry_decode(plain, l->ret_entry, why);
	secret_free(plain);
	lite_done(q);
	return st;
}

enum status store_local_read_fetch(struct store *store, const char *name,
				   const char *id,
				   struct store_entry *ret_entry,
				   struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	struct lookup l = { s, name, id, ret_entry };
	enum status st;

	st = store_refuse_name(name, why);
	if (st == STATUS_OK)
		st = store_refuse_id(id, why);
	if (st == STATUS_OK)
		st = lite_read(s->db, fetch_in, &l, why);
	return store_local_translate(s, st, why);
}
