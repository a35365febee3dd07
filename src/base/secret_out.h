/* SPDX-License-Identifier: PostgreSQL */
/*
 * A secret that is made of pieces.  The first failure stays and later pieces are
 * ignored, as in struct text, so a caller asks once, at the end; and only a whole
 * secret can be taken out, never a truncated one.
 */
#ifndef KEYTURN_SECRET_OUT_H
#define KEYTURN_SECRET_OUT_H

#include "base/secret.h"

struct secret_out {
	struct secret *secret; /* not for the caller before it is taken out */
	enum status status;
};

/* Room for max bytes, 1 to SECRET_CAP_MAX. */
struct secret_out secret_out_make(size_t max);

void secret_out_bytes(struct secret_out *o, const void *p, size_t n);
void secret_out_text(struct secret_out *o, const char *s);
void secret_out_secret(struct secret_out *o, const struct secret *s);

/* Percent-encoded: RFC 3986's unreserved characters stay, and those of `also`. */
void secret_out_percent(struct secret_out *o, const void *p, size_t n,
			const char *also);

/*
 * The end: the secret, the caller's, if everything fitted; else STATUS_LIMIT or
 * STATUS_NO_MEMORY, or what the caller put into o->status, and what there was is
 * wiped.  o is not to be used any more.
 */
enum status secret_out_take(struct secret_out *o, struct secret **ret_secret);

#endif
