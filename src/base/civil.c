/* SPDX-License-Identifier: PostgreSQL */
/*
 * Days and dates.  It must never consult a zone: a caller decides whether its
 * seconds are UTC or local.
 */
#include "base/civil.h"

#define ERA_DAYS   INT64_C(146097) /* of 400 years */
#define EPOCH_DAYS INT64_C(719468) /* from 0000-03-01 to 1970-01-01 */

int64_t civil_floor(int64_t n, int64_t by)
{
	return n / by - (n % by < 0);
}

int64_t civil_mod(int64_t n, int64_t by)
{
	return n - civil_floor(n, by) * by;
}

/*
 * Hinnant, "chrono-Compatible Low-Level Date Algorithms": the year is taken to begin in March, so that the leap day is its last; the
 * lengths of months from March on then follow (153 * month + 2) / 5.
 */
int64_t civil_days(int64_t year, unsigned month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = civil_floor(y, 400);
	int64_t of_era = y - era * 400;
	int64_t from_march = (month + 9) % 12;
	int64_t of_year = (153 * from_march + 2) / 5 + day - 1;

	return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - EPOCH_DAYS;
}

struct civil civil_of(int64_t days)
{
	int64_t n = days + EPOCH_DAYS;
	int64_t era = civil_floor(n, ERA_DAYS);
	int64_t of_era = n - era * ERA_DAYS;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 -
			of_era / (ERA_DAYS - 1)) /
		       365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t from_march = (5 * of_year + 2) / 153;
	struct civil c;

	c.day = (unsigned)(of_year - (153 * from_march + 2) / 5 + 1);
	c.month = (unsigned)(from_march < 10 ? from_march + 3 : from_march - 9);
	c.year = year + era * 400 + (c.month <= 2);
	return c;
}

bool civil_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

unsigned civil_length(int64_t year, unsigned month)
{
	static const unsigned char length[12] = { 31, 28, 31, 30, 31, 30,
						  31, 31, 30, 31, 30, 31 };

	return length[month - 1] + (month == 2 && civil_leap(year) ? 1u : 0u);
}

unsigned civil_weekday(int64_t days)
{
	/* 1970-01-01 was a Thursday. */
	return (unsigned)civil_mod(days + 4, 7);
}
