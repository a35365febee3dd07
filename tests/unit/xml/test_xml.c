/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "xml/xml.h"

static enum status collect(const char *xml, struct xml_wanted *w,
			   struct reason *why)
{
	return xml_collect(xml, strlen(xml), "the answer", w, 1, why);
}

static void texts_are_found_by_their_path_without_prefixes(void **state)
{
	static const char xml[] =
		"<?xml version=\"1.0\"?><s:R xmlns:s=\"urn:x\"><A><K>no</K></A>"
		"<B><s:K>a&amp;b<![CDATA[<c>]]><i>not this</i> d</s:K></B>"
		"</s:R>";
	struct xml_wanted w = { "R/B/K", 100, NULL };

	(void)state;
	assert_int_equal(collect(xml, &w, NULL), STATUS_OK);
	assert_string_equal(secret_bytes(w.found), "a&b<c> d");
	secret_free(w.found);
}

static void what_is_not_there_stays_null_and_empty_is_empty(void **state)
{
	struct xml_wanted w = { "R/X", 100, NULL };

	(void)state;
	assert_int_equal(collect("<R><Y>1</Y></R>", &w, NULL), STATUS_OK);
	assert_null(w.found);
	assert_int_equal(collect("<R><X/></R>", &w, NULL), STATUS_OK);
	assert_int_equal(secret_len(w.found), 0);
	secret_free(w.found);
}

static void documents_that_could_harm_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"<R>",
		"<R></Q>",
		"{\"a\":1}",
		"<R><X>1</X><X>2</X></R>",
		"<!DOCTYPE R><R><X>1</X></R>",
		"<!DOCTYPE R [<!ENTITY a \"b\">]><R><X>&a;</X></R>",
		"<!DOCTYPE R SYSTEM \"file:///etc/passwd\"><R><X>1</X></R>",
		"<R><X>&unknown;</X></R>",
		"<R><X>\xff</X></R>",
	};
	struct reason why;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct xml_wanted w = { "R/X", 100, NULL };

		assert_int_equal(collect(bad[i], &w, &why), STATUS_ERROR);
		assert_non_null(strstr(why.text, "the answer"));
		assert_null(strstr(why.text, "passwd"));
		secret_free(w.found);
	}
}

static void a_text_that_is_too_long_is_a_limit(void **state)
{
	struct xml_wanted w = { "R/X", 3, NULL };

	(void)state;
	assert_int_equal(collect("<R><X>1234</X></R>", &w, NULL), STATUS_LIMIT);
	secret_free(w.found);
	w = (struct xml_wanted){ "R/X", 4, NULL };
	assert_int_equal(collect("<R><X>1234</X></R>", &w, NULL), STATUS_OK);
	assert_string_equal(secret_bytes(w.found), "1234");
	secret_free(w.found);
}

static void depth_and_size_have_an_end(void **state)
{
	struct xml_wanted w = { "R/X", 4, NULL };
	char deep[8 * (XML_DEPTH_MAX + 2)] = "";
	char *big = malloc(XML_BYTES_MAX + 2);

	(void)state;
	for (int i = 0; i < XML_DEPTH_MAX + 1; i++)
		memcpy(deep + 3 * i, "<a>", 4);
	for (int i = 0; i < XML_DEPTH_MAX + 1; i++)
		memcpy(deep + 3 * (XML_DEPTH_MAX + 1) + 4 * i, "</a>", 5);
	assert_int_equal(collect(deep, &w, NULL), STATUS_ERROR);
	assert_non_null(big);
	memset(big, ' ', XML_BYTES_MAX + 1); /* not secret */
	big[XML_BYTES_MAX + 1] = '\0';
	assert_int_equal(collect(big, &w, NULL), STATUS_ERROR);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			texts_are_found_by_their_path_without_prefixes),
		cmocka_unit_test(
			what_is_not_there_stays_null_and_empty_is_empty),
		cmocka_unit_test(documents_that_could_harm_are_refused),
		cmocka_unit_test(a_text_that_is_too_long_is_a_limit),
		cmocka_unit_test(depth_and_size_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
