/* SPDX-License-Identifier: PostgreSQL */
/* Ed25519 signatures; must never keep the private half outside of locked
 * memory for longer than one signature takes. */
#include "crypto/sign.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/text.h"
#include "crypto/no_passphrase.h"

#define ALGORITHM    "ED25519"
#define PRIVATE_SIZE 32
#define PEM_MAX	     4096

struct sign_key {
	struct secret *private_half; /* PRIVATE_SIZE raw bytes */
	unsigned char public_half[SIGN_PUBLIC_SIZE];
};

static enum status openssl_failed(struct reason *why, const char *act)
{
	ERR_clear_error();
	return reason_set(why, STATUS_ERROR, "OpenSSL cannot %s", act);
}

/* Write what a memory BIO holds to a new file.  BIO_free() wipes it. */
static enum status save_key(BIO *bio, const char *path, mode_t mode,
			    struct reason *why)
{
	char *bytes = NULL;
	long n = BIO_get_mem_data(bio, &bytes);

	return file_create(path, bytes, n > 0 ? (size_t)n : 0, mode, why);
}

static enum status save_pair(EVP_PKEY *pair, const char *path,
			     const char *public_path, struct reason *why)
{
	BIO *private_pem = BIO_new(BIO_s_mem());
	BIO *public_pem = BIO_new(BIO_s_mem());
	enum status s;

	if (private_pem == NULL || public_pem == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(private_pem, pair, NULL, NULL, 0,
					  NULL, NULL) != 1 ||
	    PEM_write_bio_PUBKEY(public_pem, pair) != 1) {
		s = openssl_failed(why, "write a key as PEM");
		goto out;
	}
	s = save_key(private_pem, path, 0600, why);
	if (s != STATUS_OK)
		goto out;
	s = save_key(public_pem, public_path, 0644, why);
	if (s != STATUS_OK)
		unlink(path); /* ours, and of no use alone */
out:
	BIO_free(private_pem);
	BIO_free(public_pem);
	return s;
}

enum status sign_key_create(const char *path, struct reason *why)
{
	char public_path[PATH_MAX];
	EVP_PKEY *pair = NULL;
	enum status s;
	int n;

	n = snprintf(public_path, sizeof(public_path), "%s.pub", path);
	if (n < 0 || (size_t)n >= sizeof(public_path))
		return reason_set(why, STATUS_LIMIT,
				  "the file name %s is too long", path);
	/* file_create() refuses both anyway; this keeps a stray .pub from
	 * costing a private key that is removed again. */
	if (access(public_path, F_OK) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "%s exists; it is not overwritten",
				  public_path);
	pair = EVP_PKEY_Q_keygen(NULL, NULL, ALGORITHM);
	if (pair == NULL)
		return openssl_failed(why, "make an Ed25519 key");
	s = save_pair(pair, path, public_path, why);
	EVP_PKEY_free(pair);
	return s;
}

static enum status not_a_key(struct reason *why, const char *path,
			     const char *half)
{
	ERR_clear_error();
	return reason_set(why, STATUS_CONFIG,
			  "%s holds no %s Ed25519 key in PEM form without a "
			  "passphrase",
			  path, half);
}

static enum status key_from(EVP_PKEY *pair, struct sign_key **ret_key,
			    struct reason *why)
{
	size_t private_n = PRIVATE_SIZE, public_n = SIGN_PUBLIC_SIZE;
	struct sign_key *k = NULL;
	enum status s = STATUS_NO_MEMORY;

	k = calloc(1, sizeof(*k));
	if (k != NULL)
		s = secret_new(PRIVATE_SIZE, &k->private_half);
	if (s != STATUS_OK) {
		reason_set(why, s, "no memory for a signing key");
		goto out;
	}
	if (EVP_PKEY_get_raw_private_key(pair, secret_buffer(k->private_half),
					 &private_n) != 1 ||
	    private_n != PRIVATE_SIZE ||
	    EVP_PKEY_get_raw_public_key(pair, k->public_half, &public_n) != 1 ||
	    public_n != SIGN_PUBLIC_SIZE) {
		s = openssl_failed(why, "take an Ed25519 key apart");
		goto out;
	}
	secret_set_len(k->private_half, PRIVATE_SIZE);
	*ret_key = k;
	k = NULL;
out:
	sign_key_free(k);
	return s;
}

enum status sign_key_load(const char *path, struct sign_key **ret_key,
			  struct reason *why)
{
	struct secret *pem = NULL;
	EVP_PKEY *pair = NULL;
	BIO *bio = NULL;
	enum status s;

	s = file_read_private(path, PEM_MAX, &pem, why);
	if (s != STATUS_OK)
		return s;
	bio = BIO_new_mem_buf(secret_bytes(pem), (int)secret_len(pem));
	if (bio != NULL)
		pair = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (pair == NULL || !EVP_PKEY_is_a(pair, ALGORITHM))
		s = not_a_key(why, path, "private");
	else
		s = key_from(pair, ret_key, why);
	EVP_PKEY_free(pair);
	BIO_free(bio);
	secret_free(pem);
	return s;
}

void sign_key_free(struct sign_key *k)
{
	if (k == NULL)
		return;
	secret_free(k->private_half);
	free(k);
}

void sign_key_public(const struct sign_key *k,
		     unsigned char ret_public[SIGN_PUBLIC_SIZE])
{
	memcpy(ret_public, k->public_half, SIGN_PUBLIC_SIZE);
}

enum status sign_public_load(const char *path,
			     unsigned char ret_public[SIGN_PUBLIC_SIZE],
			     struct reason *why)
{
	unsigned char raw[SIGN_PUBLIC_SIZE];
	struct text pem = text_make(PEM_MAX);
	size_t n = sizeof(raw);
	EVP_PKEY *key = NULL;
	BIO *bio = NULL;
	enum status s;

	s = file_read(path, &pem, why);
	if (s != STATUS_OK)
		goto out;
	bio = BIO_new_mem_buf(text_str(&pem), (int)pem.len);
	if (bio != NULL)
		key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	if (key == NULL || !EVP_PKEY_is_a(key, ALGORITHM) ||
	    EVP_PKEY_get_raw_public_key(key, raw, &n) != 1 ||
	    n != sizeof(raw)) {
		s = not_a_key(why, path, "public");
		goto out;
	}
	memcpy(ret_public, raw, sizeof(raw));
out:
	EVP_PKEY_free(key);
	BIO_free(bio);
	text_free(&pem);
	return s;
}

enum status sign_make(const struct sign_key *k, const void *p, size_t n,
		      unsigned char ret_signature[SIGN_SIZE])
{
	const struct secret *half = k->private_half;
	unsigned char signature[SIGN_SIZE];
	size_t signature_n = sizeof(signature);
	EVP_PKEY *key = NULL;
	EVP_MD_CTX *ctx = NULL;
	enum status s = STATUS_ERROR;

	key = EVP_PKEY_new_raw_private_key_ex(
		NULL, ALGORITHM, NULL,
		(const unsigned char *)secret_bytes(half), secret_len(half));
	ctx = EVP_MD_CTX_new();
	if (key != NULL && ctx != NULL &&
	    EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) ==
		    1 &&
	    EVP_DigestSign(ctx, signature, &signature_n, n > 0 ? p : "", n) ==
		    1 &&
	    signature_n == SIGN_SIZE) {
		memcpy(ret_signature, signature, SIGN_SIZE);
		s = STATUS_OK;
	} else {
		ERR_clear_error();
	}
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return s;
}

enum status sign_verify(const unsigned char public_key[SIGN_PUBLIC_SIZE],
			const void *p, size_t n,
			const unsigned char signature[SIGN_SIZE])
{
	EVP_PKEY *key = NULL;
	EVP_MD_CTX *ctx = NULL;
	enum status s = STATUS_ERROR;

	key = EVP_PKEY_new_raw_public_key_ex(NULL, ALGORITHM, NULL, public_key,
					     SIGN_PUBLIC_SIZE);
	ctx = EVP_MD_CTX_new();
	if (key == NULL || ctx == NULL ||
	    EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) !=
		    1)
		goto out;
	/* Whatever is not a plain yes is a no, public keys that are no point
	 * of the curve included. */
	s = EVP_DigestVerify(ctx, signature, SIGN_SIZE, n > 0 ? p : "", n) ==
			    1 ?
		    STATUS_OK :
		    STATUS_CORRUPT;
out:
	if (s != STATUS_OK)
		ERR_clear_error();
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return s;
}
