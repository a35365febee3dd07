/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a role's partner is told of the rotations to come: a text, JSON for
 * machines, or a calendar (RFC 5545).  No secret is in any of them, nor the
 * operator's reasons.
 */
#ifndef KEYTURN_REPORT_NOTICE_H
#define KEYTURN_REPORT_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "schedule/schedule_course.h"
#include "schedule/schedule_notice.h"

struct report_notice {
	const char *role;
	const char *logins; /* the login role; of a pair "a b" */
	bool pair;
	int64_t grace_us; /* at a gateway: how long the password before stays
			     good; 0: it does not */
	bool frozen;	  /* nothing of it will happen before it is thawed */
	const struct schedule_zone *zone; /* the partner's, and its name */
	const char *zone_name;
	int64_t now_us;
	const struct schedule_turn *turns; /* at least one, in order */
	size_t n;
	struct schedule_notice notice;
	/* For the calendar: */
	uint32_t where; /* of the same role and cluster always the same */
	bool by_day;	/* an interval of days: the day of a rotation is kept,
			   while its minute drifts */
	unsigned revision;   /* of the first turn: grows when it is put off */
	const char *version; /* keyturn's */
};

void report_notice_text(struct text *t, const struct report_notice *r);
void report_notice_json(struct text *t, const struct report_notice *r);

/* One event for each turn; its UID stays when the rotation is put off. */
void report_notice_ics(struct text *t, const struct report_notice *r);

/* A content line: folded at 75 bytes, never inside a character, with CRLF. */
void report_notice_line(struct text *t, const char *name, const char *value);

/* `s` as the value of a property of type TEXT. */
void report_notice_escape(struct text *t, const char *s);

#endif
