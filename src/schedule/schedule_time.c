/* SPDX-License-Identifier: PostgreSQL */
/* Local times to instants and back; must never take 31 April for 1 May. */
#include "schedule/schedule_time.h"

#include <stdio.h>
#include <string.h>

#include "base/civil.h"
#include "base/now.h"
#include "schedule/schedule_zone.h"

#define DATE_LENGTH 10 /* "2026-12-20" */

int64_t schedule_time_at(const struct schedule_zone *z, int64_t local)
{
	int64_t utc = schedule_zone_first(z, local);

	if (utc + schedule_zone_span(z, utc).offset == local)
		return utc;
	return local - schedule_zone_span(z, utc - 1).offset;
}

/* A local time as now_parse() takes it; STATUS_CONFIG: it is none. */
static enum status parse_local(const char *s, const struct schedule_zone *z,
			       int64_t *ret_us)
{
	char stamp[40];
	int64_t local_us;

	snprintf(stamp, sizeof(stamp), "%.30sZ", s);
	if (now_parse(stamp, &local_us) != 0)
		return STATUS_CONFIG;
	*ret_us = schedule_time_at(z, civil_floor(local_us, NOW_SECOND)) *
			  NOW_SECOND +
		  civil_mod(local_us, NOW_SECOND);
	return STATUS_OK;
}

/* "2026-12-20T18:00" and what follows, with the seconds that may be left out. */
static void add_seconds(const char *s, size_t n, char *ret, size_t size)
{
	bool has = n > 16 && s[16] == ':';

	snprintf(ret, size, "%.16s%s%s", s, has ? "" : ":00", s + 16);
}

enum status schedule_time_parse(const char *s, size_t n,
				const struct schedule_zone *z, bool *ret_date,
				int64_t *ret_us, struct reason *why)
{
	char word[40], full[64];
	bool date = n == DATE_LENGTH;
	enum status st = STATUS_CONFIG;
	int64_t us;

	if (n < sizeof(word) - 1 && (date || n >= 16) && !memchr(s, '\0', n)) {
		snprintf(word, sizeof(word), "%.*s", (int)n, s);
		if (date)
			snprintf(full, sizeof(full), "%sT00:00:00", word);
		else
			add_seconds(word, n, full, sizeof(full));
		if (!date && now_parse(full, &us) == 0)
			st = STATUS_OK;
		else
			st = parse_local(full, z, &us);
	}
	if (st != STATUS_OK)
		return reason_set(why, st,
				  "\"%.*s\" is not a time; write 2026-12-20, "
				  "2026-12-20T18:00 or 2026-12-20T18:00:00Z",
				  (int)(n > 40 ? 40 : n), s);
	*ret_date = date;
	*ret_us = us;
	return STATUS_OK;
}

struct local {
	struct civil date;
	unsigned weekday, hour, minute, second;
	char offset[8]; /* "+01:00" */
};

static struct local local_of(const struct schedule_zone *z, int64_t us)
{
	int64_t utc = civil_floor(us, NOW_SECOND);
	int64_t offset = schedule_zone_span(z, utc).offset;
	int64_t days = civil_floor(utc + offset, CIVIL_DAY);
	int64_t rest = civil_mod(utc + offset, CIVIL_DAY);
	unsigned minutes = (unsigned)((offset < 0 ? -offset : offset) / 60);
	struct local l = {
		.date = civil_of(days),
		.weekday = civil_weekday(days),
		.hour = (unsigned)(rest / CIVIL_HOUR),
		.minute = (unsigned)(rest % CIVIL_HOUR / CIVIL_MINUTE),
		.second = (unsigned)(rest % CIVIL_MINUTE),
	};

	snprintf(l.offset, sizeof(l.offset), "%c%02u:%02u",
		 offset < 0 ? '-' : '+', minutes / 60 % 100, minutes % 60);
	return l;
}

const char *schedule_time_local(const struct schedule_zone *z, int64_t us,
				char *buf)
{
	struct local l = local_of(z, us);

	snprintf(buf, SCHEDULE_TIME_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u%s",
		 (unsigned)l.date.year % 10000, l.date.month, l.date.day,
		 l.hour, l.minute, l.second, l.offset);
	return buf;
}

const char *schedule_time_show(const struct schedule_zone *z, int64_t us,
			       char *buf)
{
	static const char *const days[] = { "Sunday",	 "Monday",   "Tuesday",
					    "Wednesday", "Thursday", "Friday",
					    "Saturday" };
	struct local l = local_of(z, us);

	snprintf(buf, SCHEDULE_TIME_SIZE, "%s %04u-%02u-%02u %02u:%02u (UTC%s)",
		 days[l.weekday % 7], (unsigned)l.date.year % 10000,
		 l.date.month, l.date.day, l.hour, l.minute, l.offset);
	return buf;
}
