/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rule at the end of a zone's file, for all years that its table does not
 * reach: a POSIX TZ string with the extension of RFC 8536 section 3.3.1.
 */
#ifndef KEYTURN_SCHEDULE_RULE_H
#define KEYTURN_SCHEDULE_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schedule_rule_date {
	char kind;	/* 'M' month.week.weekday, 'J' day 1 to 365 without
			   29 February, '0' day 0 to 365 with it */
	unsigned month; /* 1 to 12 */
	unsigned week;	/* 1 to 5, 5 is the last */
	unsigned day;	/* weekday 0 to 6, or the day of the year */
	int32_t time;	/* seconds from local midnight, -167 to 167 hours */
};

struct schedule_rule {
	int32_t standard; /* seconds east of Greenwich */
	bool has_dst;
	int32_t dst;
	struct schedule_rule_date start; /* of daylight saving time */
	struct schedule_rule_date end;
};

struct schedule_rule_change {
	int64_t at; /* seconds since 1970, UTC */
	int32_t offset;
};

/* False when the n bytes at s are no such string. */
bool schedule_rule_parse(const char *s, size_t n,
			 struct schedule_rule *ret_rule);

/* The two changes that a rule with daylight saving time has in a year, in
 * order of time. */
void schedule_rule_year(const struct schedule_rule *rule, int64_t year,
			struct schedule_rule_change ret_changes[2]);

#endif
