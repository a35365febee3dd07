/* SPDX-License-Identifier: PostgreSQL */
/*
 * How the audit reads a trail, wherever it is kept.  A driver fills in the
 * members of struct audit_walk over one consistent snapshot.
 */
#ifndef KEYTURN_AUDIT_WALK_H
#define KEYTURN_AUDIT_WALK_H

#include "audit/audit.h"
#include "crypto/digest.h"

/* An event as it is stored.  The body is valid until the next one is read. */
struct audit_row {
	int64_t seq;
	const char *body; /* canonical JSON, not ended by a NUL */
	size_t n;
	bool has_hash; /* false: it has none, or one of another size */
	unsigned char hash[DIGEST_SIZE];
};

/* A signed statement of what the chain was up to an event. */
struct audit_checkpoint {
	int64_t seq;
	int64_t at_us;
	unsigned char hash[DIGEST_SIZE];
	unsigned char signature[SIGN_SIZE];
};

struct audit_walk {
	void *arg;

	/* Events are read from number `seq` on, the first there is from there. */
	enum status (*seek)(void *arg, int64_t seq, struct reason *why);

	/* The next event, by number.  STATUS_NOT_FOUND: there is none. */
	enum status (*event)(void *arg, struct audit_row *ret,
			     struct reason *why);

	/* The next checkpoint, by number, from the first one on. */
	enum status (*checkpoint)(void *arg, struct audit_checkpoint *ret,
				  struct reason *why);

	/* The youngest checkpoint; does not move the walk. */
	enum status (*last)(void *arg, struct audit_checkpoint *ret,
			    struct reason *why);
};

#endif
