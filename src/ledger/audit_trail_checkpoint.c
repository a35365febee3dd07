/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rows of signed checkpoints.  Must never take one that we did not sign
 * for ours.
 */
#include "ledger/audit_trail_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/now.h"

size_t audit_trail_checkpoint_message(const struct audit_trail_checkpoint *cp,
				      char message[AUDIT_TRAIL_MESSAGE_MAX])
{
	char stamp[NOW_STAMP_SIZE], hex[AUDIT_TRAIL_HEX_SIZE];

	encode_hex(cp->hash, sizeof cp->hash, hex);
	return (size_t)snprintf(message, AUDIT_TRAIL_MESSAGE_MAX,
				"keyturn audit checkpoint 1\n%" PRId64
				"\n%s\n%s\n",
				cp->seq, hex, now_stamp(cp->at_us, stamp));
}

enum status audit_trail_checkpoint_next(struct lite_stmt *q,
					struct audit_trail_checkpoint *ret_cp,
					struct reason *why)
{
	const void *hash, *signature;
	struct audit_trail_checkpoint cp = { .seq = 0 };
	size_t n = 0, m = 0;
	enum status st = lite_step(q, why);

	if (st != STATUS_OK)
		return st;
	cp.seq = lite_int(q, 0);
	cp.at_us = lite_int(q, 1);
	hash = lite_blob(q, 2, &n);
	signature = lite_blob(q, 3, &m);
	/* Of another size no signature fits: it is reported as forged. */
	if (n == sizeof cp.hash && m == sizeof cp.signature) {
		memcpy(cp.hash, hash, n);
		memcpy(cp.signature, signature, m);
	}
	*ret_cp = cp;
	return STATUS_OK;
}

enum status audit_trail_checkpoint_last(struct lite_tx *tx,
					struct audit_trail_checkpoint *ret_cp,
					struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT " AUDIT_TRAIL_CHECKPOINTS " FROM checkpoint "
			  "ORDER BY seq DESC LIMIT 1",
			  &q, why);
	if (st == STATUS_OK)
		st = audit_trail_checkpoint_next(q, ret_cp, why);
	if (st == STATUS_OK)
		lite_done(q);
	return st;
}

enum status audit_trail_checkpoint_anchored(
	struct lite_tx *tx, const struct audit_trail_checkpoint *cp,
	struct reason *why)
{
	struct lite_stmt *q = NULL;
	const void *hash;
	enum status st;
	size_t n = 0;
	bool same;

	st = lite_prepare(tx, "SELECT hash FROM event WHERE seq = ?1", &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, cp->seq);
	st = lite_step(q, why);
	if (st == STATUS_NOT_FOUND)
		return audit_trail_walk_broken(
			why, cp->seq, "a checkpoint names it, but it is gone");
	if (st != STATUS_OK)
		return st;
	hash = lite_blob(q, 0, &n);
	same = n == sizeof cp->hash && memcmp(hash, cp->hash, n) == 0;
	lite_done(q);
	return same ? STATUS_OK :
		      audit_trail_walk_broken(
			      why, cp->seq,
			      "it is not the one that a checkpoint names");
}

enum status audit_trail_checkpoint_signed(
	const struct audit_trail_keys *keys,
	const struct audit_trail_checkpoint *cp, struct reason *why)
{
	char message[AUDIT_TRAIL_MESSAGE_MAX];
	size_t n = audit_trail_checkpoint_message(cp, message);

	if (sign_verify(keys->public_key, message, n, cp->signature) ==
	    STATUS_OK)
		return STATUS_OK;
	return audit_trail_walk_broken(
		why, cp->seq,
		"its checkpoint is not signed by our key, so it is "
		"forged or the key was changed");
}

enum status audit_trail_checkpoint_insert(
	struct lite_tx *tx, const struct audit_trail_checkpoint *cp,
	struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO checkpoint(" AUDIT_TRAIL_CHECKPOINTS ") "
			  "VALUES(?1, ?2, ?3, ?4)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, cp->seq);
	lite_bind_int(q, 2, cp->at_us);
	lite_bind_blob(q, 3, cp->hash, sizeof cp->hash);
	lite_bind_blob(q, 4, cp->signature, sizeof cp->signature);
	return lite_exec(q, NULL, why);
}
