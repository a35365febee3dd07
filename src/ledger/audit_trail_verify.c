/* SPDX-License-Identifier: PostgreSQL */
/*
 * Re-derives the whole chain.  Must never call a chain whole of which an event
 * or a checkpoint is wrong.
 */
#include "ledger/audit_trail_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/encode.h"

struct verify {
	const struct audit_trail_keys *keys;
	struct audit_trail_walk w;
	struct ledger_verdict v;
	int64_t trusted; /* seq of the last good checkpoint */
};

static enum status verify_checkpoint(struct verify *f,
				     const struct audit_trail_checkpoint *cp,
				     struct reason *why)
{
	enum status st = STATUS_OK;

	if (f->keys->has_public)
		st = audit_trail_checkpoint_signed(f->keys, cp, why);
	if (st != STATUS_OK) {
		f->v.bad_event = cp->seq;
		return st;
	}
	if (memcmp(f->w.hash, cp->hash, sizeof cp->hash) != 0) {
		/* The chain fits in itself, but is not what was signed. */
		f->v.bad_event = f->trusted + 1;
		return reason_set(why, STATUS_AUDIT_BROKEN,
				  "the audit trail is broken at event %" PRId64
				  ": the events from there to %" PRId64
				  " were rewritten, for they do not lead to "
				  "the checkpoint; keep the file as evidence",
				  f->v.bad_event, cp->seq);
	}
	if (f->keys->has_public) {
		f->v.checkpoints++;
		f->trusted = cp->seq;
	}
	return STATUS_OK;
}

/* Events up to seq.  Not all there: the first missing one is bad. */
static enum status verify_to(struct verify *f, struct lite_stmt *events,
			     int64_t seq, struct reason *why)
{
	enum status st = STATUS_OK;

	while (f->w.seq < seq && st == STATUS_OK) {
		st = audit_trail_walk_next(events, &f->w, &f->v.bad_event, why);
		if (st == STATUS_OK)
			f->v.events++;
	}
	return st;
}

static enum status verify_all(struct verify *f, struct lite_stmt *events,
			      struct lite_stmt *checkpoints, struct reason *why)
{
	struct audit_trail_checkpoint cp;
	enum status st;

	while ((st = audit_trail_checkpoint_next(checkpoints, &cp, why)) ==
	       STATUS_OK) {
		st = verify_to(f, events, cp.seq, why);
		if (st == STATUS_NOT_FOUND ||
		    (st == STATUS_OK && cp.seq != f->w.seq)) {
			f->v.bad_event = f->w.seq + 1;
			return audit_trail_walk_broken(
				why, f->v.bad_event,
				"it is missing, though a later "
				"checkpoint counts it");
		}
		if (st == STATUS_OK)
			st = verify_checkpoint(f, &cp, why);
		if (st != STATUS_OK)
			return st;
	}
	if (st == STATUS_NOT_FOUND)
		st = verify_to(f, events, INT64_MAX, why);
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

enum status audit_trail_verify(struct lite_tx *tx,
			       const struct audit_trail_keys *keys,
			       struct ledger_verdict *ret_verdict,
			       struct reason *why)
{
	struct verify f = { .keys = keys };
	struct lite_stmt *events = NULL, *checkpoints = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT " AUDIT_TRAIL_EVENTS
			  " FROM event ORDER BY seq",
			  &events, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "SELECT " AUDIT_TRAIL_CHECKPOINTS
				  " FROM checkpoint ORDER BY seq",
				  &checkpoints, why);
	if (st == STATUS_OK)
		st = verify_all(&f, events, checkpoints, why);
	if (st != STATUS_OK && st != STATUS_AUDIT_BROKEN)
		return st;
	f.v.unsigned_tail = f.w.seq - f.trusted;
	encode_hex(f.w.hash, sizeof f.w.hash, f.v.head);
	*ret_verdict = f.v;
	return st;
}
