/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signs the chain as far as it goes.  Must never sign one that it has not
 * re-derived.
 */
#include <string.h>

#include "audit/audit_chain.h"
#include "audit/audit_checkpoint.h"

/* The last checkpoint, or the beginning, from where the walk then goes on. */
static enum status begin_at_last(const struct audit_walk *w,
				 const struct audit_keys *keys,
				 struct audit_link *link, struct reason *why)
{
	struct audit_checkpoint cp;
	enum status st = w->last(w->arg, &cp, why);

	if (st == STATUS_NOT_FOUND)
		return w->seek(w->arg, 1, why);
	if (st == STATUS_OK)
		st = audit_checkpoint_signed(keys, &cp, why);
	if (st == STATUS_OK)
		st = audit_checkpoint_anchored(w, &cp, why);
	if (st != STATUS_OK)
		return st;
	link->seq = cp.seq;
	memcpy(link->hash, cp.hash, sizeof link->hash);
	return STATUS_OK;
}

enum status audit_sign(const struct audit_walk *w,
		       const struct audit_keys *keys, int64_t now_us,
		       struct audit_checkpoint *ret, struct reason *why)
{
	struct audit_checkpoint cp = { .at_us = now_us };
	struct audit_link link = { .seq = 0 };
	char message[AUDIT_CHECKPOINT_MAX];
	int64_t since, bad = 0;
	enum status st = begin_at_last(w, keys, &link, why);

	since = link.seq;
	while (st == STATUS_OK)
		st = audit_chain_next(w, &link, &bad, why);
	if (st != STATUS_NOT_FOUND || link.seq == since)
		return st;
	cp.seq = link.seq;
	memcpy(cp.hash, link.hash, sizeof cp.hash);
	st = sign_make(keys->sign, message,
		       audit_checkpoint_message(&cp, message), cp.signature);
	if (st != STATUS_OK)
		return reason_set(why, st, "a checkpoint cannot be signed");
	*ret = cp;
	return STATUS_OK;
}
