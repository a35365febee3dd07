/* SPDX-License-Identifier: PostgreSQL */
/* A local store, as its files see it, and what they do for each other. */
#ifndef KEYTURN_STORE_LOCAL_COMMON_H
#define KEYTURN_STORE_LOCAL_COMMON_H

#include "crypto/seal.h"
#include "lite/lite.h"
#include "store/local/local.h"
#include "store/store_entry.h"

struct store_local {
	struct store store; /* first: what the caller holds */
	struct lite *db;
	struct secret *key;
	char *name;
	unsigned ring;
	const struct now *now;
	const struct random *random;
};

/* What lite gave, in the words of store.h; the reason then names the store. */
enum status store_local_translate(struct store_local *s, enum status st,
				  struct reason *why);

/* A statement whose ?1 is this text; ready for the other values, or run. */
enum status store_local_prepare(struct lite_tx *tx, const char *sql,
				const char *first, struct lite_stmt **ret,
				struct reason *why);
enum status store_local_run(struct lite_tx *tx, const char *sql,
			    const char *first, struct reason *why);

/* Members of struct store_ops. */
store_canary_fn store_local_canary;
store_describe_fn store_local_read_describe;
store_fetch_fn store_local_read_fetch;
store_stage_fn store_local_stage;
store_move_fn store_local_label_promote, store_local_label_retire;
store_withdraw_fn store_local_label_withdraw;

/* ---- the key ----------------------------------------------------------- */

/* Was the file at path sealed with s->key, which was read from key_path?  A
 * file without secrets is that key's from then on.  STATUS_CORRUPT: no. */
enum status store_local_key_check(struct store_local *s, const char *path,
				  const char *key_path, struct reason *why);

/* ---- sealing ----------------------------------------------------------- */

/* What is in the file is sealed with the store's key, for its place: the name of
 * its secret and its version's id are authenticated with it. */

#define STORE_LOCAL_BLOB_MAX (STORE_ENTRY_MAX + SEAL_OVERHEAD)

/* Seal a version for its place.  ret_blob has STORE_LOCAL_BLOB_MAX bytes, of
 * which *ret_n are used. */
enum status store_local_seal_close(struct store_local *s, const char *name,
				   const char *id, const struct secret *plain,
				   unsigned char *ret_blob, size_t *ret_n,
				   struct reason *why);

/* Open what store_local_seal_close() gave.  STATUS_CORRUPT: it was damaged, or
 * is that of another place.  *ret_plain: secret_free(). */
enum status store_local_seal_open(struct store_local *s, const char *name,
				  const char *id, const void *blob, size_t n,
				  struct secret **ret_plain,
				  struct reason *why);

/* Seal a text that is no secret, for the purpose that aad names.  ret_blob has
 * room for SEAL_OVERHEAD bytes more than the text. */
enum status store_local_seal_text(struct store_local *s, const char *aad,
				  const char *text, unsigned char *ret_blob,
				  size_t *ret_n, struct reason *why);

/* ---- rows -------------------------------------------------------------- */

/* A write on its way through the transaction. */
enum store_local_move {
	STORE_LOCAL_PROMOTE,
	STORE_LOCAL_RETIRE,
	STORE_LOCAL_WITHDRAW
};

struct store_local_change {
	struct store_local *s;
	const char *name;
	const char *revision;
	const char *id;
	enum store_local_move move; /* a label is moved */
	const unsigned char *blob;  /* stage: the sealed entry */
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
