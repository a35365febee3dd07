/* SPDX-License-Identifier: PostgreSQL */
/* What certs_read() found, for people and machines. */
#ifndef KEYTURN_CERTS_SHOW_H
#define KEYTURN_CERTS_SHOW_H

#include <stdint.h>

#include "base/text.h"
#include "crypto/certs.h"

/* One paragraph a certificate and whether they are trusted here; the same as one
 * line of JSON. */
void certs_show_text(const struct certs *c, struct text *t);
void certs_show_json(const struct certs *c, struct text *t);

/* A sentence for each that ends soon: a server's in 10 days, a root in 90. */
typedef void certs_show_finding_fn(void *arg, const char *sentence);
void certs_show_ends(const struct certs *c, int64_t now_us,
		     certs_show_finding_fn *finding, void *arg);

#endif
