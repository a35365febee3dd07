/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the embedded store share; nobody else includes it.
 *
 * What is in the file is sealed with the store's key, for its place: the name
 * of its secret and its version's id are authenticated with it.
 */
#ifndef KEYTURN_STORE_LOCAL_INTERNAL_H
#define KEYTURN_STORE_LOCAL_INTERNAL_H

#include "crypto/seal.h"
#include "lite/lite.h"
#include "store/local/local.h"
#include "store/store_entry.h"

#define STORE_LOCAL_BLOB_MAX (STORE_ENTRY_MAX + SEAL_OVERHEAD)

struct store_local {
	struct store store; /* first: what the caller holds */
	struct lite *db;
	struct secret *key;
	char *name;
	unsigned ring;
	const struct now *now;
	const struct random *random;
};

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

/* --- store_local.c -------------------------------------------------------- */

/* What lite gave, in the words of store.h; the reason then names the store. */
enum status store_local_translate(struct store_local *s, enum status st,
				  struct reason *why);

/* STATUS_REFUSED unless it can be the name of a secret. */
enum status store_local_check_name(const char *name, struct reason *why);

/* STATUS_REFUSED unless it can be the id of a version. */
enum status store_local_check_id(const char *id, struct reason *why);

/* --- store_local_seal.c --------------------------------------------------- */

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

/* --- store_local_rows.c --------------------------------------------------- */

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

/* --- store_local_key.c ---------------------------------------------------- */

/* Was the file at path sealed with s->key, which was read from key_path?  A
 * file without secrets is that key's from then on.  STATUS_CORRUPT: no. */
enum status store_local_key_check(struct store_local *s, const char *path,
				  const char *key_path, struct reason *why);

/* --- the members of struct store_ops: see store.h ------------------------- */

enum status store_local_canary(struct store *store, struct reason *why);

enum status store_local_read_describe(struct store *store, const char *name,
				      struct store_state *ret_state,
				      struct reason *why);

enum status store_local_read_fetch(struct store *store, const char *name,
				   const char *id,
				   struct store_entry *ret_entry,
				   struct reason *why);

enum status store_local_stage(struct store *store, const char *name,
			      const char *revision, const char *id,
			      const struct store_entry *entry,
			      struct store_state *ret_state,
			      struct reason *why);

enum status store_local_label_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why);

enum status store_local_label_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why);

#endif
