/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signed checkpoints.  Must never take one that we did not sign for ours.
 */
#include "audit/audit_checkpoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit_chain.h"
#include "base/encode.h"
#include "base/now.h"

size_t audit_checkpoint_message(const struct audit_checkpoint *cp,
				char message[AUDIT_CHECKPOINT_MAX])
{
	char stamp[NOW_STAMP_SIZE], hex[AUDIT_HASH_SIZE];

	encode_hex(cp->hash, sizeof cp->hash, hex);
	return (size_t)snprintf(message, AUDIT_CHECKPOINT_MAX,
				"keyturn audit checkpoint 1\n%" PRId64
				"\n%s\n%s\n",
				cp->seq, hex, now_stamp(cp->at_us, stamp));
}

enum status audit_checkpoint_signed(const struct audit_keys *keys,
				    const struct audit_checkpoint *cp,
				    struct reason *why)
{
	char message[AUDIT_CHECKPOINT_MAX];
	size_t n = audit_checkpoint_message(cp, message);

	if (sign_verify(keys->public_key, message, n, cp->signature) ==
	    STATUS_OK)
		return STATUS_OK;
	return audit_chain_broken(
		why, cp->seq,
		"its checkpoint is not signed by our key, so it is "
		"forged or the key was changed");
}

enum status audit_checkpoint_anchored(const struct audit_walk *w,
				      const struct audit_checkpoint *cp,
				      struct reason *why)
{
	struct audit_row row = { .seq = 0 };
	enum status st = w->seek(w->arg, cp->seq, why);

	if (st == STATUS_OK)
		st = w->event(w->arg, &row, why);
	if (st == STATUS_NOT_FOUND || (st == STATUS_OK && row.seq != cp->seq))
		return audit_chain_broken(
			why, cp->seq, "a checkpoint names it, but it is gone");
	if (st != STATUS_OK)
		return st;
	if (!row.has_hash || memcmp(row.hash, cp->hash, sizeof cp->hash) != 0)
		return audit_chain_broken(
			why, cp->seq,
			"it is not the one that a checkpoint names");
	return STATUS_OK;
}
