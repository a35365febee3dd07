/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "crypto/sign.h"

static struct reason why;
static char folder[PATH_MAX];

static int make_folder(void **state)
{
	char name[] = "/tmp/keyturn-sign-XXXXXX";

	(void)state;
	return mkdtemp(name) == NULL || realpath(name, folder) == NULL ? -1 : 0;
}

static const char *in_folder(const char *name)
{
	static char paths[2][PATH_MAX + 32];
	static unsigned next;
	char *path = paths[next++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(in_folder("key"));
	unlink(in_folder("key.pub"));
	return rmdir(folder);
}

static void save(const char *path, const char *bytes)
{
	assert_int_equal(file_replace(path, bytes, strlen(bytes), NULL, &why),
			 STATUS_OK);
}

/* RFC 8032 section 7.1, test 2. */
#define RFC_SEED \
	"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
#define RFC_PUBLIC \
	"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define RFC_SIGNATURE                                                      \
	"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" \
	"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"

/* The PEM of a seed: the fixed head of RFC 8410's structure, then the seed. */
static void save_seed(const char *path, const char *seed_hex)
{
	static const unsigned char head[16] = { 0x30, 0x2e, 0x02, 0x01,
						0x00, 0x30, 0x05, 0x06,
						0x03, 0x2b, 0x65, 0x70,
						0x04, 0x22, 0x04, 0x20 };
	unsigned char der[48];
	char base64[ENCODE_BASE64_SIZE(48)], pem[256];

	memcpy(der, head, sizeof(head));
	assert_int_equal(encode_unhex(seed_hex, der + 16, 32), STATUS_OK);
	encode_base64(der, sizeof(der), base64);
	snprintf(pem, sizeof(pem),
		 "-----BEGIN PRIVATE KEY-----\n%s\n-----END PRIVATE KEY-----\n",
		 base64);
	save(path, pem);
}

static void signatures_match_the_vectors_of_rfc_8032(void **state)
{
	unsigned char public_half[SIGN_PUBLIC_SIZE], signature[SIGN_SIZE];
	char hex[2 * SIGN_SIZE + 1];
	struct sign_key *k = NULL;

	(void)state;
	/* Test 2: one byte, 0x72. */
	save_seed(in_folder("key"), RFC_SEED);
	assert_int_equal(sign_key_load(in_folder("key"), &k, &why), STATUS_OK);
	sign_key_public(k, public_half);
	encode_hex(public_half, sizeof(public_half), hex);
	assert_string_equal(hex, RFC_PUBLIC);
	assert_int_equal(sign_make(k, "\x72", 1, signature), STATUS_OK);
	encode_hex(signature, sizeof(signature), hex);
	assert_string_equal(hex, RFC_SIGNATURE);
	assert_int_equal(sign_verify(public_half, "\x72", 1, signature),
			 STATUS_OK);
	sign_key_free(k);
	/* Test 1: the empty message. */
	save_seed(in_folder("key"), "9d61b19deffd5a60ba844af492ec2cc4"
				    "4449c5697b326919703bac031cae7f60");
	assert_int_equal(sign_key_load(in_folder("key"), &k, &why), STATUS_OK);
	assert_int_equal(sign_make(k, NULL, 0, signature), STATUS_OK);
	encode_hex(signature, sizeof(signature), hex);
	assert_string_equal(hex, "e5564300c360ac729086e2cc806e828a"
				 "84877f1eb8e5d974d873e06522490155"
				 "5fb8821590a33bacc61e39701cf9b46b"
				 "d25bf5f0595bbe24655141438e7a100b");
	sign_key_public(k, public_half);
	assert_int_equal(sign_verify(public_half, NULL, 0, signature),
			 STATUS_OK);
	sign_key_free(k);
	sign_key_free(NULL);
}

static void a_new_pair_signs_and_verifies(void **state)
{
	unsigned char from_private[SIGN_PUBLIC_SIZE], loaded[SIGN_PUBLIC_SIZE];
	unsigned char signature[SIGN_SIZE];
	struct sign_key *k = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(sign_key_create(in_folder("key"), &why), STATUS_OK);
	assert_int_equal(stat(in_folder("key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in_folder("key.pub"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(sign_key_load(in_folder("key"), &k, &why), STATUS_OK);
	sign_key_public(k, from_private);
	assert_int_equal(sign_public_load(in_folder("key.pub"), loaded, &why),
			 STATUS_OK);
	assert_memory_equal(from_private, loaded, SIGN_PUBLIC_SIZE);
	assert_int_equal(sign_make(k, "checkpoint", 10, signature), STATUS_OK);
	assert_int_equal(sign_verify(loaded, "checkpoint", 10, signature),
			 STATUS_OK);
	sign_key_free(k);
}

static void one_changed_bit_is_not_verified(void **state)
{
	unsigned char public_half[SIGN_PUBLIC_SIZE], signature[SIGN_SIZE];
	char message[] = "checkpoint 42";
	struct sign_key *k = NULL;
	size_t bit;

	(void)state;
	assert_int_equal(sign_key_create(in_folder("key"), &why), STATUS_OK);
	assert_int_equal(sign_key_load(in_folder("key"), &k, &why), STATUS_OK);
	sign_key_public(k, public_half);
	assert_int_equal(sign_make(k, message, 13, signature), STATUS_OK);
	for (bit = 0; bit < 13 * 8; bit++) {
		message[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(sign_verify(public_half, message, 13,
					     signature),
				 STATUS_CORRUPT);
		message[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (bit = 0; bit < SIGN_SIZE * 8; bit++) {
		signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(sign_verify(public_half, message, 13,
					     signature),
				 STATUS_CORRUPT);
		signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	for (bit = 0; bit < SIGN_PUBLIC_SIZE * 8; bit++) {
		public_half[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(sign_verify(public_half, message, 13,
					     signature),
				 STATUS_CORRUPT);
		public_half[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_int_equal(sign_verify(public_half, message, 12, signature),
			 STATUS_CORRUPT);
	assert_int_equal(sign_verify(public_half, message, 13, signature),
			 STATUS_OK);
	sign_key_free(k);
}

static void neither_half_is_overwritten(void **state)
{
	(void)state;
	save(in_folder("key.pub"), "someone's");
	assert_int_equal(sign_key_create(in_folder("key"), &why),
			 STATUS_REFUSED);
	assert_int_equal(access(in_folder("key"), F_OK), -1);
	assert_int_equal(unlink(in_folder("key.pub")), 0);
	save(in_folder("key"), "someone's");
	assert_int_equal(sign_key_create(in_folder("key"), &why),
			 STATUS_REFUSED);
	assert_int_equal(access(in_folder("key.pub"), F_OK), -1);
	assert_int_equal(symlink("nowhere", in_folder("key.pub")), 0);
	assert_int_equal(unlink(in_folder("key")), 0);
	assert_int_equal(sign_key_create(in_folder("key"), &why),
			 STATUS_REFUSED);
	assert_int_equal(access(in_folder("key"), F_OK), -1);
}

/* openssl genpkey -algorithm X25519 */
#define X25519                                                               \
	"-----BEGIN PRIVATE KEY-----\n"                                      \
	"MC4CAQAwBQYDK2VuBCIEINjRhzctQqSz3MtW4+Ka38vLegqgNUoHH40YBr/C3+le\n" \
	"-----END PRIVATE KEY-----\n"
/* openssl genpkey -algorithm ED25519 -aes256 -pass pass:x; that it is not
 * asked for on the terminal shows in that the test does not hang. */
#define ENCRYPTED                                                            \
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"                            \
	"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhE49tzl0iNQQICCAAw\n" \
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEA4qVlRXfeo2kOZo8Xe6PqQEQGDz\n" \
	"5iuTG6cWTlmPjszuPPQq1pV4EnTPyFJhQJF5MVibA/FcqNitOT/bh3gYlbEOxpxe\n" \
	"rgrMPF3LdvtapMKhefw=\n"                                             \
	"-----END ENCRYPTED PRIVATE KEY-----\n"

/* The same with a passphrase of no bytes (openssl pkcs8 -topk8 -passout pass:). */
#define ENCRYPTED_BY_NOTHING                                                 \
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"                            \
	"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjLTzqJRWFuUwICCAAw\n" \
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEIQOLAT0ib9G1g5are3OGHEEQDFd\n" \
	"Zg+bhm4ZB9hCGwgsvza0I1SGtOujOD0UExiS7ARKeBhzbam8z4hE6eGxzHUixuyg\n" \
	"4HniZ1xG2lV9dstWApA=\n"                                             \
	"-----END ENCRYPTED PRIVATE KEY-----\n"

static void other_files_are_no_keys(void **state)
{
	static const char *const bad[] = {
		"",
		"hello\n",
		X25519,
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		ENCRYPTED,
		ENCRYPTED_BY_NOTHING
	};
	unsigned char public_half[SIGN_PUBLIC_SIZE] = { 7 };
	struct sign_key *k = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		save(in_folder("key"), bad[i]);
		assert_int_equal(sign_key_load(in_folder("key"), &k, &why),
				 STATUS_CONFIG);
		assert_int_equal(sign_public_load(in_folder("key"), public_half,
						  &why),
				 STATUS_CONFIG);
		assert_null(k);
		assert_int_equal(public_half[0], 7);
	}
	assert_int_equal(unlink(in_folder("key")), 0);
	assert_int_equal(sign_key_load(in_folder("key"), &k, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(sign_public_load(in_folder("key"), public_half, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(sign_key_create(in_folder("key"), &why), STATUS_OK);
	assert_int_equal(chmod(in_folder("key"), 0644), 0);
	assert_int_equal(sign_key_load(in_folder("key"), &k, &why),
			 STATUS_CONFIG);
	assert_non_null(strstr(why.text, "chmod 600"));
}

#define SIGN_TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SIGN_TEST(signatures_match_the_vectors_of_rfc_8032),
		SIGN_TEST(a_new_pair_signs_and_verifies),
		SIGN_TEST(one_changed_bit_is_not_verified),
		SIGN_TEST(neither_half_is_overwritten),
		SIGN_TEST(other_files_are_no_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
