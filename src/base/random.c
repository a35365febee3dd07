/* SPDX-License-Identifier: PostgreSQL */
/* Numbers and ids from a source of randomness; must never favour a value. */
#include "base/random.h"

#include "base/encode.h"
#include "base/secret.h"

/* The chance that a sound source needs more draws is below 2^-256: half of all
 * bytes are accepted in the worst case.  A stuck source must not hang us. */
#define DRAWS_MAX 256

enum status random_bytes(const struct random *r, void *p, size_t n)
{
	return r->bytes(r->self, p, n);
}

enum status random_below(const struct random *r, unsigned bound,
			 unsigned *ret_value)
{
	enum status s = STATUS_ERROR;
	unsigned char byte = 0;
	unsigned limit;
	int i;

	if (bound == 0 || bound > 256)
		return STATUS_ERROR;
	limit = 256 - 256 % bound;
	for (i = 0; i < DRAWS_MAX; i++) {
		s = random_bytes(r, &byte, 1);
		if (s != STATUS_OK)
			goto out;
		if (byte < limit) {
			*ret_value = byte % bound;
			goto out;
		}
	}
	s = STATUS_ERROR;
out:
	secret_wipe(&byte, sizeof(byte));
	return s;
}

enum status random_uuid(const struct random *r, char *uuid)
{
	static const size_t groups[] = { 4, 2, 2, 2, 6 };
	unsigned char b[16];
	size_t i, from = 0;
	char *to = uuid;
	enum status s;

	s = random_bytes(r, b, sizeof(b));
	if (s != STATUS_OK)
		return s;
	b[6] = (unsigned char)((b[6] & 0x0F) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3F) | 0x80);
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		encode_hex(b + from, groups[i], to);
		from += groups[i];
		to += 2 * groups[i];
		if (from < sizeof(b))
			*to++ = '-';
	}
	return STATUS_OK;
}
