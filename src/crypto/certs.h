/* SPDX-License-Identifier: PostgreSQL */
/* The certificates of a TLS peer, for people: who vouches for whom, until when. */
#ifndef KEYTURN_CERTS_H
#define KEYTURN_CERTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

#define CERTS_MAX	       8
#define CERTS_NAME_SIZE	       256
#define CERTS_FINGERPRINT_SIZE 96 /* "96:BC:...", SHA-256 */
#define CERTS_PEM_MAX	       16384

struct certs_certificate {
	char subject[CERTS_NAME_SIZE];
	char issuer[CERTS_NAME_SIZE];
	char fingerprint[CERTS_FINGERPRINT_SIZE];
	int64_t begins_us, ends_us; /* wall clock */
	bool self_signed;
	bool sent; /* by the server; the root usually is not */
};

struct certs {
	size_t n; /* the server's own first, the root last when `whole` */
	struct certs_certificate certificates[CERTS_MAX];
	bool whole;		 /* it ends in a root that is trusted here */
	char problem[128];	 /* why it is not, "" else */
	const char *known;	 /* "ISRG Root X1 ...", or NULL; static */
	bool pretends;		 /* named like a known root, and is another */
	char pem[CERTS_PEM_MAX]; /* of the root, "" when it is not known */
};

/*
 * Read the chain of an established TLS session.  `ssl` is OpenSSL's handle, as
 * libpq gives it; ca_file a PEM file of roots, or "system".  The host's name is
 * not compared, that is libpq's.
 */
enum status certs_read(void *ssl, const char *ca_file, struct certs *ret,
		       struct reason *why);

#endif
