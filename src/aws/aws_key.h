/* SPDX-License-Identifier: PostgreSQL */
/* One set of AWS credentials. */
#ifndef KEYTURN_AWS_KEY_H
#define KEYTURN_AWS_KEY_H

#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"

#define AWS_KEY_ID_SIZE	   129
#define AWS_KEY_SECRET_MAX 256
#define AWS_KEY_TOKEN_MAX  16384

struct aws_key {
	char id[AWS_KEY_ID_SIZE];
	struct secret *secret;
	struct secret *token; /* NULL: a key of a user, not of a session */
	int64_t expires_us;   /* wall clock; 0: never */
};

/* Wipes and frees what k holds; k is zero afterwards. */
void aws_key_clear(struct aws_key *k);

/* ret is the caller's to clear; STATUS_NO_MEMORY. */
enum status aws_key_copy(const struct aws_key *k, struct aws_key *ret,
			 struct reason *why);

/*
 * Make one of its parts, which are k's afterwards, also on failure.
 * STATUS_CONFIG, saying which `origin`, when the id is no access key id or a
 * part is missing or holds a control character.  token and expires (RFC 3339)
 * may be NULL.
 */
enum status aws_key_make(const char *origin, const struct secret *id,
			 struct secret *secret, struct secret *token,
			 const char *expires, struct aws_key *ret,
			 struct reason *why);

#endif
