/* SPDX-License-Identifier: PostgreSQL */
/*
 * How long a password lives: from the rotation that made it to the next one, and
 * then for as long as the one before is still accepted.  Pure.
 */
#ifndef KEYTURN_SCHEDULE_LIFE_H
#define KEYTURN_SCHEDULE_LIFE_H

#include "schedule/schedule.h"

/* In microseconds. */
struct schedule_life {
	int64_t interval_us; /* the longest from one rotation to the next when
				none fails; 0: nothing bounds it */
	int64_t grace_us;
	int64_t max_us; /* what the policy allows; 0: any */
	bool pair;	/* two login roles: the old password ends by command,
			   unless */
	bool automatic; /* it ends by itself: */
	int64_t quiet_us, tombstone_us; /* ... after that, and is kept for so
					   long without LOGIN */
};

/* s may be NULL: by command only, or a pair's.  Not cheap: see schedule_longest_us(). */
struct schedule_life schedule_life_of(const struct schedule *s,
				      int64_t grace_us, int64_t max_us,
				      int64_t now_us);

/* The longest life, when nothing puts its end off; 0: nothing bounds it. */
int64_t schedule_life_longest(const struct schedule_life *l);

/* Is it longer than the policy allows, or bounded by nothing? */
bool schedule_life_exceeds(const struct schedule_life *l);

/*
 * Does it fit the policy?  STATUS_OK with the numbers in *why, also without a
 * limit; STATUS_REFUSED with them, and what to change.
 */
enum status schedule_life_judge(const struct schedule_life *l,
				struct reason *why);

#endif
