/* SPDX-License-Identifier: PostgreSQL */
/*
 * The events of an .ics file (RFC 5545) as blackouts.  Strict: what would have to
 * be guessed at, or repeats, is refused, with the line that it stands on.
 *
 *   DTSTART with DTEND or DURATION, or a whole day; by UTC, by a TZID that this
 *   host knows, or by the clocks of `zone` (a date, or a time without a zone).
 *   The rules of a VTIMEZONE are not read: its TZID is looked up like any other.
 *   A cancelled event (STATUS:CANCELLED) is none.
 */
#ifndef KEYTURN_SCHEDULE_ICS_H
#define KEYTURN_SCHEDULE_ICS_H

#include <stddef.h>

#include "schedule/schedule_blackout.h"

#define SCHEDULE_ICS_MAX ((size_t)1 << 20) /* bytes of a file */

/*
 * Add the events of the n bytes at s, which are the file `path`, to b.
 * STATUS_CONFIG, with "PATH:LINE: sentence"; b may have some of them then.
 */
enum status schedule_ics_read(const char *path, const char *s, size_t n,
			      const struct schedule_zone *zone,
			      struct schedule_blackout *b, struct reason *why);

#endif
