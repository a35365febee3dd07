/* SPDX-License-Identifier: PostgreSQL */
/*
 * Times as people and calendars write them, by the clocks of a zone, and back.
 * Pure.
 */
#ifndef KEYTURN_SCHEDULE_TIME_H
#define KEYTURN_SCHEDULE_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schedule/schedule.h"

#define SCHEDULE_TIME_SIZE 64

/*
 * The instant (seconds, UTC) of a local time, as RFC 5545 section 3.3.5 has it:
 * of one that occurs twice the first, and one that is skipped is read by the
 * clock of before the gap.
 */
int64_t schedule_time_at(const struct schedule_zone *z, int64_t local);

/*
 * The n bytes at s are "2026-12-20", "2026-12-20T18:00", with or without
 * seconds, by the clocks of the zone, or with an offset "Z" or "+01:00".
 * *ret_date: it was a date alone, and *ret_us (wall clock) is its beginning.
 * STATUS_CONFIG with a sentence.
 */
enum status schedule_time_parse(const char *s, size_t n,
				const struct schedule_zone *z, bool *ret_date,
				int64_t *ret_us, struct reason *why);

/* RFC 3339 with the zone's offset: "2026-12-20T04:00:00+01:00".  buf has
 * SCHEDULE_TIME_SIZE bytes. */
const char *schedule_time_local(const struct schedule_zone *z, int64_t us,
				char *buf);

/* For people, to the minute: "Sunday 2026-12-20 04:00 (UTC+01:00)". */
const char *schedule_time_show(const struct schedule_zone *z, int64_t us,
			       char *buf);

#endif
