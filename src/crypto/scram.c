/* SPDX-License-Identifier: PostgreSQL */
/* Builds and reads SCRAM-SHA-256 verifiers; must never return one that
 * PostgreSQL would take for a password and hash again. */
#include "crypto/scram.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "crypto/digest.h"

#define SCHEME	     "SCRAM-SHA-256"
#define SALT_MAX     64 /* of a verifier of ours; it must fit SCRAM_VERIFIER_MAX */
#define PASSWORD_MAX 512
#define KEY_SIZE     DIGEST_SIZE

/* The two keys of RFC 5802 section 3 that a server stores. */
struct keys {
	unsigned char stored[KEY_SIZE];
	unsigned char server[KEY_SIZE];
};

enum status scram_salt(const char *version_id,
		       unsigned char ret_salt[SCRAM_SALT_SIZE])
{
	static const char label[] = "keyturn scram salt 1";
	unsigned char hash[DIGEST_SIZE];
	enum status s;

	s = digest_sha256(label, sizeof(label) - 1, version_id,
			  strlen(version_id), hash);
	if (s == STATUS_OK)
		memcpy(ret_salt, hash, SCRAM_SALT_SIZE);
	return s;
}

/* RFC 5802 section 3: SaltedPassword, ClientKey, StoredKey, ServerKey. */
static enum status derive_keys(const struct secret *password,
			       const unsigned char *salt, size_t salt_n,
			       unsigned iterations, struct keys *keys)
{
	struct secret *salted = NULL, *client = NULL;
	enum status s;

	s = secret_new(KEY_SIZE, &salted);
	if (s == STATUS_OK)
		s = secret_new(KEY_SIZE, &client);
	if (s != STATUS_OK)
		goto out;
	if (PKCS5_PBKDF2_HMAC(secret_bytes(password), (int)secret_len(password),
			      salt, (int)salt_n, (int)iterations, EVP_sha256(),
			      KEY_SIZE, secret_buffer(salted)) != 1) {
		ERR_clear_error();
		s = STATUS_ERROR;
		goto out;
	}
	secret_set_len(salted, KEY_SIZE);
	s = digest_hmac(salted, "Client Key", 10, secret_buffer(client));
	if (s == STATUS_OK)
		s = digest_sha256(secret_buffer(client), KEY_SIZE, NULL, 0,
				  keys->stored);
	if (s == STATUS_OK)
		s = digest_hmac(salted, "Server Key", 10, keys->server);
out:
	secret_free(client);
	secret_free(salted);
	return s;
}

/* strtok(3): skip delimiters, take what is not one, step over the next. */
static bool take_field(const char **at, const char *end, char delimiter,
		       const char **ret_token, size_t *ret_n)
{
	const char *p = *at, *stop;

	while (p < end && *p == delimiter)
		p++;
	if (p == end)
		return false;
	stop = memchr(p, delimiter, (size_t)(end - p));
	if (stop == NULL)
		stop = end;
	*ret_token = p;
	*ret_n = (size_t)(stop - p);
	*at = stop < end ? stop + 1 : end;
	return true;
}

/* strtol(3) over all of p, in the C locale. */
static bool parse_number(const char *p, size_t n, long long *ret)
{
	unsigned long long v = 0, limit;
	bool minus = false;
	size_t i = 0;

	while (i < n && (p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r')))
		i++;
	if (i < n && (p[i] == '-' || p[i] == '+'))
		minus = p[i++] == '-';
	if (i == n)
		return false;
	limit = minus ? (unsigned long long)LLONG_MAX + 1 : LLONG_MAX;
	for (; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		if (v > (limit - (unsigned)(p[i] - '0')) / 10)
			return false;
		v = v * 10 + (unsigned)(p[i] - '0');
	}
	/* A negative count is of no use to anyone, but the server takes it. */
	*ret = minus ? -1 : (long long)v;
	return true;
}

/*
 * How many bytes pg_b64_decode() of PostgreSQL's src/common/base64.c would give.  It
 * is laxer than RFC 4648: bits that encode nothing may be set, and a group may
 * follow the padding.
 */
static bool measure_base64(const char *p, size_t n, size_t *ret_n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	size_t out = 0, i;
	int end = 0, pos = 0;

	for (i = 0; i < n; i++) {
		if (p[i] != '=' && !memchr(alphabet, p[i], 64))
			return false;
		if (p[i] == '=' && end == 0) {
			if (pos < 2)
				return false;
			end = pos - 1;
		}
		if (++pos < 4)
			continue;
		out += end == 0 ? 3 : (size_t)end;
		pos = 0;
	}
	*ret_n = out;
	return pos == 0;
}

static bool is_key(const char *p, size_t n)
{
	size_t key_n;

	return measure_base64(p, n, &key_n) && key_n == KEY_SIZE;
}

/*
 * parse_scram_secret() of PostgreSQL's src/backend/libpq/auth-scram.c, oddities
 * of strtok() and strtol() included: what it takes, the server stores as a
 * verifier; anything else it hashes as a password.
 */
bool scram_parse(const char *s, size_t n, unsigned *ret_iterations)
{
	const char *end = s + n, *scheme, *iterations, *salt, *stored;
	size_t scheme_n, iterations_n, salt_n, stored_n, decoded_n;
	long long count;

	if (n == 0 || memchr(s, '\0', n) != NULL)
		return false;
	if (!take_field(&s, end, '$', &scheme, &scheme_n) ||
	    !take_field(&s, end, ':', &iterations, &iterations_n) ||
	    !take_field(&s, end, '$', &salt, &salt_n) ||
	    !take_field(&s, end, ':', &stored, &stored_n) || s == end)
		return false;
	if (scheme_n != sizeof(SCHEME) - 1 ||
	    memcmp(scheme, SCHEME, scheme_n) != 0 ||
	    !parse_number(iterations, iterations_n, &count) ||
	    !measure_base64(salt, salt_n, &decoded_n) ||
	    !is_key(stored, stored_n) || !is_key(s, (size_t)(end - s)))
		return false;
	if (ret_iterations != NULL)
		*ret_iterations =
			count > 0 && count <= INT_MAX ? (unsigned)count : 0;
	return true;
}

static enum status check_inputs(const struct secret *password, size_t salt_n,
				unsigned iterations, struct reason *why)
{
	const char *p = secret_bytes(password);
	size_t n = secret_len(password), i;

	if (n == 0 || n > PASSWORD_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "a password has 1 to %d bytes, this one %zu",
				  PASSWORD_MAX, n);
	for (i = 0; i < n; i++)
		if (p[i] < 0x20 || p[i] > 0x7E)
			return reason_set(why, STATUS_REFUSED,
					  "a password may hold printable ASCII "
					  "only; others depend on SASLprep");
	if (salt_n == 0 || salt_n > SALT_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "a salt has 1 to %d bytes, this one %zu",
				  SALT_MAX, salt_n);
	if (iterations < SCRAM_ITERATIONS_MIN ||
	    iterations > SCRAM_ITERATIONS_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "%u SCRAM iterations are outside %d to %d",
				  iterations, SCRAM_ITERATIONS_MIN,
				  SCRAM_ITERATIONS_MAX);
	return STATUS_OK;
}

/* The text of a verifier, checked as the server will. */
static enum status print_verifier(const struct keys *keys,
				  const unsigned char *salt, size_t salt_n,
				  unsigned iterations, struct secret *verifier)
{
	char salt64[ENCODE_BASE64_SIZE(SALT_MAX)];
	char stored64[ENCODE_BASE64_SIZE(KEY_SIZE)];
	char server64[ENCODE_BASE64_SIZE(KEY_SIZE)];
	enum status s = STATUS_ERROR;
	unsigned parsed = 0;
	int n;

	encode_base64(salt, salt_n, salt64);
	encode_base64(keys->stored, KEY_SIZE, stored64);
	encode_base64(keys->server, KEY_SIZE, server64);
	n = snprintf((char *)secret_buffer(verifier), SCRAM_VERIFIER_MAX + 1,
		     SCHEME "$%u:%s$%s:%s", iterations, salt64, stored64,
		     server64);
	if (n > 0 && n <= SCRAM_VERIFIER_MAX) {
		secret_set_len(verifier, (size_t)n);
		if (scram_parse(secret_bytes(verifier), (size_t)n, &parsed) &&
		    parsed == iterations)
			s = STATUS_OK;
	}
	secret_wipe(stored64, sizeof(stored64));
	secret_wipe(server64, sizeof(server64));
	return s;
}

enum status scram_verifier(const struct secret *password,
			   const unsigned char *salt, size_t salt_n,
			   unsigned iterations, struct secret **ret_verifier,
			   struct reason *why)
{
	struct secret *verifier = NULL;
	struct keys keys = { { 0 }, { 0 } };
	enum status s;

	s = check_inputs(password, salt_n, iterations, why);
	if (s != STATUS_OK)
		return s;
	s = secret_new(SCRAM_VERIFIER_MAX, &verifier);
	if (s == STATUS_OK)
		s = derive_keys(password, salt, salt_n, iterations, &keys);
	if (s == STATUS_OK)
		s = print_verifier(&keys, salt, salt_n, iterations, verifier);
	if (s != STATUS_OK) {
		reason_set(why, s, "a SCRAM verifier could not be built: %s",
			   status_sentence(s));
		goto out;
	}
	*ret_verifier = verifier;
	verifier = NULL;
out:
	secret_wipe(&keys, sizeof(keys));
	secret_free(verifier);
	return s;
}
