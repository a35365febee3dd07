/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/now.h"

static void a_stamp_reads_as_rfc_3339(void **state)
{
	char buf[NOW_STAMP_SIZE];

	(void)state;
	assert_string_equal(now_stamp(0, buf), "1970-01-01T00:00:00.000000Z");
	assert_string_equal(now_stamp(-1, buf), "1969-12-31T23:59:59.999999Z");
	assert_string_equal(now_stamp(INT64_C(1795230000123456), buf),
			    "2026-11-21T03:00:00.123456Z");
	assert_string_equal(now_stamp(INT64_C(951782400) * NOW_SECOND, buf),
			    "2000-02-29T00:00:00.000000Z");
	assert_string_equal(now_stamp(INT64_MAX, buf),
			    "9999-12-31T23:59:59.999999Z");
	assert_string_equal(now_stamp(INT64_MIN, buf),
			    "0000-01-01T00:00:00.000000Z");
}

static void a_stamp_agrees_with_the_c_library_for_800_years(void **state)
{
	char buf[NOW_STAMP_SIZE], expected[64];
	int64_t t, back;
	struct tm tm;
	time_t s;

	(void)state;
	/* A step that is no multiple of a day, an hour or a minute. */
	for (t = INT64_C(-12600000000); t < INT64_C(12700000000);
	     t += 1234567) {
		s = (time_t)t;
		gmtime_r(&s, &tm);
		strftime(expected, sizeof(expected),
			 "%Y-%m-%dT%H:%M:%S.000000Z", &tm);
		assert_string_equal(now_stamp(t * NOW_SECOND, buf), expected);
		assert_int_equal(now_parse(buf, &back), 0);
		assert_true(back == t * NOW_SECOND);
	}
}

static void what_is_stamped_can_be_parsed(void **state)
{
	static const int64_t times[] = { 0,
					 -1,
					 1,
					 999999,
					 INT64_C(1795230000123456),
					 INT64_C(253402300799999999),
					 INT64_C(-62167219200000000) };
	char buf[NOW_STAMP_SIZE];
	int64_t back;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		assert_int_equal(now_parse(now_stamp(times[i], buf), &back), 0);
		assert_true(back == times[i]);
	}
}

static void fractions_and_offsets_are_taken(void **state)
{
	static const struct {
		const char *s;
		int64_t us;
	} cases[] = {
		{ "1970-01-01T00:00:01Z", 1000000 },
		{ "1970-01-01T00:00:01.5Z", 1500000 },
		{ "1970-01-01T00:00:01.000001Z", 1000001 },
		{ "1970-01-01T02:00:00+02:00", 0 },
		{ "1969-12-31T18:30:00.25-05:30", 250000 },
		{ "1970-01-01T00:00:00-00:00", 0 },
	};
	int64_t us;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(now_parse(cases[i].s, &us), 0);
		assert_true(us == cases[i].us);
	}
}

static void what_is_no_such_time_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"2026",
		"2026-11-21",
		"2026-11-21T03:00:00",
		"2026-11-21 03:00:00Z",
		"2026-11-21t03:00:00Z",
		"2026-11-21T03:00:00z",
		"2026-11-21T03:00Z",
		"2026-00-21T03:00:00Z",
		"2026-13-21T03:00:00Z",
		"2026-11-00T03:00:00Z",
		"2026-11-31T03:00:00Z",
		"2026-02-29T03:00:00Z",
		"1900-02-29T03:00:00Z",
		"2026-11-21T24:00:00Z",
		"2026-11-21T03:60:00Z",
		"2026-11-21T03:00:60Z",
		"2026-11-21T03:00:00.Z",
		"2026-11-21T03:00:00.1234567Z",
		"2026-11-21T03:00:00+0200",
		"2026-11-21T03:00:00+24:00",
		"2026-11-21T03:00:00+02:60",
		"2026-11-21T03:00:00+02:00Z",
		"2026-11-21T03:00:00Z ",
		" 2026-11-21T03:00:00Z",
		"+026-11-21T03:00:00Z",
		"9999-12-31T23:59:59-01:00",
		"0000-01-01T00:00:00+01:00",
	};
	int64_t us = 42;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(now_parse(bad[i], &us), -1);
		assert_true(us == 42);
	}
}

static void what_other_programs_write_is_understood(void **state)
{
	static const char *const same[] = {
		"2026-11-21T03:00:00.123456Z",
		"2026-11-21 03:00:00.1234567Z",
		"2026-11-21t03:00:00.123456789z",
		"2026-11-21T03:00:00.123456+0000",
		"2026-11-21T05:00:00.123456999+0200",
		"2026-11-21 02:00:00.123456-01",
		"2026-11-21T05:00:00.123456+02:00",
	};
	static const char *const bad[] = {
		"",
		"2026-11-21",
		"2026-11-21T03:00:00",
		"2026-11-21T03:00:00.Z",
		"2026-11-21T03:00:00+020",
		"2026-11-21T03:00:00+2400",
		"2026-11-21T03:00:00Z ",
		"2026-11-21  3:00:00Z",
		"tomorrow",
		"2026-11-21T03:00:00 and whatever else somebody may write here",
	};
	int64_t want = 0, us = 42;

	(void)state;
	assert_int_equal(now_parse(same[0], &want), 0);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		assert_int_equal(now_parse_foreign(same[i], &us), 0);
		assert_true(us == want);
	}
	us = 42;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(now_parse_foreign(bad[i], &us), -1);
		assert_true(us == 42);
	}
}

static void an_age_has_at_most_two_units(void **state)
{
	static const struct {
		int64_t s;
		const char *age;
	} cases[] = {
		{ 0, "0s" },
		{ 5, "5s" },
		{ 60, "1m" },
		{ 65, "1m 5s" },
		{ 720, "12m" },
		{ 3600, "1h" },
		{ 3605, "1h" },
		{ 273600, "3d 4h" },
		{ 273659, "3d 4h" },
		{ 86400, "1d" },
		{ -720, "-12m" },
		{ -5, "-5s" },
		{ INT64_C(9223372036854), "106751991d 4h" },
	};
	char buf[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(now_age(cases[i].s * NOW_SECOND, buf),
				    cases[i].age);
	assert_string_equal(now_age(-5, buf), "0s");
	assert_string_equal(now_age(INT64_MIN, buf), "-106751991d 4h");
}

static void the_systems_clocks_run(void **state)
{
	const struct now *n = now_system();
	int64_t boot = now_boot(n), wall = now_wall(n);

	(void)state;
	now_sleep(n, 20000);
	now_sleep(n, 0);
	now_sleep(n, -5);
	assert_in_range(now_boot(n) - boot, 20000, 10 * NOW_SECOND);
	assert_in_range(wall / NOW_SECOND, (uint64_t)time(NULL) - 60,
			(uint64_t)time(NULL) + 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_reads_as_rfc_3339),
		cmocka_unit_test(
			a_stamp_agrees_with_the_c_library_for_800_years),
		cmocka_unit_test(what_is_stamped_can_be_parsed),
		cmocka_unit_test(fractions_and_offsets_are_taken),
		cmocka_unit_test(what_is_no_such_time_is_refused),
		cmocka_unit_test(what_other_programs_write_is_understood),
		cmocka_unit_test(an_age_has_at_most_two_units),
		cmocka_unit_test(the_systems_clocks_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
