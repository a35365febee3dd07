/* SPDX-License-Identifier: PostgreSQL */
/* Puts secrets together in locked memory; must never hand out a part of one. */
#include "base/secret_out.h"

#include <stdbool.h>
#include <string.h>

struct secret_out secret_out_make(size_t max)
{
	struct secret_out o = { .secret = NULL };

	o.status = secret_new(max, &o.secret);
	return o;
}

void secret_out_bytes(struct secret_out *o, const void *p, size_t n)
{
	if (o->status == STATUS_OK)
		o->status = secret_append(o->secret, p, n);
}

void secret_out_text(struct secret_out *o, const char *s)
{
	secret_out_bytes(o, s, strlen(s));
}

void secret_out_secret(struct secret_out *o, const struct secret *s)
{
	secret_out_bytes(o, secret_bytes(s), secret_len(s));
}

void secret_out_percent(struct secret_out *o, const void *p, size_t n,
			const char *also)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";
	const unsigned char *c = p;
	char code[3] = "%";

	for (size_t i = 0; i < n; i++) {
		bool stays = c[i] &&
			     (strchr(unreserved, c[i]) || strchr(also, c[i]));

		code[1] = hex[c[i] >> 4];
		code[2] = hex[c[i] & 15];
		secret_out_bytes(o, stays ? (const char *)&c[i] : code,
				 stays ? 1 : 3);
	}
	secret_wipe(code, sizeof(code));
}

enum status secret_out_take(struct secret_out *o, struct secret **ret_secret)
{
	if (o->status == STATUS_OK)
		*ret_secret = o->secret;
	else
		secret_free(o->secret);
	o->secret = NULL;
	return o->status;
}
