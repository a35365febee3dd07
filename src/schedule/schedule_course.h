/* SPDX-License-Identifier: PostgreSQL */
/*
 * When a rotation really begins: at its due point, or later, because it was
 * postponed, because of a blackout, or because its window is closed then.  Pure;
 * times are the wall clock's in microseconds.
 */
#ifndef KEYTURN_SCHEDULE_COURSE_H
#define KEYTURN_SCHEDULE_COURSE_H

#include <stdbool.h>
#include <stdint.h>

#include "schedule/schedule_blackout.h"

struct schedule_course {
	const struct schedule *schedule;
	const struct schedule_blackout *blackouts; /* may be NULL */
	int64_t postponed_us; /* until then the next one waits; 0: it does
				 not */
};

struct schedule_turn {
	int64_t due_us;	      /* by the schedule; INT64_MAX: it never comes */
	int64_t at_us;	      /* when it begins: at least due_us, and now */
	bool postponed;	      /* it would have begun earlier */
	int64_t blackout_us;  /* the blackout that it waits for ends then; 0:
				 it waits for none */
	const char *blackout; /* ... and its name, or "" */
};

/* The next one, after a rotation at last_us, as seen at now_us. */
void schedule_course_first(const struct schedule_course *c, int64_t last_us,
			   int64_t now_us, struct schedule_turn *ret);

/* The one behind *turn, if that begins in its time and succeeds.  No
 * postponement counts for it. */
void schedule_course_next(const struct schedule_course *c,
			  struct schedule_turn *turn);

#endif
