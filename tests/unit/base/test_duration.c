/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/duration.h"

static void every_unit_is_read(void **state)
{
	static const struct {
		const char *s;
		int64_t seconds;
	} cases[] = {
		{ "0s", 0 },
		{ "90s", 90 },
		{ "15m", 900 },
		{ "36h", 129600 },
		{ "30d", 2592000 },
		{ "2w", 1209600 },
		{ "007s", 7 },
		{ "3650d", 315360000 },
		{ "315360000s", 315360000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t us = -1;

		assert_int_equal(duration_parse(cases[i].s, &us, NULL),
				 STATUS_OK);
		assert_true(us == cases[i].seconds * 1000000);
	}
}

static void what_is_no_duration_is_refused(void **state)
{
	static const char *const cases[] = {
		"",    "s",   "5",    "-5s", "+5s",  " 5s", "5s ",
		"5 s", "5ms", "1d2h", "5S",  "1.5h", "5y",  "0x5s",
	};
	struct reason why = { { 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int64_t us = -1;

		assert_int_equal(duration_parse(cases[i], &us, &why),
				 STATUS_CONFIG);
		assert_true(us == -1);
	}
	assert_string_equal(why.text, "\"0x5s\" is not a duration; write a "
				      "number and one unit: 90s, 15m, 36h, 30d "
				      "or 2w");
}

static void more_than_ten_years_is_refused(void **state)
{
	static const char *const cases[] = {
		"3651d",
		"522w",
		"315360001s",
		"99999999999999999999999999w",
	};
	struct reason why = { { 0 } };
	int64_t us = -1;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(duration_parse(cases[i], &us, &why),
				 STATUS_CONFIG);
	assert_true(us == -1);
	assert_string_equal(why.text, "\"99999999999999999999999999w\" is more "
				      "than ten years");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_unit_is_read),
		cmocka_unit_test(what_is_no_duration_is_refused),
		cmocka_unit_test(more_than_ten_years_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
