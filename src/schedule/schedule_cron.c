/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads five cron fields and finds their next local time by fields, not by
 * trying minutes.  It must never take a field for something else than what
 * the cron of the host would: what that refuses or doubts is refused.
 */
#include "schedule/schedule_cron.h"

#include <string.h>
#include <strings.h>

#include "base/civil.h"

#define CRON_MAX    256 /* bytes of a schedule */
#define CRON_FIELDS 5

/* 29 February on a given weekday is up to 40 years away (1888 to 1928, 2088
 * to 2128: 2100 is no leap year). */
#define CRON_MONTHS_AHEAD (41 * 12 + 1)

struct field {
	const char *name;
	unsigned min, max;
	const char *const *names; /* of min, min + 1, ..., or NULL */
	unsigned n_names;
};

static const char *const month_names[] = { "jan", "feb", "mar", "apr",
					   "may", "jun", "jul", "aug",
					   "sep", "oct", "nov", "dec" };
static const char *const weekday_names[] = { "sun", "mon", "tue", "wed",
					     "thu", "fri", "sat" };

static const struct field fields[CRON_FIELDS] = {
	{ "minute", 0, 59, NULL, 0 },
	{ "hour", 0, 23, NULL, 0 },
	{ "day of month", 1, 31, NULL, 0 },
	{ "month", 1, 12, month_names, 12 },
	{ "day of week", 0, 7, weekday_names, 7 },
};

/* A field being read; text is kept for the sentence. */
struct reading {
	const struct field *field;
	const char *text;
	int length;
	const char *s;
	const char *end;
	struct reason *why;
};

static enum status bad(const struct reading *r, const char *what)
{
	return reason_set(r->why, STATUS_CONFIG, "schedule: the %s \"%.*s\" %s",
			  r->field->name, r->length, r->text, what);
}

static bool take(struct reading *r, char c)
{
	if (r->s == r->end || *r->s != c)
		return false;
	r->s++;
	return true;
}

static bool take_name(struct reading *r, unsigned *ret)
{
	if (r->end - r->s < 3)
		return false;
	for (unsigned i = 0; i < r->field->n_names; i++)
		if (strncasecmp(r->s, r->field->names[i], 3) == 0) {
			r->s += 3;
			*ret = r->field->min + i;
			return true;
		}
	return false;
}

static bool take_number(struct reading *r, unsigned *ret)
{
	const char *from = r->s;
	unsigned n = 0;

	while (r->s < r->end && *r->s >= '0' && *r->s <= '9' && r->s - from < 4)
		n = n * 10 + (unsigned)(*r->s++ - '0');
	if (r->s == from)
		return false;
	*ret = n;
	return true;
}

static enum status take_value(struct reading *r, unsigned *ret)
{
	unsigned n = 0;

	if (!take_name(r, &n) && !take_number(r, &n))
		return bad(r, r->field->names != NULL ?
				      "is neither a number nor a name" :
				      "is not a number");
	if (n < r->field->min || n > r->field->max)
		return bad(r, "is out of range");
	*ret = n;
	return STATUS_OK;
}

/* "*", "5", "5-7", and what a step may follow. */
static enum status take_range(struct reading *r, unsigned *ret_from,
			      unsigned *ret_to, bool *ret_steps)
{
	enum status st;

	*ret_steps = true;
	if (take(r, '*')) {
		*ret_from = r->field->min;
		*ret_to = r->field->max;
		/* Sunday is counted once. */
		if (r->field->names == weekday_names)
			*ret_to = 6;
		return STATUS_OK;
	}
	st = take_value(r, ret_from);
	if (st != STATUS_OK)
		return st;
	*ret_to = *ret_from;
	*ret_steps = take(r, '-');
	if (!*ret_steps)
		return STATUS_OK;
	st = take_value(r, ret_to);
	if (st != STATUS_OK)
		return st;
	if (r->field->names == weekday_names && *ret_to == 0 && *ret_from > 0)
		*ret_to = 7;
	if (*ret_to < *ret_from)
		return bad(r, "is a range that ends before it begins");
	return STATUS_OK;
}

static enum status take_element(struct reading *r, uint64_t *bits)
{
	unsigned from = 0, to = 0, step = 1;
	bool steps = false;
	enum status st = take_range(r, &from, &to, &steps);

	if (st != STATUS_OK)
		return st;
	if (take(r, '/')) {
		if (!steps)
			return bad(r, "has a step without a range; write * or "
				      "a-b before the /");
		if (!take_number(r, &step) || step == 0)
			return bad(r, "has a step that is not a positive "
				      "number");
		if (step > to - from)
			return bad(r, "has a step that is longer than its "
				      "range, so only the first would count");
	}
	for (unsigned n = from; n <= to; n += step)
		*bits |= UINT64_C(1) << n;
	return STATUS_OK;
}

static enum status read_field(struct reading *r, uint64_t *ret_bits)
{
	uint64_t bits = 0;
	enum status st;

	do {
		st = take_element(r, &bits);
		if (st != STATUS_OK)
			return st;
	} while (take(r, ','));
	if (r->s != r->end)
		return bad(r, "is not understood; write numbers, a-b, lists "
			      "with commas, * and */n");
	*ret_bits = bits;
	return STATUS_OK;
}

static enum status count_wrong(const char *s, struct reason *why)
{
	if (s[strspn(s, " \t")] == '@')
		return reason_set(why, STATUS_CONFIG,
				  "schedule: \"%s\" is not known; write five "
				  "fields, as in \"0 3 * * sun\"",
				  s);
	return reason_set(why, STATUS_CONFIG,
			  "schedule: \"%s\" has not five fields (minute, hour, "
			  "day of month, month, day of week)",
			  s);
}

enum status schedule_cron_parse(const char *s, struct schedule_cron *ret_cron,
				struct reason *why)
{
	struct schedule_cron c = { .minutes = 0 };
	uint64_t bits[CRON_FIELDS] = { 0 };
	const char *starts[CRON_FIELDS];
	const char *p = s;
	enum status st;

	if (strlen(s) > CRON_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "schedule: longer than %d characters",
				  CRON_MAX);
	for (int i = 0; i < CRON_FIELDS; i++) {
		struct reading r = { .field = &fields[i], .why = why };

		p += strspn(p, " \t");
		starts[i] = r.text = r.s = p;
		p += strcspn(p, " \t");
		r.end = p;
		r.length = (int)(p - r.text);
		if (r.length == 0 || *r.text == '@')
			return count_wrong(s, why);
		st = read_field(&r, &bits[i]);
		if (st != STATUS_OK)
			return st;
	}
	if (p[strspn(p, " \t")] != '\0')
		return count_wrong(s, why);
	c.minutes = bits[0];
	c.hours = (uint32_t)bits[1];
	c.days = (uint32_t)bits[2];
	c.months = (uint32_t)bits[3];
	c.weekdays = (uint32_t)(bits[4] | bits[4] >> 7) & 0x7F;
	c.any_day = *starts[2] == '*';
	c.any_weekday = *starts[4] == '*';
	if (schedule_cron_next(&c, 0) == INT64_MAX)
		return reason_set(
			why, STATUS_CONFIG,
			"schedule: \"%s\" never comes: no month of it "
			"has such a day",
			s);
	*ret_cron = c;
	return STATUS_OK;
}

/* Bit n for each day n of the month that fits. */
static uint32_t month_days(const struct schedule_cron *c, int64_t year,
			   unsigned month)
{
	unsigned first, length = civil_length(year, month);
	uint32_t all = (uint32_t)((UINT64_C(2) << length) - 2);
	uint64_t week, weekdays;

	if (c->weekdays == 0x7F && c->any_weekday)
		return all & c->days;
	first = civil_weekday(civil_days(year, month, 1));
	week = c->weekdays;
	week |= week << 7 | week << 14 | week << 21 | week << 28 | week << 35;
	weekdays = (week >> first) << 1;
	if (c->any_day || c->any_weekday)
		return all & c->days & (uint32_t)weekdays;
	return all & (c->days | (uint32_t)weekdays);
}

/* The first minute of a day, from the given one on; -1 when there is none. */
static int minute_of_day(const struct schedule_cron *c, unsigned from)
{
	unsigned hour = from / 60;
	uint32_t hours = c->hours >> hour << hour;
	uint64_t minutes = c->minutes >> from % 60 << from % 60;

	if (hours == 0)
		return -1;
	if (!(hours >> hour & 1) || minutes == 0) {
		/* Not in the hour of `from`: the first minute of a later one. */
		hours &= ~(UINT32_C(1) << hour);
		minutes = c->minutes;
	}
	if (hours == 0)
		return -1;
	return __builtin_ctz(hours) * 60 + __builtin_ctzll(minutes);
}

int64_t schedule_cron_next(const struct schedule_cron *c, int64_t local)
{
	int64_t minute = civil_floor(local, CIVIL_MINUTE) + 1;
	int64_t today = civil_floor(minute, 1440);
	struct civil at = civil_of(today);
	int of_day = minute_of_day(c, (unsigned)(minute - today * 1440));
	unsigned from_day = of_day >= 0 ? at.day : at.day + 1;

	for (int i = 0; i < CRON_MONTHS_AHEAD; i++) {
		if (c->months >> at.month & 1) {
			uint64_t days = month_days(c, at.year, at.month);

			days = days >> from_day << from_day;
			if (days != 0) {
				unsigned day = (unsigned)__builtin_ctzll(days);

				if (i > 0 || day != at.day || of_day < 0)
					of_day = minute_of_day(c, 0);
				return civil_days(at.year, at.month, day) *
					       CIVIL_DAY +
				       of_day * CIVIL_MINUTE;
			}
		}
		from_day = 1;
		at.month = at.month % 12 + 1;
		at.year += at.month == 1;
	}
	return INT64_MAX;
}
