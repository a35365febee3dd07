/* SPDX-License-Identifier: PostgreSQL */
/* Reads certificates out of PEM; must never ask for a passphrase. */
#include "crypto/certs_pem.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "crypto/no_passphrase.h"

enum status certs_pem_fingerprint(const char *pem, size_t n,
				  char ret[CERTS_FINGERPRINT_SIZE],
				  struct reason *why)
{
	BIO *bio = n > INT_MAX ? NULL : BIO_new_mem_buf(pem, (int)n);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) :
			NULL;
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	enum status s = STATUS_OK;

	if (!x || X509_digest(x, EVP_sha256(), md, &size) != 1)
		s = reason_set(why, STATUS_CONFIG,
			       "there is no certificate in it");
	for (unsigned i = 0; s == STATUS_OK && i < size && i < 32; i++)
		snprintf(ret + (size_t)3 * i, 4, "%02X%s", md[i],
			 i + 1 < size ? ":" : "");
	X509_free(x);
	BIO_free(bio);
	return s;
}
