/* SPDX-License-Identifier: PostgreSQL */
/* Randomness behind an interface; crypto/entropy.h has the real one. */
#ifndef KEYTURN_RANDOM_H
#define KEYTURN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define RANDOM_UUID_SIZE 37 /* 36 characters and a NUL */

struct random {
	/* Fill p with n bytes; STATUS_ERROR if the source cannot. */
	enum status (*bytes)(void *self, void *p, size_t n);
	void *self;
};

enum status random_bytes(const struct random *r, void *p, size_t n);

/*
 * A uniform number in [0, bound), bound 1 to 256, by rejection sampling: no
 * modulo bias.  One byte is drawn per attempt.
 */
enum status random_below(const struct random *r, unsigned bound,
			 unsigned *ret_value);

/* A version 4 UUID (RFC 9562), lower case.  uuid has RANDOM_UUID_SIZE bytes. */
enum status random_uuid(const struct random *r, char *uuid);

#endif
