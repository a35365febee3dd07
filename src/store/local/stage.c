/* SPDX-License-Identifier: PostgreSQL */
/*
 * Puts a new version into the store.  Must never replace the content of one
 * that is there.
 */
#include "store/local/common.h"

#include <string.h>

#include "store/store_refuse.h"

/* The id is there already: the same content makes it a repeat. */
static enum status compare_content(struct store_local_change *c,
				   const char *name, const void *blob, size_t n,
				   struct reason *why)
{
	struct secret *plain = NULL;
	enum status st;

	if (strcmp(name, c->name) != 0)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: version id %s belongs to another "
				  "secret: make a new one",
				  c->s->name, c->id);
	st = store_local_seal_open(c->s, name, c->id, blob, n, &plain, why);
	if (st != STATUS_OK)
		return st;
	if (!secret_equal(plain, c->plain))
		st = store_refuse_content(c->s->name, name, c->id, why);
	secret_free(plain);
	return st;
}

/* STATUS_NOT_FOUND: the id is new. */
static enum status find_repeat(struct lite_tx *tx, struct store_local_change *c,
			       struct reason *why)
{
	struct lite_stmt *q = NULL;
	const void *blob;
	enum status st;
	size_t n = 0;

	st = store_local_prepare(
		tx, "SELECT name, sealed FROM version WHERE id = ?1", c->id, &q,
		why);
	if (st == STATUS_OK)
		st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	blob = lite_blob(q, 1, &n);
	st = compare_content(c, lite_text(q, 0), blob, n, why);
	lite_done(q);
	return st;
}

/* The content stands there already.  A PENDING that is staged again under the
 * present revision moves it: a rotator that read it before must not stage over what
 * is about to be applied again. */
static enum status stage_again(struct lite_tx *tx, struct store_local_change *c,
			       struct reason *why)
{
	const struct store_version *pending;
	struct store_state unchanged;
	enum status st = store_local_rows_state(tx, c->name, c->ret_state, why);

	if (st != STATUS_OK)
		return st;
	pending = store_find_label(c->ret_state, STORE_LABEL_PENDING);
	if (!pending || strcmp(pending->id, c->id) != 0 ||
	    strcmp(c->revision, c->ret_state->revision) != 0)
		return STATUS_OK;
	unchanged = *c->ret_state;
	return store_local_rows_save(tx, c, &unchanged, why);
}

static enum status stage_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct store_local_change *c = arg;
	struct store_state changed;
	enum status st;

	st = find_repeat(tx, c, why);
	if (st == STATUS_OK)
		return stage_again(tx, c, why);
	if (st != STATUS_NOT_FOUND)
		return st;
	st = store_local_rows_state(tx, c->name, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	if (strcmp(c->ret_state->revision, c->revision) != 0)
		return store_refuse_moved(c->s->name, c->name, why);
	changed = *c->ret_state;
	if (store_versions_stage(&changed, c->id, c->now_us, c->s->ring) !=
	    STATUS_OK)
		return store_refuse_full(c->s->name, c->name, why);
	return store_local_rows_save(tx, c, &changed, why);
}

enum status store_local_stage(struct store *store, const char *name,
			      const char *revision, const char *id,
			      const struct store_entry *entry,
			      struct store_state *ret_state, struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	unsigned char blob[STORE_LOCAL_BLOB_MAX];
	struct secret *plain = NULL;
	struct store_state after;
	struct store_local_change c = {
		.s = s, .name = name, .revision = revision, .id = id
	};
	enum status st;

	st = store_refuse_name(name, why);
	if (st == STATUS_OK)
		st = store_refuse_id(id, why);
	if (st == STATUS_OK)
		st = store_entry_encode(entry, &plain, why);
	if (st == STATUS_OK)
		st = store_local_seal_close(s, name, id, plain, blob, &c.blob_n,
					    why);
	if (st != STATUS_OK)
		goto out;
	c.blob = blob;
	c.plain = plain;
	c.now_us = now_wall(s->now);
	c.ret_state = &after;
	st = lite_write(s->db, stage_in, &c, why);
	if (st == STATUS_OK && ret_state)
		*ret_state = after;
out:
	secret_free(plain);
	return store_local_translate(s, st, why);
}
