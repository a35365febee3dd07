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
#include "crypto/entropy.h"
#include "crypto/seal.h"

#define AAD(bytes, n) (&(const struct seal_aad){ (bytes), (n) })

static struct reason why;

static enum status fixed_bytes(void *self, void *p, size_t n)
{
	memcpy(p, self, n);
	return STATUS_OK;
}

static enum status no_bytes(void *self, void *p, size_t n)
{
	(void)self;
	(void)p;
	(void)n;
	return STATUS_ERROR;
}

static struct secret *made(const void *bytes, size_t n)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(n > 0 ? n : 1, &s), STATUS_OK);
	assert_int_equal(secret_set(s, bytes, n), STATUS_OK);
	return s;
}

static struct secret *from_hex(const char *hex)
{
	struct secret *s = NULL;
	size_t n = strlen(hex) / 2;

	assert_int_equal(secret_new(n > 0 ? n : 1, &s), STATUS_OK);
	assert_int_equal(encode_unhex(hex, secret_buffer(s), n), STATUS_OK);
	secret_set_len(s, n);
	return s;
}

static struct secret *some_key(void)
{
	unsigned char k[SEAL_KEY_SIZE];
	size_t i;

	for (i = 0; i < sizeof(k); i++)
		k[i] = (unsigned char)(i * 7 + 1);
	return made(k, sizeof(k));
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test
 * cases 13 to 16 (256-bit keys, 96-bit IV). */
static const struct {
	const char *key, *iv, *aad, *plain, *sealed, *tag;
} vectors[] = {
	{ "00000000000000000000000000000000"
	  "00000000000000000000000000000000",
	  "000000000000000000000000", "", "", "",
	  "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "00000000000000000000000000000000"
	  "00000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18",
	  "d0d1c8a799996bf0265b98b5d48ab919" },
	{ "feffe9928665731c6d6a8f9467308308"
	  "feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "",
	  "d9313225f88406e5a55909c5aff5269a"
	  "86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525"
	  "b16aedf5aa0de657ba637b391aafd255",
	  "522dc1f099567d07f47f37a32a84427d"
	  "643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838"
	  "c5f61e6393ba7a0abcc9f662898015ad",
	  "b094dac5d93471bdec1a502270e3cc6c" },
	{ "feffe9928665731c6d6a8f9467308308"
	  "feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888",
	  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a"
	  "86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525"
	  "b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d"
	  "643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838"
	  "c5f61e6393ba7a0abcc9f662",
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
};

static void sealing_matches_the_vectors_of_gcm(void **state)
{
	unsigned char blob[256];
	char hex[513], expected[513];
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct secret *key = from_hex(vectors[i].key);
		struct secret *plain = from_hex(vectors[i].plain);
		struct secret *iv = from_hex(vectors[i].iv);
		struct secret *aad = from_hex(vectors[i].aad);
		struct secret *back = NULL;
		const struct random r = { fixed_bytes, secret_buffer(iv) };

		assert_int_equal(
			seal_close(key, &r,
				   AAD(secret_bytes(aad), secret_len(aad)),
				   plain, blob, &n, &why),
			STATUS_OK);
		assert_int_equal(n, secret_len(plain) + SEAL_OVERHEAD);
		encode_hex(blob, n, hex);
		snprintf(expected, sizeof(expected), "01%s%s%s", vectors[i].iv,
			 vectors[i].sealed, vectors[i].tag);
		assert_string_equal(hex, expected);
		assert_int_equal(
			seal_open(key, AAD(secret_bytes(aad), secret_len(aad)),
				  blob, n, &back, &why),
			STATUS_OK);
		assert_true(secret_equal(back, plain));
		secret_free(back);
		secret_free(aad);
		secret_free(iv);
		secret_free(plain);
		secret_free(key);
	}
}

static void a_sealed_blob_with_one_bit_flipped_does_not_open(void **state)
{
	static const char aad[] = "role/version";
	struct secret *key = some_key(), *plain = made("correct horse", 13);
	unsigned char blob[64], bad[64];
	struct secret *back = NULL;
	char bad_aad[sizeof(aad)];
	size_t n, bit;

	(void)state;
	assert_int_equal(seal_close(key, entropy_openssl(),
				    AAD(aad, sizeof(aad) - 1), plain, blob, &n,
				    &why),
			 STATUS_OK);
	for (bit = 0; bit < n * 8; bit++) {
		memcpy(bad, blob, n);
		bad[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(seal_open(key, AAD(aad, sizeof(aad) - 1), bad,
					   n, &back, &why),
				 STATUS_CORRUPT);
		assert_null(back);
	}
	for (bit = 0; bit < (sizeof(aad) - 1) * 8; bit++) {
		memcpy(bad_aad, aad, sizeof(aad));
		bad_aad[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(seal_open(key, AAD(bad_aad, sizeof(aad) - 1),
					   blob, n, &back, &why),
				 STATUS_CORRUPT);
	}
	for (bit = 0; bit < SEAL_KEY_SIZE * 8; bit++) {
		secret_buffer(key)[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(seal_open(key, AAD(aad, sizeof(aad) - 1), blob,
					   n, &back, &why),
				 STATUS_CORRUPT);
		secret_buffer(key)[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_null(back);
	assert_null(strstr(why.text, "horse"));
	assert_int_equal(seal_open(key, AAD(aad, sizeof(aad) - 1), blob, n,
				   &back, &why),
			 STATUS_OK);
	secret_free(back);
	secret_free(plain);
	secret_free(key);
}

static void a_cut_or_grown_blob_does_not_open(void **state)
{
	struct secret *key = some_key(), *plain = made("0123456789", 10);
	struct secret *back = NULL;
	unsigned char blob[64] = { 0 };
	size_t n, len;

	(void)state;
	assert_int_equal(seal_close(key, entropy_openssl(), AAD("a", 1), plain,
				    blob, &n, &why),
			 STATUS_OK);
	for (len = 0; len < sizeof(blob); len++)
		if (len != n)
			assert_int_equal(seal_open(key, AAD("a", 1), blob, len,
						   &back, &why),
					 STATUS_CORRUPT);
	assert_int_equal(seal_open(key, AAD("a", 0), blob, n, &back, &why),
			 STATUS_CORRUPT);
	assert_int_equal(seal_open(key, AAD("ab", 2), blob, n, &back, &why),
			 STATUS_CORRUPT);
	assert_int_equal(seal_open(key, AAD(NULL, 0), blob,
				   SECRET_CAP_MAX + SEAL_OVERHEAD + 1, &back,
				   &why),
			 STATUS_CORRUPT);
	assert_null(back);
	secret_free(plain);
	secret_free(key);
}

static void the_largest_and_the_empty_secret_can_be_sealed(void **state)
{
	struct secret *key = some_key(), *plain = NULL, *back = NULL;
	unsigned char *blob = malloc(SECRET_CAP_MAX + SEAL_OVERHEAD);
	size_t n;

	(void)state;
	assert_non_null(blob);
	assert_int_equal(secret_new(SECRET_CAP_MAX, &plain), STATUS_OK);
	memset(secret_buffer(plain), 'p', SECRET_CAP_MAX);
	secret_set_len(plain, SECRET_CAP_MAX);
	assert_int_equal(seal_close(key, entropy_openssl(), AAD(NULL, 0), plain,
				    blob, &n, &why),
			 STATUS_OK);
	assert_int_equal(seal_open(key, AAD(NULL, 0), blob, n, &back, &why),
			 STATUS_OK);
	assert_true(secret_equal(plain, back));
	secret_free(back);
	secret_clear(plain);
	assert_int_equal(seal_close(key, entropy_openssl(), AAD(NULL, 0), plain,
				    blob, &n, &why),
			 STATUS_OK);
	assert_int_equal(n, SEAL_OVERHEAD);
	assert_int_equal(seal_open(key, AAD(NULL, 0), blob, n, &back, &why),
			 STATUS_OK);
	assert_int_equal(secret_len(back), 0);
	secret_free(back);
	secret_free(plain);
	secret_free(key);
	free(blob);
}

static void the_same_secret_is_never_sealed_alike(void **state)
{
	struct secret *key = some_key(), *plain = made("same", 4);
	unsigned char a[64], b[64];
	size_t n;

	(void)state;
	seal_close(key, entropy_openssl(), AAD(NULL, 0), plain, a, &n, &why);
	seal_close(key, entropy_openssl(), AAD(NULL, 0), plain, b, &n, &why);
	assert_memory_not_equal(a + 1, b + 1, 12);
	assert_memory_not_equal(a + 13, b + 13, n - 13);
	secret_free(plain);
	secret_free(key);
}

static void without_randomness_or_a_whole_key_nothing_is_sealed(void **state)
{
	const struct random none = { no_bytes, NULL };
	struct secret *key = some_key(), *plain = made("x", 1), *back = NULL;
	struct secret *half = made("short", 5);
	unsigned char blob[64] = { 0xEE };
	size_t n = 77;

	(void)state;
	assert_int_equal(seal_close(key, &none, AAD(NULL, 0), plain, blob, &n,
				    &why),
			 STATUS_ERROR);
	assert_int_equal(seal_close(half, entropy_openssl(), AAD(NULL, 0),
				    plain, blob, &n, &why),
			 STATUS_ERROR);
	assert_int_equal(n, 77);
	assert_int_equal(blob[0], 0xEE);
	assert_int_equal(seal_open(half, AAD(NULL, 0), blob, SEAL_OVERHEAD,
				   &back, &why),
			 STATUS_ERROR);
	assert_null(back);
	secret_free(half);
	secret_free(plain);
	secret_free(key);
}

static char folder[PATH_MAX];

static int make_folder(void **state)
{
	char name[] = "/tmp/keyturn-seal-XXXXXX";

	(void)state;
	return mkdtemp(name) == NULL || realpath(name, folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static const char *in_folder(const char *name)
{
	static char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void a_key_file_is_private_and_made_once(void **state)
{
	struct secret *key = NULL, *again = NULL;
	const char *path = in_folder("key");
	struct stat st;

	(void)state;
	assert_int_equal(seal_key_create(path, entropy_openssl(), &why),
			 STATUS_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 65);
	assert_int_equal(seal_key_load(path, &key, &why), STATUS_OK);
	assert_int_equal(secret_len(key), SEAL_KEY_SIZE);
	assert_int_equal(seal_key_create(path, entropy_openssl(), &why),
			 STATUS_REFUSED);
	assert_int_equal(seal_key_load(path, &again, &why), STATUS_OK);
	assert_true(secret_equal(key, again));
	secret_free(again);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(seal_key_load(path, &again, &why), STATUS_CONFIG);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(seal_key_load(path, &again, &why), STATUS_NOT_FOUND);
	secret_free(key);
}

#define HEX63 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1"

static void a_key_file_of_another_form_is_refused(void **state)
{
	static const char *const bad[] = { "",
					   "\n",
					   HEX63,
					   HEX63 "\n",
					   HEX63 "g\n",
					   HEX63 "f0\n",
					   HEX63 "f\n\n",
					   " " HEX63 "f",
					   HEX63 "f\r\n",
					   HEX63 "f " };
	static const char *const good[] = { HEX63 "f", HEX63 "f\n",
					    HEX63 "F\n" };
	const char *path = in_folder("key");
	struct secret *key = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(file_replace(path, bad[i], strlen(bad[i]),
					      NULL, &why),
				 STATUS_OK);
		assert_int_equal(seal_key_load(path, &key, &why),
				 STATUS_CONFIG);
		assert_null(strstr(why.text, "0102"));
		assert_null(key);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(file_replace(path, good[i], strlen(good[i]),
					      NULL, &why),
				 STATUS_OK);
		assert_int_equal(seal_key_load(path, &key, &why), STATUS_OK);
		assert_int_equal(secret_buffer(key)[0], 0x00);
		assert_int_equal(secret_buffer(key)[31], 0x1f);
		secret_free(key);
		key = NULL;
	}
	assert_int_equal(unlink(path), 0);
}

static void openssl_randomness_fills_and_varies(void **state)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };

	(void)state;
	assert_int_equal(random_bytes(entropy_openssl(), a, sizeof(a)),
			 STATUS_OK);
	assert_int_equal(random_bytes(entropy_openssl(), b, sizeof(b)),
			 STATUS_OK);
	assert_memory_not_equal(a, b, 32);
	assert_memory_not_equal(a + 32, b + 32, 32);
	assert_int_equal(random_bytes(entropy_openssl(), a,
				      (size_t)INT_MAX + 1),
			 STATUS_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sealing_matches_the_vectors_of_gcm),
		cmocka_unit_test(
			a_sealed_blob_with_one_bit_flipped_does_not_open),
		cmocka_unit_test(a_cut_or_grown_blob_does_not_open),
		cmocka_unit_test(
			the_largest_and_the_empty_secret_can_be_sealed),
		cmocka_unit_test(the_same_secret_is_never_sealed_alike),
		cmocka_unit_test(
			without_randomness_or_a_whole_key_nothing_is_sealed),
		cmocka_unit_test_setup_teardown(
			a_key_file_is_private_and_made_once, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(
			a_key_file_of_another_form_is_refused, make_folder,
			remove_folder),
		cmocka_unit_test(openssl_randomness_fills_and_varies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
