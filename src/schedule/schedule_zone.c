/* SPDX-License-Identifier: PostgreSQL */
/*
 * Time zones from the system's zoneinfo files.  It must never use the C
 * library's zone (TZ, tzset(), localtime()): that one is shared by all threads
 * and set by whoever starts the program.
 */
#include "schedule/schedule_zone.h"

#include <stdlib.h>
#include <string.h>

#include "base/civil.h"
#include "base/file.h"
#include "base/text.h"
#include "schedule/schedule_rule.h"

#define ZONE_FOLDER   "/usr/share/zoneinfo/"
#define ZONE_NAME_MAX 64
#define ZONE_FILE_MAX 65536 /* the largest of 2025 has 4 KB */

/* More than any two local times differ from UTC (RFC 8536: under 26 hours). */
#define ZONE_OFFSET_MAX (26 * CIVIL_HOUR)

/*
 * The calendar repeats after 400 years, weekdays included, and so does a rule.
 * Its changes are kept for that long after the table's last one, and later
 * instants are looked up in the same year of those.
 */
#define ZONE_CYCLE_YEARS   400
#define ZONE_CYCLE_SECONDS (INT64_C(146097) * CIVIL_DAY)
#define ZONE_RULE_YEARS	   (ZONE_CYCLE_YEARS + 4)

#define TZIF_HEADER 44
#define TZIF_TYPE   6

struct schedule_zone {
	struct schedule_rule_change *changes; /* in order of time */
	size_t n;
	int32_t first;	    /* offset before the first change */
	int64_t cycle_from; /* INT64_MAX when there is no rule to repeat */
};

/* The part of a file's counts that matters. */
struct tzif {
	const unsigned char *times, *indexes, *types;
	size_t n_times, n_types, n_leaps;
	size_t length; /* of header and data */
};

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const unsigned char *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

/* One header and its data, whose times have `width` bytes.  The counts are
 * held against the n bytes that there are before they are used. */
static bool tzif_read(const unsigned char *p, size_t n, size_t width,
		      struct tzif *ret)
{
	struct tzif t = { .n_times = 0 };
	uint64_t utc, standard, chars, length;

	if (n < TZIF_HEADER || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	utc = be32(p + 20);
	standard = be32(p + 24);
	t.n_leaps = be32(p + 28);
	t.n_times = be32(p + 32);
	t.n_types = be32(p + 36);
	chars = be32(p + 40);
	length = TZIF_HEADER + (uint64_t)t.n_times * (width + 1) +
		 (uint64_t)t.n_types * TZIF_TYPE + chars +
		 (uint64_t)t.n_leaps * (width + 4) + standard + utc;
	if (length > n)
		return false;
	t.times = p + TZIF_HEADER;
	t.indexes = t.times + t.n_times * width;
	t.types = t.indexes + t.n_times;
	t.length = (size_t)length;
	*ret = t;
	return true;
}

static bool tzif_offset(const struct tzif *t, size_t type, int32_t *ret)
{
	int32_t offset;

	if (type >= t->n_types)
		return false;
	offset = (int32_t)be32(t->types + type * TZIF_TYPE);
	if (offset <= -ZONE_OFFSET_MAX || offset >= ZONE_OFFSET_MAX)
		return false;
	*ret = offset;
	return true;
}

static bool read_table(struct schedule_zone *z, const struct tzif *t)
{
	if (!tzif_offset(t, 0, &z->first))
		return false;
	for (size_t i = 0; i < t->n_times; i++) {
		struct schedule_rule_change c;

		c.at = be64(t->times + i * 8);
		if (!tzif_offset(t, t->indexes[i], &c.offset))
			return false;
		if (i > 0 && c.at <= z->changes[i - 1].at)
			return false;
		z->changes[z->n++] = c;
	}
	return true;
}

/* Continue the table by what the rule says. */
static void read_rule(struct schedule_zone *z, const struct schedule_rule *rule)
{
	int64_t last = z->n > 0 ? z->changes[z->n - 1].at : INT64_MIN;
	int64_t from = last > 0 ? last : 0;
	int64_t year, y;

	if (z->n == 0)
		z->first = rule->standard;
	if (!rule->has_dst)
		return;
	year = civil_of(civil_floor(from, CIVIL_DAY)).year;
	for (y = year; y < year + ZONE_RULE_YEARS; y++) {
		struct schedule_rule_change two[2];

		schedule_rule_year(rule, y, two);
		for (int i = 0; i < 2; i++)
			if (two[i].at > last &&
			    (z->n == 0 || two[i].at >= z->changes[z->n - 1].at))
				z->changes[z->n++] = two[i];
	}
	z->cycle_from = civil_days(year + 2, 1, 1) * CIVIL_DAY;
}

/* The footer is the text between two newlines after the data. */
static bool read_footer(struct schedule_zone *z, const char *p, size_t n)
{
	struct schedule_rule rule;
	const char *end;

	if (n < 2 || p[0] != '\n')
		return false;
	end = memchr(p + 1, '\n', n - 1);
	if (end == NULL)
		return false;
	if (end == p + 1) /* no rule: the last offset holds for ever */
		return true;
	if (!schedule_rule_parse(p + 1, (size_t)(end - p - 1), &rule))
		return false;
	read_rule(z, &rule);
	return true;
}

/* The last time in a table that read_rule() can count years from. */
#define ZONE_LAST_MAX (INT64_C(9000) * 366 * CIVIL_DAY)

static enum status parse(struct schedule_zone *z, const unsigned char *p,
			 size_t n)
{
	struct tzif old, now;

	if (!tzif_read(p, n, 4, &old) ||
	    !tzif_read(p + old.length, n - old.length, 8, &now))
		return STATUS_CONFIG;
	/* Files that count leap seconds do not agree with the system clock. */
	if (now.n_leaps > 0)
		return STATUS_CONFIG;
	z->changes =
		calloc(now.n_times + 2 * ZONE_RULE_YEARS, sizeof(*z->changes));
	if (z->changes == NULL)
		return STATUS_NO_MEMORY;
	if (!read_table(z, &now))
		return STATUS_CONFIG;
	if (z->n > 0 && z->changes[z->n - 1].at > ZONE_LAST_MAX)
		return STATUS_CONFIG;
	if (!read_footer(z, (const char *)p + old.length + now.length,
			 n - old.length - now.length))
		return STATUS_CONFIG;
	return STATUS_OK;
}

enum status schedule_zone_parse(const char *name, const void *bytes, size_t n,
				struct schedule_zone **ret, struct reason *why)
{
	struct schedule_zone *z = calloc(1, sizeof(*z));
	enum status st = STATUS_NO_MEMORY;

	if (z != NULL) {
		z->cycle_from = INT64_MAX;
		st = parse(z, bytes, n);
	}
	if (st == STATUS_OK) {
		*ret = z;
		return STATUS_OK;
	}
	schedule_zone_free(z);
	if (st == STATUS_NO_MEMORY)
		return reason_set(why, st, "no memory for time zone %s", name);
	return reason_set(
		why, st,
		"time zone \"%s\": its file is not zoneinfo of "
		"version 2 or later without leap seconds; name a zone "
		"as in %stzdata.zi",
		name, ZONE_FOLDER);
}

static enum status open_utc(struct schedule_zone **ret, struct reason *why)
{
	struct schedule_zone *z = calloc(1, sizeof(*z));

	if (z == NULL)
		return reason_set(why, STATUS_NO_MEMORY,
				  "no memory for time zone UTC");
	z->cycle_from = INT64_MAX;
	*ret = z;
	return STATUS_OK;
}

/* Letters, digits, _+- and single slashes inside: without a dot and a leading
 * slash a name cannot lead out of the folder. */
static bool is_zone_name(const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789_+-/";
	size_t n = strlen(name);

	return n > 0 && n <= ZONE_NAME_MAX && strspn(name, plain) == n &&
	       name[0] != '/' && name[n - 1] != '/' &&
	       strstr(name, "//") == NULL;
}

enum status schedule_zone_open(const char *name, struct schedule_zone **ret,
			       struct reason *why)
{
	struct text path = text_make(sizeof(ZONE_FOLDER) + ZONE_NAME_MAX);
	struct text file = text_make(ZONE_FILE_MAX);
	struct reason detail = { "" };
	enum status st;

	if (strcmp(name, "UTC") == 0)
		return open_utc(ret, why);
	if (!is_zone_name(name))
		return reason_set(why, STATUS_CONFIG,
				  "time zone \"%s\": not a name like "
				  "Europe/Berlin or UTC",
				  name);
	text_printf(&path, "%s%s", ZONE_FOLDER, name);
	st = text_status(&path);
	if (st == STATUS_OK)
		st = file_read(text_str(&path), &file, &detail);
	if (st == STATUS_OK)
		st = schedule_zone_parse(name, file.bytes, file.len, ret, why);
	else
		st = reason_set(why, STATUS_CONFIG,
				"time zone \"%s\" is not known here (%s); "
				"check the name and that the package tzdata is "
				"installed",
				name, detail.text);
	text_free(&file);
	text_free(&path);
	return st;
}

void schedule_zone_free(struct schedule_zone *z)
{
	if (z == NULL)
		return;
	free(z->changes);
	free(z);
}

/* The number of changes up to an instant. */
static size_t changes_before(const struct schedule_zone *z, int64_t utc)
{
	size_t low = 0, high = z->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (z->changes[middle].at <= utc)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct schedule_span schedule_zone_span(const struct schedule_zone *z,
					int64_t utc)
{
	struct schedule_span span;
	int64_t shift = 0;
	size_t i;

	if (utc >= z->cycle_from)
		shift = (utc - z->cycle_from) / ZONE_CYCLE_SECONDS *
			ZONE_CYCLE_SECONDS;
	i = changes_before(z, utc - shift);
	span.from = i > 0 ? z->changes[i - 1].at + shift : INT64_MIN;
	span.to = i < z->n ? z->changes[i].at + shift : INT64_MAX;
	span.offset = i > 0 ? z->changes[i - 1].offset : z->first;
	return span;
}

int64_t schedule_zone_first(const struct schedule_zone *z, int64_t local)
{
	struct schedule_span span =
		schedule_zone_span(z, local - ZONE_OFFSET_MAX);

	for (;;) {
		int64_t utc = local - span.offset;

		if (utc < span.from)
			utc = span.from;
		if (utc < span.to)
			return utc;
		span = schedule_zone_span(z, span.to);
	}
}

int64_t schedule_zone_seen(const struct schedule_zone *z, int64_t utc)
{
	struct schedule_span span = schedule_zone_span(z, utc);
	int64_t seen = utc + span.offset;
	int64_t back = utc - 2 * ZONE_OFFSET_MAX;

	/* An earlier span may have ended on a later local time. */
	while (span.from > back) {
		int64_t last = span.from - 1;

		span = schedule_zone_span(z, last);
		if (last + span.offset > seen)
			seen = last + span.offset;
	}
	return seen;
}
