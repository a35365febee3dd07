/* SPDX-License-Identifier: PostgreSQL */
/* Writes what the ledger knows for people and machines; decides nothing. */
#include "report/report.h"

#include <stdio.h>
#include <string.h>

#include "base/now.h"

#define LATE	       (INT64_C(3600) * NOW_SECOND)
#define EXPIRY_SOON_US (30 * 24 * LATE)

const char *report_state_name(enum report_state s)
{
	static const char *const names[] = { "new",	"ok",	  "due",
					     "overdue", "failed", "deferred",
					     "open",	"frozen" };

	return names[s];
}

int64_t report_next_due(const struct schedule *schedule,
			const struct ledger_role *known)
{
	int64_t next;

	if (!schedule || known->rotated_us == 0)
		return 0;
	next = schedule_next(schedule, known->rotated_us);
	return next == INT64_MAX ? 0 : next;
}

enum report_state report_state(const struct report_role *r, int64_t now_us)
{
	const struct ledger_role *k = r->known;
	bool deferred = strcmp(k->last_status, status_name(STATUS_DEFERRED)) ==
			0;

	if (k->frozen)
		return REPORT_FROZEN;
	if (k->open_run[0])
		return REPORT_OPEN;
	if (k->last_status[0] && strcmp(k->last_status, "OK") != 0 && !deferred)
		return REPORT_FAILED;
	if (k->rotated_us == 0 || k->learnt)
		return REPORT_NEW;
	if (r->next_due_us > 0 && schedule_ahead(k->rotated_us, now_us))
		return REPORT_OVERDUE;
	if (r->next_due_us == 0 || r->next_due_us > now_us)
		return deferred ? REPORT_DEFERRED : REPORT_OK;
	/* Who waits for too long is late. */
	if (now_us - r->next_due_us >= LATE)
		return REPORT_OVERDUE;
	return deferred ? REPORT_DEFERRED : REPORT_DUE;
}

static const char *stamp_or(int64_t us, char *buf, const char *none)
{
	return us ? now_stamp(us, buf) : none;
}

/* What people and callers wrote is shown, not obeyed, by the terminal. */
static const char *escape_shown(const char *s, char *buf, size_t size)
{
	text_escape(buf, size, s, strlen(s));
	return buf;
}

void report_status_head(struct text *t, int role_width)
{
	text_printf(t, "%-*s  %-8s %-9s %-36s  %-20s  %s\n", role_width, "ROLE",
		    "STATE", "AGE", "VERSION", "NEXT DUE", "NOTE");
}

bool report_ends_early(int64_t expires_us, int64_t next_due_us, int64_t now_us)
{
	if (next_due_us == 0)
		next_due_us = now_us + EXPIRY_SOON_US;
	return expires_us != 0 && expires_us <= next_due_us;
}

void report_ending(int64_t expires_us, int64_t next_due_us, const char *rolname,
		   struct reason *why)
{
	char date[NOW_STAMP_SIZE], due[NOW_STAMP_SIZE];

	reason_set(
		why, STATUS_REFUSED,
		"the password is valid until %s only, and the next rotation "
		"is due %s; no rotation moves that date: ALTER ROLE \"%s\" VALID "
		"UNTIL 'infinity'",
		now_stamp(expires_us, date),
		stamp_or(next_due_us, due, "by command only"), rolname);
}

/* A clock that was wrong makes no password old. */
static bool is_too_old(const struct schedule_life *l, int64_t rotated_us,
		       int64_t now_us)
{
	return l->max_us > 0 && rotated_us > 0 &&
	       now_us - rotated_us > l->max_us;
}

bool report_outlives(const struct schedule_life *l, int64_t rotated_us,
		     int64_t now_us)
{
	return is_too_old(l, rotated_us, now_us) || schedule_life_exceeds(l);
}

/* For the table; the age is in it already. */
static void note_life(const struct report_role *r, int64_t now_us, char *buf,
		      size_t size)
{
	const struct schedule_life *l = &r->life;
	char max[32], longest[32] = "any time";

	now_age(l->max_us, max);
	if (schedule_life_longest(l) > 0)
		now_age(schedule_life_longest(l), longest);
	if (is_too_old(l, r->known->rotated_us, now_us))
		snprintf(buf, size,
			 "older than max_life %s of its policy: keyturn rotate",
			 max);
	else if (schedule_life_exceeds(l))
		snprintf(buf, size,
			 "may live %s, over max_life %s of its policy: keyturn "
			 "check",
			 longest, max);
	else
		snprintf(buf, size, "lives at most %s; max_life %s", longest,
			 max);
}

void report_status_line(struct text *t, int role_width,
			const struct report_role *r, int64_t now_us)
{
	const struct ledger_role *k = r->known;
	enum report_state state = report_state(r, now_us);
	char age[32] = "-", due[NOW_STAMP_SIZE] = "-", ends[NOW_STAMP_SIZE];
	char both[LEDGER_TEXT_SIZE + 48], safe[sizeof(both) * 4];
	const char *say = "";

	if (k->rotated_us)
		now_age(now_us - k->rotated_us, age);
	if (schedule_ahead(k->rotated_us, now_us))
		snprintf(age, sizeof(age), "?");
	if (r->next_due_us) {
		now_stamp(r->next_due_us, due);
		due[19] = 'Z'; /* no microseconds for people */
		due[20] = '\0';
	}
	if (r->compromised)
		say = "a password got out and was not shown to be refused yet: "
		      "keyturn recover";
	else if (state == REPORT_FROZEN && k->open_run[0]) {
		snprintf(both, sizeof(both),
			 "%s; and interrupted: keyturn recover",
			 k->frozen_reason);
		say = both;
	} else if (state == REPORT_FROZEN)
		say = k->frozen_reason;
	else if (state == REPORT_OPEN)
		say = "interrupted: keyturn recover";
	else if (state == REPORT_NEW && k->learnt)
		say = "the store knows it, this ledger does not: keyturn "
		      "recover takes it on, unless it was frozen";
	else if (state == REPORT_NEW && !k->last_error[0])
		say = "never rotated: keyturn rotate or import it by name";
	else
		say = k->last_error;
	if (!*say && r->held)
		say = r->held;
	if (!*say && r->handoff && r->handoff_late)
		say = r->handoff_says;
	if (!*say && report_ends_early(r->expires_us, r->next_due_us, now_us)) {
		snprintf(both, sizeof(both),
			 "the password is valid until %s only, before the next "
			 "one: ALTER ROLE ... VALID UNTIL",
			 now_stamp(r->expires_us, ends));
		say = both;
	}
	if (!*say && schedule_ahead(k->rotated_us, now_us))
		say = "last rotated at a time that is to come: a clock was "
		      "wrong";
	if (!*say && report_outlives(&r->life, k->rotated_us, now_us)) {
		note_life(r, now_us, both, sizeof(both));
		say = both;
	}
	if (!*say && r->handoff)
		say = r->handoff_says;
	if (!*say && r->adopted < r->expected) {
		snprintf(both, sizeof(both),
			 "adopting %zu of %zu consumers%s%s", r->adopted,
			 r->expected, r->waits && *r->waits ? "; " : "",
			 r->waits ? r->waits : "");
		say = both;
	}
	if (!*say && r->waits)
		say = r->waits;
	if (!*say && r->ended && strcmp(r->ended, "replaced") == 0)
		say = "the old password was replaced by one that no one has: "
		      "there is no way back to it";
	if (!*say && r->life.max_us > 0) {
		note_life(r, now_us, both, sizeof(both));
		say = both;
	}
	text_printf(t, "%-*s  %-8s %-9s %-36s  %-20s  %s\n", role_width,
		    k->role, report_state_name(state), age,
		    k->version[0] ? k->version : "-", due,
		    escape_shown(say, safe, sizeof(safe)));
}

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

static void add_seconds(struct text *t, const char *key, int64_t us)
{
	if (us > 0)
		text_printf(t, ",\"%s\":%lld", key,
			    (long long)(us / NOW_SECOND));
	else
		text_printf(t, ",\"%s\":null", key);
}

void report_status_json(struct text *t, const struct report_role *r,
			int64_t now_us)
{
	const struct ledger_role *k = r->known;
	char stamp[NOW_STAMP_SIZE];

	text_add(t, "{");
	text_add_member(t, "role", k->role);
	text_add_member(t, "cluster", r->cluster);
	text_add_member(t, "store", r->store);
	text_add_member(t, "state", report_state_name(report_state(r, now_us)));
	text_add_member(t, "version", or_null(k->version));
	text_add_member(t, "rotated_at", stamp_or(k->rotated_us, stamp, NULL));
	if (k->rotated_us)
		text_printf(t, ",\"age_seconds\":%lld",
			    (long long)((now_us - k->rotated_us) / NOW_SECOND));
	else
		text_add(t, ",\"age_seconds\":null");
	text_add_member(t, "next_due", stamp_or(r->next_due_us, stamp, NULL));
	text_add_member(t, "planned_at", stamp_or(r->planned_us, stamp, NULL));
	text_add_member(t, "postponed_until",
			stamp_or(r->postponed_us, stamp, NULL));
	text_add_member(t, "postponed_by",
			r->postponed_us ? r->postponed_by : NULL);
	text_add_member(t, "postponed_reason",
			r->postponed_us ? r->postponed_reason : NULL);
	text_add_member(t, "blackout_until",
			stamp_or(r->blackout_us, stamp, NULL));
	text_add_member(t, "blackout", r->blackout_us ? r->blackout : NULL);
	text_add_member(t, "last_status", or_null(k->last_status));
	text_add_member(t, "last_run_at",
			stamp_or(k->last_run_us, stamp, NULL));
	text_add_member(t, "last_error", or_null(k->last_error));
	text_add_member(t, "frozen_reason",
			k->frozen ? k->frozen_reason : NULL);
	text_add_member(t, "open_run", or_null(k->open_run));
	text_add_member(t, "valid_until", stamp_or(r->expires_us, stamp, NULL));
	if (r->expected > 0)
		text_printf(t,
			    ",\"consumers_expected\":%zu,"
			    "\"consumers_adopted\":%zu",
			    r->expected, r->adopted);
	else
		text_add(t, ",\"consumers_expected\":null,"
			    "\"consumers_adopted\":null");
	text_add_member(t, "retire", r->retire);
	text_add_member(t, "retire_waits", r->waits ? or_null(r->waits) : NULL);
	text_add_member(t, "handoff", r->handoff);
	text_printf(t, ",\"handoff_late\":%s",
		    r->handoff && r->handoff_late ? "true" : "false");
	text_add_member(t, "grace_until", stamp_or(r->grace_us, stamp, NULL));
	text_add_member(t, "ended_by", r->ended ? or_null(r->ended) : NULL);
	add_seconds(t, "longest_life_seconds", schedule_life_longest(&r->life));
	add_seconds(t, "max_life_seconds", r->life.max_us);
	text_printf(t, ",\"outlives\":%s",
		    report_outlives(&r->life, k->rotated_us, now_us) ? "true" :
								       "false");
	text_printf(t, ",\"compromised\":%s",
		    r->compromised ? "true" : "false");
	text_printf(t, ",\"failures\":%u,\"follow\":[%s]}", k->failures,
		    r->follow ? r->follow : "");
}

void report_run_lines(struct text *t, const struct ledger_run *run)
{
	char begun[NOW_STAMP_SIZE], took[32] = "open";
	char safe[LEDGER_TEXT_SIZE * 4];

	now_stamp(run->begun_us, begun);
	if (run->ended_us)
		snprintf(took, sizeof(took), "%.3f s",
			 (double)(run->ended_us - run->begun_us) / NOW_SECOND);
	text_printf(t, "%s  %s  %s %s  %s  by %s", begun, run->role, run->mode,
		    run->status[0] ? run->status : "open", took,
		    escape_shown(run->actor, safe, sizeof(safe)));
	if (run->reason[0])
		text_printf(t, "  reason: %s",
			    escape_shown(run->reason, safe, sizeof(safe)));
	text_add(t, "\n");
	if (run->version[0])
		text_printf(t, "    version %s\n", run->version);
	if (run->error[0])
		text_printf(t, "    %s\n",
			    escape_shown(run->error, safe, sizeof(safe)));
	if (run->steps[0])
		text_printf(t, "    steps in microseconds: %s\n", run->steps);
}

static void steps_json(struct text *t, const char *steps)
{
	char name[LEDGER_STEP_SIZE];
	const char *separator = "";
	int64_t us;

	text_add(t, "{");
	while (ledger_steps_next(&steps, name, &us)) {
		text_printf(t, "%s\"%s\":%lld", separator, name, (long long)us);
		separator = ",";
	}
	text_add(t, "}");
}

void report_run_json(struct text *t, const struct ledger_run *run)
{
	char stamp[NOW_STAMP_SIZE];

	text_add(t, "{");
	text_add_member(t, "run", run->run);
	text_add_member(t, "role", run->role);
	text_add_member(t, "mode", run->mode);
	text_add_member(t, "actor", run->actor);
	text_add_member(t, "reason", or_null(run->reason));
	text_add_member(t, "version", or_null(run->version));
	text_add_member(t, "status", or_null(run->status));
	text_add_member(t, "error", or_null(run->error));
	text_add_member(t, "begun_at", stamp_or(run->begun_us, stamp, NULL));
	text_add_member(t, "ended_at", stamp_or(run->ended_us, stamp, NULL));
	text_add(t, ",\"steps\":");
	steps_json(t, run->steps);
	text_add(t, "}");
}

void report_hook_line(struct text *t, const struct report_hook *h,
		      int64_t now_us)
{
	char age[32], safe[LEDGER_TEXT_SIZE * 4];

	if (h->attempts > 0)
		text_printf(t, "hook %s: failing for %s, %u attempts: %s\n",
			    h->name, now_age(now_us - h->since_us, age),
			    h->attempts,
			    escape_shown(h->sentence, safe, sizeof(safe)));
	if (h->lost > 0)
		text_printf(t, "hook %s: %u events were given up\n", h->name,
			    h->lost);
}

void report_hook_json(struct text *t, const struct report_hook *h)
{
	char stamp[NOW_STAMP_SIZE];

	text_add(t, "{");
	text_add_member(t, "hook", h->name);
	text_add_member(t, "state", h->attempts > 0 ? "failing" : "ok");
	text_add_member(t, "since",
			stamp_or(h->attempts > 0 ? h->since_us : 0, stamp,
				 NULL));
	text_add_member(t, "last_error", or_null(h->sentence));
	text_printf(t, ",\"failures\":%u,\"lost\":%u}", h->attempts, h->lost);
}

void report_step_line(struct text *t, const struct report_step *s,
		      int64_t now_us)
{
	char age[32], next[32], safe[LEDGER_TEXT_SIZE * 4];
	int64_t left = s->next_us - now_us;

	if (!s->behind)
		return;
	text_printf(t, "%s of role %s: ", s->name, s->role);
	if (s->attempts > 0)
		text_printf(t, "failing for %s, %u attempts, the next in %s: ",
			    now_age(now_us - s->since_us, age), s->attempts,
			    now_age(left > 0 ? left : 0, next));
	text_printf(t, "%s\n", escape_shown(s->sentence, safe, sizeof(safe)));
}

void report_step_json(struct text *t, const struct report_step *s)
{
	char stamp[NOW_STAMP_SIZE];
	bool failing = s->attempts > 0;

	text_add(t, "{");
	text_add_member(t, "step", s->name);
	text_add_member(t, "state",
			!s->behind ? "ok" :
			failing	   ? "failing" :
				     "behind");
	text_add_member(t, "version", or_null(s->version));
	text_printf(t, ",\"failures\":%u", s->attempts);
	text_add_member(t, "since",
			failing ? now_stamp(s->since_us, stamp) : NULL);
	text_add_member(t, "next",
			failing ? now_stamp(s->next_us, stamp) : NULL);
	text_add_member(t, "last_error", or_null(s->sentence));
	text_add(t, "}");
}

void report_sink_line(struct text *t, const struct report_sink *s,
		      int64_t now_us)
{
	char age[32], safe[LEDGER_TEXT_SIZE * 4];
	int64_t life = s->expires_us - now_us;

	text_printf(t, "sink %s: %s%s", s->name, s->alarm ? "ALARM, " : "",
		    escape_shown(s->path, safe, sizeof(safe)));
	if (s->sentence[0])
		text_printf(t, ": %s\n",
			    escape_shown(s->sentence, safe, sizeof(safe)));
	else if (s->expires_us == 0)
		text_printf(t, " holds no token of %s\n", s->token);
	else if (life <= 0)
		text_printf(t, " holds a token of %s that ended %s ago\n",
			    s->token, now_age(-life, age));
	else
		text_printf(t, " holds a token of %s for another %s\n",
			    s->token, now_age(life, age));
}

void report_sink_json(struct text *t, const struct report_sink *s,
		      int64_t now_us)
{
	char stamp[NOW_STAMP_SIZE];
	int64_t life = s->expires_us - now_us;

	text_add(t, "{");
	text_add_member(t, "sink", s->name);
	text_add_member(t, "token", s->token);
	text_add_member(t, "file", s->path);
	text_add_member(t, "state", s->alarm ? "alarm" : "ok");
	text_add_member(t, "expires_at", stamp_or(s->expires_us, stamp, NULL));
	text_add_member(t, "last_error", or_null(s->sentence));
	text_printf(t, ",\"life_seconds\":%lld}",
		    life > 0 ? (long long)(life / NOW_SECOND) : 0LL);
}
