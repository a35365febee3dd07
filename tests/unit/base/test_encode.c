/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/encode.h"
#include "base/random.h"

/* RFC 4648 section 10. */
static const struct {
	const char *plain;
	const char *base64;
} vectors[] = {
	{ "", "" },
	{ "f", "Zg==" },
	{ "fo", "Zm8=" },
	{ "foo", "Zm9v" },
	{ "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" },
	{ "foobar", "Zm9vYmFy" },
};

static void base64_matches_the_vectors_of_rfc_4648(void **state)
{
	char out[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		encode_base64(vectors[i].plain, strlen(vectors[i].plain), out);
		assert_string_equal(out, vectors[i].base64);
	}
}

/* Bit by bit. */
static void unbase64(const char *s, size_t n, unsigned char *dst)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	size_t bit, value;

	memset(dst, 0, n);
	for (bit = 0; bit < 8 * n; bit++) {
		assert_non_null(strchr(alphabet, s[bit / 6]));
		value = (size_t)(strchr(alphabet, s[bit / 6]) - alphabet);
		if (value >> (5 - bit % 6) & 1)
			dst[bit / 8] |= (unsigned char)(0x80 >> bit % 8);
	}
}

static void every_byte_survives_base64_and_hex(void **state)
{
	unsigned char all[256], back[256];
	char base64[ENCODE_BASE64_SIZE(256)], hex[513];
	size_t i, len;

	(void)state;
	for (i = 0; i < 256; i++)
		all[i] = (unsigned char)(i * 167 + 13);
	for (len = 0; len <= 256; len++) {
		encode_base64(all, len, base64);
		assert_int_equal(strlen(base64) + 1, ENCODE_BASE64_SIZE(len));
		unbase64(base64, len, back);
		assert_memory_equal(back, all, len);
		encode_hex(all, len, hex);
		memset(back, 0, sizeof(back));
		assert_int_equal(encode_unhex(hex, back, len), STATUS_OK);
		assert_memory_equal(back, all, len);
	}
}

static void hex_takes_exactly_its_digits(void **state)
{
	unsigned char out[2] = { 9, 9 };

	(void)state;
	assert_int_equal(encode_unhex("aBcD", out, 2), STATUS_OK);
	assert_memory_equal(out, "\xab\xcd", 2);
	assert_int_equal(encode_unhex("abc", out, 2), STATUS_ERROR);
	assert_int_equal(encode_unhex("ab g", out, 2), STATUS_ERROR);
	assert_int_equal(encode_unhex("", out, 2), STATUS_ERROR);
	assert_memory_equal(out, "\xab\xcd", 2);
}

static void percent_keeps_only_what_rfc_3986_leaves_unreserved(void **state)
{
	char out[3 * 256 + 1], all[256];
	int c;

	(void)state;
	encode_percent("aZ09-._~", 8, out);
	assert_string_equal(out, "aZ09-._~");
	encode_percent("p@ss/w:rd?#%+ \xc3\xa9", 16, out);
	assert_string_equal(out, "p%40ss%2Fw%3Ard%3F%23%25%2B%20%C3%A9");
	for (c = 0; c < 256; c++)
		all[c] = (char)c;
	encode_percent(all, 256, out);
	assert_int_equal(strlen(out), 66 + 3 * (256 - 66));
}

static void a_uuid_has_one_form(void **state)
{
	static const char good[] = "0b4fb1f2-9a6c-4d3e-8f00-00a1b2c3d4e5";
	char bad[40];
	size_t i;

	(void)state;
	assert_true(encode_is_uuid(good));
	for (i = 0; i < 36; i++) {
		memcpy(bad, good, sizeof(good));
		bad[i] = 'G';
		assert_false(encode_is_uuid(bad));
		bad[i] = '\0';
		assert_false(encode_is_uuid(bad));
	}
	memcpy(bad, good, sizeof(good));
	bad[1] = 'B';
	assert_false(encode_is_uuid(bad));
	assert_false(encode_is_uuid("0b4fb1f2-9a6c-4d3e-8f00-00a1b2c3d4e5a"));
	assert_false(encode_is_uuid("{b4fb1f2-9a6c-4d3e-8f00-00a1b2c3d4e5}"));
	assert_false(encode_is_uuid(""));
}

/* xorshift64*: a fixed sequence, so that the statistics below are the same on
 * every run. */
static enum status sequence(void *self, void *p, size_t n)
{
	uint64_t *x = self;
	size_t i;

	for (i = 0; i < n; i++) {
		*x ^= *x >> 12;
		*x ^= *x << 25;
		*x ^= *x >> 27;
		((unsigned char *)p)[i] =
			(unsigned char)(*x * UINT64_C(2685821657736338717) >>
					56);
	}
	return STATUS_OK;
}

static enum status stuck(void *self, void *p, size_t n)
{
	(void)self;
	memset(p, 0xff, n);
	return STATUS_OK;
}

static enum status broken(void *self, void *p, size_t n)
{
	(void)self;
	(void)p;
	(void)n;
	return STATUS_ERROR;
}

static void numbers_below_a_bound_are_uniform(void **state)
{
	static const unsigned bounds[] = { 2, 3, 10, 65, 100, 200, 255, 256 };
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
	const struct random r = { sequence, &seed };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		unsigned counts[256] = { 0 }, bound = bounds[i], v, j;
		double expected = 1000, d, chi = 0;

		for (j = 0; j < bound * 1000; j++) {
			assert_int_equal(random_below(&r, bound, &v),
					 STATUS_OK);
			assert_true(v < bound);
			counts[v]++;
		}
		for (j = 0; j < bound; j++) {
			d = counts[j] - expected;
			chi += d * d / expected;
		}
		/* Mean bound - 1, variance 2 (bound - 1): six deviations off is
		 * below 1e-6.  Taking the remainder of a byte would give 200
		 * values a chi-square near 40,000. */
		d = chi - (bound - 1);
		assert_true(d < 0 || d * d < 36.0 * 2 * (bound - 1) + 36);
	}
}

static void a_bound_outside_1_to_256_is_refused(void **state)
{
	uint64_t seed = 1;
	const struct random r = { sequence, &seed };
	unsigned v = 42;

	(void)state;
	assert_int_equal(random_below(&r, 0, &v), STATUS_ERROR);
	assert_int_equal(random_below(&r, 257, &v), STATUS_ERROR);
	assert_int_equal(v, 42);
	assert_int_equal(random_below(&r, 1, &v), STATUS_OK);
	assert_int_equal(v, 0);
}

static void a_broken_or_stuck_source_is_an_error_and_no_hang(void **state)
{
	const struct random b = { broken, NULL }, s = { stuck, NULL };
	char uuid[RANDOM_UUID_SIZE] = "untouched";
	unsigned v = 42;

	(void)state;
	assert_int_equal(random_below(&b, 10, &v), STATUS_ERROR);
	assert_int_equal(random_below(&s, 10, &v), STATUS_ERROR);
	assert_int_equal(v, 42);
	assert_int_equal(random_uuid(&b, uuid), STATUS_ERROR);
	assert_string_equal(uuid, "untouched");
}

static void random_uuids_have_version_4_and_the_rfc_variant(void **state)
{
	const struct random ones = { stuck, NULL };
	uint64_t seed = 7;
	const struct random r = { sequence, &seed };
	char a[RANDOM_UUID_SIZE], b[RANDOM_UUID_SIZE];
	int i;

	(void)state;
	assert_int_equal(random_uuid(&ones, a), STATUS_OK);
	assert_string_equal(a, "ffffffff-ffff-4fff-bfff-ffffffffffff");
	for (i = 0; i < 1000; i++) {
		assert_int_equal(random_uuid(&r, b), STATUS_OK);
		assert_true(encode_is_uuid(b));
		assert_int_equal(b[14], '4');
		assert_non_null(strchr("89ab", b[19]));
		assert_string_not_equal(a, b);
		memcpy(a, b, sizeof(a));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_matches_the_vectors_of_rfc_4648),
		cmocka_unit_test(every_byte_survives_base64_and_hex),
		cmocka_unit_test(hex_takes_exactly_its_digits),
		cmocka_unit_test(
			percent_keeps_only_what_rfc_3986_leaves_unreserved),
		cmocka_unit_test(a_uuid_has_one_form),
		cmocka_unit_test(numbers_below_a_bound_are_uniform),
		cmocka_unit_test(a_bound_outside_1_to_256_is_refused),
		cmocka_unit_test(
			a_broken_or_stuck_source_is_an_error_and_no_hang),
		cmocka_unit_test(
			random_uuids_have_version_4_and_the_rfc_variant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
