/* SPDX-License-Identifier: PostgreSQL */
/* SHA-256, HMAC and the link of the audit chain; must never let two different
 * inputs of one function reach the hash as the same bytes. */
#include "crypto/digest.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#define CHAIN_TAG 0x01

struct part {
	const void *p;
	size_t n;
};

static enum status hash_parts(const struct part *parts, size_t count,
			      unsigned char ret_hash[DIGEST_SIZE])
{
	unsigned char md[DIGEST_SIZE];
	EVP_MD_CTX *ctx = NULL;
	enum status s = STATUS_ERROR;
	size_t i;

	ctx = EVP_MD_CTX_new();
	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		goto out;
	for (i = 0; i < count; i++)
		if (parts[i].n > 0 &&
		    EVP_DigestUpdate(ctx, parts[i].p, parts[i].n) != 1)
			goto out;
	if (EVP_DigestFinal_ex(ctx, md, NULL) != 1)
		goto out;
	for (i = 0; i < DIGEST_SIZE; i++)
		ret_hash[i] = md[i];
	s = STATUS_OK;
out:
	if (s != STATUS_OK)
		ERR_clear_error();
	secret_wipe(md, sizeof(md));
	EVP_MD_CTX_free(ctx);
	return s;
}

enum status digest_sha256(const void *a, size_t a_n, const void *b, size_t b_n,
			  unsigned char ret_hash[DIGEST_SIZE])
{
	const struct part parts[] = { { a, a_n }, { b, b_n } };

	return hash_parts(parts, 2, ret_hash);
}

enum status digest_mix(unsigned char hash[DIGEST_SIZE], const char *s)
{
	return digest_sha256(hash, DIGEST_SIZE, s, strlen(s) + 1, hash);
}

enum status digest_hmac(const struct secret *key, const void *p, size_t n,
			unsigned char ret_mac[DIGEST_SIZE])
{
	unsigned char mac[DIGEST_SIZE];
	size_t mac_n = 0, i;
	enum status s = STATUS_ERROR;

	if (EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, secret_bytes(key),
		      secret_len(key), p != NULL ? p : "", n, mac, sizeof(mac),
		      &mac_n) != NULL &&
	    mac_n == DIGEST_SIZE) {
		for (i = 0; i < DIGEST_SIZE; i++)
			ret_mac[i] = mac[i];
		s = STATUS_OK;
	} else {
		ERR_clear_error();
	}
	secret_wipe(mac, sizeof(mac));
	return s;
}

enum status digest_chain(const unsigned char prev[DIGEST_SIZE],
			 const void *body, size_t n,
			 unsigned char ret_hash[DIGEST_SIZE])
{
	static const unsigned char tag = CHAIN_TAG;
	const struct part parts[] = { { &tag, 1 },
				      { prev, DIGEST_SIZE },
				      { body, n } };

	return hash_parts(parts, 3, ret_hash);
}
