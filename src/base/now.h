/* SPDX-License-Identifier: PostgreSQL */
/*
 * Time behind an interface, so that the simulator owns it.  Wall time is for
 * what people read and for schedules; intervals and deadlines use the boot
 * clock, which no administrator can set back (rotation-safety.md K23).
 */
#ifndef KEYTURN_NOW_H
#define KEYTURN_NOW_H

#include <stddef.h>
#include <stdint.h>

#define NOW_SECOND     INT64_C(1000000)
#define NOW_STAMP_SIZE 28 /* "2026-11-21T03:00:00.123456Z" and a NUL */

struct now {
	int64_t (*wall_us)(void *self); /* microseconds since 1970, UTC */
	int64_t (*boot_us)(void *self); /* never goes back */
	/* May return early when a signal arrives. */
	void (*sleep_us)(void *self, int64_t us);
	void *self;
};

/* The system's clocks: CLOCK_REALTIME and CLOCK_BOOTTIME. */
const struct now *now_system(void);

int64_t now_wall(const struct now *n);
int64_t now_boot(const struct now *n);
void now_sleep(const struct now *n, int64_t us);

/* RFC 3339 in UTC with microseconds; what is outside the years 0000 to 9999
 * becomes the nearest time inside.  buf has NOW_STAMP_SIZE bytes. */
const char *now_stamp(int64_t wall_us, char *buf);

/* Inverse of now_stamp; also accepts no fraction, 1 to 6 digits of it, and an
 * offset "+02:00".  Returns 0 on success, -1 when it is no such time. */
int now_parse(const char *s, int64_t *ret_wall_us);

/* The same for what other programs write: a blank for the T, lower case, more
 * digits of a second (cut to 6), an offset "+0200" or "+02". */
int now_parse_foreign(const char *s, int64_t *ret_wall_us);

/* "3d 4h", "12m", "5s": at most two units, for people.  buf of 32 bytes. */
const char *now_age(int64_t us, char *buf);

#endif
