/* SPDX-License-Identifier: PostgreSQL */
/* The chain of events: each is bound to all before it by a hash. */
#ifndef KEYTURN_AUDIT_CHAIN_H
#define KEYTURN_AUDIT_CHAIN_H

#include "audit/audit_walk.h"

/* Where the chain has got to; all zeros is the beginning of every chain. */
struct audit_link {
	int64_t seq;
	unsigned char hash[DIGEST_SIZE];
};

/* Chain one body to `link`, which moves on to it. */
enum status audit_chain_add(struct audit_link *link, const char *body, size_t n,
			    struct reason *why);

/*
 * Step to the walk's next event and check that it follows from `link`, which
 * moves on to it.  STATUS_NOT_FOUND at the end; STATUS_AUDIT_BROKEN: *ret_bad.
 */
enum status audit_chain_next(const struct audit_walk *w,
			     struct audit_link *link, int64_t *ret_bad,
			     struct reason *why);

/* STATUS_AUDIT_BROKEN, at event seq: what is wrong with it. */
enum status audit_chain_broken(struct reason *why, int64_t seq,
			       const char *what);

#endif
