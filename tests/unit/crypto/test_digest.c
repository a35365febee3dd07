/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/encode.h"
#include "crypto/digest.h"

static void assert_hex(const unsigned char hash[DIGEST_SIZE], const char *hex)
{
	char got[2 * DIGEST_SIZE + 1];

	encode_hex(hash, DIGEST_SIZE, got);
	assert_string_equal(got, hex);
}

/* FIPS 180-4 examples. */
static void sha256_matches_the_examples_of_fips_180(void **state)
{
	static const char two_blocks[] =
		"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	unsigned char hash[DIGEST_SIZE];
	size_t i;

	(void)state;
	assert_int_equal(digest_sha256(NULL, 0, NULL, 0, hash), STATUS_OK);
	assert_hex(hash, "e3b0c44298fc1c149afbf4c8996fb924"
			 "27ae41e4649b934ca495991b7852b855");
	assert_int_equal(digest_sha256("abc", 3, NULL, 0, hash), STATUS_OK);
	assert_hex(hash, "ba7816bf8f01cfea414140de5dae2223"
			 "b00361a396177a9cb410ff61f20015ad");
	/* However it is cut in two. */
	for (i = 0; i <= sizeof(two_blocks) - 1; i++) {
		assert_int_equal(digest_sha256(two_blocks, i, two_blocks + i,
					       sizeof(two_blocks) - 1 - i,
					       hash),
				 STATUS_OK);
		assert_hex(hash, "248d6a61d20638b8e5c026930c3e6039"
				 "a33ce45964ff2167f6ecedd419db06c1");
	}
}

/* RFC 4231 test cases 1, 2, 3 and 6 (a key longer than a block). */
static void hmac_matches_the_vectors_of_rfc_4231(void **state)
{
	static const char larger[] =
		"Test Using Larger Than Block-Size Key - Hash Key First";
	unsigned char mac[DIGEST_SIZE], data[50];
	struct secret *key = NULL;

	(void)state;
	assert_int_equal(secret_new(131, &key), STATUS_OK);
	memset(secret_buffer(key), 0x0b, 20);
	secret_set_len(key, 20);
	assert_int_equal(digest_hmac(key, "Hi There", 8, mac), STATUS_OK);
	assert_hex(mac, "b0344c61d8db38535ca8afceaf0bf12b"
			"881dc200c9833da726e9376c2e32cff7");
	secret_set(key, "Jefe", 4);
	assert_int_equal(digest_hmac(key, "what do ya want for nothing?", 28,
				     mac),
			 STATUS_OK);
	assert_hex(mac, "5bdcc146bf60754e6a042426089575c7"
			"5a003f089d2739839dec58b964ec3843");
	memset(secret_buffer(key), 0xaa, 131);
	secret_set_len(key, 20);
	memset(data, 0xdd, sizeof(data));
	assert_int_equal(digest_hmac(key, data, sizeof(data), mac), STATUS_OK);
	assert_hex(mac, "773ea91e36800e46854db8ebd09181a7"
			"2959098b3ef8c122d9635514ced565fe");
	memset(secret_buffer(key), 0xaa, 131);
	secret_set_len(key, 131);
	assert_int_equal(digest_hmac(key, larger, sizeof(larger) - 1, mac),
			 STATUS_OK);
	assert_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f"
			"8e0bc6213728c5140546040f0ee37f54");
	secret_free(key);
}

static void hmac_takes_an_empty_key_and_an_empty_message(void **state)
{
	unsigned char mac[DIGEST_SIZE];
	struct secret *key = NULL;

	(void)state;
	assert_int_equal(secret_new(1, &key), STATUS_OK);
	assert_int_equal(digest_hmac(key, NULL, 0, mac), STATUS_OK);
	assert_hex(mac, "b613679a0814d9ec772f95d778c35fc5"
			"ff1697c493715653c6c712144292c5ad");
	secret_free(key);
}

static void a_link_of_the_chain_is_sha256_of_tag_previous_and_body(void **state)
{
	unsigned char prev[DIGEST_SIZE] = { 0 }, link[DIGEST_SIZE];
	unsigned char bytes[1 + DIGEST_SIZE + 4], plain[DIGEST_SIZE];
	int round;

	(void)state;
	for (round = 0; round < 3; round++) {
		bytes[0] = 0x01;
		memcpy(bytes + 1, prev, DIGEST_SIZE);
		memcpy(bytes + 1 + DIGEST_SIZE, "body", 4);
		assert_int_equal(digest_sha256(bytes, sizeof(bytes), NULL, 0,
					       plain),
				 STATUS_OK);
		assert_int_equal(digest_chain(prev, "body", 4, link),
				 STATUS_OK);
		assert_memory_equal(link, plain, DIGEST_SIZE);
		/* In place: the next one's previous. */
		assert_int_equal(digest_chain(prev, "body", 4, prev),
				 STATUS_OK);
		assert_memory_equal(prev, link, DIGEST_SIZE);
	}
}

static void a_change_anywhere_changes_the_link(void **state)
{
	unsigned char prev[DIGEST_SIZE] = { 0 }, a[DIGEST_SIZE], b[DIGEST_SIZE];
	size_t bit;

	(void)state;
	assert_int_equal(digest_chain(prev, "body", 4, a), STATUS_OK);
	for (bit = 0; bit < DIGEST_SIZE * 8; bit++) {
		prev[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_int_equal(digest_chain(prev, "body", 4, b), STATUS_OK);
		assert_memory_not_equal(a, b, DIGEST_SIZE);
		prev[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_int_equal(digest_chain(prev, "bodx", 4, b), STATUS_OK);
	assert_memory_not_equal(a, b, DIGEST_SIZE);
	assert_int_equal(digest_chain(prev, "body", 3, b), STATUS_OK);
	assert_memory_not_equal(a, b, DIGEST_SIZE);
}

static void *hash_on(void *arg)
{
	unsigned char hash[DIGEST_SIZE], first[DIGEST_SIZE];
	int i;

	digest_sha256(arg, 1, NULL, 0, first);
	for (i = 0; i < 2000; i++) {
		if (digest_sha256(arg, 1, NULL, 0, hash) != STATUS_OK ||
		    memcmp(hash, first, sizeof(hash)) != 0)
			return arg;
	}
	return NULL;
}

static void threads_hash_independently(void **state)
{
	static char bytes[8] = "abcdefgh";
	pthread_t threads[8];
	void *wrong;
	int i;

	(void)state;
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hash_on,
						&bytes[i]),
				 0);
	for (i = 0; i < 8; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_matches_the_examples_of_fips_180),
		cmocka_unit_test(hmac_matches_the_vectors_of_rfc_4231),
		cmocka_unit_test(hmac_takes_an_empty_key_and_an_empty_message),
		cmocka_unit_test(
			a_link_of_the_chain_is_sha256_of_tag_previous_and_body),
		cmocka_unit_test(a_change_anywhere_changes_the_link),
		cmocka_unit_test(threads_hash_independently),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
