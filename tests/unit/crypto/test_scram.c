/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libpq-fe.h>
#include <openssl/evp.h>

#include "crypto/digest.h"
#include "crypto/scram.h"

static struct reason why;

static struct secret *password_of(const char *p)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(1024, &s), STATUS_OK);
	assert_int_equal(secret_set(s, p, strlen(p)), STATUS_OK);
	return s;
}

/* By another decoder than the one that is tested. */
static void unbase64(const char *s, size_t n, unsigned char *dst, size_t cap,
		     size_t *ret_n)
{
	unsigned char all[256];
	int pad = n > 1 && s[n - 1] == '=' ? 1 + (s[n - 2] == '=') : 0;
	int got;

	assert_true(n < sizeof(all));
	got = EVP_DecodeBlock(all, (const unsigned char *)s, (int)n);
	assert_true(got >= pad && (size_t)(got - pad) <= cap);
	*ret_n = (size_t)(got - pad);
	memcpy(dst, all, *ret_n);
}

/* Does the verifier belong to the password? */
static bool belongs(const struct secret *password, const char *verifier)
{
	const char *from = strchr(verifier, ':') + 1;
	struct secret *made = NULL;
	unsigned char salt[64];
	bool same = false;
	size_t n;

	unbase64(from, strcspn(from, "$"), salt, sizeof(salt), &n);
	if (scram_verifier(password, salt, n, 4096, &made, NULL) == STATUS_OK)
		same = strcmp(secret_bytes(made), verifier) == 0;
	secret_free(made);
	return same;
}

/* StoredKey and ServerKey of a verifier of ours. */
static void keys_of(const struct secret *verifier, unsigned char *stored,
		    unsigned char *server)
{
	const char *p = strrchr(secret_bytes(verifier), '$') + 1;
	size_t n;

	unbase64(p, 44, stored, 32, &n);
	assert_int_equal(p[44], ':');
	unbase64(p + 45, 44, server, 32, &n);
}

static void hmac(const unsigned char *key, const char *p, unsigned char *mac)
{
	struct secret *k = NULL;

	assert_int_equal(secret_new(32, &k), STATUS_OK);
	secret_set(k, key, 32);
	assert_int_equal(digest_hmac(k, p, strlen(p), mac), STATUS_OK);
	secret_free(k);
}

/* RFC 7677 section 3: the exchange of user "user" with password "pencil". */
#define RFC_SALT  "W22ZaJ0SNY7soEsUEjb6gQ=="
#define RFC_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
static const char rfc_messages[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
				   "r=" RFC_NONCE ",s=" RFC_SALT ",i=4096,"
				   "c=biws,r=" RFC_NONCE;
static const char rfc_proof[] = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char rfc_signature[] =
	"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static void the_verifier_admits_the_client_of_rfc_7677(void **state)
{
	unsigned char salt[16], stored[32], server[32], proof[32];
	unsigned char mac[32], hash[32], expected[32];
	struct secret *password = password_of("pencil"), *verifier = NULL;
	size_t n, i;

	(void)state;
	unbase64(RFC_SALT, strlen(RFC_SALT), salt, sizeof(salt), &n);
	assert_int_equal(n, 16);
	assert_int_equal(scram_verifier(password, salt, n, 4096, &verifier,
					&why),
			 STATUS_OK);
	assert_int_equal(strncmp(secret_bytes(verifier),
				 "SCRAM-SHA-256$4096:" RFC_SALT "$", 44),
			 0);
	keys_of(verifier, stored, server);
	/* What a server does: ClientKey := ClientProof XOR ClientSignature. */
	hmac(stored, rfc_messages, mac);
	unbase64(rfc_proof, strlen(rfc_proof), proof, sizeof(proof), &n);
	for (i = 0; i < 32; i++)
		proof[i] ^= mac[i];
	assert_int_equal(digest_sha256(proof, 32, NULL, 0, hash), STATUS_OK);
	assert_memory_equal(hash, stored, 32);
	/* And what it answers. */
	hmac(server, rfc_messages, mac);
	unbase64(rfc_signature, strlen(rfc_signature), expected,
		 sizeof(expected), &n);
	assert_memory_equal(mac, expected, 32);
	secret_free(verifier);
	secret_free(password);
}

/* Made by PostgreSQL 15.20 on ALTER ROLE ... PASSWORD 'keyturn-captured-1'. */
static const char captured[] = "SCRAM-SHA-256$4096:u6yRVF/UEUKQK3jdfQ6oDQ==$"
			       "H2x6AjIHA3LBqisY5zE/tkddzUZhO40//QnNCRxbDRo=:"
			       "NqV1EXT0EZcjlLIWj9pwr6hrRdNf2Etm9T2QA59DfL4=";

static void a_verifier_of_a_server_belongs_to_its_password_only(void **state)
{
	struct secret *right = password_of("keyturn-captured-1");
	struct secret *wrong = password_of("keyturn-captured-2");
	struct secret *none = password_of("");
	char bad[sizeof(captured)];
	unsigned iterations = 0;
	size_t i, n = sizeof(captured) - 1;

	(void)state;
	assert_true(scram_parse(captured, n, &iterations));
	assert_int_equal(iterations, 4096);
	assert_true(scram_parse(captured, n, NULL));
	assert_true(belongs(right, captured));
	assert_false(belongs(wrong, captured));
	assert_false(belongs(none, captured));
	/* One changed character of salt or keys (iterations are 14 to 17). */
	for (i = 19; i < n; i++) {
		if (strchr("$:=", captured[i]) != NULL)
			continue;
		/* The last one before '=' has bits that encode nothing. */
		if (captured[i + 1] == '=')
			continue;
		memcpy(bad, captured, sizeof(bad));
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_true(scram_parse(bad, n, NULL));
		assert_false(belongs(right, bad));
	}
	secret_free(none);
	secret_free(wrong);
	secret_free(right);
}

#define FORTY  "0123456789012345678901234567890123456789"
#define EIGHTY FORTY FORTY

/* Deriving a verifier needs no server, only a connection object. */
static void libpq_builds_the_same_verifier_from_the_same_salt(void **state)
{
	static const char *const passwords[] = {
		"x",
		"pencil",
		"correct horse battery staple",
		"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ 09AZaz",
		EIGHTY, /* longer than a block of the hash */
	};
	PGconn *conn = PQconnectStart("host=/nonexistent");
	size_t i, n;

	(void)state;
	assert_non_null(conn);
	for (i = 0; i < sizeof(passwords) / sizeof(passwords[0]); i++) {
		struct secret *password = password_of(passwords[i]);
		struct secret *ours = NULL;
		unsigned char salt[64];
		unsigned iterations = 0;
		const char *from, *to;
		char *theirs;

		theirs = PQencryptPasswordConn(conn, passwords[i], "role",
					       "scram-sha-256");
		assert_non_null(theirs);
		assert_true(scram_parse(theirs, strlen(theirs), &iterations));
		from = strchr(theirs, ':') + 1;
		to = strchr(from, '$');
		unbase64(from, (size_t)(to - from), salt, sizeof(salt), &n);
		assert_int_equal(scram_verifier(password, salt, n, iterations,
						&ours, &why),
				 STATUS_OK);
		assert_string_equal(secret_bytes(ours), theirs);
		PQfreemem(theirs);
		secret_free(ours);
		secret_free(password);
	}
	PQfinish(conn);
}

static void a_retry_builds_the_identical_verifier(void **state)
{
	static const char id[] = "0b4fb1f2-9a6c-4d3e-8f00-00a1b2c3d4e5";
	static const char other[] = "0b4fb1f2-9a6c-4d3e-8f00-00a1b2c3d4e6";
	unsigned char a[SCRAM_SALT_SIZE], b[SCRAM_SALT_SIZE], hash[DIGEST_SIZE];
	struct secret *password = password_of("a password of a version");
	struct secret *first = NULL, *second = NULL;

	(void)state;
	assert_int_equal(scram_salt(id, a), STATUS_OK);
	assert_int_equal(scram_salt(id, b), STATUS_OK);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(digest_sha256("keyturn scram salt 1", 20, id, 36,
				       hash),
			 STATUS_OK);
	assert_memory_equal(a, hash, SCRAM_SALT_SIZE);
	assert_int_equal(scram_verifier(password, a, sizeof(a),
					SCRAM_ITERATIONS_DEFAULT, &first, &why),
			 STATUS_OK);
	assert_int_equal(scram_verifier(password, b, sizeof(b),
					SCRAM_ITERATIONS_DEFAULT, &second,
					&why),
			 STATUS_OK);
	assert_true(secret_equal(first, second));
	assert_int_equal(scram_salt(other, b), STATUS_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	secret_free(first);
	secret_free(second);
	secret_free(password);
}

static void the_largest_verifier_fits(void **state)
{
	char p[513];
	unsigned char salt[64];
	struct secret *password, *verifier = NULL;
	unsigned iterations = 0;

	(void)state;
	memset(p, '~', 512);
	p[512] = '\0';
	memset(salt, 0xff, sizeof(salt));
	password = password_of(p);
	assert_int_equal(scram_verifier(password, salt, sizeof(salt), 1000000,
					&verifier, &why),
			 STATUS_OK);
	assert_in_range(secret_len(verifier), 100, SCRAM_VERIFIER_MAX);
	assert_true(scram_parse(secret_bytes(verifier), secret_len(verifier),
				&iterations));
	assert_int_equal(iterations, 1000000);
	secret_free(verifier);
	secret_free(password);
}

static void refused(const char *p, size_t n, size_t salt_n, unsigned iterations)
{
	unsigned char salt[128] = { 0 };
	struct secret *password = password_of(""), *verifier = NULL;

	assert_int_equal(secret_set(password, p, n), STATUS_OK);
	assert_int_equal(scram_verifier(password, salt, salt_n, iterations,
					&verifier, &why),
			 STATUS_REFUSED);
	assert_null(verifier);
	assert_null(strstr(why.text, "hunter"));
	secret_free(password);
}

static void what_a_server_might_read_differently_is_refused(void **state)
{
	char p[514];

	(void)state;
	memset(p, 'p', sizeof(p));
	refused("", 0, 16, 4096);
	refused(p, 513, 16, 4096);
	refused("hunter\0hunter", 13, 16, 4096);
	refused("hunter\n", 7, 16, 4096);
	refused("hunter\x7f", 7, 16, 4096);
	refused("hunt\xc3\xa9r", 7, 16, 4096);
	refused("hunter", 6, 0, 4096);
	refused("hunter", 6, 65, 4096);
	refused("hunter", 6, 16, 0);
	refused("hunter", 6, 16, SCRAM_ITERATIONS_MIN - 1);
	refused("hunter", 6, 16, SCRAM_ITERATIONS_MAX + 1);
	refused("hunter", 6, 16, 4294967295u);
}

#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define KEY  "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* Each row was tried on PostgreSQL 15.20: stored as it is, or hashed. */
static const struct {
	const char *s;
	bool taken;
	unsigned iterations;
} forms[] = {
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$1:QQ==$" KEY ":" KEY, true, 1 },
	/* Oddities of strtok() and strtol(). */
	{ "$SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$:4096:" SALT "$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$4096:$" SALT "$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$4096:" SALT "$:" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$ +4096:" SALT "$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$\t4096:" SALT "$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$-4096:" SALT "$" KEY ":" KEY, true, 0 },
	{ "SCRAM-SHA-256$0:" SALT "$" KEY ":" KEY, true, 0 },
	{ "SCRAM-SHA-256$4294967297:" SALT "$" KEY ":" KEY, true, 0 },
	{ "SCRAM-SHA-256$9223372036854775807:" SALT "$" KEY ":" KEY, true, 0 },
	{ "SCRAM-SHA-256$-9223372036854775808:" SALT "$" KEY ":" KEY, true, 0 },
	{ "SCRAM-SHA-256$4096:QR==$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$4096:QQ==QUJD$" KEY ":" KEY, true, 4096 },
	{ "SCRAM-SHA-256$4096:QQ=A$" KEY ":" KEY, true, 4096 },
	/* Hashed as if it were a password. */
	{ "", false, 0 },
	{ "pencil", false, 0 },
	{ "md5c8b3b3a9f9d1d0a1d1a3c2b1a0f9e8d7", false, 0 },
	{ "SCRAM-SHA-256", false, 0 },
	{ "SCRAM-SHA-256$", false, 0 },
	{ "SCRAM-SHA-256$4096", false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT, false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY ":", false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$short:" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY "AAAA:" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY "AAAA", false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY "::" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY " ", false, 0 },
	{ "SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY "\n", false, 0 },
	{ " SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY, false, 0 },
	{ "scram-sha-256$4096:" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-1$4096:" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256-PLUS$4096:" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$:" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096 :" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$0x10:" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$+:" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$9223372036854775808:" SALT "$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:Q$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:QQ=$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:====$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:Q===$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:QU JD$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:QUJD\n$" KEY ":" KEY, false, 0 },
	{ "SCRAM-SHA-256$4096:QU-_$" KEY ":" KEY, false, 0 },
};

static void what_the_server_takes_as_a_verifier_is_one(void **state)
{
	size_t i, n;
	char *exact;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		unsigned iterations = 77;
		bool taken;

		/* Without a NUL behind it: n is all that counts. */
		n = strlen(forms[i].s);
		exact = malloc(n + 1);
		assert_non_null(exact);
		exact = realloc(exact, n > 0 ? n : 1);
		assert_non_null(exact);
		memcpy(exact, forms[i].s, n);
		taken = scram_parse(exact, n, &iterations);
		free(exact);
		if (taken != forms[i].taken)
			fail_msg("%s: %s", forms[i].s, taken ? "taken" : "not");
		assert_int_equal(iterations, taken ? forms[i].iterations : 77);
	}
	assert_false(scram_parse(
		"SCRAM-SHA-256$1:QQ==$" KEY ":" KEY "\0",
		strlen("SCRAM-SHA-256$1:QQ==$" KEY ":" KEY) + 1, NULL));
}

static void every_cut_of_a_verifier_is_no_verifier(void **state)
{
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(captured) - 1; n++)
		assert_false(scram_parse(captured, n, NULL));
}

static void a_salt_of_any_length_is_one(void **state)
{
	char *long_salt = malloc(90000 + 200);
	size_t n;

	(void)state;
	assert_non_null(long_salt);
	n = (size_t)snprintf(long_salt, 200, "SCRAM-SHA-256$4096:");
	memset(long_salt + n, 'A', 88000);
	n += 88000;
	n += (size_t)snprintf(long_salt + n, 200, "$" KEY ":" KEY);
	assert_true(scram_parse(long_salt, n, NULL));
	free(long_salt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_verifier_admits_the_client_of_rfc_7677),
		cmocka_unit_test(
			a_verifier_of_a_server_belongs_to_its_password_only),
		cmocka_unit_test(
			libpq_builds_the_same_verifier_from_the_same_salt),
		cmocka_unit_test(a_retry_builds_the_identical_verifier),
		cmocka_unit_test(the_largest_verifier_fits),
		cmocka_unit_test(
			what_a_server_might_read_differently_is_refused),
		cmocka_unit_test(what_the_server_takes_as_a_verifier_is_one),
		cmocka_unit_test(every_cut_of_a_verifier_is_no_verifier),
		cmocka_unit_test(a_salt_of_any_length_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
