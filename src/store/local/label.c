/* SPDX-License-Identifier: PostgreSQL */
/*
 * Moves the labels: promote, retire, withdraw.  Must never let two versions
 * carry the same one.
 */
#include "store/local/common.h"

#include <string.h>

#include "store/store_refuse.h"

static enum store_versions_verdict may_move(const struct store_local_change *c,
					    const struct store_state *s)
{
	if (c->move == STORE_LOCAL_PROMOTE)
		return store_versions_may_promote(s, c->revision, c->id);
	if (c->move == STORE_LOCAL_RETIRE)
		return store_versions_may_retire(s, c->revision, c->id);
	return strcmp(s->revision, c->revision) == 0 ? STORE_VERSIONS_GO :
						       STORE_VERSIONS_MOVED;
}

static enum status move_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct store_local_change *c = arg;
	enum store_versions_verdict verdict;
	struct store_state changed;
	enum status st;

	st = store_local_rows_state(tx, c->name, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	changed = *c->ret_state;
	verdict = may_move(c, &changed);
	if (verdict != STORE_VERSIONS_GO)
		return store_refuse_move(verdict, c->s->name, c->name, c->id,
					 &changed, why);
	if (c->move == STORE_LOCAL_PROMOTE)
		store_versions_promote(&changed, c->id);
	else if (c->move == STORE_LOCAL_RETIRE)
		store_versions_retire(&changed, c->id);
	else
		store_versions_withdraw(&changed);
	store_versions_prune(&changed, c->s->ring);
	return store_local_rows_save(tx, c, &changed, why);
}

/* These follow a staging: their room was reserved before it. */
static enum status move_label(struct store *store, enum store_local_move move,
			      const char *name, const char *revision,
			      const char *id, struct store_state *ret_state,
			      struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	struct store_state after;
	struct store_local_change c = { .s = s,
					.name = name,
					.revision = revision,
					.id = id,
					.move = move,
					.ret_state = &after };
	enum status st;

	st = store_refuse_name(name, why);
	if (st == STATUS_OK)
		st = lite_write_reserved(s->db, move_in, &c, why);
	if (st == STATUS_OK && ret_state)
		*ret_state = after;
	return store_local_translate(s, st, why);
}

enum status store_local_label_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why)
{
	return move_label(store, STORE_LOCAL_PROMOTE, name, revision, id,
			  ret_state, why);
}

enum status store_local_label_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why)
{
	return move_label(store, STORE_LOCAL_RETIRE, name, revision, id,
			  ret_state, why);
}

enum status store_local_label_withdraw(struct store *store, const char *name,
				       const char *revision,
				       struct store_state *ret_state,
				       struct reason *why)
{
	return move_label(store, STORE_LOCAL_WITHDRAW, name, revision, "",
			  ret_state, why);
}
