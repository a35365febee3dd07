/* SPDX-License-Identifier: PostgreSQL */
/*
 * Steps along the chain of audit events.  Must never step over one that does
 * not follow from the one before.
 */
#include "audit/audit_chain.h"

#include <inttypes.h>
#include <string.h>

enum status audit_chain_broken(struct reason *why, int64_t seq,
			       const char *what)
{
	return reason_set(why, STATUS_AUDIT_BROKEN,
			  "the audit trail is broken at event %" PRId64 ": %s; "
			  "keep the file as evidence, see keyturn audit verify",
			  seq, what);
}

enum status audit_chain_add(struct audit_link *link, const char *body, size_t n,
			    struct reason *why)
{
	unsigned char hash[DIGEST_SIZE];
	enum status st = digest_chain(link->hash, body, n, hash);

	if (st != STATUS_OK)
		return reason_set(why, st, "SHA-256 is not available");
	link->seq++;
	memcpy(link->hash, hash, sizeof hash);
	return STATUS_OK;
}

enum status audit_chain_next(const struct audit_walk *w,
			     struct audit_link *link, int64_t *ret_bad,
			     struct reason *why)
{
	struct audit_link next = *link;
	struct audit_row row;
	enum status st = w->event(w->arg, &row, why);

	if (st != STATUS_OK)
		return st;
	if (row.seq != link->seq + 1) {
		*ret_bad = link->seq + 1;
		return audit_chain_broken(why, *ret_bad, "it is missing");
	}
	st = audit_chain_add(&next, row.body, row.n, why);
	if (st != STATUS_OK)
		return st;
	if (!row.has_hash || memcmp(next.hash, row.hash, DIGEST_SIZE) != 0) {
		*ret_bad = next.seq;
		return audit_chain_broken(why, *ret_bad, "it was altered");
	}
	*link = next;
	return STATUS_OK;
}
