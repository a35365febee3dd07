/* SPDX-License-Identifier: PostgreSQL */
/* Writes a form of a credential into locked memory.  The first failure stays,
 * later writes do nothing. */
#ifndef KEYTURN_FORMAT_OUT_H
#define KEYTURN_FORMAT_OUT_H

#include "base/lookup.h"
#include "base/secret.h"

struct format_out {
	struct secret *bytes; /* with room for everything */
	enum status failed;
};

void format_out_bytes(struct format_out *o, const char *s, size_t n);
void format_out_text(struct format_out *o, const char *s);

/* The value, with a backslash before each byte of special. */
void format_out_escaped(struct format_out *o, struct lookup_part v,
			const char *special);

/*
 * Members of a JSON object, which the first one opens and format_out_text(o, "}")
 * closes.  A key needs no escape; a value must be UTF-8 without control
 * characters.
 */
void format_out_key(struct format_out *o, const char *key);
void format_out_member(struct format_out *o, const char *key,
		       struct lookup_part v);

/* For format_out_member(). */
struct lookup_part format_out_part(const char *s);
struct lookup_part format_out_secret(const struct secret *s);

#endif
