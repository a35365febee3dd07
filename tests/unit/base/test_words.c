/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/words.h"

static bool have(const char *words, const char *word)
{
	return words_have(words, word, strlen(word));
}

static void a_word_is_found_as_a_whole(void **state)
{
	(void)state;
	assert_true(have("local vault aws", "local"));
	assert_true(have("local vault aws", "vault"));
	assert_true(have("local vault aws", "aws"));
	assert_true(have("  local   aws ", "aws"));
	assert_true(have("local,aws, vault", "aws"));
	assert_false(have("local vault aws", "aw"));
	assert_false(have("local vault aws", "awss"));
	assert_false(have("local vault aws", "ault"));
	assert_false(have("local vault aws", "local vault"));
	assert_false(have("local vault aws", ""));
	assert_false(have("", "aws"));
	assert_true(words_have("verify-ca", "verify-cab", 9));
}

static void a_name_stands_for_any(void **state)
{
	(void)state;
	assert_true(have("self token:NAME", "token:x"));
	assert_true(have("self token:NAME", "token:NAME"));
	assert_false(have("self token:NAME", "token:"));
	assert_false(have("self token:NAME", "token"));
	assert_false(have("self token:NAME", "tokens:x"));
	assert_false(have("self NAME", "x"));
	assert_false(have("self :NAME", ":x"));
}

static void words_come_one_by_one(void **state)
{
	const char *at = "  a  bc ";
	const char *w;
	size_t n;

	(void)state;
	w = words_next(&at, &n);
	assert_true(n == 1 && *w == 'a');
	w = words_next(&at, &n);
	assert_true(n == 2 && memcmp(w, "bc", 2) == 0);
	assert_null(words_next(&at, &n));
	assert_null(words_next(&at, &n));
	at = "a,b ,c";
	w = words_next(&at, &n);
	assert_true(n == 3 && memcmp(w, "a,b", 3) == 0);
	at = "a,b ,c";
	for (const char *want = "abc"; *want; want++) {
		w = words_next_item(&at, &n);
		assert_true(n == 1 && *w == *want);
	}
	assert_null(words_next_item(&at, &n));
}

static void a_list_is_joined_as_one_says_it(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "a", "a" },
		{ "a b", "a or b" },
		{ " a  bc d", "a, bc or d" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct text t = text_make(100);

		words_join(cases[i][0], " or ", &t);
		assert_string_equal(text_str(&t), cases[i][1]);
		text_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_is_found_as_a_whole),
		cmocka_unit_test(a_name_stands_for_any),
		cmocka_unit_test(words_come_one_by_one),
		cmocka_unit_test(a_list_is_joined_as_one_says_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
