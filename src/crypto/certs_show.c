/* SPDX-License-Identifier: PostgreSQL */
/* A chain of certificates for people and machines; must never call one trusted that
 * was not verified. */
#include "crypto/certs_show.h"

#include <stdio.h>

#include "base/now.h"

#define DAY_US (24 * 3600 * NOW_SECOND)
/* A partner must be told of a new root; a server renews its own. */
#define ROOT_SOON_US (90 * DAY_US)
#define LEAF_SOON_US (10 * DAY_US)

static void day_of(int64_t us, char day[11])
{
	char stamp[NOW_STAMP_SIZE];

	snprintf(day, 11, "%.10s", now_stamp(us, stamp));
}

static void add_certificate(const struct certs *c, size_t i, struct text *t)
{
	const struct certs_certificate *x = &c->certificates[i];
	bool root = i + 1 == c->n && x->self_signed;
	char begins[11], ends[11];

	day_of(x->begins_us, begins);
	day_of(x->ends_us, ends);
	text_printf(t,
		    "%s: %s\n  issued by %s\n  valid %s to %s\n  SHA-256 %s\n",
		    i == 0 ? "server" :
		    root   ? "root" :
			     "intermediate",
		    x->subject, x->issuer, begins, ends, x->fingerprint);
	if (root && !x->sent)
		text_add(t,
			 "  not sent by the server: a client must have it\n");
}

void certs_show_json(const struct certs *c, struct text *t)
{
	char stamp[NOW_STAMP_SIZE];

	text_add(t, "{\"certificates\":[");
	for (size_t i = 0; i < c->n; i++) {
		const struct certs_certificate *x = &c->certificates[i];

		text_add(t, i > 0 ? ",{\"subject\":" : "{\"subject\":");
		text_add_json(t, x->subject);
		text_add(t, ",\"issuer\":");
		text_add_json(t, x->issuer);
		text_printf(t, ",\"sha256\":\"%s\",\"begins\":\"%s\"",
			    x->fingerprint, now_stamp(x->begins_us, stamp));
		text_printf(t, ",\"ends\":\"%s\",\"sent\":%s}",
			    now_stamp(x->ends_us, stamp),
			    x->sent ? "true" : "false");
	}
	text_printf(t, "],\"trusted\":%s,\"problem\":",
		    c->whole ? "true" : "false");
	text_add_json(t, c->problem);
	text_add(t, ",\"root\":");
	if (c->known)
		text_add_json(t, c->known);
	else
		text_add(t, "null");
	text_add(t, ",\"pem\":");
	text_add_json(t, c->pem);
	text_add(t, "}\n");
}

void certs_show_text(const struct certs *c, struct text *t)
{
	for (size_t i = 0; i < c->n; i++)
		add_certificate(c, i, t);
	if (c->known)
		text_printf(t, "The root is %s.\n", c->known);
	if (c->pretends)
		text_add(t, "The root is called like one of Let's Encrypt, and "
			    "is another: do not trust it.\n");
	if (!c->whole)
		text_printf(t, "It is not trusted here: %s.\n", c->problem);
	else
		text_add(t, "It is trusted here; --pem prints the root that a "
			    "partner must trust.\n");
}

void certs_show_ends(const struct certs *c, int64_t now_us,
		     certs_show_finding_fn *finding, void *arg)
{
	char sentence[256], day[11];

	if (c->n == 0)
		return;
	day_of(c->certificates[0].ends_us, day);
	if (c->certificates[0].ends_us - now_us < LEAF_SOON_US) {
		snprintf(sentence, sizeof(sentence),
			 "the server's certificate expires on %s; see that it "
			 "is renewed",
			 day);
		finding(arg, sentence);
	}
	day_of(c->certificates[c->n - 1].ends_us, day);
	if (c->n > 1 &&
	    c->certificates[c->n - 1].ends_us - now_us < ROOT_SOON_US) {
		snprintf(sentence, sizeof(sentence),
			 "the root certificate that partners trust expires on "
			 "%s; tell them of its successor (keyturn cluster ca)",
			 day);
		finding(arg, sentence);
	}
}
