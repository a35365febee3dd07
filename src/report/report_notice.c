/* SPDX-License-Identifier: PostgreSQL */
/* Writes what is to come, for partners; must never hold a secret, or promise what
 * nobody knows. */
#include "report/report_notice.h"

#include <stdio.h>
#include <string.h>

#include "base/now.h"
#include "schedule/schedule_time.h"

#define SHOWN	  12 /* in the text */
#define VALUE_MAX 4096
#define LINE_MAX_ 75 /* bytes of a content line, RFC 5545 section 3.1 */

/* Was it due, and has nothing put it off? */
static bool is_overdue(const struct report_notice *r,
		       const struct schedule_turn *t)
{
	return t->at_us <= r->now_us;
}

static void add_moved(struct text *t, const struct schedule_turn *turn)
{
	if (turn->postponed)
		text_add(t, ", put off by the operator");
	if (turn->blackout_us)
		text_add(t, ", after a time without changes");
}

/* What changes, and what is to be done about it, in one line each. */
static const char *what_changes(const struct report_notice *r)
{
	if (r->pair)
		return "User name and password change: two login roles take "
		       "turns. The ones before stay valid until the operator "
		       "ends them.";
	if (r->grace_us > 0)
		return "The password changes. Host, port, database, user name "
		       "and rights stay; open sessions go on. The old password "
		       "stays valid beside the new one for a while, as agreed "
		       "with the operator.";
	return "The password changes. Host, port, database, user name and "
	       "rights stay; open sessions go on. The old password is refused "
	       "for new sessions from then on.";
}

static const char *what_to_do(const struct report_notice *r)
{
	if (r->pair)
		return "Nothing, where your program takes both from the file "
		       "or the agent agreed with you. Where a person has typed "
		       "them in, type in the new ones after that time.";
	if (r->grace_us > 0)
		return "Nothing, where your program takes it from the file or "
		       "the agent agreed with you at each log-in. Where a "
		       "person has typed it in, type in the new one after that "
		       "time.";
	return "Nothing, where your program takes it from the file or the "
	       "agent agreed with you at each log-in. Where a person has typed "
	       "it in, be ready to type in the new one at that time.";
}

/* ---- text ------------------------------------------------------------------ */

/* "What:   ..." in lines of at most 76 bytes. */
static void add_paragraph(struct text *t, const char *label, const char *words)
{
	int column = 8;

	text_printf(t, "%-8s", label);
	while (*words) {
		int n = (int)strcspn(words, " ");

		if (column > 8 && column + n > 76) {
			text_add(t, "\n        ");
			column = 8;
		}
		text_printf(t, "%s%.*s", column > 8 ? " " : "", n, words);
		column += n + (column > 8);
		words += n;
		words += *words == ' ';
	}
	text_add_char(t, '\n');
}

static void add_when(struct text *t, const struct report_notice *r,
		     const struct schedule_turn *turn)
{
	char show[SCHEDULE_TIME_SIZE];

	if (is_overdue(r, turn))
		text_printf(t, "as soon as possible: it was due on %s",
			    schedule_time_show(r->zone, turn->due_us, show));
	else
		text_add(t, schedule_time_show(r->zone, turn->at_us, show));
	add_moved(t, turn);
	text_add_char(t, '\n');
}

void report_notice_text(struct text *t, const struct report_notice *r)
{
	text_printf(t, "The %s of %s%s\n\n",
		    r->pair ? "user name and password" : "password", r->role,
		    r->pair ? " change" : " changes");
	if (r->frozen)
		add_paragraph(t, "Note:",
			      "At present it is not rotated at all; the times "
			      "below are for when that ends.");
	text_printf(t, "%-8s", "When:");
	add_when(t, r, &r->turns[0]);
	text_printf(t, "%-8s%s\n", "Zone:", r->zone_name);
	text_printf(t, "%-8s%s\n", r->pair ? "Users:" : "User:", r->logins);
	add_paragraph(t, "What:", what_changes(r));
	add_paragraph(t, "To do:", what_to_do(r));
	for (size_t i = 1; i < r->n && i < SHOWN; i++) {
		text_printf(t, "%-8s", i == 1 ? "Then:" : "");
		add_when(t, r, &r->turns[i]);
	}
}

/* ---- JSON ------------------------------------------------------------------ */

static void add_turn(struct text *t, const struct report_notice *r,
		     const struct schedule_turn *turn)
{
	char stamp[NOW_STAMP_SIZE], local[SCHEDULE_TIME_SIZE];

	text_add(t, "{");
	text_add_member(t, "planned_at", now_stamp(turn->at_us, stamp));
	text_add_member(t, "local",
			schedule_time_local(r->zone, turn->at_us, local));
	text_add_member(t, "due_at", now_stamp(turn->due_us, stamp));
	text_printf(t, ",\"overdue\":%s,\"postponed\":%s,\"blackout\":%s}",
		    is_overdue(r, turn) ? "true" : "false",
		    turn->postponed ? "true" : "false",
		    turn->blackout_us ? "true" : "false");
}

void report_notice_json(struct text *t, const struct report_notice *r)
{
	text_add(t, "{");
	text_add_member(t, "role", r->role);
	text_add_member(t, "users", r->logins);
	text_add_member(t, "time_zone", r->zone_name);
	text_printf(t, ",\"changes\":[%s\"password\"],\"frozen\":%s",
		    r->pair ? "\"user\"," : "", r->frozen ? "true" : "false");
	text_add_member(t, "what", what_changes(r));
	text_add_member(t, "to_do", what_to_do(r));
	text_add(t, ",\"notice_seconds\":[");
	for (size_t i = 0; i < r->notice.n; i++)
		text_printf(t, "%s%lld", i ? "," : "",
			    (long long)(r->notice.steps_us[i] / NOW_SECOND));
	text_add(t, "],\"upcoming\":[");
	for (size_t i = 0; i < r->n; i++) {
		if (i > 0)
			text_add(t, ",\n ");
		add_turn(t, r, &r->turns[i]);
	}
	text_add(t, "]}\n");
}

/* ---- the calendar ---------------------------------------------------------- */

void report_notice_escape(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (*s == '\n') {
			text_add(t, "\\n");
			continue;
		}
		if (strchr("\\;,", *s))
			text_add_char(t, '\\');
		text_add_char(t, *s);
	}
}

void report_notice_line(struct text *t, const char *name, const char *value)
{
	size_t column = strlen(name) + 1, left = strlen(value), n;

	text_add(t, name);
	text_add_char(t, ':');
	for (; left > 0; left -= n, value += n) {
		n = text_utf8_length(value, left);
		if (n == 0)
			n = 1;
		if (column + n > LINE_MAX_) {
			text_add(t, "\r\n ");
			column = 1;
		}
		text_add_bytes(t, value, n);
		column += n;
	}
	text_add(t, "\r\n");
}

static void add_text_line(struct text *t, const char *name, const char *value)
{
	struct text escaped = text_make(2 * VALUE_MAX);

	report_notice_escape(&escaped, value);
	report_notice_line(t, name, text_str(&escaped));
	text_free(&escaped);
}

/* "20261220T030000Z", or the day alone. */
static const char *utc(int64_t us, bool day, char ret[NOW_STAMP_SIZE])
{
	char stamp[NOW_STAMP_SIZE], *to = ret;

	now_stamp(us, stamp);
	for (const char *s = stamp; *s && *s != '.'; s++) {
		if (day && *s == 'T')
			break;
		if (*s != '-' && *s != ':')
			*to++ = *s;
	}
	if (!day)
		*to++ = 'Z';
	*to = '\0';
	return ret;
}

static void add_alarm(struct text *t, int64_t step_us, const char *summary)
{
	char trigger[40];

	report_notice_line(t, "BEGIN", "VALARM");
	report_notice_line(t, "ACTION", "DISPLAY");
	snprintf(trigger, sizeof(trigger), "-PT%lldS",
		 (long long)(step_us / NOW_SECOND));
	report_notice_line(t, "TRIGGER", trigger);
	add_text_line(t, "DESCRIPTION", summary);
	report_notice_line(t, "END", "VALARM");
}

/* The next one is planned; what comes behind it depends on how that one goes. */
static void add_event(struct text *t, const struct report_notice *r, size_t i)
{
	const struct schedule_turn *turn = &r->turns[i];
	char stamp[NOW_STAMP_SIZE], uid[200], summary[200];
	char show[SCHEDULE_TIME_SIZE];
	struct text more = text_make(VALUE_MAX);

	snprintf(uid, sizeof(uid), "%.80s-%s-%08x@keyturn", r->role,
		 utc(turn->due_us, r->by_day, stamp), r->where);
	snprintf(summary, sizeof(summary), "%s of %.80s",
		 r->pair ? "New user name and password" : "New password",
		 r->role);
	text_printf(&more, "%s, time zone %s\n",
		    schedule_time_show(r->zone, turn->at_us, show),
		    r->zone_name);
	if (is_overdue(r, turn))
		text_add(&more, "It is overdue, and is done as soon as "
				"possible.\n");
	if (turn->postponed)
		text_add(&more, "The operator put it off.\n");
	if (turn->blackout_us)
		text_add(&more, "It waits for the end of a time without "
				"changes.\n");
	text_printf(&more, "%s: %s\n%s\n%s", r->pair ? "Users" : "User",
		    r->logins, what_changes(r), what_to_do(r));
	report_notice_line(t, "BEGIN", "VEVENT");
	report_notice_line(t, "UID", uid);
	report_notice_line(t, "DTSTAMP", utc(r->now_us, false, stamp));
	snprintf(stamp, sizeof(stamp), "%u", i == 0 ? r->revision : 0);
	report_notice_line(t, "SEQUENCE", stamp);
	report_notice_line(t, "DTSTART", utc(turn->at_us, false, stamp));
	report_notice_line(t, "DURATION", "PT15M");
	report_notice_line(t, "STATUS",
			   r->frozen ? "CANCELLED" :
			   i == 0    ? "CONFIRMED" :
				       "TENTATIVE");
	report_notice_line(t, "TRANSP", "TRANSPARENT");
	add_text_line(t, "SUMMARY", summary);
	add_text_line(t, "DESCRIPTION", text_str(&more));
	for (size_t k = 0; k < r->notice.n && !r->frozen; k++)
		add_alarm(t, r->notice.steps_us[k], summary);
	report_notice_line(t, "END", "VEVENT");
	text_free(&more);
}

void report_notice_ics(struct text *t, const struct report_notice *r)
{
	char value[200];

	report_notice_line(t, "BEGIN", "VCALENDAR");
	report_notice_line(t, "VERSION", "2.0");
	snprintf(value, sizeof(value), "-//keyturn//keyturn %.40s//EN",
		 r->version);
	add_text_line(t, "PRODID", value);
	report_notice_line(t, "CALSCALE", "GREGORIAN");
	snprintf(value, sizeof(value), "Rotations of %.80s", r->role);
	add_text_line(t, "NAME", value);
	add_text_line(t, "X-WR-CALNAME", value);
	report_notice_line(t, "REFRESH-INTERVAL;VALUE=DURATION", "PT12H");
	for (size_t i = 0; i < r->n; i++)
		add_event(t, r, i);
	report_notice_line(t, "END", "VCALENDAR");
}
