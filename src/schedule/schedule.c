/* SPDX-License-Identifier: PostgreSQL */
/*
 * When a role is due.  It must never read a clock, and never name two due
 * times for one missed point.
 *
 * A due time is made in three steps, none of which turns the order round:
 * the point (cron or interval), moved into the window, plus the splay, moved
 * into the window again.  The next one after t is therefore found by undoing
 * the steps on t and taking the first point after that.
 */
#include "schedule/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/duration.h"
#include "schedule/schedule_cron.h"
#include "schedule/schedule_zone.h"

#define US INT64_C(1000000)

/* 1900-01-01 and 9999-12-31: outside of these nothing is asked in earnest. */
#define SCHEDULE_FIRST_US (INT64_C(-2208988800) * US)
#define SCHEDULE_LAST_US  (INT64_C(253402214400) * US)

/* How much of a cron schedule is looked at for its shortest gap. */
#define SCHEDULE_GAPS	   4096
#define SCHEDULE_GAPS_SPAN (5 * 366 * CIVIL_DAY * US)

/* Both changes of the clocks, and all months. */
#define SCHEDULE_YEAR (366 * CIVIL_DAY * US)

struct schedule {
	const struct schedule_zone *zone;
	struct schedule_cron cron;
	int64_t every_us; /* 0 for cron */
	bool has_window;
	int64_t open;  /* seconds of the local day */
	int64_t close; /* first second after; less than open over midnight */
	int64_t splay_within_us; /* 0: none */
	int64_t splay_us;	 /* this role's part of it */
};

enum status schedule_duration(const char *s, int64_t *ret_us,
			      struct reason *why)
{
	int64_t us = 0;
	enum status st = duration_parse(s, &us, why);

	if (st != STATUS_OK)
		return st;
	if (us == 0)
		return reason_set(
			why, STATUS_CONFIG,
			"\"%.40s\" is not a time; a duration here must be "
			"greater than zero",
			s);
	*ret_us = us;
	return STATUS_OK;
}

/* "HH:MM" at s, in seconds; -1 when it is no such time. */
static int64_t time_of_day(const char *s)
{
	static const char shape[] = "dd:dd";
	int h, m;

	for (int i = 0; i < 5; i++)
		if (shape[i] == 'd' ? s[i] < '0' || s[i] > '9' :
				      s[i] != shape[i])
			return -1;
	h = (s[0] - '0') * 10 + s[1] - '0';
	m = (s[3] - '0') * 10 + s[4] - '0';
	if (m > 59 || h > 24 || (h == 24 && m > 0))
		return -1;
	return h * CIVIL_HOUR + m * CIVIL_MINUTE;
}

static enum status parse_window(struct schedule *s, const char *window,
				struct reason *why)
{
	if (strlen(window) == 11 && window[5] == '-') {
		s->open = time_of_day(window);
		s->close = time_of_day(window + 6);
		s->has_window = s->open >= 0 && s->open < CIVIL_DAY &&
				s->close >= 0 && s->open != s->close;
	}
	if (!s->has_window)
		return reason_set(why, STATUS_CONFIG,
				  "window: \"%s\" is not HH:MM-HH:MM, as in "
				  "02:00-04:30 or 22:00-05:00",
				  window);
	return STATUS_OK;
}

/*
 * FNV-1a with the last mixing step of MurmurHash3.  An operator plans with the
 * times that come of it: another function would move every role's due time.
 */
static uint64_t name_hash(const char *name)
{
	uint64_t h = UINT64_C(0xCBF29CE484222325);

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001B3);
	h = (h ^ h >> 33) * UINT64_C(0xFF51AFD7ED558CCD);
	h = (h ^ h >> 33) * UINT64_C(0xC4CEB9FE1A85EC53);
	return h ^ h >> 33;
}

static int64_t window_length(const struct schedule *s)
{
	int64_t n = s->close - s->open;

	return (n > 0 ? n : n + CIVIL_DAY) * US;
}

static enum status parse_splay(struct schedule *s,
			       const struct schedule_spec *spec,
			       struct reason *why)
{
	int64_t splay = 0;
	enum status st = schedule_duration(spec->splay, &splay, why);

	if (st != STATUS_OK)
		return reason_wrap(why, st, "splay");
	if (spec->name == NULL || spec->name[0] == '\0')
		return reason_set(why, STATUS_CONFIG,
				  "splay: needs the role's name");
	if (s->has_window && splay > window_length(s))
		return reason_set(why, STATUS_CONFIG,
				  "splay: \"%s\" is longer than the window "
				  "\"%s\"",
				  spec->splay, spec->window);
	s->splay_within_us = splay;
	s->splay_us =
		(int64_t)(name_hash(spec->name) % (uint64_t)(splay / US)) * US;
	return STATUS_OK;
}

static enum status parse_point(struct schedule *s,
			       const struct schedule_spec *spec,
			       struct reason *why)
{
	enum status st;

	if ((spec->cron != NULL) == (spec->every != NULL))
		return reason_set(why, STATUS_CONFIG,
				  "give either a schedule or every, not %s",
				  spec->cron != NULL ? "both" : "neither");
	if (spec->cron != NULL)
		return schedule_cron_parse(spec->cron, &s->cron, why);
	st = schedule_duration(spec->every, &s->every_us, why);
	return st == STATUS_OK ? st : reason_wrap(why, st, "every");
}

enum status schedule_parse(const struct schedule_spec *spec,
			   const struct schedule_zone *zone,
			   struct schedule **ret, struct reason *why)
{
	struct schedule *s = calloc(1, sizeof(*s));
	enum status st;

	if (s == NULL)
		return reason_set(why, STATUS_NO_MEMORY,
				  "no memory for a schedule");
	s->zone = zone;
	st = parse_point(s, spec, why);
	if (st == STATUS_OK && spec->window != NULL)
		st = parse_window(s, spec->window, why);
	if (st == STATUS_OK && spec->splay != NULL)
		st = parse_splay(s, spec, why);
	if (st != STATUS_OK) {
		schedule_free(s);
		return st;
	}
	*ret = s;
	return STATUS_OK;
}

void schedule_free(struct schedule *s)
{
	free(s);
}

static bool in_window(const struct schedule *s, int64_t local)
{
	int64_t t = civil_mod(local, CIVIL_DAY);

	if (s->open < s->close)
		return t >= s->open && t < s->close;
	return t >= s->open || t < s->close;
}

/* Is the window open at an instant? */
static bool window_open(const struct schedule *s, int64_t utc_us)
{
	int64_t utc = civil_floor(utc_us, US);

	return !s->has_window ||
	       in_window(s, utc + schedule_zone_span(s->zone, utc).offset);
}

/*
 * The first instant from at_us on at which the window is open.  Each span of
 * the zone is looked at for itself: a change of the clocks may skip the
 * opening, or be it.
 */
static int64_t window_forward(const struct schedule *s, int64_t at_us)
{
	int64_t utc = civil_floor(at_us, US);

	if (window_open(s, at_us))
		return at_us;
	for (;;) {
		struct schedule_span span = schedule_zone_span(s->zone, utc);
		int64_t local = utc + span.offset;
		int64_t t = civil_mod(local, CIVIL_DAY);
		int64_t opens = local - t + s->open - span.offset;

		if (in_window(s, local))
			return utc * US;
		if (t > s->open)
			opens += CIVIL_DAY;
		if (opens < span.to)
			return opens * US;
		utc = span.to;
	}
}

/*
 * The latest instant t such that whatever is due up to t is, after
 * window_forward(), still due up to at_us: at_us itself while the window is
 * open, else the end of the last opening.
 */
static int64_t window_back(const struct schedule *s, int64_t at_us)
{
	int64_t utc = civil_floor(at_us, US);

	if (window_open(s, at_us))
		return at_us;
	for (;;) {
		struct schedule_span span = schedule_zone_span(s->zone, utc);
		int64_t local = utc + span.offset;
		int64_t t = civil_mod(local, CIVIL_DAY);
		int64_t closed = local - t + s->close - span.offset;

		if (in_window(s, local))
			return (utc + 1) * US - 1;
		if (t < s->close)
			closed -= CIVIL_DAY;
		if (closed > span.from)
			return closed * US - 1;
		utc = span.from - 1;
	}
}

/*
 * An interval is shifted once, and holds from then on: with a window to the
 * splay behind its opening ...
 */
static int64_t splay_in_window(const struct schedule *s, int64_t after_us,
			       int64_t due_us)
{
	int64_t utc = civil_floor(due_us, US);
	int64_t local = utc + schedule_zone_span(s->zone, utc).offset;
	int64_t due = (utc - civil_mod(local - s->open, CIVIL_DAY)) * US +
		      s->splay_us;

	return due > after_us && window_open(s, due) ? due : due_us;
}

/* ... and else back, by less than the splay, to points that are a whole part of
 * the interval from each other, so that the next one is a whole interval away. */
static int64_t splay_on_grid(const struct schedule *s, int64_t due_us)
{
	int64_t parts;

	if (s->splay_within_us == 0)
		return due_us;
	parts = (s->every_us - 1) / s->splay_within_us + 1;
	return due_us - civil_mod(due_us - s->splay_us, s->every_us / parts);
}

static int64_t next_interval(const struct schedule *s, int64_t after_us)
{
	int64_t due = window_forward(s, after_us + s->every_us);

	return s->has_window ? splay_in_window(s, after_us, due) :
			       splay_on_grid(s, due);
}

static int64_t next_cron(const struct schedule *s, int64_t after_us)
{
	int64_t bound, local, due;

	bound = window_back(s, after_us) - s->splay_us;
	bound = civil_floor(window_back(s, bound), US);
	local = schedule_cron_next(&s->cron,
				   schedule_zone_seen(s->zone, bound));
	if (local == INT64_MAX)
		return INT64_MAX;
	due = window_forward(s, schedule_zone_first(s->zone, local) * US);
	return window_forward(s, due + s->splay_us);
}

int64_t schedule_next(const struct schedule *s, int64_t after_us)
{
	if (after_us > SCHEDULE_LAST_US)
		return INT64_MAX;
	if (after_us < SCHEDULE_FIRST_US)
		after_us = SCHEDULE_FIRST_US;
	return s->every_us > 0 ? next_interval(s, after_us) :
				 next_cron(s, after_us);
}

int64_t schedule_opens(const struct schedule *s, int64_t at_us)
{
	return window_forward(s, at_us);
}

/* Clocks that are kept right differ by less. */
#define AHEAD_US (INT64_C(600) * 1000000)

bool schedule_ahead(int64_t stamp_us, int64_t now_us)
{
	return stamp_us > now_us && stamp_us - now_us > AHEAD_US;
}

bool schedule_due(const struct schedule *s, int64_t last_us, int64_t now_us)
{
	/* A point that was missed, because no one was there, waits for the
	 * next opening: outside of it the owner wants no change. */
	return schedule_next(s, last_us) <= now_us && window_open(s, now_us);
}

int64_t schedule_closes(const struct schedule *s, int64_t now_us)
{
	int64_t utc = civil_floor(now_us, US), local;

	if (!s->has_window || !window_open(s, now_us))
		return INT64_MAX;
	local = utc + schedule_zone_span(s->zone, utc).offset;
	return (utc + civil_mod(s->close - local, CIVIL_DAY)) * US;
}

int64_t schedule_shortest_us(const struct schedule *s, int64_t now_us)
{
	int64_t shortest = INT64_MAX;
	int64_t last;

	if (s->every_us > 0)
		return s->every_us;
	last = schedule_next(s, now_us);
	for (int i = 0;
	     i < SCHEDULE_GAPS && last != INT64_MAX &&
	     (shortest == INT64_MAX || last - now_us < SCHEDULE_GAPS_SPAN);
	     i++) {
		int64_t next = schedule_next(s, last);

		if (next != INT64_MAX && next - last < shortest)
			shortest = next - last;
		last = next;
	}
	return shortest;
}

/* The longest time for which the window is closed. */
static int64_t longest_closed(const struct schedule *s, int64_t now_us)
{
	int64_t at = window_forward(s, now_us), longest = 0;

	while (at - now_us < SCHEDULE_YEAR) {
		int64_t closes = schedule_closes(s, at);
		int64_t opens = window_forward(s, closes);

		if (opens - closes > longest)
			longest = opens - closes;
		at = opens;
	}
	return longest;
}

static int64_t longest_gap(const struct schedule *s, int64_t now_us)
{
	int64_t at = schedule_next(s, now_us), longest = 0, next;

	while (at != INT64_MAX &&
	       (longest == 0 || at - now_us < SCHEDULE_YEAR)) {
		/* From a point to one that is no farther than the longest gap
		 * there is no longer one, whatever is between them. */
		next = schedule_next(s, at + longest / 2);
		if (next == INT64_MAX || next - at > longest)
			next = schedule_next(s, at);
		if (next == INT64_MAX)
			return INT64_MAX;
		if (next - at > longest)
			longest = next - at;
		at = next;
	}
	return at == INT64_MAX ? INT64_MAX : longest;
}

int64_t schedule_longest_us(const struct schedule *s, int64_t now_us)
{
	if (s->every_us == 0)
		return longest_gap(s, now_us);
	/* A splay alone only brings it forward. */
	if (!s->has_window)
		return s->every_us;
	return s->every_us + longest_closed(s, now_us) + s->splay_us;
}
