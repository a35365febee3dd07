/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "json/json_doc.h"

static struct json_doc *parse(const char *text)
{
	struct json_doc *d = NULL;
	struct reason why = { "" };

	if (json_doc_parse(text, strlen(text), "the test", &d, &why) !=
	    STATUS_OK)
		fail_msg("%s", why.text);
	return d;
}

static void refuse(const char *text, size_t n, const char *words)
{
	struct json_doc *d = NULL;
	struct reason why = { "" };

	assert_int_equal(json_doc_parse(text, n, "the answer", &d, &why),
			 STATUS_ERROR);
	assert_null(d);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" does not say \"%s\"", why.text, words);
}

static void what_is_no_json_is_refused(void **state)
{
	(void)state;
	refuse("", 0, "empty");
	refuse("{", 1, "ends too early");
	refuse("{} x", 4, "behind its end");
	refuse("{}\0", 3, "behind its end");
	refuse("{\"a\":1,\"a\":2}", 13, "twice");
	refuse("\"\xff\"", 3, "UTF-8");
	refuse("{\"a\\u0000\":1}", 13, "NUL");
	refuse("<html>", 6, "not JSON");
	refuse("99999999999999999999", 20, "too large");
	refuse("[1,]", 4, "not JSON");
}

/* Every cut and every flipped byte of a document with a password: whatever the
 * parser thinks of it, no piece of the password is in the sentence. */
static void no_sentence_quotes_the_document(void **state)
{
	static const char text[] =
		"{\"data\":{\"password\":\"S3cr\\u0065tNeedle-0123456789\"}}";
	char copy[sizeof(text)];
	struct reason why;
	struct json_doc *d;
	size_t i, cut, n = sizeof(text) - 1;
	unsigned refused = 0;

	(void)state;
	for (cut = 1; cut <= n; cut++) {
		for (i = 0; i < cut; i++) {
			memcpy(copy, text, sizeof(text));
			copy[i] = (char)(copy[i] ^ 0x5c);
			d = NULL;
			if (json_doc_parse(copy, cut, "it", &d, &why) ==
			    STATUS_OK) {
				json_doc_free(d);
				continue;
			}
			refused++;
			assert_null(strstr(why.text, "S3cr"));
			assert_null(strstr(why.text, "Needle"));
			assert_null(strstr(why.text, "0123"));
			assert_null(strstr(why.text, "password"));
		}
	}
	assert_true(refused > 1000);
}

static void levels_and_values_are_limited(void **state)
{
	char deep[2 * JSON_DOC_DEPTH_MAX + 3];
	char *wide = malloc(2 * JSON_DOC_NODES_MAX + 2);
	char *large = malloc(JSON_DOC_BYTES_MAX + 1);
	struct json_doc *d = NULL;
	size_t n = JSON_DOC_DEPTH_MAX;

	(void)state;
	memset(deep, '[', n);
	memset(deep + n, ']', n);
	deep[2 * n] = '\0';
	d = parse(deep);
	json_doc_free(d);
	n++;
	memset(deep, '[', n);
	memset(deep + n, ']', n);
	refuse(deep, 2 * n, "levels");

	wide[0] = '[';
	for (n = 0; n < JSON_DOC_NODES_MAX; n++)
		memcpy(wide + 1 + 2 * n, "1,", 2);
	wide[2 * JSON_DOC_NODES_MAX] = ']';
	refuse(wide, 2 * JSON_DOC_NODES_MAX + 1, "values");

	memset(large, ' ', JSON_DOC_BYTES_MAX + 1);
	refuse(large, JSON_DOC_BYTES_MAX + 1, "larger than");
	free(wide);
	free(large);
}

/* Braces and commas within a string are not structure. */
static void quoted_structure_does_not_count(void **state)
{
	char text[4 * JSON_DOC_DEPTH_MAX];
	struct json_doc *d;

	(void)state;
	memset(text, '[', sizeof(text));
	memcpy(text, "\"\\\"", 3);
	text[sizeof(text) - 2] = '"';
	text[sizeof(text) - 1] = '\0';
	d = parse(text);
	assert_int_equal(json_doc_text_len(d), sizeof(text) - 4);
	json_doc_free(d);
}

static void members_are_found_and_wrong_kinds_are_nothing(void **state)
{
	struct json_doc *d = parse("{\"data\":{\"metadata\":{\"version\":7,"
				   "\"destroyed\":false,\"t\":1.5,\"w\":3.0},"
				   "\"list\":[\"a\",null],\"s\":\"x\"}}");
	int64_t i = 0;
	double r = 0;

	(void)state;
	assert_true(
		json_doc_int(json_doc_path(d, "data.metadata.version"), &i));
	assert_int_equal(i, 7);
	assert_true(json_doc_int(json_doc_path(d, "data.metadata.w"), &i));
	assert_int_equal(i, 3);
	assert_false(json_doc_int(json_doc_path(d, "data.metadata.t"), &i));
	assert_true(json_doc_real(json_doc_path(d, "data.metadata.t"), &r));
	assert_true(r > 1.4 && r < 1.6);
	assert_false(json_doc_bool(json_doc_path(d, "data.metadata.destroyed"),
				   true));
	assert_true(
		json_doc_bool(json_doc_path(d, "data.metadata.none"), true));
	assert_null(json_doc_path(d, "data.s.version"));
	assert_null(json_doc_path(d, "data.list.0"));
	assert_null(json_doc_path(NULL, "data"));
	assert_null(json_doc_get(NULL, "a"));
	assert_null(json_doc_text(json_doc_path(d, "data.metadata")));
	assert_string_equal(
		json_doc_text(json_doc_at(json_doc_path(d, "data.list"), 0)),
		"a");
	assert_true(json_doc_is(json_doc_at(json_doc_path(d, "data.list"), 1),
				JSON_DOC_NULL));
	assert_null(json_doc_at(json_doc_path(d, "data.list"), 2));
	assert_int_equal(json_doc_count(json_doc_path(d, "data.list")), 2);
	assert_int_equal(json_doc_count(json_doc_path(d, "data")), 3);
	assert_int_equal(json_doc_count(json_doc_path(d, "data.s")), 0);
	assert_false(json_doc_is(NULL, JSON_DOC_OBJECT));
	json_doc_free(d);
}

static void whole_reals_out_of_range_are_no_integers(void **state)
{
	struct json_doc *d =
		parse("[9.3e18,-9.3e18,-9223372036854775808.0,1e300]");
	int64_t i = 1;

	(void)state;
	assert_false(json_doc_int(json_doc_at(d, 0), &i));
	assert_false(json_doc_int(json_doc_at(d, 1), &i));
	assert_true(json_doc_int(json_doc_at(d, 2), &i));
	assert_true(i == INT64_MIN);
	assert_false(json_doc_int(json_doc_at(d, 3), &i));
	json_doc_free(d);
}

static void strings_are_copied_only_when_they_fit_whole(void **state)
{
	struct json_doc *d =
		parse("{\"s\":\"abc\",\"nul\":\"a\\u0000b\",\"n\":1}");
	char four[4], three[3];

	(void)state;
	assert_int_equal(json_doc_copy(json_doc_get(d, "s"), four, 4),
			 STATUS_OK);
	assert_string_equal(four, "abc");
	assert_int_equal(json_doc_copy(json_doc_get(d, "s"), three, 3),
			 STATUS_LIMIT);
	assert_string_equal(three, "");
	assert_int_equal(json_doc_copy(json_doc_get(d, "nul"), four, 4),
			 STATUS_LIMIT);
	assert_int_equal(json_doc_copy(json_doc_get(d, "n"), four, 4),
			 STATUS_NOT_FOUND);
	assert_int_equal(json_doc_copy(NULL, four, 4), STATUS_NOT_FOUND);
	json_doc_free(d);
}

static void a_secret_is_copied_with_its_nuls_and_its_limit(void **state)
{
	struct json_doc *d = parse("[\"a\\u0000b\",\"\",5]");
	struct secret *s = NULL;

	(void)state;
	assert_int_equal(json_doc_secret(json_doc_at(d, 0), 3, &s), STATUS_OK);
	assert_int_equal(secret_len(s), 3);
	assert_memory_equal(secret_bytes(s), "a\0b", 3);
	secret_free(s);
	s = NULL;
	assert_int_equal(json_doc_secret(json_doc_at(d, 0), 2, &s),
			 STATUS_LIMIT);
	assert_int_equal(json_doc_secret(json_doc_at(d, 1), 2, &s), STATUS_OK);
	assert_int_equal(secret_len(s), 0);
	secret_free(s);
	s = NULL;
	assert_int_equal(json_doc_secret(json_doc_at(d, 2), 2, &s),
			 STATUS_NOT_FOUND);
	assert_null(s);
	json_doc_free(d);
}

static void a_list_of_texts_is_searched(void **state)
{
	struct json_doc *d = parse("[\"a\",5,\"b\",\"a\\u0000c\"]");

	(void)state;
	assert_true(json_doc_lists(d, "a"));
	assert_true(json_doc_lists(d, "b"));
	assert_false(json_doc_lists(d, "5"));
	assert_false(json_doc_lists(d, ""));
	assert_false(json_doc_lists(NULL, "a"));
	json_doc_free(d);
}

static void members_can_be_walked(void **state)
{
	struct json_doc *d = parse("{\"a\":1,\"b\":2,\"c\":3}");
	const struct json_doc *value;
	const void *i = NULL;
	const char *key;
	char seen[4] = "";
	int64_t sum = 0, n;

	(void)state;
	while ((i = json_doc_next(d, i, &key, &value)) != NULL) {
		strncat(seen, key, sizeof(seen) - strlen(seen) - 1);
		assert_true(json_doc_int(value, &n));
		sum += n;
	}
	assert_string_equal(seen, "abc");
	assert_int_equal(sum, 6);
	assert_null(json_doc_next(NULL, NULL, &key, &value));
	json_doc_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(no_sentence_quotes_the_document),
		cmocka_unit_test(levels_and_values_are_limited),
		cmocka_unit_test(quoted_structure_does_not_count),
		cmocka_unit_test(members_are_found_and_wrong_kinds_are_nothing),
		cmocka_unit_test(whole_reals_out_of_range_are_no_integers),
		cmocka_unit_test(strings_are_copied_only_when_they_fit_whole),
		cmocka_unit_test(
			a_secret_is_copied_with_its_nuls_and_its_limit),
		cmocka_unit_test(a_list_of_texts_is_searched),
		cmocka_unit_test(members_can_be_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
