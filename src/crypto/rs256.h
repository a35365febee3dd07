/* SPDX-License-Identifier: PostgreSQL */
/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3, "RS256"): how a
 * service account signs what it says of itself. */
#ifndef KEYTURN_RS256_H
#define KEYTURN_RS256_H

#include <stddef.h>

#include "base/reason.h"
#include "base/secret.h"

#define RS256_SIGNATURE_MAX 1024 /* an RSA key of 8192 bits */

/*
 * Sign n bytes at p with the private RSA key in pem (PKCS#8 or PKCS#1, without
 * a passphrase).  STATUS_CONFIG when it is none, or has less than 2048 or more
 * than 8192 bits.
 */
enum status rs256_sign(const struct secret *pem, const void *p, size_t n,
		       unsigned char ret_signature[RS256_SIGNATURE_MAX],
		       size_t *ret_n, struct reason *why);

#endif
