/* SPDX-License-Identifier: PostgreSQL */
/*
 * AES-256-GCM with associated data, for secrets at rest (NIST SP 800-38D).
 * A sealed blob is: version byte 0x01, 12-byte random nonce, ciphertext, 16-byte
 * tag.  Random nonces bound one key to 2^32 seals; a store far below that.
 */
#ifndef KEYTURN_SEAL_H
#define KEYTURN_SEAL_H

#include <stddef.h>

#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"

#define SEAL_KEY_SIZE 32
#define SEAL_OVERHEAD (1 + 12 + 16)

/* The associated data: what a blob is bound to, such as its place. */
struct seal_aad {
	const void *bytes;
	size_t n;
};

/*
 * Seal plain under key (SEAL_KEY_SIZE bytes) bound to aad.  ret_blob has room
 * for secret_len(plain) + SEAL_OVERHEAD bytes; *ret_n is what was written.
 */
enum status seal_close(const struct secret *key, const struct random *r,
		       const struct seal_aad *aad, const struct secret *plain,
		       unsigned char *ret_blob, size_t *ret_n,
		       struct reason *why);

/*
 * Open a blob.  STATUS_CORRUPT when the key, the associated data or any byte
 * does not fit: which of them, cannot be told apart.  *ret_plain is the
 * caller's and untouched on failure.
 */
enum status seal_open(const struct secret *key, const struct seal_aad *aad,
		      const unsigned char *blob, size_t n,
		      struct secret **ret_plain, struct reason *why);

/*
 * Key files: 64 hex digits and a newline, mode 0600 (file_read_private()).
 * seal_key_create refuses to overwrite.
 */
enum status seal_key_create(const char *path, const struct random *r,
			    struct reason *why);
enum status seal_key_load(const char *path, struct secret **ret_key,
			  struct reason *why);

#endif
