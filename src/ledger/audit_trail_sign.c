/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signs the chain as far as it goes.  Must never sign one that it has not
 * re-derived.
 */
#include "ledger/audit_trail_internal.h"

#include <string.h>

/* From the last checkpoint (or the beginning) to the last event. */
static enum status derive_since(struct lite_tx *tx,
				const struct audit_trail_keys *keys,
				struct audit_trail_walk *w, struct reason *why)
{
	struct lite_stmt *q = NULL;
	struct audit_trail_checkpoint cp;
	int64_t bad = 0;
	enum status st;

	st = audit_trail_checkpoint_last(tx, &cp, why);
	if (st == STATUS_OK) {
		st = audit_trail_checkpoint_signed(keys, &cp, why);
		if (st == STATUS_OK)
			st = audit_trail_checkpoint_anchored(tx, &cp, why);
		if (st != STATUS_OK)
			return st;
		w->seq = cp.seq;
		memcpy(w->hash, cp.hash, sizeof w->hash);
	} else if (st != STATUS_NOT_FOUND) {
		return st;
	}
	st = lite_prepare(tx,
			  "SELECT " AUDIT_TRAIL_EVENTS " FROM event "
			  "WHERE seq > ?1 ORDER BY seq",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, w->seq);
	while ((st = audit_trail_walk_next(q, w, &bad, why)) == STATUS_OK)
		;
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	lite_done(q);
	return st;
}

enum status audit_trail_sign(struct lite_tx *tx,
			     const struct audit_trail_keys *keys,
			     int64_t now_us, struct reason *why)
{
	struct audit_trail_checkpoint cp = { .at_us = now_us };
	struct audit_trail_walk w = { .seq = 0 };
	char message[AUDIT_TRAIL_MESSAGE_MAX];
	struct audit_trail_checkpoint last;
	enum status st;

	st = derive_since(tx, keys, &w, why);
	if (st != STATUS_OK || w.seq == 0)
		return st;
	st = audit_trail_checkpoint_last(tx, &last, why);
	if (st == STATUS_OK && last.seq == w.seq)
		return STATUS_OK; /* it did not grow */
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	cp.seq = w.seq;
	memcpy(cp.hash, w.hash, sizeof cp.hash);
	st = sign_make(keys->sign, message,
		       audit_trail_checkpoint_message(&cp, message),
		       cp.signature);
	if (st != STATUS_OK)
		return reason_set(why, st, "a checkpoint cannot be signed");
	return audit_trail_checkpoint_insert(tx, &cp, why);
}
