/* SPDX-License-Identifier: PostgreSQL */
/* OpenSSL's private random generator; must never fall back to another one. */
#include "crypto/entropy.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>

static enum status fill_bytes(void *self, void *p, size_t n)
{
	(void)self;
	if (n > INT_MAX)
		return STATUS_LIMIT;
	if (RAND_priv_bytes(p, (int)n) != 1) {
		ERR_clear_error();
		return STATUS_ERROR;
	}
	return STATUS_OK;
}

const struct random *entropy_openssl(void)
{
	static const struct random source = { fill_bytes, NULL };

	return &source;
}
