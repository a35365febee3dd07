/* SPDX-License-Identifier: PostgreSQL */
/*
 * Which notice of a coming rotation is to be given now.  Pure; times are the wall
 * clock's in microseconds.
 */
#ifndef KEYTURN_SCHEDULE_NOTICE_H
#define KEYTURN_SCHEDULE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

#define SCHEDULE_NOTICE_STEPS 8
#define SCHEDULE_NOTICE_SIZE  80

/* How long before a rotation it is told of; the longest first. */
struct schedule_notice {
	int64_t steps_us[SCHEDULE_NOTICE_STEPS];
	size_t n; /* 0: never */
};

/* "14d 3d 1h", in any order; "none" and "" are none.  STATUS_CONFIG with a
 * sentence. */
enum status schedule_notice_parse(const char *words,
				  struct schedule_notice *ret,
				  struct reason *why);

/* What was told of last. */
struct schedule_notice_told {
	int64_t due_us, at_us; /* of which rotation, and when it was to begin */
	int64_t step_us;       /* 0: nothing was told yet */
};

/* As a short line, and back; false (and a blank *ret) for another. */
void schedule_notice_write(const struct schedule_notice_told *t,
			   char ret_line[SCHEDULE_NOTICE_SIZE]);
bool schedule_notice_read(const char *line, struct schedule_notice_told *ret);

/*
 * The step to tell of now, for a rotation that is due at due_us and begins at
 * at_us; 0: none.  It is the shortest that has begun: those that were missed are
 * not told any more.  A rotation that begins at another time than was told is
 * told of again.  Of one that should have begun already nothing is said.
 */
int64_t schedule_notice_step(const struct schedule_notice *n,
			     const struct schedule_notice_told *told,
			     int64_t due_us, int64_t at_us, int64_t now_us);

/* When the next step of it begins, after now; INT64_MAX: none does. */
int64_t schedule_notice_next(const struct schedule_notice *n, int64_t at_us,
			     int64_t now_us);

#endif
