/* SPDX-License-Identifier: PostgreSQL */
/* Sets of blackouts; must never lose the end of one that another one covers. */
#include "schedule/schedule_blackout.h"

#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/now.h"
#include "base/text.h"
#include "schedule/schedule_time.h"
#include "schedule/schedule_zone.h"

struct span {
	int64_t from_us, to_us;
	char *name;
};

struct schedule_blackout {
	const struct schedule_blackout *also;
	struct span *spans; /* by from_us, once sorted */
	size_t n, cap;
};

enum status schedule_blackout_new(const struct schedule_blackout *also,
				  struct schedule_blackout **ret)
{
	struct schedule_blackout *b = calloc(1, sizeof(*b));

	if (!b)
		return STATUS_NO_MEMORY;
	b->also = also;
	*ret = b;
	return STATUS_OK;
}

void schedule_blackout_free(struct schedule_blackout *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++)
		free(b->spans[i].name);
	free(b->spans);
	free(b);
}

enum status schedule_blackout_add(struct schedule_blackout *b, int64_t from_us,
				  int64_t to_us, const char *name)
{
	struct span s = { .from_us = from_us, .to_us = to_us };
	char cut[SCHEDULE_BLACKOUT_NAME];

	if (b->n == SCHEDULE_BLACKOUT_MAX)
		return STATUS_LIMIT;
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 16;
		struct span *more = realloc(b->spans, cap * sizeof(*more));

		if (!more)
			return STATUS_NO_MEMORY;
		b->spans = more;
		b->cap = cap;
	}
	text_cut(cut, sizeof(cut), name);
	if (text_dup(cut, &s.name) != STATUS_OK)
		return STATUS_NO_MEMORY;
	b->spans[b->n++] = s;
	return STATUS_OK;
}

/* The beginning of the next day by the zone's clocks. */
static int64_t day_after(const struct schedule_zone *zone, int64_t us)
{
	int64_t utc = civil_floor(us, NOW_SECOND);
	int64_t local = utc + schedule_zone_span(zone, utc).offset;

	return schedule_time_at(zone, local - civil_mod(local, CIVIL_DAY) +
					      CIVIL_DAY) *
	       NOW_SECOND;
}

enum status schedule_blackout_parse(struct schedule_blackout *b,
				    const char *span,
				    const struct schedule_zone *zone,
				    const char *name, struct reason *why)
{
	const char *dots = strstr(span, "..");
	int64_t from = 0, to = 0;
	bool date = false;
	enum status s;

	if (!dots)
		return reason_set(why, STATUS_CONFIG,
				  "\"%.60s\" is not FROM..TO, as in "
				  "2026-12-20..2027-01-06, nor the absolute "
				  "path of an .ics file",
				  span);
	s = schedule_time_parse(span, (size_t)(dots - span), zone, &date, &from,
				why);
	if (s == STATUS_OK)
		s = schedule_time_parse(dots + 2, strlen(dots + 2), zone, &date,
					&to, why);
	if (s != STATUS_OK)
		return s;
	if (date)
		to = day_after(zone, to);
	if (to <= from)
		return reason_set(why, STATUS_CONFIG,
				  "\"%.60s\" ends before it begins", span);
	s = schedule_blackout_add(b, from, to, name);
	return s == STATUS_OK ?
		       s :
		       reason_set(why, s, "too many blackouts, or no memory");
}

static int by_beginning(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->from_us > y->from_us) - (x->from_us < y->from_us);
}

void schedule_blackout_sort(struct schedule_blackout *b)
{
	if (b->n > 1)
		qsort(b->spans, b->n, sizeof(*b->spans), by_beginning);
}

/* One way through: who begins later cannot make an earlier one count. */
static int64_t pass(const struct schedule_blackout *b, int64_t at_us,
		    const char **name)
{
	for (size_t i = 0; i < b->n && b->spans[i].from_us <= at_us; i++)
		if (b->spans[i].to_us > at_us) {
			at_us = b->spans[i].to_us;
			*name = b->spans[i].name;
		}
	return at_us;
}

int64_t schedule_blackout_end(const struct schedule_blackout *b, int64_t at_us,
			      const char **ret_name)
{
	const char *name = NULL;
	int64_t end = at_us, before;

	do {
		before = end;
		for (const struct schedule_blackout *s = b; s; s = s->also)
			end = pass(s, end, &name);
	} while (end != before);
	if (name && ret_name)
		*ret_name = name;
	return end;
}

int64_t schedule_blackout_next(const struct schedule_blackout *b, int64_t at_us)
{
	int64_t next = INT64_MAX;

	for (; b; b = b->also)
		for (size_t i = 0; i < b->n; i++)
			if (b->spans[i].from_us > at_us) {
				if (b->spans[i].from_us < next)
					next = b->spans[i].from_us;
				break;
			}
	return next;
}
