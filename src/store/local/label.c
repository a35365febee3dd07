/* SPDX-License-Identifier: PostgreSQL */
/*
 * Moves the labels: promote and retire.  Must never let two versions carry the
 * same one.
 */
#include "store/local/label.h"

#include "store/local/rows.h"

static enum status unknown_version(const struct store_local_change *c,
				   struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "store %s has no version %s of %s", c->s->name, c->id,
			  c->name);
}

static enum status promote_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct store_local_change *c = arg;
	const struct store_version *v;
	enum status st;

	st = store_local_rows_state(tx, c->name, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	v = store_find_id(c->ret_state, c->id);
	if (v && v->label == STORE_LABEL_CURRENT)
		return STATUS_OK;
	st = store_local_rows_compare(c, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	if (!v)
		return unknown_version(c, why);
	/* In this order no two versions ever share a label, and a PREVIOUS that
	 * is promoted itself just passes through the ring. */
	st = store_local_rows_relabel(tx, c, STORE_LABEL_PREVIOUS,
				      STORE_LABEL_RING, why);
	if (st == STATUS_OK)
		st = store_local_rows_relabel(tx, c, STORE_LABEL_CURRENT,
					      STORE_LABEL_PREVIOUS, why);
	if (st == STATUS_OK)
		st = store_local_rows_make_current(tx, c, why);
	if (st == STATUS_OK)
		st = store_local_rows_bump(tx, c, why);
	return st == STATUS_OK ? store_local_rows_finish(tx, c, why) : st;
}

static enum status retire_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct store_local_change *c = arg;
	const struct store_version *v;
	enum status st;

	st = store_local_rows_state(tx, c->name, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	v = store_find_id(c->ret_state, c->id);
	if (v && v->label == STORE_LABEL_RING)
		return STATUS_OK;
	st = store_local_rows_compare(c, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	if (!v)
		return unknown_version(c, why);
	if (v->label != STORE_LABEL_PENDING)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: version %s of %s is %s and cannot "
				  "be retired",
				  c->s->name, c->id, c->name,
				  store_label_name(v->label));
	st = store_local_rows_relabel(tx, c, STORE_LABEL_PENDING,
				      STORE_LABEL_RING, why);
	if (st == STATUS_OK)
		st = store_local_rows_bump(tx, c, why);
	return st == STATUS_OK ? store_local_rows_finish(tx, c, why) : st;
}

/* These follow a staging: their room was reserved before it. */
static enum status move_label(struct store *store, lite_fn *fn,
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
					.ret_state = &after };
	enum status st;

	st = store_local_check_name(name, why);
	if (st == STATUS_OK)
		st = lite_write_reserved(s->db, fn, &c, why);
	if (st == STATUS_OK && ret_state)
		*ret_state = after;
	return store_local_translate(s, st, why);
}

enum status store_local_label_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why)
{
	return move_label(store, promote_in, name, revision, id, ret_state,
			  why);
}

enum status store_local_label_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why)
{
	return move_label(store, retire_in, name, revision, id, ret_state, why);
}
