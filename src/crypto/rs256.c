/* SPDX-License-Identifier: PostgreSQL */
/* RSA signatures; must never keep the key for longer than one signature takes,
 * nor ask anybody for a passphrase. */
#include "crypto/rs256.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "crypto/no_passphrase.h"

#define BITS_MIN 2048
#define BITS_MAX (RS256_SIGNATURE_MAX * 8)

static EVP_PKEY *load(const struct secret *pem)
{
	BIO *bio = BIO_new_mem_buf(secret_bytes(pem), (int)secret_len(pem));
	EVP_PKEY *key = NULL;

	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	return key;
}

static enum status sign_bytes(EVP_PKEY *key, const void *p, size_t n,
			      unsigned char *ret, size_t *ret_n,
			      struct reason *why)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = RS256_SIGNATURE_MAX;
	enum status s = STATUS_OK;

	/* Padding version 1.5 is the default. */
	if (!ctx ||
	    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
	    EVP_DigestSign(ctx, ret, &size, p, n) != 1) {
		ERR_clear_error();
		s = reason_set(why, STATUS_ERROR, "OpenSSL cannot sign");
	}
	EVP_MD_CTX_free(ctx);
	if (s == STATUS_OK)
		*ret_n = size;
	return s;
}

enum status rs256_sign(const struct secret *pem, const void *p, size_t n,
		       unsigned char ret_signature[RS256_SIGNATURE_MAX],
		       size_t *ret_n, struct reason *why)
{
	EVP_PKEY *key = load(pem);
	enum status s;

	if (!key || !EVP_PKEY_is_a(key, "RSA") ||
	    EVP_PKEY_get_bits(key) < BITS_MIN ||
	    EVP_PKEY_get_bits(key) > BITS_MAX) {
		ERR_clear_error();
		s = reason_set(why, STATUS_CONFIG,
			       "it is not a private RSA key of %d to %d bits "
			       "without a passphrase",
			       BITS_MIN, BITS_MAX);
	} else
		s = sign_bytes(key, p, n, ret_signature, ret_n, why);
	EVP_PKEY_free(key);
	return s;
}
