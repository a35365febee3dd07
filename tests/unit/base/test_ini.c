/* SPDX-License-Identifier: PostgreSQL */
/* ini: what Python's configparser reads, and where it says no. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/ini.h"
#include "base/text.h"

/* Every item as "SECTION/KEY=VALUE|MORE;". */
static void assert_items(const char *file, const char *want)
{
	struct ini i = ini_begin(file, strlen(file));
	struct text got = text_make(4096);
	struct ini_item item;

	while (ini_next(&i, &item)) {
		text_add_bytes(&got, item.section.s, item.section.n);
		if (item.key.n > 0) {
			text_add(&got, "/");
			text_add_bytes(&got, item.key.s, item.key.n);
			text_add(&got, "=");
			text_add_bytes(&got, item.value.s, item.value.n);
		}
		if (item.more.n > 0) {
			text_add(&got, "|");
			text_add_bytes(&got, item.more.s, item.more.n);
		}
		text_add(&got, ";");
	}
	assert_null(i.fault);
	assert_string_equal(text_str(&got), want);
	text_free(&got);
}

static void a_file_is_read_as_configparser_reads_it(void **state)
{
	(void)state;
	assert_items("", "");
	assert_items("# c\n ; c\n\n[a] # main\nk = v # kept\n",
		     "a;a/k=v # kept;");
	assert_items("[a]\n  k = 1\n  l: 2\n[b]\r\nm=\r\n",
		     "a;a/k=1;a/l=2;b;b/m=;");
	assert_items("  [a]\n  k = a:b=c\nl : x=y\n", "a;a/k=a:b=c;a/l=x=y;");
	assert_items("[a]\nk =\n  x = 1\n\n  # c\n  y = 2\nl = 3\n",
		     "a;a/k=|  x = 1\n\n  # c\n  y = 2\n;a/l=3;");
	assert_items("[a]\nk = 1\n\n  more\n[b]\n", "a;a/k=1|\n  more\n;b;");
	/* Greedy up to the last bracket, and not further. */
	assert_items("[a] x [b] y\n", "a] x [b;");
	/* A section that is indented more than a key is a part of its value. */
	assert_items("[a]\nk = 1\n [b]\n", "a;a/k=1| [b]\n;");
}

static void assert_refused(const char *file, size_t line, const char *words)
{
	struct secret *s = NULL;
	struct reason why = { "" };
	char place[32];

	snprintf(place, sizeof(place), "/f line %zu: ", line);
	assert_int_equal(secret_new(strlen(file) + 1, &s), STATUS_OK);
	assert_int_equal(secret_set(s, file, strlen(file)), STATUS_OK);
	assert_int_equal(ini_check(s, "/f", &why), STATUS_CONFIG);
	if (!strstr(why.text, words) || !strstr(why.text, place))
		fail_msg("\"%s\" does not say \"%s%s\"", why.text, place,
			 words);
	secret_free(s);
}

static void what_configparser_refuses_is_refused_by_line(void **state)
{
	struct secret *s = NULL;

	(void)state;
	assert_refused("\n k = 1\n[a]\n", 2, "before the first");
	assert_refused("[a]\nk = 1\nnonsense\n", 3, "neither");
	assert_refused("[a]\n= 1\n", 2, "neither");
	assert_refused("[a\nk = 1\n", 1, "before the first");
	assert_refused("\xEF\xBB\xBF[a]\nk = 1\n", 1, "byte order mark");
	assert_refused("[a]\nk = 1\nK: 2\n", 3, "set before");
	assert_refused("[a]\n[b]\n\n[a]\n", 4, "there before");
	assert_int_equal(ini_check(NULL, "/f", NULL), STATUS_OK);
	assert_int_equal(secret_new(8, &s), STATUS_OK);
	assert_int_equal(secret_set(s, "[a]\n\xFF", 5), STATUS_OK);
	assert_int_equal(ini_check(s, "/f", NULL), STATUS_CONFIG);
	secret_free(s);
}

static void nested_settings_are_those_with_an_equals_sign(void **state)
{
	static const char file[] = "[a]\nk =\n  x = 1\n\n  # y = 0\n  y=2";
	struct ini i = ini_begin(file, strlen(file));
	struct ini_part key, value;
	struct ini_item item;

	(void)state;
	assert_true(ini_next(&i, &item) && ini_next(&i, &item));
	assert_true(ini_nested(&item.more, &key, &value));
	assert_true(ini_is(key, "x") && ini_is(value, "1"));
	assert_true(ini_nested(&item.more, &key, &value));
	assert_true(ini_is_key(key, "Y") && ini_is(value, "2"));
	assert_false(ini_nested(&item.more, &key, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_as_configparser_reads_it),
		cmocka_unit_test(what_configparser_refuses_is_refused_by_line),
		cmocka_unit_test(nested_settings_are_those_with_an_equals_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
