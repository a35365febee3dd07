/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/reason.h"
#include "base/text.h"

static void an_empty_text_is_the_empty_string(void **state)
{
	struct text t = text_make(10);

	(void)state;
	assert_string_equal(text_str(&t), "");
	assert_int_equal(text_status(&t), STATUS_OK);
	text_free(&t);
	text_free(NULL);
}

static void a_text_grows_to_its_maximum_and_not_beyond(void **state)
{
	struct text t = text_make(1000);
	size_t i;

	(void)state;
	for (i = 0; i < 1000; i++)
		text_add_char(&t, 'x');
	assert_int_equal(text_status(&t), STATUS_OK);
	assert_int_equal(t.len, 1000);
	assert_int_equal(strlen(text_str(&t)), 1000);
	text_add_char(&t, 'y');
	assert_int_equal(text_status(&t), STATUS_LIMIT);
	assert_int_equal(t.len, 1000);
	text_free(&t);
}

static void a_failure_is_kept_and_later_appends_are_ignored(void **state)
{
	struct text t = text_make(5);

	(void)state;
	text_add(&t, "abc");
	text_printf(&t, "%d", 123456);
	text_add(&t, "d");
	assert_int_equal(text_status(&t), STATUS_LIMIT);
	assert_string_equal(text_str(&t), "abc");
	text_reset(&t);
	assert_int_equal(text_status(&t), STATUS_OK);
	text_add(&t, "defgh");
	assert_string_equal(text_str(&t), "defgh");
	text_free(&t);
}

static void printf_appends_what_does_not_fit_the_first_allocation(void **state)
{
	struct text t = text_make(4096);
	char wide[300];

	(void)state;
	memset(wide, 'w', sizeof(wide) - 1);
	wide[sizeof(wide) - 1] = '\0';
	text_add(&t, "<");
	text_printf(&t, "%s|%d", wide, -7);
	assert_int_equal(t.len, 1 + 299 + 3);
	assert_string_equal(text_str(&t) + 300, "|-7");
	text_free(&t);
}

static void json_strings_are_escaped(void **state)
{
	struct text t = text_make(200);

	(void)state;
	text_add_json(&t, "a\"b\\c\n\t\r\b\f\x01\x7f/\xc3\xa9");
	assert_string_equal(text_str(&t), "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001"
					  "\\u007f/\xc3\xa9\"");
	text_reset(&t);
	text_add_json(&t, "x\xff\xc3(");
	assert_string_equal(text_str(&t), "\"x\\ufffd\\ufffd(\"");
	text_free(&t);
}

static void members_are_set_apart_by_commas(void **state)
{
	struct text t = text_make(200);

	(void)state;
	text_add(&t, "{");
	text_add_member(&t, "a", "{");
	text_add_member(&t, "b", NULL);
	text_add_key(&t, "c");
	text_add(&t, "{");
	text_add_member(&t, "d", "\"");
	assert_string_equal(text_str(&t), "{\"a\":\"{\",\"b\":null,\"c\":{"
					  "\"d\":\"\\\"\"");
	text_free(&t);
}

static void only_rfc_3629_is_utf8(void **state)
{
	static const struct {
		const char *s;
		bool ok;
	} cases[] = {
		{ "", true },
		{ "plain", true },
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xe0\xa0\x80", true },
		{ "\xed\x9f\xbf", true },
		{ "\xef\xbf\xbf", true },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\x80", false },	       /* a lone continuation */
		{ "\xc0\xaf", false },	       /* overlong '/' */
		{ "\xc1\xbf", false },	       /* overlong */
		{ "\xe0\x80\xaf", false },     /* overlong '/' */
		{ "\xe0\x9f\xbf", false },     /* overlong */
		{ "\xf0\x80\x80\xaf", false }, /* overlong '/' */
		{ "\xf0\x8f\xbf\xbf", false }, /* overlong */
		{ "\xed\xa0\x80", false },     /* a surrogate */
		{ "\xed\xbf\xbf", false },     /* a surrogate */
		{ "\xf4\x90\x80\x80", false }, /* above U+10FFFF */
		{ "\xf5\x80\x80\x80", false },
		{ "\xff", false },
		{ "\xc3", false },	   /* cut */
		{ "\xe2\x82", false },	   /* cut */
		{ "\xf0\x9f\x98", false }, /* cut */
		{ "\xe2(\xa1", false },
		{ "\xf0\x9f(\x80", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(text_is_utf8(cases[i].s, strlen(cases[i].s)),
				 cases[i].ok);
	assert_true(text_is_utf8("\0", 1));
}

static void control_characters_are_found(void **state)
{
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		char s[2] = { 'a', (char)c };

		assert_int_equal(text_has_control(s, 2), c < 0x20 || c == 0x7f);
	}
	/* Those of two bytes, and nothing that only begins or goes on alike. */
	for (c = 0; c < 256; c++) {
		char s[3] = { 'a', (char)0xC2, (char)c };

		assert_int_equal(text_has_control(s, 3),
				 c < 0x20 || (c >= 0x7f && c < 0xA0));
		s[1] = (char)0xC3;
		assert_int_equal(text_has_control(s, 3), c < 0x20 || c == 0x7f);
	}
	assert_false(text_has_control("\xC2", 1));
	assert_false(text_has_control("\xC3\xA9 \xC2\xA7", 5));
	assert_int_equal(text_control_length("\xC2\x85", 2), 2);
	assert_int_equal(text_control_length("\xC2\x85", 1), 0);
	assert_int_equal(text_control_length("\x7f", 1), 1);
	assert_int_equal(text_control_length("", 0), 0);
	assert_false(text_has_control("abc", 3));
	assert_false(text_has_control("", 0));
}

static void overlong_text_is_not_copied(void **state)
{
	char dst[4] = "zzz";
	char *copy = NULL;

	(void)state;
	assert_int_equal(text_copy(dst, sizeof(dst), "abc"), STATUS_OK);
	assert_string_equal(dst, "abc");
	assert_int_equal(text_copy(dst, sizeof(dst), "abcd"), STATUS_LIMIT);
	assert_string_equal(dst, "");
	assert_int_equal(text_dup("hello", &copy), STATUS_OK);
	assert_string_equal(copy, "hello");
	free(copy);
}

static void a_reason_cannot_forge_a_line_or_drive_a_terminal(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(reason_set(&why, STATUS_CONFIG, "server said %s",
				    "x\nkeyturn: ok\x1b[2J\x7f"),
			 STATUS_CONFIG);
	assert_string_equal(why.text, "server said x\\x0akeyturn: ok\\x1b[2J"
				      "\\x7f");
	reason_set(&why, STATUS_ERROR, "%s",
		   "C1 \xc2\x9b"
		   "2J, bad \xff\xc0\xaf, "
		   "good \xc3\xa9");
	assert_string_equal(why.text, "C1 \\xc2\\x9b"
				      "2J, bad \\xff\\xc0\\xaf, "
				      "good \xc3\xa9");
}

static void a_long_reason_is_cut_at_a_character(void **state)
{
	struct reason why;
	char s[3000];
	size_t i, n;

	(void)state;
	for (i = 0; i + 2 < sizeof(s); i += 2)
		memcpy(s + i, "\xc3\xa9", 2);
	s[i] = '\0';
	/* Every alignment of the cut. */
	for (i = 0; i < 5; i++) {
		reason_set(&why, STATUS_ERROR, "%.*s%s", (int)i, "abcde", s);
		n = strlen(why.text);
		assert_in_range(n, REASON_MAX - 6, REASON_MAX - 1);
		assert_string_equal(why.text + n - 3, "...");
		assert_true(text_is_utf8(why.text, n));
	}
}

static void a_reason_that_just_fits_is_not_cut(void **state)
{
	struct reason why;
	char s[REASON_MAX];

	(void)state;
	memset(s, 'a', sizeof(s) - 1);
	s[sizeof(s) - 1] = '\0';
	reason_set(&why, STATUS_ERROR, "%s", s);
	assert_string_equal(why.text, s);
	reason_set(&why, STATUS_ERROR, "%sb", s);
	assert_int_equal(strlen(why.text), REASON_MAX - 1);
	assert_string_equal(why.text + REASON_MAX - 4, "...");
}

static void a_reason_may_be_wrapped_cleared_and_missing(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(reason_set(NULL, STATUS_BUSY, "x"), STATUS_BUSY);
	assert_int_equal(reason_wrap(NULL, STATUS_BUSY, "x"), STATUS_BUSY);
	reason_clear(NULL);
	reason_set(&why, STATUS_BUSY, "it is\ttaken");
	assert_int_equal(reason_wrap(&why, STATUS_BUSY, "role %s", "a\nb"),
			 STATUS_BUSY);
	assert_string_equal(why.text, "role a\\x0ab: it is\\x09taken");
	reason_clear(&why);
	assert_string_equal(why.text, "");
	reason_wrap(&why, STATUS_ERROR, "alone");
	assert_string_equal(why.text, "alone");
}

static void a_reason_may_quote_itself(void **state)
{
	struct reason why;

	(void)state;
	reason_set(&why, STATUS_ERROR, "first");
	reason_set(&why, STATUS_ERROR, "second after %s", why.text);
	assert_string_equal(why.text, "second after first");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_text_is_the_empty_string),
		cmocka_unit_test(a_text_grows_to_its_maximum_and_not_beyond),
		cmocka_unit_test(
			a_failure_is_kept_and_later_appends_are_ignored),
		cmocka_unit_test(
			printf_appends_what_does_not_fit_the_first_allocation),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(members_are_set_apart_by_commas),
		cmocka_unit_test(only_rfc_3629_is_utf8),
		cmocka_unit_test(control_characters_are_found),
		cmocka_unit_test(overlong_text_is_not_copied),
		cmocka_unit_test(
			a_reason_cannot_forge_a_line_or_drive_a_terminal),
		cmocka_unit_test(a_long_reason_is_cut_at_a_character),
		cmocka_unit_test(a_reason_that_just_fits_is_not_cut),
		cmocka_unit_test(a_reason_may_be_wrapped_cleared_and_missing),
		cmocka_unit_test(a_reason_may_quote_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
