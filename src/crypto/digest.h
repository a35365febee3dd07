/* SPDX-License-Identifier: PostgreSQL */
/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104), and the hash chain. */
#ifndef KEYTURN_DIGEST_H
#define KEYTURN_DIGEST_H

#include <stddef.h>

#include "base/secret.h"
#include "base/status.h"

#define DIGEST_SIZE 32

/* Hash of the concatenation of two byte strings (either may be NULL with 0). */
enum status digest_sha256(const void *a, size_t a_n, const void *b, size_t b_n,
			  unsigned char ret_hash[DIGEST_SIZE]);

/* hash = SHA-256(hash || s and its NUL), so that where one string ends and the next
 * begins counts. */
enum status digest_mix(unsigned char hash[DIGEST_SIZE], const char *s);

enum status digest_hmac(const struct secret *key, const void *p, size_t n,
			unsigned char ret_mac[DIGEST_SIZE]);

/*
 * Link of the audit chain: SHA-256(0x01 || prev || body).  The first event's
 * prev is 32 zero bytes.
 */
enum status digest_chain(const unsigned char prev[DIGEST_SIZE],
			 const void *body, size_t n,
			 unsigned char ret_hash[DIGEST_SIZE]);

#endif
