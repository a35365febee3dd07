/* SPDX-License-Identifier: PostgreSQL */
/* Notices: each step once, what was missed not at all, and a new time anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/now.h"
#include "schedule/schedule_notice.h"

#define H   (3600 * NOW_SECOND)
#define D   (24 * H)
#define DUE (INT64_C(1800000000) * NOW_SECOND)

static struct schedule_notice steps(const char *words)
{
	struct schedule_notice n = { .n = 99 };
	struct reason why = { "" };

	assert_int_equal(schedule_notice_parse(words, &n, &why), STATUS_OK);
	return n;
}

static void steps_are_read_in_any_order(void **state)
{
	struct schedule_notice n = steps("1h 14d, 3d");

	(void)state;
	assert_int_equal(n.n, 3);
	assert_int_equal(n.steps_us[0], 14 * D);
	assert_int_equal(n.steps_us[1], 3 * D);
	assert_int_equal(n.steps_us[2], H);
	assert_int_equal(steps("none").n, 0);
	assert_int_equal(steps("").n, 0);
}

static void what_is_no_notice_is_refused(void **state)
{
	static const char *const words[] = {
		"14",
		"0d",
		"-1d",
		"3d 72h",
		"1d none",
		"1s 2s 3s 4s 5s 6s 7s 8s 9s",
		"0000000000000000000000000014d",
		"11y",
	};
	struct schedule_notice n = { .n = 7 };
	struct reason why;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		assert_int_equal(schedule_notice_parse(words[i], &n, &why),
				 STATUS_CONFIG);
	assert_int_equal(n.n, 7);
}

/* As keyturnd does: ask, and remember what was told. */
static int64_t look(const struct schedule_notice *n,
		    struct schedule_notice_told *told, int64_t due, int64_t at,
		    int64_t now)
{
	char line[SCHEDULE_NOTICE_SIZE];
	struct schedule_notice_told t = { .due_us = due, .at_us = at };

	t.step_us = schedule_notice_step(n, told, due, at, now);
	if (t.step_us > 0) {
		schedule_notice_write(&t, line);
		assert_true(schedule_notice_read(line, told));
	}
	return t.step_us;
}

static void each_step_is_told_once(void **state)
{
	struct schedule_notice n = steps("14d 3d 1h");
	struct schedule_notice_told told = { .step_us = 0 };

	(void)state;
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 14 * D - 1), 0);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 14 * D), 14 * D);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 14 * D + 1), 0);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 3 * D), 3 * D);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 3 * D), 0);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - H), H);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 1), 0);
	/* It is no longer coming. */
	assert_int_equal(look(&n, &told, DUE, DUE, DUE), 0);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE + D), 0);
	/* The next one. */
	assert_int_equal(look(&n, &told, DUE + 30 * D, DUE + 30 * D,
			      DUE + 17 * D),
			 14 * D);
}

static void of_missed_steps_the_latest_is_told(void **state)
{
	struct schedule_notice n = steps("14d 3d 1h");
	struct schedule_notice_told told = { .step_us = 0 };

	(void)state;
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 2 * D), 3 * D);
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - D), 0);
	/* A clock that goes back tells nothing anew. */
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 10 * D), 0);
}

static void a_rotation_that_is_put_off_is_told_anew(void **state)
{
	struct schedule_notice n = steps("14d 3d 1h");
	struct schedule_notice_told told = { .step_us = 0 };
	int64_t later = DUE + 7 * D;

	(void)state;
	assert_int_equal(look(&n, &told, DUE, DUE, DUE - 2 * D), 3 * D);
	assert_int_equal(look(&n, &told, DUE, later, DUE - D), 14 * D);
	assert_int_equal(look(&n, &told, DUE, later, later - 4 * D), 0);
	assert_int_equal(look(&n, &told, DUE, later, later - 3 * D), 3 * D);
}

static void the_next_step_is_known(void **state)
{
	struct schedule_notice n = steps("14d 3d 1h"), none = steps("none");

	(void)state;
	assert_int_equal(schedule_notice_next(&n, DUE, DUE - 20 * D),
			 DUE - 14 * D);
	assert_int_equal(schedule_notice_next(&n, DUE, DUE - 14 * D),
			 DUE - 3 * D);
	assert_int_equal(schedule_notice_next(&n, DUE, DUE - H), INT64_MAX);
	assert_int_equal(schedule_notice_next(&n, INT64_MAX, DUE), INT64_MAX);
	assert_int_equal(schedule_notice_next(&none, DUE, 0), INT64_MAX);
	assert_int_equal(schedule_notice_step(
				 &n,
				 &(struct schedule_notice_told){ .step_us = 0 },
				 INT64_MAX, INT64_MAX, DUE),
			 0);
}

static void a_line_of_something_else_is_nothing(void **state)
{
	struct schedule_notice_told told = { .step_us = 5 };

	(void)state;
	assert_false(schedule_notice_read("nonsense", &told));
	assert_int_equal(told.step_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps_are_read_in_any_order),
		cmocka_unit_test(what_is_no_notice_is_refused),
		cmocka_unit_test(each_step_is_told_once),
		cmocka_unit_test(of_missed_steps_the_latest_is_told),
		cmocka_unit_test(a_rotation_that_is_put_off_is_told_anew),
		cmocka_unit_test(the_next_step_is_known),
		cmocka_unit_test(a_line_of_something_else_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
