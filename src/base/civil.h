/* SPDX-License-Identifier: PostgreSQL */
/* The proleptic Gregorian calendar, without the C library's zone state. */
#ifndef KEYTURN_CIVIL_H
#define KEYTURN_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define CIVIL_MINUTE INT64_C(60)
#define CIVIL_HOUR   INT64_C(3600)
#define CIVIL_DAY    INT64_C(86400)

struct civil {
	int64_t year;
	unsigned month; /* 1 to 12 */
	unsigned day;	/* 1 to 31 */
};

/* Days since 1970-01-01; day may be outside its month, and then overflows
 * into the ones around it. */
int64_t civil_days(int64_t year, unsigned month, int64_t day);

/* Inverse of civil_days(). */
struct civil civil_of(int64_t days);

/* 28 to 31. */
unsigned civil_length(int64_t year, unsigned month);

bool civil_leap(int64_t year);

/* 0 is Sunday. */
unsigned civil_weekday(int64_t days);

/* Quotient rounded down, and the rest, which is never negative. */
int64_t civil_floor(int64_t n, int64_t by);
int64_t civil_mod(int64_t n, int64_t by);

#endif
