/* SPDX-License-Identifier: PostgreSQL */
/* What the files of the audit trail share; nobody else includes it. */
#ifndef KEYTURN_AUDIT_TRAIL_INTERNAL_H
#define KEYTURN_AUDIT_TRAIL_INTERNAL_H

#include "crypto/digest.h"
#include "ledger/audit_trail.h"

#define AUDIT_TRAIL_BODY_MAX	16384
#define AUDIT_TRAIL_MESSAGE_MAX 256
#define AUDIT_TRAIL_HEX_SIZE	(2 * DIGEST_SIZE + 1)

/* The blob, not the text: bytes behind a NUL would escape the hash. */
#define AUDIT_TRAIL_EVENTS "seq, CAST(body AS BLOB), hash"

#define AUDIT_TRAIL_CHECKPOINTS "seq, at_us, hash, signature"

/* Where the chain has got to. */
struct audit_trail_walk {
	int64_t seq;
	unsigned char hash[DIGEST_SIZE];
};

/* A signed statement of what the chain was up to an event. */
struct audit_trail_checkpoint {
	int64_t seq;
	int64_t at_us;
	unsigned char hash[DIGEST_SIZE];
	unsigned char signature[SIGN_SIZE];
};

/* --- audit_trail_walk.c --------------------------------------------------- */

/* STATUS_AUDIT_BROKEN, at event seq: what is wrong with it. */
enum status audit_trail_walk_broken(struct reason *why, int64_t seq,
				    const char *what);

/* The last event there is.  *ret_walk is the beginning of all chains when there
 * is none. */
enum status audit_trail_walk_last(struct lite_tx *tx,
				  struct audit_trail_walk *ret_walk,
				  struct reason *why);

/*
 * Step to the next event of `events` (AUDIT_TRAIL_EVENTS in order) and check
 * that it follows.  STATUS_NOT_FOUND at the end; STATUS_AUDIT_BROKEN: *ret_bad.
 */
enum status audit_trail_walk_next(struct lite_stmt *events,
				  struct audit_trail_walk *w, int64_t *ret_bad,
				  struct reason *why);

/* --- audit_trail_checkpoint.c --------------------------------------------- */

/* What is signed; its length comes back. */
size_t audit_trail_checkpoint_message(const struct audit_trail_checkpoint *cp,
				      char message[AUDIT_TRAIL_MESSAGE_MAX]);

/* Step a statement of AUDIT_TRAIL_CHECKPOINTS.  STATUS_NOT_FOUND at the end. */
enum status audit_trail_checkpoint_next(struct lite_stmt *q,
					struct audit_trail_checkpoint *ret_cp,
					struct reason *why);

/* The youngest one.  STATUS_NOT_FOUND: there is none. */
enum status audit_trail_checkpoint_last(struct lite_tx *tx,
					struct audit_trail_checkpoint *ret_cp,
					struct reason *why);

/* Is the event that the checkpoint names there, with that hash? */
enum status audit_trail_checkpoint_anchored(
	struct lite_tx *tx, const struct audit_trail_checkpoint *cp,
	struct reason *why);

/* STATUS_AUDIT_BROKEN unless keys->public_key says that it is ours. */
enum status audit_trail_checkpoint_signed(
	const struct audit_trail_keys *keys,
	const struct audit_trail_checkpoint *cp, struct reason *why);

/* Add one behind the others. */
enum status audit_trail_checkpoint_insert(
	struct lite_tx *tx, const struct audit_trail_checkpoint *cp,
	struct reason *why);

#endif
