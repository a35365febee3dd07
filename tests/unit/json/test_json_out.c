/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "json/json_out.h"

static struct json_out build(void)
{
	struct json_out d = json_out_object(), list = json_out_array();
	struct json_out empty = json_out_object();
	struct secret *password = NULL;

	assert_int_equal(secret_new(8, &password), STATUS_OK);
	assert_int_equal(secret_set(password, "p\"\\\n", 4), STATUS_OK);
	json_out_text(&d, "z", "\xc3\xa9");
	json_out_secret(&d, "password", password);
	json_out_int(&d, "n", -1);
	json_out_bool(&d, "b", true);
	json_out_null(&d, "nil");
	json_out_text(&list, NULL, "x");
	json_out_put(&list, NULL, &empty);
	json_out_put(&d, "a", &list);
	assert_null(list.doc);
	assert_int_equal(d.status, STATUS_OK);
	secret_free(password);
	return d;
}

static void what_is_made_is_written_in_order_and_read_back(void **state)
{
	static const char expected[] =
		"{\"z\":\"\xc3\xa9\",\"password\":\"p\\\"\\\\\\n\",\"n\":-1,"
		"\"b\":true,\"nil\":null,\"a\":[\"x\",{}]}";
	struct json_out d = build(), copy = json_out_copy(d.doc);
	struct json_doc_bytes b = { 0 };
	struct json_doc *back = NULL;
	struct secret *s = NULL;

	(void)state;
	assert_int_equal(json_out_write(&d, 4096, &b), STATUS_OK);
	assert_string_equal(b.bytes, expected);
	assert_int_equal(b.n, sizeof(expected) - 1);
	assert_int_equal(json_out_write(&d, b.n - 1, &b), STATUS_LIMIT);
	assert_int_equal(json_out_write_secret(&d, &s), STATUS_OK);
	assert_memory_equal(secret_bytes(s), expected, sizeof(expected));
	assert_int_equal(json_doc_parse(b.bytes, b.n, "", &back, NULL),
			 STATUS_OK);
	assert_true(json_doc_equal(back, d.doc));
	json_out_remove(&copy, "z");
	json_out_remove(&copy, "z");
	assert_false(json_doc_equal(copy.doc, d.doc));
	assert_non_null(json_doc_get(d.doc, "z"));
	json_doc_bytes_free(&b);
	json_doc_bytes_free(&b);
	secret_free(s);
	json_doc_free(back);
	json_out_free(&copy);
	json_out_free(&d);
	json_out_free(&d);
}

/* Leaks, if there are any, are found by the sanitizer. */
static void the_first_error_stays_and_nothing_is_written(void **state)
{
	struct json_out list = json_out_array(), object = json_out_object();
	struct json_out value = json_out_object(), none = json_out_from(NULL);
	struct json_doc_bytes b = { 0 };
	struct secret *s = NULL;

	(void)state;
	json_out_put(&list, "k", &value);
	assert_int_equal(list.status, STATUS_ERROR);
	assert_null(value.doc);
	json_out_text(&list, NULL, "fine");
	assert_int_equal(json_doc_count(list.doc), 0);
	json_out_put(&list, NULL, &none);
	assert_int_equal(json_out_write(&list, 99, &b), STATUS_ERROR);
	assert_int_equal(json_out_write_secret(&list, &s), STATUS_ERROR);
	json_out_text(&object, NULL, "an object has keys");
	assert_int_equal(object.status, STATUS_ERROR);
	json_out_free(&list);
	json_out_free(&object);
}

static void an_error_passes_to_what_the_value_is_put_into(void **state)
{
	struct json_out object = json_out_object(), inner = json_out_object();
	struct json_out none = json_out_from(NULL);

	(void)state;
	json_out_put(&object, "k", &none);
	assert_int_equal(object.status, STATUS_NO_MEMORY);
	json_out_free(&object);
	object = json_out_object();
	json_out_text(&inner, "k", "\xff");
	json_out_put(&object, "inner", &inner);
	assert_int_equal(object.status, STATUS_ERROR);
	json_out_free(&object);
}

static void only_utf_8_becomes_a_string_or_a_key(void **state)
{
	struct json_out object = json_out_object();

	(void)state;
	json_out_bytes(&object, "k", "a\0b", 3);
	assert_int_equal(object.status, STATUS_OK);
	assert_int_equal(json_doc_text_len(json_doc_get(object.doc, "k")), 3);
	json_out_text(&object, "\xff", "v");
	assert_int_equal(object.status, STATUS_ERROR);
	json_out_free(&object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_is_made_is_written_in_order_and_read_back),
		cmocka_unit_test(the_first_error_stays_and_nothing_is_written),
		cmocka_unit_test(an_error_passes_to_what_the_value_is_put_into),
		cmocka_unit_test(only_utf_8_becomes_a_string_or_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
