/* SPDX-License-Identifier: PostgreSQL */
/*
 * Steps along the chain of audit events.  Must never step over one that does
 * not follow from the one before.
 */
#include "ledger/audit_trail_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/encode.h"

enum status audit_trail_walk_broken(struct reason *why, int64_t seq,
				    const char *what)
{
	return reason_set(why, STATUS_AUDIT_BROKEN,
			  "the audit trail is broken at event %" PRId64 ": %s; "
			  "keep the file as evidence, see keyturn audit verify",
			  seq, what);
}

enum status audit_trail_walk_last(struct lite_tx *tx,
				  struct audit_trail_walk *ret_walk,
				  struct reason *why)
{
	struct audit_trail_walk w = { .seq = 0 };
	struct lite_stmt *q = NULL;
	const void *hash;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx,
			  "SELECT seq, hash FROM event "
			  "ORDER BY seq DESC LIMIT 1",
			  &q, why);
	if (st == STATUS_OK)
		st = lite_step(q, why);
	if (st == STATUS_OK) {
		w.seq = lite_int(q, 0);
		hash = lite_blob(q, 1, &n);
		if (n == DIGEST_SIZE)
			memcpy(w.hash, hash, n);
		lite_done(q);
		if (n != DIGEST_SIZE)
			return audit_trail_walk_broken(why, w.seq,
						       "it has no hash");
	} else if (st != STATUS_NOT_FOUND) {
		return st;
	}
	*ret_walk = w;
	return STATUS_OK;
}

enum status audit_trail_walk_head(struct lite_tx *tx, int64_t seq,
				  int64_t *ret_seq,
				  char ret_hash[LEDGER_HASH_SIZE],
				  struct reason *why)
{
	struct lite_stmt *q = NULL;
	const void *hash;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx,
			  "SELECT seq, hash FROM event WHERE seq = ?1 OR "
			  "?1 < 0 ORDER BY seq DESC LIMIT 1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, seq);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	*ret_seq = lite_int(q, 0);
	hash = lite_blob(q, 1, &n);
	if (n == DIGEST_SIZE)
		encode_hex(hash, n, ret_hash);
	lite_done(q);
	return n == DIGEST_SIZE ?
		       STATUS_OK :
		       audit_trail_walk_broken(why, *ret_seq, "it has no hash");
}

enum status audit_trail_walk_next(struct lite_stmt *events,
				  struct audit_trail_walk *w, int64_t *ret_bad,
				  struct reason *why)
{
	unsigned char hash[DIGEST_SIZE];
	const void *body, *stored;
	size_t body_n = 0, n = 0;
	enum status st;

	st = lite_step(events, why);
	if (st != STATUS_OK)
		return st;
	if (lite_int(events, 0) != w->seq + 1) {
		*ret_bad = w->seq + 1;
		return audit_trail_walk_broken(why, *ret_bad, "it is missing");
	}
	body = lite_blob(events, 1, &body_n);
	stored = lite_blob(events, 2, &n);
	st = digest_chain(w->hash, body, body_n, hash);
	if (st != STATUS_OK)
		return reason_set(why, st, "SHA-256 is not available");
	if (n != DIGEST_SIZE || memcmp(hash, stored, n) != 0) {
		*ret_bad = w->seq + 1;
		return audit_trail_walk_broken(why, *ret_bad, "it was altered");
	}
	w->seq++;
	memcpy(w->hash, hash, sizeof hash);
	return STATUS_OK;
}
