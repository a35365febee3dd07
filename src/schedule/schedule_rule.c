/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads a POSIX TZ string and says when its clocks change.  It must never
 * guess: a string that it does not know in full is refused.
 */
#include "schedule/schedule_rule.h"

#include "base/civil.h"

/* What is left to read. */
struct rest {
	const char *s;
	const char *end;
};

static bool at(const struct rest *r, char c)
{
	return r->s < r->end && *r->s == c;
}

static bool take(struct rest *r, char c)
{
	if (!at(r, c))
		return false;
	r->s++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool take_number(struct rest *r, unsigned max, unsigned *ret)
{
	const char *from = r->s;
	unsigned n = 0;

	while (r->s < r->end && is_digit(*r->s) && r->s - from < 3)
		n = n * 10 + (unsigned)(*r->s++ - '0');
	if (r->s == from || n > max)
		return false;
	*ret = n;
	return true;
}

/* "CET" or "<+0530>". */
static bool take_name(struct rest *r)
{
	const char *from;
	bool quoted = take(r, '<');

	from = r->s;
	while (r->s < r->end &&
	       (is_letter(*r->s) ||
		(quoted && (is_digit(*r->s) || *r->s == '+' || *r->s == '-'))))
		r->s++;
	return r->s - from >= 3 && (!quoted || take(r, '>'));
}

/* [+-]h[:mm[:ss]] in seconds. */
static bool take_time(struct rest *r, unsigned max_hours, int32_t *ret)
{
	unsigned h, m = 0, s = 0;
	bool minus = take(r, '-');

	if (!minus)
		take(r, '+');
	if (!take_number(r, max_hours, &h))
		return false;
	if (take(r, ':')) {
		if (!take_number(r, 59, &m))
			return false;
		if (take(r, ':') && !take_number(r, 59, &s))
			return false;
	}
	*ret = (int32_t)(h * 3600 + m * 60 + s) * (minus ? -1 : 1);
	return true;
}

/* POSIX counts west of Greenwich; we count east. */
static bool take_offset(struct rest *r, int32_t *ret)
{
	if (!take_time(r, 24, ret))
		return false;
	*ret = -*ret;
	return true;
}

static bool take_date(struct rest *r, struct schedule_rule_date *ret)
{
	struct schedule_rule_date d = { .kind = '0', .time = 2 * 3600 };

	if (take(r, 'M')) {
		d.kind = 'M';
		if (!take_number(r, 12, &d.month) || d.month < 1 ||
		    !take(r, '.') || !take_number(r, 5, &d.week) ||
		    d.week < 1 || !take(r, '.') || !take_number(r, 6, &d.day))
			return false;
	} else if (take(r, 'J')) {
		d.kind = 'J';
		if (!take_number(r, 365, &d.day) || d.day < 1)
			return false;
	} else if (!take_number(r, 365, &d.day)) {
		return false;
	}
	if (take(r, '/') && !take_time(r, 167, &d.time))
		return false;
	*ret = d;
	return true;
}

bool schedule_rule_parse(const char *s, size_t n,
			 struct schedule_rule *ret_rule)
{
	struct rest r = { s, s + n };
	struct schedule_rule rule = { .has_dst = false };

	if (!take_name(&r) || !take_offset(&r, &rule.standard))
		return false;
	if (r.s < r.end) {
		rule.has_dst = true;
		if (!take_name(&r))
			return false;
		rule.dst = rule.standard + 3600;
		if (!at(&r, ',') && !take_offset(&r, &rule.dst))
			return false;
		if (!take(&r, ',') || !take_date(&r, &rule.start) ||
		    !take(&r, ',') || !take_date(&r, &rule.end))
			return false;
	}
	if (r.s != r.end)
		return false;
	*ret_rule = rule;
	return true;
}

/* Midnight of the date, in days since 1970. */
static int64_t date_days(const struct schedule_rule_date *d, int64_t year)
{
	int64_t first, day;

	if (d->kind == '0')
		return civil_days(year, 1, 1 + (int64_t)d->day);
	if (d->kind == 'J')
		return civil_days(year, 1, d->day) +
		       (civil_leap(year) && d->day >= 60);
	first = civil_days(year, d->month, 1);
	day = civil_mod((int64_t)d->day - civil_weekday(first), 7) +
	      ((int64_t)d->week - 1) * 7;
	/* The fifth may not exist, and then the last is meant. */
	if (day >= civil_length(year, d->month))
		day -= 7;
	return first + day;
}

void schedule_rule_year(const struct schedule_rule *rule, int64_t year,
			struct schedule_rule_change ret_changes[2])
{
	struct schedule_rule_change start = {
		date_days(&rule->start, year) * CIVIL_DAY + rule->start.time -
			rule->standard,
		rule->dst,
	};
	struct schedule_rule_change end = {
		date_days(&rule->end, year) * CIVIL_DAY + rule->end.time -
			rule->dst,
		rule->standard,
	};
	bool north = start.at < end.at;

	ret_changes[0] = north ? start : end;
	ret_changes[1] = north ? end : start;
}
