/* SPDX-License-Identifier: PostgreSQL */
/*
 * When a role is due.  Pure: time is an argument, the zone's rules are read
 * once when the zone is opened.
 *
 * A schedule is either five-field cron ("0 3 * * sun") in an IANA zone or an
 * interval ("30d").  Cron follows POSIX crontab(1) (day of month and day of
 * week are or-ed when both are restricted), with names, lists, ranges and
 * steps.  Daylight saving: a local time that is skipped is due at the first
 * instant after the gap; one that occurs twice is due the first time only.
 * Missed points are caught up once, never more (rotation-safety.md K23).
 */
#ifndef KEYTURN_SCHEDULE_H
#define KEYTURN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"

struct schedule_zone; /* an IANA time zone */
struct schedule;

/* Open "Europe/Berlin" from the system's zoneinfo, or "UTC".  STATUS_CONFIG
 * for an unknown name (no '..', no absolute path).  Independent of TZ and
 * thread-safe: does not use the C library's zone state. */
enum status schedule_zone_open(const char *name, struct schedule_zone **ret,
			       struct reason *why);
void schedule_zone_free(struct schedule_zone *z);

struct schedule_spec {
	const char *cron;  /* five fields, or NULL */
	const char *every; /* "15m", "36h", "30d", "2w", or NULL; one of both */
	const char *window; /* "HH:MM-HH:MM" local, may pass midnight, or NULL:
			       due points outside are moved to its next start */
	const char *splay;  /* "30m": a fixed offset in [0, splay) derived from
			       the role's name is added to a cron point, or
			       NULL; what it takes out of the window moves to
			       the next start.  An interval is shifted by it
			       once, to an earlier point, or with a window to
			       that behind its opening, and then holds. */
	const char *name;   /* the role's name, for splay */
};

/* STATUS_CONFIG with a sentence that names the bad field.  The zone must
 * outlive the schedule. */
enum status schedule_parse(const struct schedule_spec *spec,
			   const struct schedule_zone *zone,
			   struct schedule **ret, struct reason *why);
void schedule_free(struct schedule *s);

/*
 * The first due time strictly after `after` (wall microseconds UTC).  For an
 * interval `after` is the last rotation.  INT64_MAX when it never comes: within
 * 41 years nothing (schedule_parse() refuses such a one), or `after` is beyond
 * the year 9999.
 */
int64_t schedule_next(const struct schedule *s, int64_t after_us);

/* Is it due at now, when last_us is the last rotation?  True at most once per
 * rotation however many points were missed.  With a window only while that is
 * open: a point that was missed is caught up in the next one. */
bool schedule_due(const struct schedule *s, int64_t last_us, int64_t now_us);

/* When the window that is open at now closes; INT64_MAX without a window, or
 * while it is not open. */
int64_t schedule_closes(const struct schedule *s, int64_t now_us);

/* The first instant from at_us on at which the window is open; at_us without
 * one. */
int64_t schedule_opens(const struct schedule *s, int64_t at_us);

/* Does a stamp lie so far ahead that some clock was, or is, wrong? */
bool schedule_ahead(int64_t stamp_us, int64_t now_us);

/* The shortest gap between two due points, for `check` (store quotas). */
int64_t schedule_shortest_us(const struct schedule *s, int64_t now_us);

/*
 * The longest time from one rotation to the next when each begins as it is due:
 * the longest gap of a cron schedule within a year from now, or the next one when
 * that is longer; of an interval with what its window may add, wherever the last
 * rotation was.  INT64_MAX: it never comes.  Asks for every point of the year
 * that it cannot pass over, so the answer is to be kept.
 */
int64_t schedule_longest_us(const struct schedule *s, int64_t now_us);

/* "90s", "15m", "36h", "30d", "2w" to microseconds; positive, at most ten
 * years.  STATUS_CONFIG otherwise. */
enum status schedule_duration(const char *s, int64_t *ret_us,
			      struct reason *why);

#endif
