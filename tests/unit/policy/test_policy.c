/* SPDX-License-Identifier: PostgreSQL */
/* policy: what is refused, how many bits there are, and that every password
 * that fits is equally likely. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/draw.h"
#include "policy/policy.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS	"0123456789"

/* A deterministic source (splitmix64): a failure repeats. */
static enum status mix_bytes(void *self, void *p, size_t n)
{
	uint64_t *state = self;
	unsigned char *to = p;

	while (n-- > 0) {
		uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

		z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
		z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
		*to++ = (unsigned char)(z >> 56);
	}
	return STATUS_OK;
}

static enum status stuck_bytes(void *self, void *p, size_t n)
{
	memset(p, *(int *)self, n);
	return STATUS_OK;
}

static enum status failing_bytes(void *self, void *p, size_t n)
{
	int *left = self;

	if ((*left)-- <= 0)
		return STATUS_ERROR;
	memset(p, 7, n);
	return STATUS_OK;
}

static struct policy with(unsigned length, const char *symbols,
			  const char *required)
{
	struct policy p = { .length = length };

	p.upper = strchr(required, 'U') != NULL;
	p.lower = strchr(required, 'L') != NULL;
	p.digit = strchr(required, 'D') != NULL;
	p.symbol = strchr(required, 'S') != NULL;
	snprintf(p.symbols, sizeof(p.symbols), "%s", symbols);
	return p;
}

static void assert_refused(struct policy p, const char *says)
{
	struct reason why = { "" };

	assert_int_equal(policy_check(&p, &why), STATUS_CONFIG);
	if (strstr(why.text, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why.text, says);
}

static void the_default_policy_is_sound(void **state)
{
	struct policy p = policy_default();
	struct reason why = { "" };

	(void)state;
	assert_int_equal(policy_check(&p, &why), STATUS_OK);
	assert_int_equal(p.length, 32);
	assert_string_equal(p.symbols, "-_.");
	assert_true(p.upper && p.lower && p.digit && p.symbol);
	assert_true(policy_bits(&p) > 190);
}

static void a_length_out_of_range_is_refused(void **state)
{
	(void)state;
	assert_refused(with(19, "-_.", "ULDS"), "length: 19");
	assert_refused(with(0, "-_.", ""), "length: 0");
	assert_refused(with(513, "-_.", "ULDS"), "length: 513");
}

static void every_symbol_that_a_parser_would_trip_over_is_refused(void **state)
{
	const char *allowed = "-_.~!*";

	(void)state;
	for (int c = 1; c < 256; c++) {
		char symbols[2] = { (char)c, '\0' };
		struct policy p = with(32, symbols, "ULDS");
		bool ok = strchr(allowed, c) != NULL;

		if ((policy_check(&p, NULL) == STATUS_OK) != ok)
			fail_msg("character %d", c);
	}
	assert_refused(with(32, "-_-", "S"), "'-' is named twice");
	assert_refused(with(32, "", "S"), "required");
}

static void a_symbol_list_without_an_end_is_refused(void **state)
{
	struct policy p = with(32, "-_.", "S");

	(void)state;
	memset(p.symbols, '-', sizeof(p.symbols));
	assert_refused(p, "symbols");
}

static void fewer_than_128_bits_are_refused(void **state)
{
	struct policy p = with(22, "", "");
	struct reason why;

	(void)state;
	/* 52 * 62^20 is 2^124.8, 52 * 62^21 is 2^130.7. */
	assert_refused(with(21, "", ""), "124.8 bits");
	assert_int_equal(policy_check(&p, &why), STATUS_OK);
}

/* The number of strings with each set of classes, by dynamic programming: a
 * different way to count than inclusion and exclusion, exact in 128 bits. */
static double counted_bits(const struct policy *p)
{
	const unsigned size[4] = { 26, 26, 10, (unsigned)strlen(p->symbols) };
	unsigned __int128 ways[16] = { 0 }, next[16], fits = 0;
	unsigned need = (p->upper ? 1 : 0) | (p->lower ? 2 : 0) |
			(p->digit ? 4 : 0) | (p->symbol ? 8 : 0);

	ways[1] = ways[2] = 26;
	for (unsigned i = 1; i < p->length; i++) {
		memset(next, 0, sizeof(next));
		for (unsigned seen = 0; seen < 16; seen++)
			for (unsigned k = 0; k < 4; k++)
				next[seen | 1u << k] += ways[seen] * size[k];
		memcpy(ways, next, sizeof(ways));
	}
	for (unsigned seen = 0; seen < 16; seen++)
		if ((seen & need) == need)
			fits += ways[seen];
	return (double)log2l((long double)fits);
}

static void the_bits_are_those_of_an_exact_count(void **state)
{
	static const char *const symbols[] = { "", "-", "-_.", "-_.~!*" };
	static const char *const required[] = { "",    "U",   "D",   "S",
						"ULD", "LDS", "ULDS" };

	(void)state;
	for (unsigned length = 1; length <= 20; length++)
		for (size_t i = 0; i < 4; i++)
			for (size_t j = 0; j < 7; j++) {
				struct policy p =
					with(length, symbols[i], required[j]);
				double want = counted_bits(&p);

				if (isinf(want))
					want = 0;
				if (fabs(policy_bits(&p) - want) > 1e-9)
					fail_msg("%u \"%s\" %s: %.12f not "
						 "%.12f",
						 length, symbols[i],
						 required[j], policy_bits(&p),
						 want);
			}
}

static void the_bits_of_the_longest_password_do_not_overflow(void **state)
{
	struct policy p = with(512, "-_.", "ULDS");
	double want = log2(52) + 511 * log2(65);

	(void)state;
	assert_true(fabs(policy_bits(&p) - want) < 1e-6);
}

static bool fits(const struct policy *p, const char *s, size_t n)
{
	bool upper = false, lower = false, digit = false, symbol = false;

	if (n != p->length || strchr(LETTERS, s[0]) == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\0')
			return false;
		if (s[i] >= 'A' && s[i] <= 'Z')
			upper = true;
		else if (s[i] >= 'a' && s[i] <= 'z')
			lower = true;
		else if (s[i] >= '0' && s[i] <= '9')
			digit = true;
		else if (strchr(p->symbols, s[i]) != NULL)
			symbol = true;
		else
			return false;
	}
	return (upper || !p->upper) && (lower || !p->lower) &&
	       (digit || !p->digit) && (symbol || !p->symbol);
}

static void every_password_meets_its_policy(void **state)
{
	uint64_t seed = 1;
	struct random r = { mix_bytes, &seed };
	static const struct {
		unsigned length;
		const char *symbols, *required;
	} cases[] = {
		{ 32, "-_.", "ULDS" }, { 22, "-", "S" },       { 22, "", "" },
		{ 25, "-_.~!*", "D" }, { 512, "-_.", "ULDS" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int k = 0; k < 300; k++) {
			struct policy p = with(cases[i].length,
					       cases[i].symbols,
					       cases[i].required);
			struct secret *s = NULL;
			struct reason why;

			assert_int_equal(policy_make(&p, &r, &s, &why),
					 STATUS_OK);
			assert_true(fits(&p, secret_bytes(s), secret_len(s)));
			secret_free(s);
		}
}

/*
 * Over a real policy: each place sees each character of its alphabet equally
 * often when nothing is required.  The bound is ten standard deviations of a
 * chi-square: it never fails by chance, and a modulo bias exceeds it.
 */
static void every_place_sees_every_character_equally_often(void **state)
{
	enum { DRAWS = 40000 };
	static unsigned seen[22][128];
	const char *rest = LETTERS DIGITS "-_.";
	uint64_t seed = 5;
	struct random r = { mix_bytes, &seed };
	struct policy p = with(22, "-_.", "");

	(void)state;
	for (int i = 0; i < DRAWS; i++) {
		struct secret *s = NULL;

		assert_int_equal(policy_make(&p, &r, &s, NULL), STATUS_OK);
		for (unsigned k = 0; k < 22; k++)
			seen[k][(unsigned char)secret_bytes(s)[k]]++;
		secret_free(s);
	}
	for (unsigned k = 0; k < 22; k++) {
		const char *set = k == 0 ? LETTERS : rest;
		double n = (double)strlen(set), want = DRAWS / n, chi = 0;

		for (const char *c = set; *c != '\0'; c++) {
			double d = seen[k][(unsigned char)*c] - want;

			chi += d * d / want;
		}
		assert_true(chi < n - 1 + 10 * sqrt(2 * (n - 1)));
	}
}

#define SMALL "ABab01-"

/* The place of a string in the list of all strings over SMALL. */
static unsigned small_index(const char *s, unsigned length)
{
	unsigned index = 0;

	for (unsigned i = 0; i < length; i++)
		index = index * 7 +
			(unsigned)(strchr(SMALL, s[i]) - (const char *)SMALL);
	return index;
}

static bool small_fits(unsigned index, unsigned length)
{
	unsigned classes = 0, first = 0;

	for (unsigned i = 0; i < length; i++) {
		first = index % 7;
		classes |= first == 6 ? 8u : 1u << first / 2;
		index /= 7;
	}
	return first < 4 && classes == 15;
}

/*
 * All 4 * 7^4 strings of five characters over seven, those that fit listed by
 * hand: each must come, no other may, and all equally often.  A sampler that
 * repairs a string, or redraws one place of it, fails here.
 */
static void all_strings_that_fit_are_equally_likely(void **state)
{
	enum { LENGTH = 5, ALL = 7 * 7 * 7 * 7 * 7, EACH = 300 };
	static unsigned seen[ALL];
	const struct draw d = { .classes = { { "AB", true, true },
					     { "ab", true, true },
					     { "01", false, true },
					     { "-", false, true } },
				.length = LENGTH };
	uint64_t seed = 42;
	struct random r = { mix_bytes, &seed };
	unsigned n = 0;
	double chi = 0;
	char buf[LENGTH];

	(void)state;
	for (unsigned i = 0; i < ALL; i++)
		n += small_fits(i, LENGTH);
	assert_true(n > 500);
	assert_true(fabs(draw_bits(&d) - log2(n)) < 1e-9);
	for (unsigned i = 0; i < n * EACH; i++) {
		assert_int_equal(draw_string(&d, &r, buf), STATUS_OK);
		seen[small_index(buf, LENGTH)]++;
	}
	for (unsigned i = 0; i < ALL; i++) {
		double off = (double)seen[i] - EACH;

		if (!small_fits(i, LENGTH))
			assert_int_equal(seen[i], 0);
		else
			chi += off * off / EACH;
	}
	assert_true(chi < n - 1 + 8 * sqrt(2.0 * (n - 1)));
	assert_true(chi > n - 1 - 8 * sqrt(2.0 * (n - 1)));
}

static void a_stuck_or_failing_source_makes_no_password(void **state)
{
	struct policy p = policy_default();
	struct secret *untouched = (struct secret *)(void *)&p;
	struct secret *s = untouched;
	struct reason why = { "" };

	(void)state;
	for (int byte = 0; byte < 256; byte += 5) {
		struct random r = { stuck_bytes, &byte };

		assert_int_equal(policy_make(&p, &r, &s, &why), STATUS_ERROR);
		assert_ptr_equal(s, untouched);
	}
	for (int left = 0; left < 31; left += 10) {
		int budget = left;
		struct random r = { failing_bytes, &budget };

		assert_int_equal(policy_make(&p, &r, &s, &why), STATUS_ERROR);
		assert_ptr_equal(s, untouched);
	}
	assert_non_null(strstr(why.text, "randomness"));
}

static void a_string_that_was_not_finished_is_wiped(void **state)
{
	const struct draw d = { .classes = { { "AB", true, true },
					     { "", true, false },
					     { "", true, false },
					     { "", true, false } },
				.length = 8 };
	int budget = 5;
	struct random r = { failing_bytes, &budget };
	char buf[8] = "secret!";

	(void)state;
	assert_int_equal(draw_string(&d, &r, buf), STATUS_ERROR);
	assert_memory_equal(buf, "\0\0\0\0\0\0\0\0", 8);
}

static void an_unsound_policy_makes_no_password(void **state)
{
	uint64_t seed = 1;
	struct random r = { mix_bytes, &seed };
	struct policy p = with(10, "-_.", "ULDS");
	struct secret *s = NULL;

	(void)state;
	assert_int_equal(policy_make(&p, &r, &s, NULL), STATUS_CONFIG);
	assert_null(s);
}

static enum status importable(const char *bytes, size_t n, struct reason *why)
{
	struct secret *s = NULL;
	enum status st;

	assert_int_equal(secret_new(n > 0 ? n : 1, &s), STATUS_OK);
	assert_int_equal(secret_set(s, bytes, n), STATUS_OK);
	st = policy_importable(s, why);
	secret_free(s);
	return st;
}

static void a_foreign_password_is_taken_when_nothing_would_break_it(
	void **state)
{
	char long_one[513];
	struct reason why;

	(void)state;
	memset(long_one, 'x', sizeof(long_one));
	assert_int_equal(importable("x", 1, &why), STATUS_OK);
	assert_int_equal(importable("a b:c\\d'e\"%@/", 13, &why), STATUS_OK);
	assert_int_equal(importable(long_one, 512, &why), STATUS_OK);
	assert_int_equal(importable(long_one, 513, &why), STATUS_REFUSED);
	assert_int_equal(importable("", 0, &why), STATUS_REFUSED);
	assert_int_equal(importable(" ab", 3, &why), STATUS_REFUSED);
	assert_int_equal(importable("ab ", 3, &why), STATUS_REFUSED);
	assert_int_equal(importable("a\0b", 3, &why), STATUS_REFUSED);
	assert_int_equal(importable("a\nb", 3, &why), STATUS_REFUSED);
	assert_int_equal(importable("a\177", 2, &why), STATUS_REFUSED);
	/* SASLprep maps U+00AD to nothing: rotation-safety.md K11. */
	assert_int_equal(importable("hunter\xC2\xAD", 8, &why), STATUS_REFUSED);
	assert_null(strstr(why.text, "hunter"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_default_policy_is_sound),
		cmocka_unit_test(a_length_out_of_range_is_refused),
		cmocka_unit_test(
			every_symbol_that_a_parser_would_trip_over_is_refused),
		cmocka_unit_test(a_symbol_list_without_an_end_is_refused),
		cmocka_unit_test(fewer_than_128_bits_are_refused),
		cmocka_unit_test(the_bits_are_those_of_an_exact_count),
		cmocka_unit_test(
			the_bits_of_the_longest_password_do_not_overflow),
		cmocka_unit_test(every_password_meets_its_policy),
		cmocka_unit_test(
			every_place_sees_every_character_equally_often),
		cmocka_unit_test(all_strings_that_fit_are_equally_likely),
		cmocka_unit_test(a_stuck_or_failing_source_makes_no_password),
		cmocka_unit_test(a_string_that_was_not_finished_is_wiped),
		cmocka_unit_test(an_unsound_policy_makes_no_password),
		cmocka_unit_test(
			a_foreign_password_is_taken_when_nothing_would_break_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
