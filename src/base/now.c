/* SPDX-License-Identifier: PostgreSQL */
/* The system's clocks and RFC 3339; must never depend on the time zone or the
 * locale of the process. */
#include "base/now.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/civil.h"

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z: what four digits of
 * year can say. */
#define WALL_MIN (INT64_C(-62167219200) * NOW_SECOND)
#define WALL_MAX (INT64_C(253402300800) * NOW_SECOND - 1)

static int64_t read_clock(clockid_t id)
{
	struct timespec ts = { 0, 0 };

	/* Cannot fail with a constant id on the kernels we build for. */
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * NOW_SECOND + ts.tv_nsec / 1000;
}

static int64_t system_wall(void *self)
{
	(void)self;
	return read_clock(CLOCK_REALTIME);
}

static int64_t system_boot(void *self)
{
	(void)self;
	return read_clock(CLOCK_BOOTTIME);
}

static void system_sleep(void *self, int64_t us)
{
	struct timespec ts;

	(void)self;
	if (us <= 0)
		return;
	ts.tv_sec = (time_t)(us / NOW_SECOND);
	ts.tv_nsec = (long)(us % NOW_SECOND) * 1000;
	clock_nanosleep(CLOCK_BOOTTIME, 0, &ts, NULL);
}

const struct now *now_system(void)
{
	static const struct now clocks = { system_wall, system_boot,
					   system_sleep, NULL };

	return &clocks;
}

int64_t now_wall(const struct now *n)
{
	return n->wall_us(n->self);
}

int64_t now_boot(const struct now *n)
{
	return n->boot_us(n->self);
}

void now_sleep(const struct now *n, int64_t us)
{
	n->sleep_us(n->self, us);
}

const char *now_stamp(int64_t wall_us, char *buf)
{
	int64_t days, rest;
	struct civil date;

	if (wall_us < WALL_MIN)
		wall_us = WALL_MIN;
	if (wall_us > WALL_MAX)
		wall_us = WALL_MAX;
	days = civil_floor(wall_us, CIVIL_DAY * NOW_SECOND);
	rest = civil_mod(wall_us, CIVIL_DAY * NOW_SECOND);
	date = civil_of(days);
	snprintf(buf, NOW_STAMP_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ",
		 (unsigned)date.year % 10000, date.month % 100, date.day % 100,
		 (unsigned)(rest / (3600 * NOW_SECOND)) % 24,
		 (unsigned)(rest / (60 * NOW_SECOND)) % 60,
		 (unsigned)(rest / NOW_SECOND) % 60,
		 (unsigned)(rest % NOW_SECOND) % 1000000);
	return buf;
}

/* Exactly n digits followed by `after` (0: anything); moves *p behind them. */
static bool digits(const char **p, int n, char after, unsigned *ret)
{
	unsigned v = 0;
	int i;

	for (i = 0; i < n; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		v = v * 10 + (unsigned)(**p - '0');
	}
	if (after != 0 && *(*p)++ != after)
		return false;
	*ret = v;
	return true;
}

/* 1 to 6 digits after the point, as microseconds. */
static bool parse_fraction(const char **p, int64_t *ret_us)
{
	int64_t us = 0, unit = NOW_SECOND;

	if (**p != '.') {
		*ret_us = 0;
		return true;
	}
	(*p)++;
	while (**p >= '0' && **p <= '9' && unit > 1) {
		unit /= 10;
		us += (**p - '0') * unit;
		(*p)++;
	}
	if (unit == NOW_SECOND)
		return false;
	*ret_us = us;
	return true;
}

/* "Z" or "+hh:mm" or "-hh:mm", then the end. */
static bool parse_offset(const char *p, int64_t *ret_seconds)
{
	unsigned h, m;
	char sign = *p++;

	if (sign == 'Z') {
		*ret_seconds = 0;
		return *p == '\0';
	}
	if (sign != '+' && sign != '-')
		return false;
	if (!digits(&p, 2, ':', &h) || !digits(&p, 2, 0, &m))
		return false;
	if (*p != '\0' || h > 23 || m > 59)
		return false;
	*ret_seconds = (int64_t)(h * 3600 + m * 60) * (sign == '+' ? 1 : -1);
	return true;
}

int now_parse(const char *s, int64_t *ret_wall_us)
{
	unsigned y, mo, d, h, mi, sec;
	int64_t us, offset, t;

	if (!digits(&s, 4, '-', &y) || !digits(&s, 2, '-', &mo) ||
	    !digits(&s, 2, 'T', &d) || !digits(&s, 2, ':', &h) ||
	    !digits(&s, 2, ':', &mi) || !digits(&s, 2, 0, &sec))
		return -1;
	/* No leap second: the clock that we compare with has none. */
	if (mo < 1 || mo > 12 || d < 1 || d > civil_length(y, mo) || h > 23 ||
	    mi > 59 || sec > 59)
		return -1;
	if (!parse_fraction(&s, &us) || !parse_offset(s, &offset))
		return -1;
	/* Not timegm(): it normalises 31 April instead of refusing it. */
	t = civil_days(y, mo, d) * CIVIL_DAY + h * 3600 + mi * 60 + sec -
	    offset;
	t = t * NOW_SECOND + us;
	if (t < WALL_MIN || t > WALL_MAX)
		return -1;
	*ret_wall_us = t;
	return 0;
}

int now_parse_foreign(const char *s, int64_t *ret_wall_us)
{
	char plain[64] = "";
	size_t n = 0, whole = strspn(s, "0123456789-"), part;

	/* The date and the time of day, to the second. */
	if (whole != 10 || !s[whole] || !strchr("Tt ", s[whole]))
		return -1;
	part = strspn(s + whole + 1, "0123456789:");
	if (part != 8)
		return -1;
	memcpy(plain, s, 19);
	plain[10] = 'T';
	n = 19;
	s += n;
	if (*s == '.') {
		part = strspn(s + 1, "0123456789");
		if (part == 0 || part > 12)
			return -1;
		memcpy(plain + n, s, 1 + (part < 6 ? part : 6));
		n += 1 + (part < 6 ? part : 6);
		s += 1 + part;
	}
	if (strcmp(s, "z") == 0) {
		plain[n] = 'Z';
	} else if ((*s == '+' || *s == '-') &&
		   strspn(s + 1, "0123456789") == strlen(s + 1) &&
		   (strlen(s) == 3 || strlen(s) == 5)) {
		snprintf(plain + n, sizeof(plain) - n, "%.3s:%s", s,
			 s[3] ? s + 3 : "00");
	} else if (strlen(s) < sizeof(plain) - n) {
		memcpy(plain + n, s, strlen(s) + 1);
	} else {
		return -1;
	}
	return now_parse(plain, ret_wall_us);
}

const char *now_age(int64_t us, char *buf)
{
	static const struct {
		int64_t seconds;
		char letter;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	const char *sign = us < 0 ? "-" : "";
	int64_t s = us / NOW_SECOND, more;
	size_t i = 0;

	if (s < 0)
		s = -s;
	while (i < 3 && s < units[i].seconds)
		i++;
	more = i < 3 ? s % units[i].seconds / units[i + 1].seconds : 0;
	if (more > 0)
		snprintf(buf, 32, "%s%" PRId64 "%c %" PRId64 "%c", sign,
			 s / units[i].seconds, units[i].letter, more,
			 units[i + 1].letter);
	else
		snprintf(buf, 32, "%s%" PRId64 "%c", s > 0 ? sign : "",
			 s / units[i].seconds, units[i].letter);
	return buf;
}
