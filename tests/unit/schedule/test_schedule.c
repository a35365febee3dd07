/* SPDX-License-Identifier: PostgreSQL */
/*
 * schedule: against an oracle that walks minute by minute over what the C
 * library's clocks show, and against known answers.
 */
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

#include "base/now.h"
#include "base/text.h"
#include "schedule/schedule_life.h"

#define S   NOW_SECOND
#define MIN (60 * S)
#define H   (60 * MIN)
#define D   (24 * H)

static struct schedule_zone *zone(const char *name)
{
	struct schedule_zone *z = NULL;
	struct reason why = { "" };

	if (schedule_zone_open(name, &z, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return z;
}

static struct schedule *parsed(const struct schedule_spec *spec,
			       const struct schedule_zone *z)
{
	struct schedule *s = NULL;
	struct reason why = { "" };

	if (schedule_parse(spec, z, &s, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return s;
}

static int64_t at(const char *stamp)
{
	int64_t us = 0;

	if (now_parse(stamp, &us) != 0)
		fail_msg("%s", stamp);
	return us;
}

/* The chain of due times from `after` is as listed, up to an empty one. */
static void assert_chain(const struct schedule_spec *spec,
			 const char *zone_name, const char *after,
			 const char *const *want)
{
	struct schedule_zone *z = zone(zone_name);
	struct schedule *s = parsed(spec, z);
	int64_t t = at(after);
	char got[NOW_STAMP_SIZE], expected[NOW_STAMP_SIZE];

	for (; *want != NULL; want++) {
		t = schedule_next(s, t);
		now_stamp(t, got);
		now_stamp(at(*want), expected);
		assert_string_equal(got, expected);
	}
	schedule_free(s);
	schedule_zone_free(z);
}

#define CHAIN(cron_, zone_, after, ...)                                        \
	assert_chain(&(struct schedule_spec){ .cron = (cron_) }, zone_, after, \
		     (const char *const[]){ __VA_ARGS__, NULL })

static void a_skipped_time_is_due_at_the_first_instant_after_the_gap(
	void **state)
{
	(void)state;
	CHAIN("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z",
	      "2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00",
	      "2026-03-30T02:30:00+02:00");
	CHAIN("*/20 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
	      "2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00",
	      "2026-03-29T03:40:00+02:00", "2026-03-30T02:00:00+02:00");
	CHAIN("15 2 * * *", "Australia/Lord_Howe", "2026-10-02T20:00:00Z",
	      "2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00");
}

static void a_repeated_time_is_due_the_first_time_only(void **state)
{
	(void)state;
	CHAIN("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
	      "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00");
	CHAIN("30 2 * * *", "Europe/Berlin", "2026-10-25T01:15:00Z",
	      "2026-10-26T02:30:00+01:00");
	CHAIN("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z",
	      "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z",
	      "2026-10-25T03:00:00Z");
	CHAIN("30 1 * * sun", "America/New_York", "2026-11-01T00:00:00Z",
	      "2026-11-01T01:30:00-04:00", "2026-11-08T01:30:00-05:00");
}

static void the_days_of_cron_are_those_of_posix(void **state)
{
	(void)state;
	CHAIN("0 3 * * sun", "UTC", "2026-11-21T00:00:00Z",
	      "2026-11-22T03:00:00Z", "2026-11-29T03:00:00Z");
	CHAIN("0 3 * * 7", "UTC", "2026-11-21T00:00:00Z",
	      "2026-11-22T03:00:00Z");
	/* Both restricted: the 13th or a Friday. */
	CHAIN("0 0 13 * FRI", "UTC", "2026-11-07T00:00:00Z",
	      "2026-11-13T00:00:00Z", "2026-11-20T00:00:00Z",
	      "2026-11-27T00:00:00Z", "2026-12-04T00:00:00Z",
	      "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z");
	/* A field that begins with a star is not restricted. */
	CHAIN("0 0 */2 * mon", "UTC", "2026-11-01T00:00:00Z",
	      "2026-11-09T00:00:00Z", "2026-11-23T00:00:00Z",
	      "2026-12-07T00:00:00Z");
	CHAIN("0 0 * * fri-sun", "UTC", "2026-11-19T00:00:00Z",
	      "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z",
	      "2026-11-22T00:00:00Z", "2026-11-27T00:00:00Z");
	CHAIN("0 0 31 * *", "UTC", "2027-01-01T00:00:00Z",
	      "2027-01-31T00:00:00Z", "2027-03-31T00:00:00Z",
	      "2027-05-31T00:00:00Z");
	CHAIN(" 5-7,59\t0 1 jan,Jul * ", "UTC", "2027-01-01T00:06:00Z",
	      "2027-01-01T00:07:00Z", "2027-01-01T00:59:00Z",
	      "2027-07-01T00:05:00Z");
}

static void leap_days_are_found_over_the_turn_of_a_century(void **state)
{
	(void)state;
	CHAIN("0 0 29 2 *", "UTC", "2092-03-01T00:00:00Z",
	      "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z");
	/* 29 February at a week's end: a Sunday in 2088, then a Saturday. */
	CHAIN("0 0 29 2 */6", "UTC", "2086-01-01T00:00:00Z",
	      "2088-02-29T00:00:00Z", "2116-02-29T00:00:00Z");
	CHAIN("0 0 29 2 *", "Europe/Berlin", "2399-01-01T00:00:00Z",
	      "2400-02-29T00:00:00+01:00");
}

static void an_interval_counts_from_the_last_rotation(void **state)
{
	struct schedule_spec spec = { .every = "30d" };

	(void)state;
	assert_chain(&spec, "Europe/Berlin", "2026-03-01T12:34:56.789Z",
		     (const char *const[]){ "2026-03-31T12:34:56.789Z",
					    "2026-04-30T12:34:56.789Z", NULL });
}

static void a_due_point_outside_the_window_moves_to_its_next_start(void **state)
{
	struct schedule_spec night = { .cron = "0 12 * * *",
				       .window = "22:00-05:00" };
	struct schedule_spec both = { .cron = "0 1,4,23 * * *",
				      .window = "22:00-03:00" };
	struct schedule_spec every = { .every = "1h", .window = "02:00-03:00" };
	struct schedule_spec end = { .cron = "0 5 * * *",
				     .window = "22:00-24:00" };

	(void)state;
	assert_chain(&night, "Europe/Berlin", "2026-11-21T00:00:00Z",
		     (const char *const[]){ "2026-11-21T22:00:00+01:00",
					    "2026-11-22T22:00:00+01:00",
					    NULL });
	assert_chain(&both, "UTC", "2026-11-21T00:00:00Z",
		     (const char *const[]){ "2026-11-21T01:00:00Z",
					    "2026-11-21T22:00:00Z",
					    "2026-11-21T23:00:00Z",
					    "2026-11-22T01:00:00Z", NULL });
	assert_chain(&every, "UTC", "2026-11-21T02:10:30Z",
		     (const char *const[]){ "2026-11-22T02:00:00Z",
					    "2026-11-23T02:00:00Z", NULL });
	assert_chain(&end, "UTC", "2026-11-21T23:59:00Z",
		     (const char *const[]){ "2026-11-22T22:00:00Z", NULL });
}

static void a_window_that_the_clocks_skip_waits_for_the_next_day(void **state)
{
	struct schedule_spec spec = { .cron = "0 0 * * *",
				      .window = "02:00-03:00" };
	struct schedule_spec half = { .cron = "0 0 * * *",
				      .window = "02:30-03:30" };

	(void)state;
	assert_chain(&spec, "Europe/Berlin", "2026-03-28T12:00:00Z",
		     (const char *const[]){ "2026-03-30T02:00:00+02:00",
					    "2026-03-31T02:00:00+02:00",
					    NULL });
	assert_chain(&half, "Europe/Berlin", "2026-03-28T12:00:00Z",
		     (const char *const[]){ "2026-03-29T03:00:00+02:00",
					    "2026-03-30T02:30:00+02:00",
					    NULL });
}

static void missed_points_are_caught_up_once(void **state)
{
	struct schedule_zone *z = zone("UTC");
	struct schedule *s =
		parsed(&(struct schedule_spec){ .cron = "0 3 * * *" }, z);
	int64_t last = at("2026-11-01T03:00:05Z");
	int64_t now = at("2026-11-21T12:00:00Z");
	unsigned rotations = 0;

	(void)state;
	assert_false(schedule_due(s, last, at("2026-11-02T02:59:59Z")));
	assert_true(schedule_due(s, last, at("2026-11-02T03:00:00Z")));
	/* Twenty points were missed; the rotation sets last to now. */
	for (int i = 0; i < 5; i++)
		if (schedule_due(s, last, now)) {
			last = now;
			rotations++;
		}
	assert_int_equal(rotations, 1);
	assert_false(schedule_due(s, last, at("2026-11-22T02:59:59Z")));
	assert_true(schedule_due(s, last, at("2026-11-22T03:00:00Z")));
	/* A clock that was set back makes nothing due. */
	assert_false(schedule_due(s, last, at("2026-10-01T03:00:00Z")));
	schedule_free(s);
	schedule_zone_free(z);
}

static void a_missed_point_waits_for_the_window(void **state)
{
	struct schedule_zone *z = zone("Europe/Berlin");
	struct schedule *s =
		parsed(&(struct schedule_spec){ .every = "7d",
						.window = "22:00-05:00" },
		       z);
	int64_t last = at("2026-11-01T23:00:00Z");

	(void)state;
	assert_false(schedule_due(s, last, at("2026-11-20T12:00:00Z")));
	assert_false(schedule_due(s, last, at("2026-11-20T20:59:59Z")));
	assert_true(schedule_due(s, last, at("2026-11-20T21:00:00Z")));
	assert_true(schedule_due(s, last, at("2026-11-21T03:59:59Z")));
	assert_false(schedule_due(s, last, at("2026-11-21T04:00:00Z")));
	schedule_free(s);
	schedule_zone_free(z);
}

static void a_window_says_when_it_closes(void **state)
{
	struct schedule_zone *z = zone("Europe/Berlin");
	struct schedule *s =
		parsed(&(struct schedule_spec){ .every = "7d",
						.window = "22:00-05:00" },
		       z);
	struct schedule *open =
		parsed(&(struct schedule_spec){ .every = "7d" }, z);

	(void)state;
	assert_int_equal(schedule_closes(s, at("2026-11-20T21:00:00Z")),
			 at("2026-11-21T04:00:00Z"));
	assert_int_equal(schedule_closes(s, at("2026-11-21T03:59:59Z")),
			 at("2026-11-21T04:00:00Z"));
	assert_true(schedule_closes(s, at("2026-11-21T04:00:00Z")) ==
		    INT64_MAX);
	assert_true(schedule_closes(open, at("2026-11-21T04:00:00Z")) ==
		    INT64_MAX);
	schedule_free(s);
	schedule_free(open);
	schedule_zone_free(z);
}

static int64_t splay_of(const char *name, const char *splay)
{
	struct schedule_zone *z = zone("UTC");
	struct schedule *s = parsed(
		&(struct schedule_spec){
			.cron = "0 * * * *", .splay = splay, .name = name },
		z);
	int64_t got = schedule_next(s, 0) % H;

	schedule_free(s);
	schedule_zone_free(z);
	return got;
}

static void a_splay_is_fixed_for_a_name_and_spreads_the_names(void **state)
{
	unsigned seen[30] = { 0 };
	char name[32];

	(void)state;
	for (int i = 0; i < 3000; i++) {
		int64_t got;

		snprintf(name, sizeof(name), "partner_%d", i);
		got = splay_of(name, "30m");
		assert_true(got >= 0 && got < 30 * MIN && got % S == 0);
		seen[got / MIN]++;
	}
	/* 100 expected a minute; 50 is five standard deviations off. */
	for (int i = 0; i < 30; i++)
		assert_true(seen[i] > 50 && seen[i] < 150);
	/* A release must not move anybody's due time. */
	assert_int_equal(splay_of("sap_engagement", "1h"), 2440 * S);
	assert_int_equal(splay_of("x", "1s"), 0);
}

static void an_interval_is_shifted_once_and_holds(void **state)
{
	static const struct {
		const char *every, *window, *splay;
		int64_t us;
	} cases[] = {
		{ "30d", NULL, "25d", 30 * D },
		{ "30d", NULL, "30m", 30 * D },
		{ "7d", NULL, "50h", 7 * D },
		{ "15m", NULL, "1h", 15 * MIN },
		{ "30d", "02:00-04:00", "1h", 30 * D },
		{ "7d", "22:00-05:00", "7h", 7 * D },
	};
	struct schedule_zone *z = zone("UTC");
	int64_t first = at("2026-11-21T12:34:56Z");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t earliest = INT64_MAX, latest = 0;

		for (int role = 0; role < 200; role++) {
			char name[32];
			struct schedule *s;
			int64_t last, next;

			snprintf(name, sizeof(name), "r%d", role);
			s = parsed(
				&(struct schedule_spec){
					.every = cases[i].every,
					.window = cases[i].window,
					.splay = cases[i].splay,
					.name = name },
				z);
			last = schedule_next(s, first);
			assert_true(last > first);
			if (!cases[i].window)
				assert_true(last - first <= cases[i].us);
			earliest = last < earliest ? last : earliest;
			latest = last > latest ? last : latest;
			for (int n = 0; n < 20; n++) {
				/* It takes a while to begin. */
				next = schedule_next(s, last + 7 * S);
				assert_true(next - last == cases[i].us);
				last = next;
			}
			schedule_free(s);
		}
		/* And the roles are spread. */
		assert_true(latest - earliest > 10 * MIN);
	}
	schedule_zone_free(z);
}

static void the_shortest_gap_is_found(void **state)
{
	static const struct {
		struct schedule_spec spec;
		int64_t want;
	} cases[] = {
		{ { .cron = "* * * * *" }, MIN },
		{ { .cron = "*/7 * * * *" }, 4 * MIN },
		{ { .cron = "0 3 * * sun" }, 7 * D - H },
		{ { .cron = "0 0 1,31 * *" }, D - H },
		{ { .cron = "0 0,2 1 * *" }, 2 * H },
		{ { .cron = "0 0 29 2 *" }, 1461 * D },
		{ { .every = "36h", .window = "01:00-02:00" }, 36 * H },
	};
	struct schedule_zone *z = zone("Europe/Berlin");
	int64_t now = at("2026-11-21T12:00:00Z");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule *s = parsed(&cases[i].spec, z);
		int64_t got = schedule_shortest_us(s, now);

		assert_int_equal(got, cases[i].want);
		schedule_free(s);
	}
	schedule_zone_free(z);
}

static void the_longest_gap_is_found(void **state)
{
	static const struct {
		struct schedule_spec spec;
		int64_t want;
	} cases[] = {
		/* The hour that comes twice is due the first time only. */
		{ { .cron = "* * * * *" }, H + MIN },
		{ { .cron = "0 3 * * sun" }, 7 * D + H },
		{ { .cron = "0 3 * * mon" }, 7 * D + H },
		{ { .cron = "0 0 1 * *" }, 31 * D + H },
		{ { .cron = "*/5 * 1-7 1 *" }, 358 * D + 5 * MIN },
		{ { .cron = "0 0 29 2 *" }, 1461 * D },
		{ { .every = "30d" }, 30 * D },
		{ { .every = "30d", .splay = "2d", .name = "sap" }, 30 * D },
		{ { .every = "36h", .window = "01:00-02:00" }, 36 * H + D },
	};
	struct schedule_zone *z = zone("Europe/Berlin");
	int64_t now = at("2026-11-21T12:00:00Z");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule *s = parsed(&cases[i].spec, z);

		assert_int_equal(schedule_longest_us(s, now), cases[i].want);
		schedule_free(s);
	}
	schedule_zone_free(z);
}

/* Nothing is passed over, and nothing is longer than what is said. */
static void the_longest_gap_is_that_of_a_walk_over_the_year(void **state)
{
	static const struct schedule_spec specs[] = {
		{ .cron = "*/20 3-5 * * *" },
		{ .cron = "0 */3 */2 * *", .window = "22:00-05:00" },
		{ .cron = "0 3 1,31 * *", .splay = "90m", .name = "crm" },
		{ .cron = "30 2 * * mon-fri",
		  .window = "01:00-02:45",
		  .splay = "1h",
		  .name = "sap" },
		{ .cron = "0 12 * 2,11 wed" },
		{ .every = "36h", .window = "02:30-02:40" },
		{ .every = "10d",
		  .window = "23:00-04:00",
		  .splay = "3h",
		  .name = "sap" },
	};
	static const char *const zones[] = { "Europe/Berlin", "UTC",
					     "Australia/Lord_Howe" };
	int64_t now = at("2026-03-01T00:00:00Z");

	(void)state;
	for (size_t k = 0; k < sizeof(zones) / sizeof(zones[0]); k++) {
		struct schedule_zone *z = zone(zones[k]);

		for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
			struct schedule *s = parsed(&specs[i], z);
			bool cron = specs[i].cron != NULL;
			int64_t step = cron ? 0 : 5 * MIN, most = 0, next;
			int64_t t = cron ? schedule_next(s, now) : now;
			int64_t got = schedule_longest_us(s, now);

			for (; t - now < 366 * D; t = cron ? next : t + step) {
				next = schedule_next(s, t);
				if (next - t > most)
					most = next - t;
			}
			/* An interval begins anywhere, also between steps. */
			if (got < most || got - most > step)
				fail_msg("%s %zu: %lld, not %lld", zones[k], i,
					 (long long)(got / S),
					 (long long)(most / S));
			schedule_free(s);
		}
		schedule_zone_free(z);
	}
}

static void a_life_is_judged_with_its_numbers(void **state)
{
	static const struct {
		struct schedule_life life;
		enum status want;
		const char *says;
	} cases[] = {
		{ { 7 * D, H, 0, .pair = false },
		  STATUS_OK,
		  "lives at most 7d 1h (7d to the next rotation, 1h of grace), "
		  "and the policy has no max_life" },
		{ { 7 * D, H, 7 * D + H, .pair = false },
		  STATUS_OK,
		  "and max_life of the policy is 7d 1h" },
		{ { 30 * D, D, 30 * D, .pair = false },
		  STATUS_REFUSED,
		  "a password may live 31d (30d to the next rotation, 1d of "
		  "grace), and max_life of the policy is 30d: rotate more "
		  "often, or shorten window, splay or grace, by 1d in all" },
		{ { 0, 0, 30 * D, .pair = false },
		  STATUS_REFUSED,
		  "nothing bounds the life of a password that is rotated by "
		  "command only, and max_life of the policy is 30d: set every "
		  "or schedule" },
		{ { 0, D, 0, .pair = false }, STATUS_OK, "by command only" },
		{ { 7 * D, 0, 30 * D, .pair = true },
		  STATUS_REFUSED,
		  "nothing bounds the life of a pair's old password, which "
		  "ends by keyturn retire, and max_life of the policy is 30d" },
		/* Of a pair that ends it by itself. */
		{ { 7 * D, 3 * D, 12 * D, true, true, D, 2 * D },
		  STATUS_OK,
		  "a password lives 12d when nothing puts its end off (7d to "
		  "the next rotation, 3d of grace and quiet, 2d without "
		  "LOGIN), and max_life of the policy is 12d" },
		{ { 7 * D, H, 9 * D, true, true, D, 2 * D },
		  STATUS_REFUSED,
		  "lives 10d when nothing puts its end off (7d to the next "
		  "rotation, 1d of grace and quiet, 2d without LOGIN), and "
		  "max_life of the policy is 9d: rotate more often, or shorten "
		  "grace, quiet or tombstone" },
		{ { 0, H, 9 * D, true, true, D, 2 * D },
		  STATUS_REFUSED,
		  "nothing bounds the life" },
	};
	const struct schedule_life none =
		schedule_life_of(NULL, D, 2 * D, at("2026-03-01T00:00:00Z"));

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reason why = { "" };

		assert_int_equal(schedule_life_judge(&cases[i].life, &why),
				 cases[i].want);
		if (strstr(why.text, cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", why.text,
				 cases[i].says);
	}
	/* Grace alone is no life. */
	assert_int_equal(schedule_life_longest(&none), 0);
	assert_int_equal(schedule_life_longest(&cases[0].life), 7 * D + H);
}

static void durations_are_read_strictly(void **state)
{
	static const struct {
		const char *s;
		int64_t want; /* 0: refused */
	} cases[] = {
		{ "90s", 90 * S },
		{ "15m", 15 * MIN },
		{ "36h", 36 * H },
		{ "30d", 30 * D },
		{ "2w", 14 * D },
		{ "3650d", 3650 * D },
		{ "007s", 7 * S },
		{ "0s", 0 },
		{ "", 0 },
		{ "d", 0 },
		{ "10", 0 },
		{ "10 d", 0 },
		{ "-1d", 0 },
		{ "+1d", 0 },
		{ "1.5h", 0 },
		{ "1D", 0 },
		{ "1y", 0 },
		{ "1d2h", 0 },
		{ "3651d", 0 },
		{ "9223372036854775807w", 0 },
		{ "99999999999999999999999999s", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reason why = { "" };
		int64_t got = -7;
		enum status st = schedule_duration(cases[i].s, &got, &why);

		if (cases[i].want > 0) {
			assert_int_equal(st, STATUS_OK);
			assert_int_equal(got, cases[i].want);
			continue;
		}
		if (st != STATUS_CONFIG || got != -7)
			fail_msg("\"%s\" is taken", cases[i].s);
		assert_string_not_equal(why.text, "");
	}
}

static void a_bad_schedule_is_refused_by_a_sentence_that_names_it(void **state)
{
	static const struct {
		struct schedule_spec spec;
		const char *says;
	} cases[] = {
		{ { .cron = "60 * * * *" }, "minute \"60\" is out of range" },
		{ { .cron = "* 24 * * *" }, "hour \"24\" is out of range" },
		{ { .cron = "* * 0 * *" }, "day of month \"0\"" },
		{ { .cron = "* * 32 * *" }, "day of month \"32\"" },
		{ { .cron = "* * * 13 *" }, "month \"13\"" },
		{ { .cron = "* * * foo *" }, "neither a number nor a name" },
		{ { .cron = "* * * sun *" }, "month \"sun\"" },
		{ { .cron = "* * * * 8" }, "day of week \"8\"" },
		{ { .cron = "* * * * sund" }, "not understood" },
		{ { .cron = "*/0 * * * *" }, "not a positive number" },
		{ { .cron = "*/x * * * *" }, "not a positive number" },
		{ { .cron = "*/60 * * * *" }, "longer than its range" },
		{ { .cron = "5/15 * * * *" }, "step without a range" },
		{ { .cron = "30-10 * * * *" }, "ends before it begins" },
		{ { .cron = "1,,2 * * * *" }, "minute \"1,,2\"" },
		{ { .cron = "1, * * * *" }, "minute \"1,\"" },
		{ { .cron = "-1 * * * *" }, "minute \"-1\"" },
		{ { .cron = "1-2-3 * * * *" }, "not understood" },
		{ { .cron = "**  * * * *" }, "not understood" },
		{ { .cron = "99999999999 * * * *" }, "out of range" },
		{ { .cron = "* * * *" }, "not five fields" },
		{ { .cron = "* * * * * *" }, "not five fields" },
		{ { .cron = "" }, "not five fields" },
		{ { .cron = "@daily" }, "write five fields" },
		{ { .cron = "0 0 30 2 *" }, "never comes" },
		{ { .cron = "0 0 31 4,6,9,11 *" }, "never comes" },
		{ { .cron = NULL }, "neither" },
		{ { .cron = "* * * * *", .every = "1d" }, "both" },
		{ { .every = "soon" }, "every: \"soon\"" },
		{ { .every = "1d", .splay = "x", .name = "r" }, "splay" },
		{ { .every = "1d", .splay = "1m" }, "name" },
		{ { .every = "1d",
		    .splay = "2h",
		    .name = "r",
		    .window = "01:00-02:00" },
		  "longer than the window" },
		{ { .every = "1d", .window = "02:00" }, "window: \"02:00\"" },
		{ { .every = "1d", .window = "2:00-03:00 " }, "window" },
		{ { .every = "1d", .window = "02:00-02:00" }, "window" },
		{ { .every = "1d", .window = "02:00-25:00" }, "window" },
		{ { .every = "1d", .window = "24:00-02:00" }, "window" },
		{ { .every = "1d", .window = "02:60-03:00" }, "window" },
		{ { .every = "1d", .window = "02.00-03:00" }, "window" },
	};
	struct schedule_zone *z = zone("UTC");
	char blanks[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct schedule *s = NULL;
		struct reason why = { "" };

		if (schedule_parse(&cases[i].spec, z, &s, &why) !=
		    STATUS_CONFIG)
			fail_msg("\"%s\" is taken", cases[i].spec.cron);
		assert_null(s);
		if (strstr(why.text, cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", why.text,
				 cases[i].says);
	}
	memset(blanks, ' ', sizeof(blanks) - 1);
	blanks[sizeof(blanks) - 1] = '\0';
	assert_int_equal(
		schedule_parse(&(struct schedule_spec){ .cron = blanks }, z,
			       &(struct schedule *){ NULL }, NULL),
		STATUS_CONFIG);
	schedule_zone_free(z);
}

static void times_at_the_end_of_the_world_do_not_overflow(void **state)
{
	struct schedule_zone *z = zone("Europe/Berlin");
	struct schedule *cron =
		parsed(&(struct schedule_spec){ .cron = "0 0 1 1 *",
						.window = "02:00-03:00",
						.splay = "1h",
						.name = "r" },
		       z);
	struct schedule *every =
		parsed(&(struct schedule_spec){ .every = "3650d" }, z);

	(void)state;
	assert_true(schedule_next(cron, INT64_MAX) == INT64_MAX);
	assert_true(schedule_next(every, INT64_MAX) == INT64_MAX);
	assert_true(schedule_next(every, INT64_MAX - 1) == INT64_MAX);
	assert_true(schedule_next(cron, INT64_MIN) < 0);
	assert_true(schedule_next(every, INT64_MIN) < 0);
	assert_true(schedule_next(cron, 0) > 0);
	assert_false(schedule_due(every, INT64_MAX, INT64_MAX - 1));
	schedule_free(cron);
	schedule_free(every);
	schedule_zone_free(z);
}

/* The oracle. */

static uint64_t seed = 20261121;

static unsigned draw(unsigned bound)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (unsigned)(seed >> 33) % bound;
}

/* One random field, as text and as the values it stands for. */
struct naive_field {
	bool on[64];
	bool star;
};

static void draw_field(struct naive_field *f, struct text *t, unsigned min,
		       unsigned max)
{
	unsigned a = min + draw(max - min), b = a + 1 + draw(max - a);
	unsigned step = 1 + draw(b - a), n = 1 + draw(4);

	memset(f, 0, sizeof(*f));
	switch (draw(6)) {
	case 0:
	case 1:
		f->star = true;
		text_add(t, "*");
		for (unsigned i = min; i <= max; i++)
			f->on[i] = true;
		break;
	case 2:
		f->star = true;
		step = 1 + draw((max - min) / 2);
		text_printf(t, "*/%u", step);
		for (unsigned i = min; i <= max; i += step)
			f->on[i] = true;
		break;
	case 3:
		text_printf(t, "%u-%u/%u,%u", a, b, step, max);
		for (unsigned i = a; i <= b; i += step)
			f->on[i] = true;
		f->on[max] = true;
		break;
	case 4:
		text_printf(t, "%u-%u", a, b);
		for (unsigned i = a; i <= b; i++)
			f->on[i] = true;
		break;
	default:
		for (unsigned i = 0; i < n; i++) {
			a = min + draw(max - min + 1);
			text_printf(t, "%s%u", i > 0 ? "," : "", a);
			f->on[a] = true;
		}
	}
	text_add(t, " ");
}

struct naive {
	struct naive_field minute, hour, day, month, weekday;
	struct text cron;
};

/* Hours around the changes of the clocks, and any day, most of the time. */
static void draw_cron(struct naive *c, bool near)
{
	c->cron = text_make(512);
	draw_field(&c->minute, &c->cron, 0, 59);
	draw_field(&c->hour, &c->cron, 0, near ? 4 : 23);
	if (near && c->hour.star) {
		text_reset(&c->cron);
		draw_field(&c->minute, &c->cron, 0, 59);
		memset(c->hour.on, 1, sizeof(c->hour.on));
		text_add(&c->cron, "* ");
	}
	draw_field(&c->day, &c->cron, 1, 31);
	draw_field(&c->month, &c->cron, 1, 12);
	draw_field(&c->weekday, &c->cron, 0, 6);
	c->cron.bytes[c->cron.len - 1] = '\0';
}

static bool naive_day(const struct naive *c, const struct tm *tm)
{
	bool day = c->day.on[tm->tm_mday];
	bool weekday = c->weekday.on[tm->tm_wday];

	if (!c->month.on[tm->tm_mon + 1])
		return false;
	if (!c->day.star && !c->weekday.star)
		return day || weekday;
	return day && weekday;
}

static bool naive_matches(const struct naive *c, time_t local)
{
	struct tm tm;

	gmtime_r(&local, &tm);
	return c->minute.on[tm.tm_min] && c->hour.on[tm.tm_hour] &&
	       naive_day(c, &tm);
}

/* The minutes of eight days around a change of the clocks. */
enum { SPAN = 8 * 1440 };

static time_t shown[SPAN];    /* what the clock shows at each minute */
static bool due[SPAN];	      /* is it a point of the cron fields? */
static bool final[SPAN * 60]; /* seconds: is it due after window and splay? */

static void look_at_clock(time_t from)
{
	for (int i = 0; i < SPAN; i++) {
		time_t t = from + i * 60;
		struct tm tm;

		localtime_r(&t, &tm);
		shown[i] = t + tm.tm_gmtoff;
	}
}

/* Minute by minute: whatever local minutes are new at it are due at it. */
static void mark_due(const struct naive *c)
{
	time_t seen = shown[0];

	memset(due, 0, sizeof(due));
	for (int i = 1; i < SPAN; i++)
		for (; seen < shown[i]; seen += 60)
			if (naive_matches(c, seen + 60))
				due[i] = true;
}

struct naive_window {
	bool on;
	unsigned open, close; /* minutes of the day */
	unsigned splay;	      /* seconds */
};

static bool naive_open(const struct naive_window *w, int second)
{
	unsigned t = (unsigned)(shown[second / 60] / 60 % 1440);

	if (!w->on)
		return true;
	return w->open < w->close ? t >= w->open && t < w->close :
				    t >= w->open || t < w->close;
}

/* For each second the first from it on at which the window is open. */
static int forward[SPAN * 60 + 1];

static void look_at_window(const struct naive_window *w)
{
	forward[SPAN * 60] = SPAN * 60;
	for (int i = SPAN * 60 - 1; i >= 0; i--)
		forward[i] = naive_open(w, i) ? i : forward[i + 1];
}

static void mark_final(const struct naive_window *w)
{
	memset(final, 0, sizeof(final));
	look_at_window(w);
	for (int i = 0; i < SPAN; i++) {
		int second;

		if (!due[i])
			continue;
		second = forward[i * 60] + (int)w->splay;
		if (second < SPAN * 60 && forward[second] < SPAN * 60)
			final[forward[second]] = true;
	}
}

/* 0 when the schedule and the oracle agree on what follows `second`. */
static int compare(const struct schedule *s, time_t from, int second,
		   const char *what)
{
	int64_t after = (from + second) * S + draw(2) * (draw(1000000));
	int64_t got = schedule_next(s, after);
	int64_t want = INT64_MAX;
	/* Due later, by window and splay: not all of the end is known. */
	int64_t known = (from + SPAN * 60) * S - 3 * D;

	for (int i = second + 1; i < SPAN * 60 && want == INT64_MAX; i++)
		if (final[i])
			want = (from + i) * S;
	if (want > known ? got > known : got == want)
		return 0;
	fprintf(stderr, "%s after %lld: %lld, the oracle has %lld\n", what,
		(long long)after, (long long)got, (long long)want);
	return 1;
}

static int check_schedule(const struct schedule_zone *z, time_t from)
{
	struct naive c;
	struct naive_window w = { .on = draw(2) };
	struct schedule_spec spec = { .name = "r" };
	struct text what = text_make(1024);
	char window[16], splay[16];
	struct schedule *s = NULL;
	int wrong = 0;

	draw_cron(&c, draw(4) > 0);
	spec.cron = text_str(&c.cron);
	w.open = draw(2) ? draw(1440) : draw(8) * 30;
	w.close = (w.open + 30 + draw(1410)) % 1440;
	snprintf(window, sizeof(window), "%02u:%02u-%02u:%02u", w.open / 60,
		 w.open % 60, w.close / 60, w.close % 60);
	if (w.on)
		spec.window = window;
	if (draw(2)) {
		snprintf(splay, sizeof(splay), "%um", 1 + draw(30));
		spec.splay = splay;
		w.splay = (unsigned)(splay_of("r", splay) / S);
	}
	text_printf(&what, "\"%s\" window %s splay %us", spec.cron,
		    w.on ? window : "none", w.splay);
	/* Some fields never come; that is refused, and tested elsewhere. */
	if (schedule_parse(&spec, z, &s, NULL) == STATUS_OK) {
		mark_due(&c);
		mark_final(&w);
		/* The first three days have points before them. */
		for (int i = 0; i < 40 && wrong == 0; i++)
			wrong = compare(s, from,
					(int)(3 * 86400 + draw(2 * 86400)),
					text_str(&what));
	}
	schedule_free(s);
	text_free(&what);
	text_free(&c.cron);
	return wrong;
}

/* The next change of the clocks after t, by the C library; within a day. */
static time_t change_after(time_t t)
{
	struct tm before, tm;

	localtime_r(&t, &before);
	for (int i = 0; i < 3 * 366; i++, t += 86400) {
		localtime_r(&t, &tm);
		if (tm.tm_gmtoff != before.tm_gmtoff)
			break;
	}
	return t;
}

static int check_zone(const char *name)
{
	struct schedule_zone *z = zone(name);
	time_t t = (time_t)(at("2026-01-01T00:00:00Z") / S);
	int wrong = 0;

	while (wrong == 0 && t < (time_t)(at("2060-12-01T00:00:00Z") / S)) {
		time_t from;

		t = change_after(t);
		from = t - t % 86400 - 5 * 86400;
		look_at_clock(from);
		for (int i = 0; i < 2 && wrong == 0; i++)
			wrong = check_schedule(z, from);
	}
	schedule_zone_free(z);
	return wrong;
}

static void the_next_due_time_is_that_of_a_walk_by_minutes(void **state)
{
	static const char *const zones[] = { "Europe/Berlin",
					     "America/New_York",
					     "Australia/Lord_Howe",
					     "Asia/Kolkata", "UTC" };

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		int status;
		pid_t pid;

		seed += i;
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			setenv("TZ", zones[i], 1);
			tzset();
			_exit(check_zone(zones[i]));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status != 0)
			fail_msg("%s differs from the oracle", zones[i]);
	}
}

/* Years ahead: the first minute of the first day that fits. */
static void the_next_day_is_that_of_a_walk_by_days(void **state)
{
	struct schedule_zone *z = zone("UTC");

	(void)state;
	for (int i = 0; i < 400; i++) {
		time_t day = (time_t)draw(2100000000) / 86400 * 86400;
		struct schedule *s = NULL;
		struct schedule_spec spec = { .cron = NULL };
		struct text cron = text_make(512);
		struct naive c;
		struct tm tm;
		int ahead = 0;

		draw_cron(&c, false);
		/* Fields three to five of it, at midnight. */
		spec.cron = strchr(strchr(text_str(&c.cron), ' ') + 1, ' ');
		text_printf(&cron, "0 0%s", spec.cron);
		spec.cron = text_str(&cron);
		if (schedule_parse(&spec, z, &s, NULL) == STATUS_OK) {
			do {
				day += 86400;
				gmtime_r(&day, &tm);
			} while (!naive_day(&c, &tm) && ahead++ < 41 * 366);
			assert_int_equal(schedule_next(s, (int64_t)day * S - 1),
					 (int64_t)day * S);
			assert_int_equal(
				schedule_next(s, ((int64_t)day -
						  (int64_t)ahead * 86400) *
								 S -
							 1),
				(int64_t)day * S);
		}
		schedule_free(s);
		text_free(&cron);
		text_free(&c.cron);
	}
	schedule_zone_free(z);
}

/* `status` asks for 10,000 roles in under a second; 20 microseconds of
 * processor time each is loose enough for a sanitizer and a busy machine. */
static void ten_thousand_roles_are_asked_quickly(void **state)
{
	struct schedule_spec spec = { .cron = "0 3 * * sun",
				      .window = "22:00-05:00",
				      .splay = "30m",
				      .name = "r" };
	struct schedule_zone *z = zone("Europe/Berlin");
	struct schedule *s = parsed(&spec, z);
	int64_t sum = 0, now = at("2026-11-21T12:00:00Z");
	clock_t start = clock();
	double us;

	(void)state;
	for (int i = 0; i < 10000; i++)
		sum += schedule_next(s, now + i * H) > now;
	us = (double)(clock() - start) / CLOCKS_PER_SEC * 1e6 / 10000;
	print_message("%.2f us each\n", us);
	assert_int_equal(sum, 10000);
	assert_true(us < 20);
	schedule_free(s);
	schedule_zone_free(z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_skipped_time_is_due_at_the_first_instant_after_the_gap),
		cmocka_unit_test(a_repeated_time_is_due_the_first_time_only),
		cmocka_unit_test(the_days_of_cron_are_those_of_posix),
		cmocka_unit_test(
			leap_days_are_found_over_the_turn_of_a_century),
		cmocka_unit_test(an_interval_counts_from_the_last_rotation),
		cmocka_unit_test(
			a_due_point_outside_the_window_moves_to_its_next_start),
		cmocka_unit_test(
			a_window_that_the_clocks_skip_waits_for_the_next_day),
		cmocka_unit_test(missed_points_are_caught_up_once),
		cmocka_unit_test(a_missed_point_waits_for_the_window),
		cmocka_unit_test(
			a_splay_is_fixed_for_a_name_and_spreads_the_names),
		cmocka_unit_test(an_interval_is_shifted_once_and_holds),
		cmocka_unit_test(a_window_says_when_it_closes),
		cmocka_unit_test(the_shortest_gap_is_found),
		cmocka_unit_test(the_longest_gap_is_found),
		cmocka_unit_test(
			the_longest_gap_is_that_of_a_walk_over_the_year),
		cmocka_unit_test(a_life_is_judged_with_its_numbers),
		cmocka_unit_test(durations_are_read_strictly),
		cmocka_unit_test(
			a_bad_schedule_is_refused_by_a_sentence_that_names_it),
		cmocka_unit_test(times_at_the_end_of_the_world_do_not_overflow),
		cmocka_unit_test(
			the_next_due_time_is_that_of_a_walk_by_minutes),
		cmocka_unit_test(the_next_day_is_that_of_a_walk_by_days),
		cmocka_unit_test(ten_thousand_roles_are_asked_quickly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
