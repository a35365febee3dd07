/* SPDX-License-Identifier: PostgreSQL */
/* Reads events; must never take one that repeats for one that does not. */
#include "schedule/schedule_ics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/civil.h"
#include "base/now.h"
#include "base/text.h"
#include "schedule/schedule_ics_line.h"
#include "schedule/schedule_time.h"
#include "schedule/schedule_zone.h"

#define DAYS_MAX 36500 /* of a duration */

enum component {
	OUTSIDE,
	CALENDAR,
	EVENT,
	ALARM,
	ZONE,
	ZONE_RULE,
};

/* What may stand in what. */
static const struct {
	enum component in, is;
	const char *name;
} components[] = {
	{ OUTSIDE, CALENDAR, "VCALENDAR" }, { CALENDAR, EVENT, "VEVENT" },
	{ CALENDAR, ZONE, "VTIMEZONE" },    { EVENT, ALARM, "VALARM" },
	{ ZONE, ZONE_RULE, "STANDARD" },    { ZONE, ZONE_RULE, "DAYLIGHT" },
};

#define N_COMPONENTS (sizeof(components) / sizeof(components[0]))
#define DEPTH	     3

/* A time of an event: a date, or seconds by the clocks of a zone. */
struct point {
	unsigned line; /* 0: it is not there */
	bool date;
	bool utc; /* local is UTC */
	const struct schedule_zone *zone;
	int64_t local;
};

struct event {
	unsigned line; /* of its BEGIN */
	struct point start, end;
	struct schedule_zone *zones[2]; /* opened for them */
	unsigned duration_line;
	int64_t days, seconds; /* of the duration */
	bool cancelled;
	char summary[84];
};

struct reader {
	const char *path;
	const struct schedule_zone *zone;
	struct schedule_blackout *to;
	struct reason *why;
	size_t open[DEPTH]; /* rows of components */
	size_t depth;
	bool any, version;
	struct event event;
	struct schedule_ics_line line;
};

static enum status bad(struct reader *r, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static enum status bad(struct reader *r, unsigned line, const char *fmt, ...)
{
	char sentence[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	return reason_set(r->why, STATUS_CONFIG, "%s:%u: %s", r->path, line,
			  sentence);
}

static enum component inside(const struct reader *r)
{
	return r->depth == 0 ? OUTSIDE : components[r->open[r->depth - 1]].is;
}

/* ---- times ----------------------------------------------------------------- */

/* n digits at s as a number; false: they are not all digits. */
static bool number(const char *s, size_t n, unsigned *ret)
{
	unsigned v = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	*ret = v;
	return true;
}

/* "20261220" or "20261220T180000", with a Z or without. */
static bool read_point(const char *s, struct point *p)
{
	unsigned y = 0, m = 0, d = 0, h = 0, mi = 0, sec = 0;
	size_t n = strlen(s);

	p->date = n == 8;
	p->utc = n == 16 && s[15] == 'Z';
	if ((!p->date && !p->utc && n != 15) || !number(s, 4, &y) ||
	    !number(s + 4, 2, &m) || !number(s + 6, 2, &d))
		return false;
	if (!p->date && (s[8] != 'T' || !number(s + 9, 2, &h) ||
			 !number(s + 11, 2, &mi) || !number(s + 13, 2, &sec)))
		return false;
	if (y < 1900 || m < 1 || m > 12 || d < 1 || d > civil_length(y, m) ||
	    h > 23 || mi > 59 || sec > 59)
		return false;
	p->local = civil_days(y, m, d) * CIVIL_DAY + h * CIVIL_HOUR +
		   mi * CIVIL_MINUTE + sec;
	return true;
}

static enum status open_zone(struct reader *r, const char *tzid,
			     struct schedule_zone **ret)
{
	struct reason detail = { "" };
	enum status s = schedule_zone_open(tzid, ret, &detail);

	if (s == STATUS_NO_MEMORY)
		return reason_no_memory(r->why);
	return s == STATUS_OK ? s :
				bad(r, r->line.number,
				    "%s; a TZID must be a name of the IANA "
				    "database, as Europe/Berlin",
				    detail.text);
}

/* DTSTART or DTEND. */
static enum status take_point(struct reader *r, struct point *p,
			      struct schedule_zone **zone)
{
	const struct schedule_ics_line *l = &r->line;
	const char *value = schedule_ics_line_param(l, "VALUE");
	const char *tzid = schedule_ics_line_param(l, "TZID");
	enum status s = STATUS_OK;

	if (p->line > 0)
		return bad(r, l->number, "the event has %s twice", l->name);
	if (!read_point(l->value, p))
		return bad(r, l->number,
			   "%s must be a date or a time, as 20261220 or "
			   "20261220T180000Z",
			   l->name);
	if (value ? strcasecmp(value, p->date ? "DATE" : "DATE-TIME") != 0 :
		    p->date)
		return bad(r, l->number,
			   "%s needs VALUE=DATE for a date, and "
			   "only then",
			   l->name);
	if (tzid && (p->date || p->utc))
		return bad(r, l->number,
			   "%s has a TZID, and is %s; it can be one of them",
			   l->name, p->date ? "a date" : "in UTC");
	if (tzid)
		s = open_zone(r, tzid, zone);
	p->zone = tzid ? *zone : r->zone;
	p->line = l->number;
	return s;
}

/* Digits at *at and the letter behind them, which must be one of `units`. */
static char take_unit(const char **at, const char *units, int64_t *ret)
{
	size_t n = strspn(*at, "0123456789");
	char unit = (*at)[n];

	if (n == 0 || n > 9 || !unit || !strchr(units, unit))
		return 0;
	*ret = strtoll(*at, NULL, 10);
	*at += n + 1;
	return unit;
}

/* "P2W", "P1DT12H", "PT90M" of RFC 5545 section 3.3.6, not negative. */
static bool read_duration(const char *s, int64_t *ret_days,
			  int64_t *ret_seconds)
{
	int64_t days = 0, seconds = 0, n = 0;
	const char *left = "HMS";
	char unit;

	s += *s == '+';
	if (*s++ != 'P')
		return false;
	if (*s != 'T') {
		unit = take_unit(&s, "WD", &n);
		if (!unit || (unit == 'W' && *s))
			return false;
		days = unit == 'W' ? 7 * n : n;
	}
	if (*s && (*s++ != 'T' || !*s))
		return false;
	while (*s) {
		unit = take_unit(&s, left, &n);
		if (!unit)
			return false;
		seconds += n * (unit == 'H' ? CIVIL_HOUR :
				unit == 'M' ? CIVIL_MINUTE :
					      1);
		left = strchr(left, unit) + 1;
	}
	*ret_days = days;
	*ret_seconds = seconds;
	return days <= DAYS_MAX && seconds <= DAYS_MAX * CIVIL_DAY;
}

static int64_t instant(const struct point *p)
{
	return p->utc ? p->local : schedule_time_at(p->zone, p->local);
}

/* ---- events ---------------------------------------------------------------- */

/* "\n" and its kin are what stands behind the backslash; a new line is a blank. */
static void take_summary(struct event *e, const char *s)
{
	struct text t = text_make(SCHEDULE_ICS_LINE);

	for (; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
			text_add_char(&t, *s == 'n' || *s == 'N' ? ' ' : *s);
		} else
			text_add_char(&t, *s == '\t' ? ' ' : *s);
	}
	text_cut(e->summary, sizeof(e->summary), text_str(&t));
	text_free(&t);
}

static enum status take_property(struct reader *r)
{
	static const char *const repeats[] = { "RRULE", "RDATE", "EXRULE",
					       "EXDATE", "RECURRENCE-ID" };
	const struct schedule_ics_line *l = &r->line;
	struct event *e = &r->event;

	for (size_t i = 0; i < sizeof(repeats) / sizeof(repeats[0]); i++)
		if (strcasecmp(l->name, repeats[i]) == 0)
			return bad(r, l->number,
				   "an event that repeats (%s) is not taken as "
				   "a blackout; write each time as an event of "
				   "its own",
				   repeats[i]);
	if (strcasecmp(l->name, "DTSTART") == 0)
		return take_point(r, &e->start, &e->zones[0]);
	if (strcasecmp(l->name, "DTEND") == 0)
		return take_point(r, &e->end, &e->zones[1]);
	if (strcasecmp(l->name, "DURATION") == 0) {
		if (e->duration_line > 0)
			return bad(r, l->number,
				   "the event has DURATION twice");
		e->duration_line = l->number;
		if (!read_duration(l->value, &e->days, &e->seconds))
			return bad(r, l->number,
				   "DURATION must be as P2D or PT12H, and at "
				   "most 100 years");
	} else if (strcasecmp(l->name, "STATUS") == 0)
		e->cancelled = strcasecmp(l->value, "CANCELLED") == 0;
	else if (strcasecmp(l->name, "SUMMARY") == 0)
		take_summary(e, l->value);
	return STATUS_OK;
}

/* The end of an event that has no DTEND: days are the calendar's, the rest is
 * time that passes. */
static int64_t end_by_duration(const struct event *e)
{
	struct point p = e->start;

	p.local += CIVIL_DAY * (e->duration_line > 0 ? e->days : 1);
	return instant(&p) + e->seconds;
}

static enum status check_event(struct reader *r, unsigned line)
{
	const struct event *e = &r->event;

	if (e->start.line == 0)
		return bad(r, line, "the event that ends here has no DTSTART");
	if (e->end.line > 0 && e->duration_line > 0)
		return bad(r, e->duration_line,
			   "the event has DTEND and DURATION; it can have one "
			   "of them");
	if (e->end.line > 0 && e->end.date != e->start.date)
		return bad(r, e->end.line,
			   "one of DTSTART and DTEND is a date and the other a "
			   "time");
	if (e->start.date && e->seconds > 0)
		return bad(r, e->duration_line,
			   "DTSTART is a date, so DURATION must be days or "
			   "weeks");
	if (!e->start.date && e->end.line == 0 && e->duration_line == 0)
		return bad(r, e->start.line,
			   "the event has neither DTEND nor DURATION, so it "
			   "has no end");
	return STATUS_OK;
}

static enum status end_event(struct reader *r, unsigned line)
{
	char name[sizeof(r->event.summary) + 512];
	struct event *e = &r->event;
	int64_t from, to;
	enum status s = check_event(r, line);

	if (s != STATUS_OK || e->cancelled)
		return s;
	from = instant(&e->start);
	to = e->end.line > 0 ? instant(&e->end) : end_by_duration(e);
	if (to <= from)
		return bad(r, e->start.line,
			   "the event does not end after it begins");
	snprintf(name, sizeof(name), "%s%s%.300s:%u%s", e->summary,
		 e->summary[0] ? " (" : "", r->path, e->line,
		 e->summary[0] ? ")" : "");
	s = schedule_blackout_add(r->to, from * NOW_SECOND, to * NOW_SECOND,
				  name);
	if (s == STATUS_LIMIT)
		return bad(r, e->line, "there are more than %d events",
			   SCHEDULE_BLACKOUT_MAX);
	return s == STATUS_OK ? s : reason_no_memory(r->why);
}

static void forget_event(struct reader *r)
{
	schedule_zone_free(r->event.zones[0]);
	schedule_zone_free(r->event.zones[1]);
	memset(&r->event, 0, sizeof(r->event)); /* not secret */
}

/* ---- components ------------------------------------------------------------ */

static enum status begin(struct reader *r)
{
	const char *name = r->line.value;
	unsigned line = r->line.number;

	for (size_t i = 0; i < N_COMPONENTS; i++)
		if (components[i].in == inside(r) &&
		    strcasecmp(components[i].name, name) == 0) {
			r->open[r->depth++] = i;
			r->any = true;
			if (components[i].is == CALENDAR)
				r->version = false;
			if (components[i].is == EVENT) {
				forget_event(r);
				r->event.line = line;
			}
			return STATUS_OK;
		}
	return bad(r, line,
		   "%.40s is not taken as a blackout, or not here; events are "
		   "(VEVENT in a VCALENDAR)",
		   name);
}

static enum status end(struct reader *r)
{
	unsigned line = r->line.number;
	const char *name = r->depth ? components[r->open[r->depth - 1]].name :
				      "";
	enum component was = inside(r);

	if (r->depth == 0 || strcasecmp(name, r->line.value) != 0)
		return bad(r, line, "END:%.40s ends nothing that was begun",
			   r->line.value);
	r->depth--;
	if (was == CALENDAR && !r->version)
		return bad(r, line, "the calendar has no VERSION:2.0");
	return was == EVENT ? end_event(r, line) : STATUS_OK;
}

static enum status take_of_calendar(struct reader *r)
{
	const struct schedule_ics_line *l = &r->line;

	if (strcasecmp(l->name, "VERSION") == 0)
		r->version = strcmp(l->value, "2.0") == 0;
	if (strcasecmp(l->name, "CALSCALE") == 0 &&
	    strcasecmp(l->value, "GREGORIAN") != 0)
		return bad(r, l->number, "the calendar is not GREGORIAN");
	if (strcasecmp(l->name, "METHOD") == 0 &&
	    strcasecmp(l->value, "CANCEL") == 0)
		return bad(r, l->number,
			   "METHOD:CANCEL withdraws events; take them out of "
			   "the file");
	return STATUS_OK;
}

static enum status take_line(struct reader *r)
{
	const struct schedule_ics_line *l = &r->line;

	if (strcasecmp(l->name, "BEGIN") == 0)
		return begin(r);
	if (strcasecmp(l->name, "END") == 0)
		return end(r);
	switch (inside(r)) {
	case OUTSIDE:
		return bad(r, l->number,
			   "this is not in a calendar; an .ics "
			   "file begins with BEGIN:VCALENDAR");
	case CALENDAR:
		return take_of_calendar(r);
	case EVENT:
		return take_property(r);
	default:
		return STATUS_OK;
	}
}

enum status schedule_ics_read(const char *path, const char *s, size_t n,
			      const struct schedule_zone *zone,
			      struct schedule_blackout *b, struct reason *why)
{
	static const char mark[] = "\xEF\xBB\xBF"; /* of Windows's editors */
	size_t skip = n >= 3 && memcmp(s, mark, 3) == 0 ? 3 : 0;
	struct schedule_ics_file f = { s + skip, s + n, 1 };
	struct reader *r = calloc(1, sizeof(*r));
	struct reason detail = { "" };
	enum status st = STATUS_OK;

	if (!r)
		return reason_no_memory(why);
	r->path = path;
	r->zone = zone;
	r->to = b;
	r->why = why;
	while (st == STATUS_OK) {
		st = schedule_ics_line_next(&f, &r->line, &detail);
		if (st == STATUS_CONFIG)
			bad(r, r->line.number, "%s", detail.text);
		if (st == STATUS_OK)
			st = take_line(r);
	}
	if (st == STATUS_NOT_FOUND && (r->depth > 0 || !r->any))
		st = bad(r, f.line > 1 ? f.line - 1 : 1,
			 r->any ? "the file ends in the middle of %s" :
				  "the file has no calendar%s",
			 r->any ? components[r->open[r->depth - 1]].name : "");
	forget_event(r);
	free(r);
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}
