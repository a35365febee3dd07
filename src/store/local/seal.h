/* SPDX-License-Identifier: PostgreSQL */
/* What is in the file is sealed with the store's key, for its place: the name
 * of its secret and its version's id are authenticated with it. */
#ifndef KEYTURN_STORE_LOCAL_SEAL_H
#define KEYTURN_STORE_LOCAL_SEAL_H

#include "crypto/seal.h"
#include "store/local/common.h"
#include "store/store_entry.h"

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

#endif
