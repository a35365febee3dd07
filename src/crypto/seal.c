/* SPDX-License-Identifier: PostgreSQL */
/* AES-256-GCM for secrets at rest; must never hand out a byte of plaintext
 * before the tag was checked. */
#include "crypto/seal.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"

#define BLOB_VERSION 0x01
#define NONCE_SIZE   12
#define TAG_SIZE     16
#define KEY_FILE_MAX 4096

static enum status check_key(const struct secret *key, size_t aad_n,
			     struct reason *why)
{
	if (secret_len(key) != SEAL_KEY_SIZE)
		return reason_set(why, STATUS_ERROR,
				  "a sealing key has %d bytes, this one %zu",
				  SEAL_KEY_SIZE, secret_len(key));
	if (aad_n > INT_MAX)
		return reason_set(why, STATUS_LIMIT,
				  "too many bytes of associated data: %zu",
				  aad_n);
	return STATUS_OK;
}

static enum status openssl_failed(struct reason *why, const char *act)
{
	ERR_clear_error();
	return reason_set(why, STATUS_ERROR,
			  "OpenSSL cannot %s with "
			  "AES-256-GCM",
			  act);
}

enum status seal_close(const struct secret *key, const struct random *r,
		       const struct seal_aad *aad, const struct secret *plain,
		       unsigned char *ret_blob, size_t *ret_n,
		       struct reason *why)
{
	const unsigned char *k = (const unsigned char *)secret_bytes(key);
	const unsigned char *in = (const unsigned char *)secret_bytes(plain);
	unsigned char nonce[NONCE_SIZE], tag[TAG_SIZE];
	size_t n = secret_len(plain);
	unsigned char *sealed = ret_blob + 1 + NONCE_SIZE;
	EVP_CIPHER_CTX *ctx = NULL;
	enum status s;
	int len;

	s = check_key(key, aad->n, why);
	if (s != STATUS_OK)
		return s;
	s = random_bytes(r, nonce, sizeof(nonce));
	if (s != STATUS_OK)
		return reason_set(why, s, "no randomness for a nonce");
	ctx = EVP_CIPHER_CTX_new();
	/* GCM is a stream: the ciphertext is as long as the plaintext, and the
	 * final call adds nothing. */
	if (ctx == NULL ||
	    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k, nonce) != 1 ||
	    (aad->n > 0 && EVP_EncryptUpdate(ctx, NULL, &len, aad->bytes,
					     (int)aad->n) != 1) ||
	    (n > 0 && EVP_EncryptUpdate(ctx, sealed, &len, in, (int)n) != 1) ||
	    EVP_EncryptFinal_ex(ctx, tag, &len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) !=
		    1) {
		s = openssl_failed(why, "seal");
		goto out;
	}
	ret_blob[0] = BLOB_VERSION;
	memcpy(ret_blob + 1, nonce, NONCE_SIZE);
	memcpy(sealed + n, tag, TAG_SIZE);
	*ret_n = n + SEAL_OVERHEAD;
out:
	EVP_CIPHER_CTX_free(ctx);
	return s;
}

enum status seal_open(const struct secret *key, const struct seal_aad *aad,
		      const unsigned char *blob, size_t n,
		      struct secret **ret_plain, struct reason *why)
{
	const unsigned char *k = (const unsigned char *)secret_bytes(key);
	const unsigned char *nonce, *sealed;
	unsigned char tag[TAG_SIZE];
	EVP_CIPHER_CTX *ctx = NULL;
	struct secret *plain = NULL;
	size_t plain_n;
	enum status s;
	int len;

	s = check_key(key, aad->n, why);
	if (s != STATUS_OK)
		return s;
	if (n < SEAL_OVERHEAD || n > SECRET_CAP_MAX + SEAL_OVERHEAD ||
	    blob[0] != BLOB_VERSION)
		return reason_set(why, STATUS_CORRUPT,
				  "a sealed secret has a wrong form or length");
	plain_n = n - SEAL_OVERHEAD;
	nonce = blob + 1;
	sealed = nonce + NONCE_SIZE;
	memcpy(tag, sealed + plain_n, TAG_SIZE);
	s = secret_new(plain_n > 0 ? plain_n : 1, &plain);
	if (s != STATUS_OK)
		return reason_set(why, s, "no locked memory for a secret");
	ctx = EVP_CIPHER_CTX_new();
	if (ctx == NULL ||
	    EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k, nonce) != 1 ||
	    (aad->n > 0 && EVP_DecryptUpdate(ctx, NULL, &len, aad->bytes,
					     (int)aad->n) != 1) ||
	    (plain_n > 0 && EVP_DecryptUpdate(ctx, secret_buffer(plain), &len,
					      sealed, (int)plain_n) != 1) ||
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) !=
		    1) {
		s = openssl_failed(why, "open");
		goto out;
	}
	if (EVP_DecryptFinal_ex(ctx, tag, &len) != 1) {
		ERR_clear_error();
		s = reason_set(why, STATUS_CORRUPT,
			       "a sealed secret does not open: the key is "
			       "another one, or the data was changed");
		goto out;
	}
	secret_set_len(plain, plain_n);
	*ret_plain = plain;
	plain = NULL;
out:
	EVP_CIPHER_CTX_free(ctx);
	secret_free(plain);
	return s;
}

enum status seal_key_create(const char *path, const struct random *r,
			    struct reason *why)
{
	struct secret *key = NULL, *line = NULL;
	enum status s;

	s = secret_new(SEAL_KEY_SIZE, &key);
	if (s == STATUS_OK)
		s = secret_new(2 * SEAL_KEY_SIZE + 1, &line);
	if (s != STATUS_OK) {
		reason_set(why, s, "no locked memory for a key");
		goto out;
	}
	s = random_bytes(r, secret_buffer(key), SEAL_KEY_SIZE);
	if (s != STATUS_OK) {
		reason_set(why, s, "no randomness for a key");
		goto out;
	}
	encode_hex(secret_buffer(key), SEAL_KEY_SIZE,
		   (char *)secret_buffer(line));
	secret_buffer(line)[2 * SEAL_KEY_SIZE] = '\n';
	secret_set_len(line, 2 * SEAL_KEY_SIZE + 1);
	s = file_create(path, secret_bytes(line), secret_len(line), 0600, why);
out:
	secret_free(line);
	secret_free(key);
	return s;
}

enum status seal_key_load(const char *path, struct secret **ret_key,
			  struct reason *why)
{
	struct secret *line = NULL, *key = NULL;
	const char *p;
	size_t n;
	enum status s;

	s = file_read_private(path, KEY_FILE_MAX, &line, why);
	if (s != STATUS_OK)
		return s;
	p = secret_bytes(line);
	n = secret_len(line);
	if (n > 0 && p[n - 1] == '\n')
		n--;
	s = secret_new(SEAL_KEY_SIZE, &key);
	if (s != STATUS_OK) {
		reason_set(why, s, "no locked memory for a key");
		goto out;
	}
	if (n != 2 * SEAL_KEY_SIZE ||
	    encode_unhex(p, secret_buffer(key), SEAL_KEY_SIZE) != STATUS_OK) {
		s = reason_set(why, STATUS_CONFIG,
			       "%s holds no key: it must be one line of %d hex "
			       "digits",
			       path, 2 * SEAL_KEY_SIZE);
		goto out;
	}
	secret_set_len(key, SEAL_KEY_SIZE);
	*ret_key = key;
	key = NULL;
out:
	secret_free(key);
	secret_free(line);
	return s;
}
