/* SPDX-License-Identifier: PostgreSQL */
/* Ed25519 (RFC 8032) for audit checkpoints. */
#ifndef KEYTURN_SIGN_H
#define KEYTURN_SIGN_H

#include <stddef.h>

#include "base/reason.h"

#define SIGN_SIZE	 64
#define SIGN_PUBLIC_SIZE 32

struct sign_key; /* a private key */

/* Make a key pair: private PEM (PKCS#8) at path with mode 0600, public PEM at
 * path with ".pub" appended, mode 0644.  Refuses to overwrite either. */
enum status sign_key_create(const char *path, struct reason *why);

/* Load a private key file (private mode required). */
enum status sign_key_load(const char *path, struct sign_key **ret_key,
			  struct reason *why);
void sign_key_free(struct sign_key *k);

/* The raw public half. */
void sign_key_public(const struct sign_key *k,
		     unsigned char ret_public[SIGN_PUBLIC_SIZE]);

/* Load a public PEM. */
enum status sign_public_load(const char *path,
			     unsigned char ret_public[SIGN_PUBLIC_SIZE],
			     struct reason *why);

enum status sign_make(const struct sign_key *k, const void *p, size_t n,
		      unsigned char ret_signature[SIGN_SIZE]);

/* STATUS_OK, or STATUS_CORRUPT when the signature is not by that key. */
enum status sign_verify(const unsigned char public_key[SIGN_PUBLIC_SIZE],
			const void *p, size_t n,
			const unsigned char signature[SIGN_SIZE]);

#endif
