/* SPDX-License-Identifier: PostgreSQL */
/*
 * The SCRAM-SHA-256 verifier as PostgreSQL stores it in pg_authid.rolpassword
 * (RFC 5802, RFC 7677): SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
 *
 * libpq's PQencryptPasswordConn() picks a random salt each time; PgBouncer's
 * pass-through needs the identical verifier on a retry (rotation-safety.md
 * finding 10), so the salt here is ours.
 */
#ifndef KEYTURN_SCRAM_H
#define KEYTURN_SCRAM_H

#include <stdbool.h>

#include "base/reason.h"
#include "base/secret.h"

#define SCRAM_SALT_SIZE		 16
#define SCRAM_VERIFIER_MAX	 256
#define SCRAM_ITERATIONS_DEFAULT 4096
#define SCRAM_ITERATIONS_MIN	 4096
#define SCRAM_ITERATIONS_MAX	 1000000

/*
 * The salt of a version: the first 16 bytes of SHA-256("keyturn scram salt 1"
 * || version id).  A version id is a random UUID used once, so the salt is
 * unique; a salt need not be secret.
 */
enum status scram_salt(const char *version_id,
		       unsigned char ret_salt[SCRAM_SALT_SIZE]);

/*
 * Build the verifier for a printable-ASCII password (1 to 512 bytes; anything
 * else is STATUS_REFUSED, since SASLprep could change it).  The verifier comes
 * back as a secret of at most SCRAM_VERIFIER_MAX bytes, already checked with
 * scram_parse().
 */
enum status scram_verifier(const struct secret *password,
			   const unsigned char *salt, size_t salt_n,
			   unsigned iterations, struct secret **ret_verifier,
			   struct reason *why);

/* Is s a verifier PostgreSQL would take as one, and not hash as if it were a
 * password (rotation-safety.md X14)? */
bool scram_parse(const char *s, size_t n, unsigned *ret_iterations);

#endif
