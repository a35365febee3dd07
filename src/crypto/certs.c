/* SPDX-License-Identifier: PostgreSQL */
/* Reads a peer's certificates; must never decide whether a session may go on:
 * libpq has done that, or nothing was sent over it. */
#include "crypto/certs.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/now.h"
#include "base/text.h"

/* Roots that partners meet with Lakebase and Neon. */
static const struct {
	const char *name, *fingerprint, *says;
} known[] = {
	{ "ISRG Root X1",
	  "96:BC:EC:06:26:49:76:F3:74:60:77:9A:CF:28:C5:A7:CF:E8:A3:C0:AA:E1:"
	  "1A:8F:FC:EE:05:C0:BD:DF:08:C6",
	  "ISRG Root X1 of Let's Encrypt, which Lakebase uses" },
	{ "ISRG Root X2",
	  "69:72:9B:8E:15:A8:6E:FC:17:7A:57:AF:B7:17:1D:FC:64:AD:D2:8C:2F:CA:"
	  "8C:F1:50:7E:34:45:3C:CB:14:70",
	  "ISRG Root X2 of Let's Encrypt" },
};

static void name_of(const X509_NAME *name, char out[CERTS_NAME_SIZE])
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;
	long n = 0;

	out[0] = '\0';
	if (bio &&
	    X509_NAME_print_ex(bio, name, 0,
			       XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		n = BIO_get_mem_data(bio, &bytes);
	/* A certificate's text is a stranger's. */
	if (n > 0)
		text_escape(out, CERTS_NAME_SIZE, bytes, (size_t)n);
	BIO_free(bio);
}

static int64_t time_of(const ASN1_TIME *t)
{
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm) * NOW_SECOND;
}

static void fingerprint_of(const X509 *x, char out[CERTS_FINGERPRINT_SIZE])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	out[0] = '\0';
	if (X509_digest(x, EVP_sha256(), md, &n) != 1)
		return;
	for (unsigned i = 0; i < n && i < 32; i++)
		snprintf(out + (size_t)3 * i, 4, "%02X%s", md[i],
			 i + 1 < n ? ":" : "");
}

static void add_certificate(struct certs *c, X509 *x, bool sent)
{
	struct certs_certificate *to;

	if (c->n == CERTS_MAX)
		return;
	to = &c->certificates[c->n++];
	name_of(X509_get_subject_name(x), to->subject);
	name_of(X509_get_issuer_name(x), to->issuer);
	fingerprint_of(x, to->fingerprint);
	to->begins_us = time_of(X509_get0_notBefore(x));
	to->ends_us = time_of(X509_get0_notAfter(x));
	to->self_signed = X509_check_issued(x, x) == X509_V_OK;
	to->sent = sent;
}

static void keep_pem(struct certs *c, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes = NULL;
	long n = 0;

	if (bio && PEM_write_bio_X509(bio, x) == 1)
		n = BIO_get_mem_data(bio, &bytes);
	if (n > 0 && (size_t)n < sizeof(c->pem)) {
		memcpy(c->pem, bytes, (size_t)n);
		c->pem[n] = '\0';
	}
	BIO_free(bio);
}

static void judge_root(struct certs *c)
{
	const struct certs_certificate *root;
	char wanted[64];

	if (c->n == 0)
		return;
	root = &c->certificates[c->n - 1];
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		snprintf(wanted, sizeof(wanted), "CN=%s", known[i].name);
		if (strcmp(root->fingerprint, known[i].fingerprint) == 0)
			c->known = known[i].says;
		else if (root->self_signed &&
			 strncmp(root->subject, wanted, strlen(wanted)) == 0)
			c->pretends = true;
	}
}

static bool was_sent(STACK_OF(X509) * sent, const X509 *x)
{
	for (int i = 0; i < sk_X509_num(sent); i++)
		if (X509_cmp(sk_X509_value(sent, i), x) == 0)
			return true;
	return false;
}

/* As far as it can be built from what was sent and what is trusted here. */
static void fill_chain(struct certs *c, X509_STORE_CTX *ctx,
		       STACK_OF(X509) * sent)
{
	STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(ctx);
	X509 *last = NULL;

	if (!built || sk_X509_num(built) == 0)
		built = sent;
	for (int i = 0; i < sk_X509_num(built); i++) {
		last = sk_X509_value(built, i);
		add_certificate(c, last, was_sent(sent, last));
	}
	if (c->n > 0 && c->n < CERTS_MAX &&
	    c->certificates[c->n - 1].self_signed)
		keep_pem(c, last);
	judge_root(c);
}

enum status certs_read(void *ssl, const char *ca_file, struct certs *ret,
		       struct reason *why)
{
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	enum status s = STATUS_OK;
	int good;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	if (!sent || sk_X509_num(sent) == 0) {
		s = reason_set(why, STATUS_REFUSED,
			       "the server shows no certificate");
		goto out;
	}
	if (!store || !ctx ||
	    X509_STORE_CTX_init(ctx, store, sk_X509_value(sent, 0), sent) !=
		    1) {
		s = reason_no_memory(why);
		goto out;
	}
	if (strcmp(ca_file, "system") == 0)
		(void)X509_STORE_set_default_paths(store);
	else
		(void)X509_STORE_load_locations(store, ca_file, NULL);
	X509_STORE_CTX_set_default(ctx, "ssl_server");
	good = X509_verify_cert(ctx);
	ret->whole = good == 1;
	if (!ret->whole)
		snprintf(ret->problem, sizeof(ret->problem), "%s",
			 X509_verify_cert_error_string(
				 X509_STORE_CTX_get_error(ctx)));
	fill_chain(ret, ctx, sent);
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return s;
}
