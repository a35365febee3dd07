/* SPDX-License-Identifier: PostgreSQL */
/*
 * Five cron fields over local time: minute, hour, day of month, month, day of
 * week.  A field is a list of *, a number, a range a-b, each range or * with
 * an optional step /n.  Months and weekdays may be names (jan, sun); 0 and 7
 * are Sunday, and sun may end a range (fri-sun).
 *
 * Days: when both fields are restricted, either is enough (POSIX crontab(1)).
 * As in the cron of Debian, a field that begins with * is not restricted, even
 * with a step: "0 0 * / 2 * mon" without the spaces is a Monday on an odd day.
 */
#ifndef KEYTURN_SCHEDULE_CRON_H
#define KEYTURN_SCHEDULE_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

struct schedule_cron {
	uint64_t minutes;  /* bit n: minute n */
	uint32_t hours;	   /* bit n: hour n */
	uint32_t days;	   /* bit n: day n of the month */
	uint32_t months;   /* bit n: month n */
	uint32_t weekdays; /* bits 0 to 6 */
	bool any_day;	   /* the day of the month is not restricted */
	bool any_weekday;  /* the day of the week is not restricted */
};

/* STATUS_CONFIG with a sentence that names the field, also for a schedule
 * that never comes (30 February). */
enum status schedule_cron_parse(const char *s, struct schedule_cron *ret_cron,
				struct reason *why);

/* The first local time strictly after `local` (seconds as if the local clock
 * were UTC); INT64_MAX when there is none within 41 years. */
int64_t schedule_cron_next(const struct schedule_cron *c, int64_t local);

#endif
