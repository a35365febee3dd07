/* SPDX-License-Identifier: PostgreSQL */
/* The rows of a secret. */
#ifndef KEYTURN_STORE_LOCAL_ROWS_H
#define KEYTURN_STORE_LOCAL_ROWS_H

#include "store/local/common.h"

/* A write on its way through the transaction. */
struct store_local_change {
	struct store_local *s;
	const char *name;
	const char *revision;
	const char *id;
	const unsigned char *blob; /* stage: the sealed entry */
	size_t blob_n;
	const struct secret *plain; /* stage: the encoded entry */
	int64_t now_us;
	struct store_state *ret_state; /* never NULL */
};

/* The statements, each inside tx; those that take c are for c->name. */

/* The versions of a secret, youngest first, and its revision ("" when there is
 * none).  STATUS_CORRUPT: more of them than we ever write, or malformed. */
enum status store_local_rows_state(struct lite_tx *tx, const char *name,
				   struct store_state *ret_state,
				   struct reason *why);

/*
 * Write down how the list was changed from *c->ret_state (store_versions.h), with
 * the next revision; a version that is new has the content c->blob.  The state
 * after goes to *c->ret_state.
 */
enum status store_local_rows_save(struct lite_tx *tx,
				  struct store_local_change *c,
				  const struct store_state *changed,
				  struct reason *why);

#endif
