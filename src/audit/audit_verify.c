/* SPDX-License-Identifier: PostgreSQL */
/*
 * Re-derives the whole chain.  Must never call a chain whole of which an event
 * or a checkpoint is wrong.
 */
#include <inttypes.h>
#include <string.h>

#include "audit/audit_chain.h"
#include "audit/audit_checkpoint.h"
#include "base/encode.h"

struct verify {
	const struct audit_walk *walk;
	const struct audit_keys *keys;
	struct audit_link link;
	struct audit_verdict v;
	int64_t trusted; /* seq of the last good checkpoint */
};

static enum status verify_checkpoint(struct verify *f,
				     const struct audit_checkpoint *cp,
				     struct reason *why)
{
	enum status st = STATUS_OK;

	if (f->keys->has_public)
		st = audit_checkpoint_signed(f->keys, cp, why);
	if (st != STATUS_OK) {
		f->v.bad_event = cp->seq;
		return st;
	}
	if (memcmp(f->link.hash, cp->hash, sizeof cp->hash) != 0) {
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
static enum status verify_to(struct verify *f, int64_t seq, struct reason *why)
{
	enum status st = STATUS_OK;

	while (f->link.seq < seq && st == STATUS_OK) {
		st = audit_chain_next(f->walk, &f->link, &f->v.bad_event, why);
		if (st == STATUS_OK)
			f->v.events++;
	}
	return st;
}

static enum status verify_all(struct verify *f, struct reason *why)
{
	struct audit_checkpoint cp;
	enum status st;

	while ((st = f->walk->checkpoint(f->walk->arg, &cp, why)) ==
	       STATUS_OK) {
		st = verify_to(f, cp.seq, why);
		if (st == STATUS_NOT_FOUND ||
		    (st == STATUS_OK && cp.seq != f->link.seq)) {
			f->v.bad_event = f->link.seq + 1;
			return audit_chain_broken(
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
		st = verify_to(f, INT64_MAX, why);
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

enum status audit_verify(const struct audit_walk *w,
			 const struct audit_keys *keys,
			 struct audit_verdict *ret, struct reason *why)
{
	struct verify f = { .walk = w, .keys = keys };
	enum status st = w->seek(w->arg, 1, why);

	if (st == STATUS_OK)
		st = verify_all(&f, why);
	if (st != STATUS_OK && st != STATUS_AUDIT_BROKEN)
		return st;
	f.v.unsigned_tail = f.link.seq - f.trusted;
	encode_hex(f.link.hash, sizeof f.link.hash, f.v.head);
	*ret = f.v;
	return st;
}
