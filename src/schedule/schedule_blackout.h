/* SPDX-License-Identifier: PostgreSQL */
/*
 * Times in which no rotation begins.  Pure; times are the wall clock's in
 * microseconds.  A set may be NULL: then there is no such time.
 */
#ifndef KEYTURN_SCHEDULE_BLACKOUT_H
#define KEYTURN_SCHEDULE_BLACKOUT_H

#include <stddef.h>
#include <stdint.h>

#include "schedule/schedule.h"

#define SCHEDULE_BLACKOUT_MAX  10000 /* of a set */
#define SCHEDULE_BLACKOUT_NAME 160   /* longer names are cut */

struct schedule_blackout;

/* An empty set.  What is in `also`, which may be NULL and must outlive it, is in
 * it as well.  STATUS_NO_MEMORY. */
enum status schedule_blackout_new(const struct schedule_blackout *also,
				  struct schedule_blackout **ret);
void schedule_blackout_free(struct schedule_blackout *b); /* takes NULL */

/* From from_us to just before to_us, which is later.  `name`, for people, says
 * where it stands; it is copied.  STATUS_LIMIT, STATUS_NO_MEMORY. */
enum status schedule_blackout_add(struct schedule_blackout *b, int64_t from_us,
				  int64_t to_us, const char *name);

/*
 * "FROM..TO", two times of schedule_time_parse(); a date alone as TO is in it
 * whole.  STATUS_CONFIG with a sentence, else as schedule_blackout_add().
 */
enum status schedule_blackout_parse(struct schedule_blackout *b,
				    const char *span,
				    const struct schedule_zone *zone,
				    const char *name, struct reason *why);

/* After the last one was added, before anything is asked. */
void schedule_blackout_sort(struct schedule_blackout *b);

/*
 * When the blackout ends that at_us lies in, with those that follow it at once;
 * at_us itself when it lies in none.  *ret_name (may be NULL) is that of the one
 * that ends then, which is the set's; it is not touched when there is none.
 */
int64_t schedule_blackout_end(const struct schedule_blackout *b, int64_t at_us,
			      const char **ret_name);

/* When the next one begins after at_us; INT64_MAX: none does. */
int64_t schedule_blackout_next(const struct schedule_blackout *b,
			       int64_t at_us);

#endif
