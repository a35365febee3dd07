/* SPDX-License-Identifier: PostgreSQL */
#include "authority.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define NEED(x)                                              \
	do {                                                 \
		if (!(x)) {                                  \
			fprintf(stderr, "failed: %s\n", #x); \
			abort();                             \
		}                                            \
	} while (0)

static void add(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *e;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	NEED(e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value));
	NEED(X509_add_ext(x, e, -1));
	X509_EXTENSION_free(e);
}

static X509 *new_certificate(const char *name, EVP_PKEY *key, long seconds)
{
	static long serial = 1000;
	X509 *x = X509_new();

	NEED(x);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	X509_gmtime_adj(X509_getm_notAfter(x), seconds);
	X509_set_pubkey(x, key);
	NEED(X509_NAME_add_entry_by_txt(
		X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0));
	return x;
}

static FILE *file(const char *folder, const char *name, const char *end,
		  const char *mode)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s%s", folder, name, end);
	if (*mode == 'w') {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		NEED(fd >= 0);
		NEED(f = fdopen(fd, mode));
		return f;
	}
	NEED(f = fopen(path, mode));
	return f;
}

static void save(const char *folder, const char *name, X509 *x, EVP_PKEY *key)
{
	FILE *f = file(folder, name, ".crt", "w");

	NEED(PEM_write_X509(f, x));
	fclose(f);
	f = file(folder, name, ".key", "w");
	NEED(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
	fclose(f);
}

void authority_make(const char *folder, const char *name)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = new_certificate(name, key, 86400);

	X509_set_issuer_name(x, X509_get_subject_name(x));
	add(x, x, NID_basic_constraints, "critical,CA:TRUE");
	add(x, x, NID_subject_key_identifier, "hash");
	NEED(X509_sign(x, key, EVP_sha256()));
	save(folder, name, x, key);
	X509_free(x);
	EVP_PKEY_free(key);
}

void authority_issue(const char *folder, const char *by, const char *name,
		     const char *subject_alt, long seconds)
{
	EVP_PKEY *key = EVP_EC_gen("P-256"), *ca_key;
	X509 *x = new_certificate(name, key, seconds), *ca;
	FILE *f = file(folder, by, ".crt", "r");

	NEED(ca = PEM_read_X509(f, NULL, NULL, NULL));
	fclose(f);
	f = file(folder, by, ".key", "r");
	NEED(ca_key = PEM_read_PrivateKey(f, NULL, NULL, NULL));
	fclose(f);
	X509_set_issuer_name(x, X509_get_subject_name(ca));
	add(x, ca, NID_subject_alt_name, subject_alt);
	NEED(X509_sign(x, ca_key, EVP_sha256()));
	save(folder, name, x, key);
	X509_free(x);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
}
