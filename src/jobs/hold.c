/* SPDX-License-Identifier: PostgreSQL */
/* Postponements and blackouts; must never hold what was rotated since. */
#include "jobs/hold.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "jobs/compromise.h"
#include "open/open_schedule.h"
#include "schedule/schedule_time.h"

/* ---- the postponement in the ledger ---------------------------------------- */

/* "UNTIL AT VERSION<tab>WHO<tab>REASON", the times in microseconds. */
static void write_fact(const struct hold *h, const char *version,
		       char ret[LEDGER_TEXT_SIZE])
{
	char who[HOLD_WHO_SIZE];

	text_escape(who, sizeof(who), h->who, strlen(h->who));
	snprintf(ret, LEDGER_TEXT_SIZE, "%" PRId64 " %" PRId64 " %s\t%s\t%s",
		 h->postponed_us, h->postponed_at_us, *version ? version : "-",
		 who, h->reason);
}

/* Only while the password is the one of then: a rotation ends it. */
static void read_fact(struct hold *h, const char *version, int64_t now_us)
{
	char of[RANDOM_UUID_SIZE] = "";
	const char *who = strchr(h->fact, '\t');
	const char *reason = who ? strchr(who + 1, '\t') : NULL;
	int64_t until, at;

	if (!reason || sscanf(h->fact, "%" SCNd64 " %" SCNd64 " %36s", &until,
			      &at, of) != 3)
		return;
	if (until <= now_us || strcmp(of, *version ? version : "-") != 0)
		return;
	h->postponed_us = until;
	h->postponed_at_us = at;
	snprintf(h->who, sizeof(h->who), "%.*s", (int)(reason - who - 1),
		 who + 1);
	text_cut(h->reason, sizeof(h->reason), reason + 1);
}

/* ---- looking --------------------------------------------------------------- */

enum status hold_look(struct open_engine *w, const struct config_group *role,
		      const struct ledger_role *known,
		      const struct schedule *schedule, int64_t now_us,
		      struct hold *ret, struct reason *why)
{
	struct schedule_course course = { .schedule = schedule };
	bool ahead = schedule_ahead(known->rotated_us, now_us);
	struct hold h = { .blackout = "" };
	int64_t end;
	enum status s;

	s = open_engine_calendar_blackouts(open_engine_calendar(w), role,
					   &course.blackouts, why);
	if (s != STATUS_OK)
		return s;
	s = ledger_fact_recall(open_engine_ledger(w), LEDGER_FACT_POSTPONED,
			       config_name(role), now_us, h.fact, why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return s;
	if (s == STATUS_OK)
		read_fact(&h, known->version, now_us);
	end = schedule_blackout_end(course.blackouts, now_us, &h.blackout);
	h.blackout_us = end > now_us ? end : 0;
	h.begins_us = schedule_blackout_next(course.blackouts, now_us);
	if (schedule && known->rotated_us > 0) {
		course.postponed_us = h.postponed_us;
		schedule_course_first(&course, ahead ? 0 : known->rotated_us,
				      now_us, &h.turn);
		if (h.turn.due_us == INT64_MAX)
			h.turn.due_us = 0;
	}
	*ret = h;
	return STATUS_OK;
}

bool hold_is(const struct hold *h)
{
	return h->postponed_us > 0 || h->blackout_us > 0;
}

/* No microseconds for people. */
static const char *stamp(int64_t us, char buf[NOW_STAMP_SIZE])
{
	now_stamp(us, buf);
	memcpy(buf + 19, "Z", 2);
	return buf;
}

void hold_say(const struct hold *h, struct reason *ret)
{
	char until[NOW_STAMP_SIZE], end[NOW_STAMP_SIZE];
	char postponed[HOLD_WHO_SIZE + HOLD_REASON_SIZE + 64] = "";

	reason_clear(ret);
	if (h->postponed_us > 0)
		snprintf(postponed, sizeof(postponed),
			 "it is postponed until %s by %s: %s",
			 stamp(h->postponed_us, until), h->who, h->reason);
	if (h->blackout_us > 0)
		reason_set(ret, STATUS_REFUSED,
			   "there is a blackout until %s: %s%s%s",
			   stamp(h->blackout_us, end), h->blackout,
			   *postponed ? "; and " : "", postponed);
	else if (*postponed)
		reason_set(ret, STATUS_REFUSED, "%s", postponed);
}

/* ---- putting off ----------------------------------------------------------- */

struct postpone {
	struct open_engine *w;
	const struct config_group *role;
	const struct hold_wish *wish;
	int64_t now_us;
	struct ledger_role known;
	struct schedule *schedule;
	struct hold hold;
};

static enum status check_role(const struct postpone *p, struct reason *why)
{
	const char *role = config_name(p->role);

	if (p->known.frozen)
		return reason_set(why, STATUS_FROZEN,
				  "role %s is frozen, so there is nothing to "
				  "postpone: %s",
				  role, p->known.frozen_reason);
	if (!p->schedule)
		return reason_set(why, STATUS_REFUSED,
				  "role %s has no schedule: it is rotated by "
				  "command only, so there is nothing to "
				  "postpone",
				  role);
	if (p->known.rotated_us == 0 || p->hold.turn.due_us == 0)
		return reason_set(why, STATUS_REFUSED,
				  "role %s was never rotated or imported, so "
				  "nothing is due that could be postponed",
				  role);
	if (p->known.open_run[0])
		return reason_set(why, STATUS_REFUSED,
				  "a rotation of role %s was begun and not "
				  "ended, which nothing puts off; keyturn "
				  "recover %s brings it to its end",
				  role, role);
	if (compromise_is_open(open_engine_ledger(p->w), role))
		return reason_set(why, STATUS_REFUSED,
				  "a password of role %s got out, which "
				  "nothing puts off; keyturn recover %s ends "
				  "it",
				  role, role);
	return STATUS_OK;
}

/* How long it may be put off by its settings and by its policy. */
static int64_t latest(const struct postpone *p, const char **ret_by)
{
	const struct config *c = open_config(open_engine_opened(p->w));
	struct schedule_life life =
		open_schedule_life(c, p->role, p->schedule, p->now_us);
	int64_t by_setting =
		p->hold.turn.due_us +
		config_duration_us(p->role, CONFIG_role_postpone_max);
	int64_t after = schedule_life_longest(&life) - life.interval_us;
	int64_t by_policy = p->known.rotated_us + life.max_us -
			    (after > 0 ? after : life.grace_us);

	*ret_by = "postpone_max of the role";
	if (life.max_us == 0 || by_policy >= by_setting)
		return by_setting;
	*ret_by = "max_life of its policy";
	return by_policy;
}

static enum status check_time(const struct postpone *p, struct reason *why)
{
	const char *role = config_name(p->role), *by = "";
	char until[NOW_STAMP_SIZE], due[NOW_STAMP_SIZE], most[NOW_STAMP_SIZE];
	int64_t until_us = p->wish->until_us, most_us = latest(p, &by);

	stamp(until_us, until);
	stamp(p->hold.turn.due_us, due);
	stamp(most_us, most);
	if (until_us <= p->now_us)
		return reason_set(why, STATUS_REFUSED,
				  "%s is over; role %s is due at %s", until,
				  role, due);
	if (until_us <= p->hold.turn.due_us)
		return reason_set(why, STATUS_REFUSED,
				  "role %s is not due before %s, so there is "
				  "nothing to put off until %s",
				  role, due, until);
	if (until_us > most_us)
		return reason_set(why, STATUS_REFUSED,
				  "role %s is due at %s and may wait until %s "
				  "at most, by %s; not until %s",
				  role, due, most, by, until);
	return STATUS_OK;
}

static enum status record(struct postpone *p, struct reason *why)
{
	struct ledger *l = open_engine_ledger(p->w);
	const struct schedule_zone *zone = NULL;
	char fact[LEDGER_TEXT_SIZE] = "", due[NOW_STAMP_SIZE];
	char until[NOW_STAMP_SIZE], planned[NOW_STAMP_SIZE];
	char local[SCHEDULE_TIME_SIZE];
	const char *name = "";
	struct audit_event e =
		audit_event_make(AUDIT_POSTPONE, config_name(p->role),
				 p->wish->actor, "", p->wish->reason);
	struct schedule_course course = { .schedule = p->schedule,
					  .postponed_us = p->wish->until_us };
	struct schedule_turn turn;
	struct hold h = { .postponed_us = p->wish->until_us,
			  .postponed_at_us = p->now_us };
	enum status s;

	s = open_engine_calendar_partner(open_engine_calendar(p->w), p->role,
					 &zone, &name, why);
	if (s == STATUS_OK)
		s = open_engine_calendar_blackouts(open_engine_calendar(p->w),
						   p->role, &course.blackouts,
						   why);
	if (s != STATUS_OK)
		return s;
	schedule_course_first(&course, p->known.rotated_us, p->now_us, &turn);
	text_cut(h.who, sizeof(h.who), p->wish->actor);
	text_cut(h.reason, sizeof(h.reason), p->wish->reason);
	if (p->wish->until_us > 0) {
		write_fact(&h, p->known.version, fact);
		e.until = now_stamp(p->wish->until_us, until);
	}
	e.due = now_stamp(turn.due_us, due);
	e.planned = now_stamp(turn.at_us, planned);
	e.local = schedule_time_local(zone, turn.at_us, local);
	e.zone = name;
	return ledger_fact_change(l, LEDGER_FACT_POSTPONED,
				  config_name(p->role), p->hold.fact, fact, &e,
				  why);
}

enum status hold_postpone(struct open_engine *w,
			  const struct config_group *role,
			  const struct hold_wish *wish, int64_t now_us,
			  struct hold *ret_hold, struct reason *why)
{
	struct postpone p = {
		.w = w, .role = role, .wish = wish, .now_us = now_us
	};
	struct ledger *l = open_engine_ledger(w);
	enum status s;

	s = l->ops->roles->get(l, config_name(role), &p.known, why);
	if (s == STATUS_NOT_FOUND)
		s = STATUS_OK;
	if (s == STATUS_OK)
		s = open_engine_schedule(w, role, &p.schedule, why);
	if (s == STATUS_OK)
		s = hold_look(w, role, &p.known, p.schedule, now_us, &p.hold,
			      why);
	if (s == STATUS_OK)
		s = check_role(&p, why);
	if (s == STATUS_OK && wish->until_us > 0)
		s = check_time(&p, why);
	else if (s == STATUS_OK && p.hold.postponed_us == 0)
		s = reason_set(why, STATUS_REFUSED, "role %s is not postponed",
			       config_name(role));
	if (s == STATUS_OK)
		s = record(&p, why);
	if (s == STATUS_OK)
		s = hold_look(w, role, &p.known, p.schedule, now_us, ret_hold,
			      why);
	schedule_free(p.schedule);
	return s;
}
