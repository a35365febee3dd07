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

/* The caller saw c->revision: STATUS_CONFLICT if it is not still that. */
enum status store_local_rows_compare(const struct store_local_change *c,
				     const struct store_state *state,
				     struct reason *why);

/* The next revision, the first if there was none. */
enum status store_local_rows_bump(struct lite_tx *tx,
				  const struct store_local_change *c,
				  struct reason *why);

/* Every version of the secret with label `from` gets label `to`. */
enum status store_local_rows_relabel(struct lite_tx *tx,
				     const struct store_local_change *c,
				     enum store_label from, enum store_label to,
				     struct reason *why);

/* A new PENDING version c->id, with the content c->blob. */
enum status store_local_rows_insert(struct lite_tx *tx,
				    const struct store_local_change *c,
				    struct reason *why);

/* Label c->id CURRENT, and make it the youngest. */
enum status store_local_rows_make_current(struct lite_tx *tx,
					  const struct store_local_change *c,
					  struct reason *why);

/* A change is over: the ring goes back to its size, and the state after goes
 * to *c->ret_state. */
enum status store_local_rows_finish(struct lite_tx *tx,
				    struct store_local_change *c,
				    struct reason *why);

#endif
