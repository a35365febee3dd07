/* SPDX-License-Identifier: PostgreSQL */
/* Writes a form of a credential; must never leave a copy of it elsewhere. */
#include "format/format_out.h"

#include <string.h>

void format_out_bytes(struct format_out *o, const char *s, size_t n)
{
	if (o->failed == STATUS_OK)
		o->failed = secret_append(o->bytes, s, n);
}

void format_out_text(struct format_out *o, const char *s)
{
	format_out_bytes(o, s, strlen(s));
}

void format_out_escaped(struct format_out *o, struct lookup_part v,
			const char *special)
{
	for (size_t i = 0; i < v.n; i++) {
		if (strchr(special, v.s[i]) != NULL)
			format_out_text(o, "\\");
		format_out_bytes(o, &v.s[i], 1);
	}
}

void format_out_key(struct format_out *o, const char *key)
{
	format_out_text(o, secret_len(o->bytes) == 0 ? "{\"" : ",\"");
	format_out_text(o, key);
	format_out_text(o, "\":");
}

void format_out_member(struct format_out *o, const char *key,
		       struct lookup_part v)
{
	format_out_key(o, key);
	format_out_text(o, "\"");
	format_out_escaped(o, v, "\"\\");
	format_out_text(o, "\"");
}

struct lookup_part format_out_part(const char *s)
{
	return (struct lookup_part){ s, strlen(s) };
}

struct lookup_part format_out_secret(const struct secret *s)
{
	return (struct lookup_part){ secret_bytes(s), secret_len(s) };
}
