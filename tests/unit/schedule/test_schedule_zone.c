/* SPDX-License-Identifier: PostgreSQL */
/* schedule_zone: the same local times as the C library, which reads the same
 * files with other code; and no input that crashes or hangs the reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/civil.h"
#include "base/file.h"
#include "schedule/schedule_rule.h"
#include "schedule/schedule_zone.h"

static const char *const zones[] = { "Europe/Berlin",
				     "America/New_York",
				     "Australia/Lord_Howe",
				     "Asia/Kolkata",
				     "UTC",
				     "Europe/Dublin",
				     "Africa/Casablanca",
				     "America/Nuuk",
				     "Asia/Gaza",
				     "Pacific/Apia",
				     "America/Santiago",
				     "Antarctica/Troll",
				     "Etc/GMT+5",
				     "Pacific/Kiritimati" };
#define ZONES (sizeof(zones) / sizeof(zones[0]))

static struct schedule_zone *opened(const char *name)
{
	struct schedule_zone *z = NULL;
	struct reason why = { "" };

	if (schedule_zone_open(name, &z, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return z;
}

static int64_t year_start(int64_t year)
{
	return civil_days(year, 1, 1) * CIVIL_DAY;
}

/* What the C library says, in a process whose TZ is the zone. */
static int32_t libc_offset(int64_t utc)
{
	time_t t = (time_t)utc;
	struct tm tm;

	return localtime_r(&t, &tm) != NULL ? (int32_t)tm.tm_gmtoff : -1;
}

static int differs(const struct schedule_zone *z, const char *name, int64_t utc)
{
	int32_t ours = schedule_zone_span(z, utc).offset;
	int32_t libc = libc_offset(utc);

	if (ours == libc)
		return 0;
	fprintf(stderr, "%s at %lld: %d, the C library has %d\n", name,
		(long long)utc, (int)ours, (int)libc);
	return 1;
}

/* Each step, and both sides of every change of the clocks. */
static int compare(const char *name, int64_t from, int64_t to, int64_t step)
{
	struct schedule_zone *z = opened(name);
	struct schedule_span span = schedule_zone_span(z, from);
	int wrong = 0;

	for (int64_t utc = from; utc < to && wrong == 0; utc += step)
		wrong = differs(z, name, utc);
	while (span.to < to && wrong == 0) {
		wrong = differs(z, name, span.to - 1) ||
			differs(z, name, span.to);
		span = schedule_zone_span(z, span.to);
	}
	schedule_zone_free(z);
	return wrong;
}

/* Run compare() in a process of its own: TZ belongs to a whole process. */
static void assert_same(const char *name, int64_t from, int64_t to,
			int64_t step)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("TZ", name, 1);
		tzset();
		_exit(compare(name, from, to, step));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s differs from the C library", name);
}

static void every_hour_from_1970_to_2060_is_that_of_the_c_library(void **state)
{
	(void)state;
	for (size_t i = 0; i < ZONES; i++) {
		assert_same(zones[i], year_start(2026), year_start(2061),
			    CIVIL_HOUR);
		assert_same(zones[i], year_start(1970), year_start(2026),
			    5 * CIVIL_HOUR);
	}
}

static void far_years_follow_the_rule_through_the_400_year_cycle(void **state)
{
	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_same(zones[i], year_start(2390), year_start(2450),
			    7 * CIVIL_HOUR);
		assert_same(zones[i], year_start(9990), year_start(9999),
			    7 * CIVIL_HOUR);
	}
}

static void the_spans_of_a_zone_join_without_gap(void **state)
{
	(void)state;
	for (size_t i = 0; i < ZONES; i++) {
		struct schedule_zone *z = opened(zones[i]);
		struct schedule_span span =
			schedule_zone_span(z, year_start(1990));

		while (span.to < year_start(3000)) {
			struct schedule_span next =
				schedule_zone_span(z, span.to);

			assert_int_equal(next.from, span.to);
			assert_true(next.to > next.from);
			span = next;
		}
		schedule_zone_free(z);
	}
}

static int64_t utc(int64_t year, unsigned month, unsigned day, int hour,
		   int minute)
{
	return civil_days(year, month, day) * CIVIL_DAY + hour * CIVIL_HOUR +
	       minute * CIVIL_MINUTE;
}

static void a_skipped_local_time_is_the_first_instant_after_the_gap(
	void **state)
{
	struct schedule_zone *z = opened("Europe/Berlin");
	int64_t change = utc(2026, 3, 29, 1, 0);

	(void)state;
	assert_int_equal(schedule_zone_first(z, utc(2026, 3, 29, 1, 59)),
			 change - CIVIL_MINUTE);
	assert_int_equal(schedule_zone_first(z, utc(2026, 3, 29, 2, 0)),
			 change);
	assert_int_equal(schedule_zone_first(z, utc(2026, 3, 29, 2, 59)),
			 change);
	assert_int_equal(schedule_zone_first(z, utc(2026, 3, 29, 3, 0)),
			 change);
	assert_int_equal(schedule_zone_first(z, utc(2026, 3, 29, 3, 1)),
			 change + CIVIL_MINUTE);
	schedule_zone_free(z);
}

static void a_repeated_local_time_is_its_first_occurrence(void **state)
{
	struct schedule_zone *z = opened("Australia/Lord_Howe");
	/* 2026-04-05 02:00 +11 becomes 01:30 +10:30. */
	int64_t change = utc(2026, 4, 4, 15, 0);

	(void)state;
	assert_int_equal(schedule_zone_first(z, utc(2026, 4, 5, 1, 30)),
			 change - 30 * CIVIL_MINUTE);
	assert_int_equal(schedule_zone_first(z, utc(2026, 4, 5, 1, 59)),
			 change - CIVIL_MINUTE);
	assert_int_equal(schedule_zone_first(z, utc(2026, 4, 5, 2, 0)),
			 change + 30 * CIVIL_MINUTE);
	/* During the repetition no later local time was seen before. */
	assert_int_equal(schedule_zone_seen(z, change + 60),
			 utc(2026, 4, 5, 2, 0) - 1);
	schedule_zone_free(z);
}

static void a_day_that_a_zone_left_out_is_due_at_its_end(void **state)
{
	struct schedule_zone *z = opened("Pacific/Apia");
	/* Samoa had no 30 December 2011. */
	int64_t change = utc(2011, 12, 30, 10, 0);

	(void)state;
	assert_int_equal(schedule_zone_first(z, utc(2011, 12, 30, 0, 0)),
			 change);
	assert_int_equal(schedule_zone_first(z, utc(2011, 12, 30, 23, 59)),
			 change);
	assert_int_equal(schedule_zone_first(z, utc(2011, 12, 31, 0, 1)),
			 change + CIVIL_MINUTE);
	schedule_zone_free(z);
}

static void the_environment_has_no_say(void **state)
{
	struct schedule_zone *z;

	(void)state;
	setenv("TZ", "Pacific/Kiritimati", 1);
	setenv("TZDIR", "/nonexistent", 1);
	tzset();
	z = opened("Europe/Berlin");
	assert_int_equal(schedule_zone_span(z, utc(2026, 1, 1, 0, 0)).offset,
			 3600);
	schedule_zone_free(z);
	unsetenv("TZ");
	unsetenv("TZDIR");
	tzset();
}

static void a_name_that_is_no_zone_is_refused(void **state)
{
	static const char *const names[] = { "",
					     "Europe/Atlantis",
					     "/etc/passwd",
					     "../../../etc/passwd",
					     "Europe/../UTC",
					     "Europe//Berlin",
					     "Europe/",
					     "Europe",
					     "zone.tab",
					     "tzdata.zi",
					     "leapseconds",
					     "right/Europe/Berlin",
					     "Europe/Berlin ",
					     "Europe/B\xC3\xA4r",
					     "europe/Berlin\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct schedule_zone *z = NULL;
		struct reason why = { "" };

		if (schedule_zone_open(names[i], &z, &why) != STATUS_CONFIG)
			fail_msg("\"%s\" is taken", names[i]);
		assert_null(z);
		assert_non_null(strstr(why.text, "time zone"));
	}
}

static uint64_t mix(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return *seed >> 33;
}

/* Ask a zone made of broken bytes whatever a schedule would ask. */
static void exercise(const struct schedule_zone *z)
{
	for (int64_t y = 1960; y < 2060; y += 9) {
		int64_t at = year_start(y);

		assert_true(schedule_zone_span(z, at).to > at);
		schedule_zone_first(z, at);
		schedule_zone_seen(z, at);
	}
}

static void broken_files_are_refused_or_read_but_never_trusted(void **state)
{
	struct text good = text_make(65536);
	unsigned char *copy;
	uint64_t seed = 7;

	(void)state;
	assert_int_equal(file_read("/usr/share/zoneinfo/Europe/Berlin", &good,
				   NULL),
			 STATUS_OK);
	for (size_t n = 0; n < good.len; n++) {
		struct schedule_zone *z = NULL;

		/* Of its own size, so that a read past it is seen. */
		copy = malloc(n > 0 ? n : 1);
		assert_non_null(copy);
		memcpy(copy, good.bytes, n);
		assert_int_equal(schedule_zone_parse("x", copy, n, &z, NULL),
				 STATUS_CONFIG);
		free(copy);
	}
	copy = malloc(good.len);
	assert_non_null(copy);
	for (int i = 0; i < 20000; i++) {
		struct schedule_zone *z = NULL;

		memcpy(copy, good.bytes, good.len);
		for (uint64_t k = 1 + mix(&seed) % 4; k > 0; k--)
			copy[mix(&seed) % (i % 2 ? 100 : good.len)] =
				(unsigned char)mix(&seed);
		if (i % 5 == 0) /* the footer */
			copy[good.len - 1 - mix(&seed) % 28] =
				(unsigned char)" ,./-+JM0123456789<>:"
					[mix(&seed) % 21];
		if (schedule_zone_parse("x", copy, good.len, &z, NULL) ==
		    STATUS_OK)
			exercise(z);
		schedule_zone_free(z);
	}
	free(copy);
	text_free(&good);
}

static bool rule(const char *s, struct schedule_rule *r)
{
	return schedule_rule_parse(s, strlen(s), r);
}

static void rules_are_read_whole_or_not_at_all(void **state)
{
	static const char *const bad[] = { "",
					   "CE-1",
					   "CET",
					   "CET-1CEST",
					   "CET-1CEST,M3.5.0",
					   "CET-1CEST,M3.5.0,M10.5.0/",
					   "CET-1x",
					   "<+01-1",
					   "CET-25",
					   "CET-1:60",
					   "CET-1CEST,M0.5.0,M10.5.0",
					   "CET-1CEST,M3.6.0,M10.5.0",
					   "CET-1CEST,M3.5.7,M10.5.0",
					   "CET-1CEST,J0,J365",
					   "CET-1CEST,366,J365",
					   "CET-1CEST,M3.5.0/168,M10.5.0",
					   "CET-1CEST,M3.5.0,M10.5.0 " };
	struct schedule_rule r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (rule(bad[i], &r))
			fail_msg("\"%s\" is taken", bad[i]);
	assert_true(rule("IST-5:30", &r));
	assert_int_equal(r.standard, 19800);
	assert_false(r.has_dst);
	assert_true(rule("<-0123>1:23:45", &r));
	assert_int_equal(r.standard, -5025);
	assert_true(rule("EET-2EEST,M3.4.4/50,M10.4.4/-50", &r));
	assert_int_equal(r.dst, 10800);
	assert_int_equal(r.start.time, 50 * 3600);
	assert_int_equal(r.end.time, -50 * 3600);
}

static void day_numbers_count_the_leap_day_as_posix_says(void **state)
{
	struct schedule_rule_change two[2];
	struct schedule_rule r;

	(void)state;
	assert_true(rule("AAA0BBB,J60/0,300/0", &r));
	schedule_rule_year(&r, 2027, two);
	assert_int_equal(two[0].at, utc(2027, 3, 1, 0, 0));
	assert_int_equal(two[1].at, utc(2027, 10, 28, 0, 0) - 3600);
	schedule_rule_year(&r, 2028, two);
	assert_int_equal(two[0].at, utc(2028, 3, 1, 0, 0));
	assert_int_equal(two[1].at, utc(2028, 10, 27, 0, 0) - 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_hour_from_1970_to_2060_is_that_of_the_c_library),
		cmocka_unit_test(
			far_years_follow_the_rule_through_the_400_year_cycle),
		cmocka_unit_test(the_spans_of_a_zone_join_without_gap),
		cmocka_unit_test(
			a_skipped_local_time_is_the_first_instant_after_the_gap),
		cmocka_unit_test(a_repeated_local_time_is_its_first_occurrence),
		cmocka_unit_test(a_day_that_a_zone_left_out_is_due_at_its_end),
		cmocka_unit_test(the_environment_has_no_say),
		cmocka_unit_test(a_name_that_is_no_zone_is_refused),
		cmocka_unit_test(
			broken_files_are_refused_or_read_but_never_trusted),
		cmocka_unit_test(rules_are_read_whole_or_not_at_all),
		cmocka_unit_test(day_numbers_count_the_leap_day_as_posix_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
