/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit trail inside a ledger's file: events chained by hash, and signed
 * checkpoints.  All functions run inside the caller's transaction.
 *
 * An event's body is canonical JSON: one object, keys in order (actor, at,
 * detail, epoch, kind, role, run, status, took_us, version), no spaces, only
 * keys that have a value, times in RFC 3339 UTC with microseconds.
 */
#ifndef KEYTURN_AUDIT_TRAIL_H
#define KEYTURN_AUDIT_TRAIL_H

#include <stdbool.h>

#include "crypto/sign.h"
#include "ledger/ledger.h"
#include "lite/lite.h"

/* The tables, and the triggers that make them append-only. */
extern const char audit_trail_schema[];

struct audit_trail_keys {
	struct sign_key *sign; /* NULL: cannot sign */
	bool has_public;       /* false: signatures are not looked at */
	unsigned char public_key[SIGN_PUBLIC_SIZE];
};

/* The body of an event; longer texts are cut.  *ret_body: free(). */
enum status audit_trail_body(const struct ledger_event *e, int64_t at_us,
			     char **ret_body, struct reason *why);

/* Chain one body to the last event. */
enum status audit_trail_append(struct lite_tx *tx, const char *body,
			       struct reason *why);

/* Cheap, before anything is started: the last event follows from the one
 * before it, and the last checkpoint is signed with our key (where we have
 * one) and its event still there.  STATUS_AUDIT_BROKEN. */
enum status audit_trail_intact(struct lite_tx *tx,
			       const struct audit_trail_keys *keys,
			       struct reason *why);

/* ledger.h: head. */
enum status audit_trail_walk_head(struct lite_tx *tx, int64_t seq,
				  int64_t *ret_seq,
				  char ret_hash[LEDGER_HASH_SIZE],
				  struct reason *why);

/* ledger.h: checkpoint, verify, export. */
enum status audit_trail_sign(struct lite_tx *tx,
			     const struct audit_trail_keys *keys,
			     int64_t now_us, struct reason *why);
enum status audit_trail_verify(struct lite_tx *tx,
			       const struct audit_trail_keys *keys,
			       struct ledger_verdict *ret_verdict,
			       struct reason *why);
enum status audit_trail_export(struct lite_tx *tx, ledger_export_fn *fn,
			       void *arg, struct reason *why);

/* Copy src into dst, cut with "..." between two characters if it is longer. */
void audit_trail_cut(char *dst, size_t size, const char *src);

/* ledger.h: follow. */
enum status audit_trail_export_after(struct lite_tx *tx, int64_t after,
				     size_t most, ledger_export_fn *fn,
				     void *arg, int64_t *ret_last,
				     struct reason *why);

#endif
