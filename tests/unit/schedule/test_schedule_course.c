/* SPDX-License-Identifier: PostgreSQL */
/* When a rotation really begins: postponements, blackouts and windows together,
 * also against a walk minute by minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <string.h>

#include "base/now.h"
#include "schedule/schedule_course.h"
#include "schedule/schedule_time.h"

#define MINUTE (60 * NOW_SECOND)
#define H      (60 * MINUTE)
#define D      (24 * H)

static struct schedule_zone *utc, *berlin;

static int open_zones(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(schedule_zone_open("UTC", &utc, &why), STATUS_OK);
	assert_int_equal(schedule_zone_open("Europe/Berlin", &berlin, &why),
			 STATUS_OK);
	return 0;
}

static int free_zones(void **state)
{
	(void)state;
	schedule_zone_free(utc);
	schedule_zone_free(berlin);
	return 0;
}

static int64_t at(const char *stamp)
{
	int64_t us = 0;

	assert_int_equal(now_parse(stamp, &us), 0);
	return us;
}

/* ---- times ----------------------------------------------------------------- */

static int64_t local(const char *s)
{
	struct reason why = { "" };
	bool date = false;
	int64_t us = 0;

	assert_int_equal(schedule_time_parse(s, strlen(s), berlin, &date, &us,
					     &why),
			 STATUS_OK);
	assert_int_equal(date, strlen(s) == 10);
	return us;
}

static void times_are_read_by_the_zone_or_by_their_offset(void **state)
{
	(void)state;
	assert_int_equal(local("2026-12-20"), at("2026-12-19T23:00:00Z"));
	assert_int_equal(local("2026-07-01T18:00"), at("2026-07-01T16:00:00Z"));
	assert_int_equal(local("2026-07-01T18:00:30"),
			 at("2026-07-01T16:00:30Z"));
	assert_int_equal(local("2026-07-01T18:00Z"),
			 at("2026-07-01T18:00:00Z"));
	assert_int_equal(local("2026-07-01T18:00:01-05:00"),
			 at("2026-07-01T23:00:01Z"));
	/* The clocks go forward at 2 and back at 3. */
	assert_int_equal(local("2026-03-29T02:30"), at("2026-03-29T01:30:00Z"));
	assert_int_equal(local("2026-10-25T02:30"), at("2026-10-25T00:30:00Z"));
}

static void what_is_no_time_is_refused(void **state)
{
	static const char *const words[] = {
		"",
		"2026",
		"2026-02-30",
		"2026-13-01",
		"2026-12-20 18:00",
		"2026-12-20T24:00",
		"2026-12-20T18",
		"20261220T180000Z",
		"2026-12-20T18:00+1",
		"2026-12-20T18:",
		"tomorrow",
		"2026-12-20T18:00x",
	};
	struct reason why;
	int64_t us;
	bool date;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		assert_int_equal(schedule_time_parse(words[i], strlen(words[i]),
						     berlin, &date, &us, &why),
				 STATUS_CONFIG);
	assert_string_equal(why.text,
			    "\"2026-12-20T18:00x\" is not a time; write "
			    "2026-12-20, 2026-12-20T18:00 or "
			    "2026-12-20T18:00:00Z");
}

static void times_are_shown_by_the_zone(void **state)
{
	char buf[SCHEDULE_TIME_SIZE];

	(void)state;
	assert_string_equal(
		schedule_time_local(berlin, at("2026-12-20T03:00:07Z"), buf),
		"2026-12-20T04:00:07+01:00");
	assert_string_equal(schedule_time_show(berlin,
					       at("2026-07-01T22:30:00Z"), buf),
			    "Thursday 2026-07-02 00:30 (UTC+02:00)");
	assert_string_equal(schedule_time_show(utc, 0, buf),
			    "Thursday 1970-01-01 00:00 (UTC+00:00)");
}

/* ---- blackouts ------------------------------------------------------------- */

static struct schedule_blackout *set_of(const struct schedule_blackout *also,
					const char *const *spans, size_t n)
{
	struct schedule_blackout *b = NULL;
	struct reason why = { "" };

	assert_int_equal(schedule_blackout_new(also, &b), STATUS_OK);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(schedule_blackout_parse(b, spans[i], berlin,
							 spans[i], &why),
				 STATUS_OK);
	schedule_blackout_sort(b);
	return b;
}

static void a_blackout_ends_with_the_last_that_follows_at_once(void **state)
{
	static const char *const all[] = { "2026-12-24..2026-12-26",
					   "2027-01-02..2027-01-03" };
	static const char *const own[] = {
		"2026-12-31T12:00..2027-01-02",
		"2026-12-27..2026-12-27",
		"2026-12-20T18:00Z..2027-06-01T00:00Z",
		"2026-12-27T06:00..2026-12-27T08:00",
	};
	struct schedule_blackout *a = set_of(NULL, all, 2);
	struct schedule_blackout *b = set_of(a, own, 2);
	const char *name = "";

	(void)state;
	/* A date alone as its end is in it whole, by the zone's clocks. */
	assert_int_equal(schedule_blackout_end(a, at("2026-12-26T22:59:59Z"),
					       &name),
			 at("2026-12-26T23:00:00Z"));
	assert_int_equal(schedule_blackout_end(a, at("2026-12-26T23:00:00Z"),
					       NULL),
			 at("2026-12-26T23:00:00Z"));
	/* The set's own, and that of all, one behind the other. */
	assert_int_equal(schedule_blackout_end(b, at("2026-12-24T00:00:00Z"),
					       &name),
			 at("2026-12-27T23:00:00Z"));
	assert_string_equal(name, "2026-12-27..2026-12-27");
	assert_int_equal(schedule_blackout_end(b, at("2026-12-31T11:00:00Z"),
					       &name),
			 at("2027-01-03T23:00:00Z"));
	assert_string_equal(name, "2027-01-02..2027-01-03");
	assert_int_equal(schedule_blackout_next(b, at("2026-12-27T00:00:00Z")),
			 at("2026-12-31T11:00:00Z"));
	assert_int_equal(schedule_blackout_next(b, at("2027-02-01T00:00:00Z")),
			 INT64_MAX);
	schedule_blackout_free(b);
	/* One that covers others. */
	b = set_of(NULL, own, 4);
	assert_int_equal(schedule_blackout_end(b, at("2026-12-27T05:30:00Z"),
					       NULL),
			 at("2027-06-01T00:00:00Z"));
	schedule_blackout_free(b);
	schedule_blackout_free(a);
	assert_int_equal(schedule_blackout_end(NULL, 7, NULL), 7);
	assert_int_equal(schedule_blackout_next(NULL, 7), INT64_MAX);
}

static void what_is_no_blackout_is_refused(void **state)
{
	static const struct {
		const char *span, *sentence;
	} cases[] = {
		{ "christmas", "\"christmas\" is not FROM..TO, as in "
			       "2026-12-20..2027-01-06, nor the absolute path "
			       "of an .ics file" },
		{ "2027-01-06..2026-12-20",
		  "\"2027-01-06..2026-12-20\" ends before it begins" },
		{ "2027-01-06T08:00..2027-01-06T08:00",
		  "\"2027-01-06T08:00..2027-01-06T08:00\" ends before it "
		  "begins" },
		{ "2027-01-06..", "\"\" is not a time; write 2026-12-20, "
				  "2026-12-20T18:00 or 2026-12-20T18:00:00Z" },
	};
	struct schedule_blackout *b = NULL;
	struct reason why;

	(void)state;
	assert_int_equal(schedule_blackout_new(NULL, &b), STATUS_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(schedule_blackout_parse(b, cases[i].span,
							 berlin, "x", &why),
				 STATUS_CONFIG);
		assert_string_equal(why.text, cases[i].sentence);
	}
	schedule_blackout_free(b);
}

/* ---- the course ------------------------------------------------------------ */

static struct schedule *plan(const char *cron, const char *every,
			     const char *window)
{
	const struct schedule_spec spec = {
		.cron = cron, .every = every, .window = window, .name = "sap"
	};
	struct schedule *s = NULL;
	struct reason why = { "" };

	assert_int_equal(schedule_parse(&spec, berlin, &s, &why), STATUS_OK);
	return s;
}

static void a_due_point_waits_for_what_stands_in_its_way(void **state)
{
	static const char *const spans[] = { "2026-12-20..2027-01-06" };
	struct schedule_blackout *b = set_of(NULL, spans, 1);
	struct schedule_course c = { .schedule = plan("0 3 * * *", NULL,
						      "02:00-04:00"),
				     .blackouts = b };
	int64_t last = at("2026-12-18T02:00:00Z"),
		now = at("2026-12-18T12:00:00Z");
	struct schedule_turn t;

	(void)state;
	schedule_course_first(&c, last, now, &t);
	assert_int_equal(t.due_us, at("2026-12-19T02:00:00Z"));
	assert_int_equal(t.at_us, t.due_us);
	assert_false(t.postponed);
	assert_int_equal(t.blackout_us, 0);
	assert_string_equal(t.blackout, "");
	/* The next one falls into the blackout, and then waits for the window:
	 * one, however many points were passed. */
	schedule_course_next(&c, &t);
	assert_int_equal(t.due_us, at("2026-12-20T02:00:00Z"));
	assert_int_equal(t.blackout_us, at("2027-01-06T23:00:00Z"));
	assert_int_equal(t.at_us, at("2027-01-07T01:00:00Z"));
	assert_string_equal(t.blackout, spans[0]);
	schedule_course_next(&c, &t);
	assert_int_equal(t.due_us, at("2027-01-07T02:00:00Z"));
	assert_int_equal(t.blackout_us, 0);
	/* Postponed to a time in the blackout. */
	c.postponed_us = at("2026-12-24T12:00:00Z");
	schedule_course_first(&c, last, now, &t);
	assert_true(t.postponed);
	assert_int_equal(t.due_us, at("2026-12-19T02:00:00Z"));
	assert_int_equal(t.at_us, at("2027-01-07T01:00:00Z"));
	schedule_course_next(&c, &t);
	assert_false(t.postponed);
	/* A postponement that is over, or before it is due, changes nothing. */
	c.postponed_us = at("2026-12-19T01:00:00Z");
	schedule_course_first(&c, last, now, &t);
	assert_false(t.postponed);
	assert_int_equal(t.at_us, t.due_us);
	/* What was missed begins now, while the window is open ... */
	now = at("2026-12-19T02:30:00Z");
	schedule_course_first(&c, last, now, &t);
	assert_int_equal(t.at_us, now);
	/* ... and not in the blackout that has begun meanwhile. */
	now = at("2026-12-20T02:30:00Z");
	schedule_course_first(&c, last, now, &t);
	assert_int_equal(t.at_us, at("2027-01-07T01:00:00Z"));
	schedule_free((struct schedule *)c.schedule);
	schedule_blackout_free(b);
}

/* By asking of each minute. */
static int64_t by_minutes(const struct schedule_course *c, int64_t at_us)
{
	while (schedule_blackout_end(c->blackouts, at_us, NULL) > at_us ||
	       schedule_opens(c->schedule, at_us) > at_us)
		at_us += MINUTE;
	return at_us;
}

static void the_walk_is_that_of_minutes(void **state)
{
	static const char *const windows[] = { NULL, "02:00-04:00",
					       "22:00-05:00", "00:00-24:00" };
	static const char *const crons[] = { "0 3 * * *", "30 2 * * *",
					     "0 12 * * sun", "*/20 * * * *" };
	struct schedule_blackout *b;
	uint32_t x = 2463534242u;

	(void)state;
	for (int round = 0; round < 64; round++) {
		int64_t begin = at("2026-03-20T00:00:00Z"), now;
		struct schedule_course c;
		struct schedule_turn t;

		assert_int_equal(schedule_blackout_new(NULL, &b), STATUS_OK);
		for (int i = 0; i < 6; i++) {
			int64_t from;

			x ^= x << 13, x ^= x >> 17, x ^= x << 5;
			from = begin + (int64_t)(x % 30000) * MINUTE;
			schedule_blackout_add(
				b, from,
				from + (1 + (int64_t)(x >> 20)) * MINUTE, "x");
		}
		schedule_blackout_sort(b);
		c = (struct schedule_course){
			.schedule = plan(crons[round % 4], NULL,
					 windows[round / 4 % 4]),
			.blackouts = b,
			.postponed_us = begin + (int64_t)(x % 9000) * MINUTE,
		};
		now = begin + (int64_t)(x % 3000) * MINUTE;
		schedule_course_first(&c, begin, now, &t);
		for (int i = 0; i < 12; i++) {
			int64_t least = t.due_us;

			if (i == 0 && now > least)
				least = now;
			if (i == 0 && c.postponed_us > least)
				least = c.postponed_us;
			assert_int_equal(t.at_us, by_minutes(&c, least));
			begin = t.at_us;
			schedule_course_next(&c, &t);
			assert_true(t.at_us > begin);
		}
		schedule_free((struct schedule *)c.schedule);
		schedule_blackout_free(b);
	}
}

static void an_interval_goes_on_from_where_it_ended(void **state)
{
	static const char *const spans[] = { "2026-12-20..2027-01-06" };
	struct schedule_blackout *b = set_of(NULL, spans, 1);
	struct schedule_course c = { .schedule = plan(NULL, "30d", NULL),
				     .blackouts = b };
	struct schedule_turn t;

	(void)state;
	schedule_course_first(&c, at("2026-11-25T12:00:00Z"),
			      at("2026-11-26T12:00:00Z"), &t);
	assert_int_equal(t.at_us, at("2027-01-06T23:00:00Z"));
	schedule_course_next(&c, &t);
	assert_int_equal(t.at_us, at("2027-02-05T23:00:00Z"));
	schedule_free((struct schedule *)c.schedule);
	schedule_blackout_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_by_the_zone_or_by_their_offset),
		cmocka_unit_test(what_is_no_time_is_refused),
		cmocka_unit_test(times_are_shown_by_the_zone),
		cmocka_unit_test(
			a_blackout_ends_with_the_last_that_follows_at_once),
		cmocka_unit_test(what_is_no_blackout_is_refused),
		cmocka_unit_test(a_due_point_waits_for_what_stands_in_its_way),
		cmocka_unit_test(the_walk_is_that_of_minutes),
		cmocka_unit_test(an_interval_goes_on_from_where_it_ended),
	};

	return cmocka_run_group_tests(tests, open_zones, free_zones);
}
