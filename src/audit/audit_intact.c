/* SPDX-License-Identifier: PostgreSQL */
/*
 * A look at the trail's end.  Must never read more than its last two events and
 * the event of the last checkpoint.
 */
#include <string.h>

#include "audit/audit_chain.h"
#include "audit/audit_checkpoint.h"

static enum status last_follows(const struct audit_walk *w, int64_t seq,
				struct reason *why)
{
	struct audit_link link = { .seq = seq - 1 };
	struct audit_row before;
	int64_t bad = 0;
	enum status st = w->seek(w->arg, seq > 1 ? seq - 1 : 1, why);

	if (st == STATUS_OK && seq > 1) {
		st = w->event(w->arg, &before, why);
		if (st == STATUS_OK &&
		    (before.seq != link.seq || !before.has_hash))
			return audit_chain_broken(why, link.seq,
						  "it is missing");
		if (st == STATUS_OK)
			memcpy(link.hash, before.hash, sizeof link.hash);
	}
	return st == STATUS_OK ? audit_chain_next(w, &link, &bad, why) : st;
}

enum status audit_intact(const struct audit_walk *w, int64_t seq,
			 const struct audit_keys *keys, struct reason *why)
{
	enum status st = seq > 0 ? last_follows(w, seq, why) : STATUS_OK;
	struct audit_checkpoint cp;

	if (st != STATUS_OK)
		return st;
	st = w->last(w->arg, &cp, why);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	/* Another key, or another ledger: they do not belong together. */
	if (st == STATUS_OK && keys->has_public)
		st = audit_checkpoint_signed(keys, &cp, why);
	return st == STATUS_OK ? audit_checkpoint_anchored(w, &cp, why) : st;
}
