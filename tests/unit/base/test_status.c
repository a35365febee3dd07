/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"

static void every_row_has_a_sentence_and_an_exit_code(void **state)
{
	int s;

	(void)state;
	for (s = 0; s < STATUS_COUNT; s++) {
		const char *sentence = status_sentence((enum status)s);

		assert_true(strlen(status_name((enum status)s)) > 1);
		assert_true(strlen(sentence) > 3);
		assert_int_not_equal(sentence[strlen(sentence) - 1], '.');
		assert_in_range(status_exit((enum status)s), 0, 125);
	}
}

static void the_codes_that_scripts_rely_on_do_not_move(void **state)
{
	static const struct {
		enum status s;
		int code;
	} fixed[] = {
		{ STATUS_OK, 0 },
		{ STATUS_ERROR, 1 },
		{ STATUS_USAGE, 2 },
		{ STATUS_CONFIG, 2 },
		{ STATUS_NOTHING_DUE, 3 },
		{ STATUS_SOME_FAILED, 4 },
		{ STATUS_FROZEN, 5 },
		{ STATUS_REFUSED, 6 },
		{ STATUS_STORE_UNAVAILABLE, 7 },
		{ STATUS_CLUSTER_UNAVAILABLE, 8 },
		{ STATUS_UNKNOWN, 9 },
		{ STATUS_AUDIT_BROKEN, 10 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		assert_int_equal(status_exit(fixed[i].s), fixed[i].code);
}

static void only_what_passes_by_itself_may_be_retried(void **state)
{
	(void)state;
	assert_true(status_retry(STATUS_TIMEOUT));
	assert_true(status_retry(STATUS_BUSY));
	assert_false(status_retry(STATUS_REJECTED));
	assert_false(status_retry(STATUS_CORRUPT));
	assert_false(status_retry(STATUS_FROZEN));
}

static void a_value_outside_the_table_reads_as_an_internal_error(void **state)
{
	(void)state;
	assert_string_equal(status_name((enum status)STATUS_COUNT), "ERROR");
	assert_string_equal(status_name((enum status) - 1), "ERROR");
	assert_int_equal(status_exit((enum status)999), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_a_sentence_and_an_exit_code),
		cmocka_unit_test(the_codes_that_scripts_rely_on_do_not_move),
		cmocka_unit_test(only_what_passes_by_itself_may_be_retried),
		cmocka_unit_test(
			a_value_outside_the_table_reads_as_an_internal_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
