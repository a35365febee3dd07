/* SPDX-License-Identifier: PostgreSQL */
/* Decides whether a role is due; must never take a role over on its own. */
#include "jobs/due.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/text.h"
#include "handoff/handoff.h"
#include "jobs/adoption.h"
#include "jobs/compromise.h"
#include "jobs/role_lock.h"
#include "jobs/rotate.h"
#include "report/report_adoption.h"

/* When the schedule says so; a role without one only by command. */
static enum status ask_schedule(struct open_engine *w,
				const struct config_group *role, int64_t now_us,
				struct due *d, struct reason *why)
{
	struct schedule *schedule = NULL;
	enum status s = open_engine_schedule(w, role, &schedule, why);
	int64_t last_us;

	if (s == STATUS_OK)
		s = hold_look(w, role, &d->known, schedule, now_us, &d->hold,
			      why);
	if (s != STATUS_OK || !schedule) {
		schedule_free(schedule);
		return s;
	}
	d->ahead = schedule_ahead(d->known.rotated_us, now_us);
	last_us = d->ahead ? 0 : d->known.rotated_us;
	d->next_us = schedule_next(schedule, last_us);
	if (d->next_us == INT64_MAX)
		d->next_us = 0;
	d->closes_us = schedule_closes(schedule, now_us);
	if (d->hold.begins_us < d->closes_us)
		d->closes_us = d->hold.begins_us;
	if (d->next_us > 0 && d->next_us <= now_us && hold_is(&d->hold))
		d->held = true;
	else if (schedule_due(schedule, last_us, now_us)) {
		d->mode = ENGINE_MODE_ROTATE;
		d->wanted = true;
	}
	schedule_free(schedule);
	return STATUS_OK;
}

/* Its sinks were told another host, port or database than they should be, or
 * there is a new one. */
static bool is_told_otherwise(struct open_engine *w,
			      const struct config_group *role,
			      const struct ledger_role *known)
{
	char now[LEDGER_DELIVERED_SIZE];

	if (!known->delivered[0])
		return false;
	open_engine_delivery(w, role, now);
	return now[0] && strcmp(now, known->delivered) != 0;
}

/* A sink that was left behind is tried again after a pause that grows. */
static bool may_deliver(struct open_engine *w, const struct ledger_role *known,
			int64_t now_us)
{
	const struct config_group *g = config_find(
		open_config(open_engine_opened(w)), CONFIG_SECTION_keyturn, "");
	int64_t pause =
		backoff_us(NULL, config_duration_us(g, CONFIG_keyturn_backoff),
			   config_duration_us(g, CONFIG_keyturn_backoff_max),
			   known->failures);

	return known->failures == 0 || now_us < known->last_run_us ||
	       now_us - known->last_run_us >= pause;
}

static int64_t last_seen_end(struct open_engine *w, const char *role,
			     int64_t now_us)
{
	struct ledger *l = open_engine_ledger(w);
	char ends[LEDGER_TEXT_SIZE];

	if (ledger_fact_recall(l, LEDGER_FACT_EXPIRES, role, now_us, ends,
			       NULL) != STATUS_OK)
		return 0;
	return strtoll(ends, NULL, 10);
}

/* ---- the end of a pair's old password ---- */

static enum status count_adopted(struct ledger *l,
				 const struct config_group *role,
				 struct schedule_retire *r, struct reason *why)
{
	struct report_adoption *a = NULL;
	enum status s;

	if (report_adoption_new(config_name(role), r->version,
				config_string(role, CONFIG_role_consumers),
				&a) != STATUS_OK)
		return reason_no_memory(why);
	report_adoption_since(a, r->rotated_us);
	s = l->ops->adoption->each(l, config_name(role), report_adoption_add, a,
				   why);
	r->expected = report_adoption_expected(a);
	r->adopted = report_adoption_adopted(a);
	report_adoption_free(a);
	return s;
}

static int64_t last_deferred(struct ledger *l, const char *role, int64_t now_us)
{
	char at[LEDGER_TEXT_SIZE];

	if (ledger_fact_recall(l, LEDGER_FACT_DEFERRED, role, now_us, at,
			       NULL) != STATUS_OK)
		return 0;
	return strtoll(at, NULL, 10);
}

static void remember_deferral(struct open_engine *w, const char *role)
{
	char at[32];
	int64_t now_us = now_wall(now_system());

	snprintf(at, sizeof(at), "%lld", (long long)now_us);
	(void)ledger_fact_remember(open_engine_ledger(w), LEDGER_FACT_DEFERRED,
				   role, at, now_us, NULL);
}

/* What keyturnd's looks say of it. */
static enum status weigh_retirement(struct open_engine *w,
				    const struct config_group *role,
				    int64_t now_us, struct due *d,
				    struct reason *why)
{
	struct ledger *l = open_engine_ledger(w);
	struct schedule_retire r = {
		.grace_us = config_duration_us(role, CONFIG_role_grace),
		.quiet_us = config_duration_us(role, CONFIG_role_quiet),
		.tombstone_us = config_duration_us(role, CONFIG_role_tombstone),
		.gap_us = adoption_gap_us(open_config(open_engine_opened(w))),
		.noted_us =
			adoption_noted_us(open_config(open_engine_opened(w))),
		.version = d->known.version,
		.rotated_us = d->known.rotated_us,
		.last_run_us = d->known.last_run_us,
		.deferred_us = last_deferred(l, d->known.role, now_us),
		.now_us = now_us,
	};
	struct schedule_retire_seen seen = { .taken_us = 0 }, last;
	struct handoff h;
	char line[LEDGER_TEXT_SIZE];
	enum status s;

	s = ledger_fact_recall(l, LEDGER_FACT_LOOKED, d->known.role, now_us,
			       line, NULL);
	if (s == STATUS_OK)
		schedule_retire_read(line, &seen);
	/* keyturnd knows more than it has noted. */
	if (open_engine_looks_last(open_engine_looks(w), d->known.role,
				   &last) &&
	    last.taken_us > seen.taken_us)
		seen = last;
	s = count_adopted(l, role, &r, why);
	if (s == STATUS_OK)
		s = handoff_load(l, role, now_us, &h, why);
	if (s == STATUS_OK)
		r.decided = handoff_decided(&h);
	if (s == STATUS_OK)
		d->retire = schedule_retire_judge(&r, &seen, &d->retire_why);
	return s;
}

/*
 * A gateway's agents end the password before by themselves when its grace is over;
 * the run that follows withdraws it and shows that it is refused.  Once for each
 * version: after it the ledger knows what it came to.
 */
static void ask_end_of_grace(struct open_engine *w,
			     const struct config_group *role, int64_t now_us,
			     struct due *d)
{
	int64_t grace_us = config_duration_us(role, CONFIG_role_grace);
	char ended[LEDGER_TEXT_SIZE], stamp[NOW_STAMP_SIZE];
	const char *version;

	if (d->known.open_run[0] || !d->known.version[0])
		return;
	if (ledger_fact_recall(open_engine_ledger(w), LEDGER_FACT_ENDED,
			       d->known.role, now_us, ended,
			       NULL) == STATUS_OK) {
		version = strchr(ended, ' ');
		if (version && strcmp(version + 1, d->known.version) == 0)
			return;
	}
	now_stamp(d->known.rotated_us + grace_us, stamp);
	/* Also when a clock was wrong: no one's grace is cut for that. */
	if (now_us < d->known.rotated_us + grace_us) {
		d->retire = SCHEDULE_RETIRE_WAITS;
		reason_set(&d->retire_why, STATUS_OK,
			   "the grace of the password before ends at %s",
			   stamp);
		if (d->ahead)
			reason_set(
				&d->retire_why, STATUS_OK,
				"the grace of the password before ends at "
				"%s only, since a clock was ahead when it was "
				"rotated; keyturn retire %s ends it",
				stamp, d->known.role);
		if (d->wanted && d->mode == ENGINE_MODE_ROTATE)
			d->wanted = false;
		return;
	}
	d->retire = SCHEDULE_RETIRE_DUE;
	reason_set(&d->retire_why, STATUS_OK,
		   "the grace of the password before ended at %s", stamp);
	if (d->hold.blackout_us > 0)
		return;
	d->mode = ENGINE_MODE_RETIRE;
	d->wanted = true;
}

/* A rotation of a pair whose old member may log in would not begin: that member is
 * retired first. */
static enum status ask_retirement(struct open_engine *w,
				  const struct config_group *role,
				  int64_t now_us, struct due *d,
				  struct reason *why)
{
	bool rotates = d->wanted && d->mode == ENGINE_MODE_ROTATE;
	enum status s;

	if (config_is_at_gateway(role)) {
		ask_end_of_grace(w, role, now_us, d);
		return STATUS_OK;
	}
	if (!config_is_pair(role) ||
	    strcmp(config_string(role, CONFIG_role_retire), "auto") != 0)
		return STATUS_OK;
	s = weigh_retirement(w, role, now_us, d, why);
	if (s != STATUS_OK || (d->wanted && !rotates) || d->known.open_run[0])
		return s;
	/* No one loses a password in a blackout. */
	if (d->hold.blackout_us > 0)
		return s;
	if (d->retire == SCHEDULE_RETIRE_DUE ||
	    (d->retire == SCHEDULE_RETIRE_CLEAR && !rotates)) {
		d->mode = ENGINE_MODE_RETIRE;
		d->wanted = true;
	} else if (d->retire == SCHEDULE_RETIRE_WAITS)
		d->wanted = false;
	return s;
}

/* A command that died has left it; that comes before everything else. */
static void ask_compromise(struct open_engine *w, struct due *d)
{
	d->compromised =
		compromise_is_open(open_engine_ledger(w), d->known.role);
	if (!d->compromised)
		return;
	d->mode = ENGINE_MODE_RECOVER;
	d->wanted = true;
}

/* One login role's next rotation would end the password that the partner has just
 * been given to type in. */
static enum status ask_handoff(struct open_engine *w,
			       const struct config_group *role, int64_t now_us,
			       struct due *d, struct reason *why)
{
	struct handoff h;
	enum status s;

	if (config_is_pair(role) || !d->wanted ||
	    d->mode != ENGINE_MODE_ROTATE || d->known.open_run[0])
		return STATUS_OK;
	s = handoff_load(open_engine_ledger(w), role, now_us, &h, why);
	if (s != STATUS_OK || handoff_held(&h, NULL) == STATUS_OK)
		return s;
	d->handing = true;
	d->wanted = d->behind && may_deliver(w, &d->known, now_us);
	d->mode = ENGINE_MODE_RECOVER;
	return STATUS_OK;
}

enum status due_look(struct open_engine *w, const struct config_group *role,
		     int64_t now_us, struct due *ret, struct reason *why)
{
	struct due d = { .mode = ENGINE_MODE_RECOVER, .closes_us = INT64_MAX };
	enum status s;

	s = open_remembered(open_engine_opened(w), open_engine_ledger(w), role,
			    &d.known, why);
	text_copy(d.known.role, sizeof(d.known.role), config_name(role));
	if (s == STATUS_NOT_FOUND) {
		d.untaken = !d.known.open_run[0];
		d.wanted = !d.untaken;
		s = STATUS_OK;
	} else if (s != STATUS_OK) {
		d.doubt = s;
		d.wanted = true;
		s = STATUS_OK;
	} else if (d.known.learnt) {
		d.unseen = !d.known.open_run[0];
		d.wanted = !d.unseen;
	} else {
		d.behind = d.known.undelivered_us > 0 ||
			   is_told_otherwise(w, role, &d.known);
		d.wanted = d.known.open_run[0] ||
			   (d.behind && may_deliver(w, &d.known, now_us));
		d.ends_us = last_seen_end(w, d.known.role, now_us);
		s = ask_schedule(w, role, now_us, &d, why);
		if (s == STATUS_OK)
			s = ask_retirement(w, role, now_us, &d, why);
		if (s == STATUS_OK)
			s = ask_handoff(w, role, now_us, &d, why);
	}
	if (s == STATUS_OK && !d.untaken && !d.unseen && d.doubt == STATUS_OK)
		ask_compromise(w, &d);
	if (s == STATUS_OK)
		*ret = d;
	return s;
}

/* As long as a claim is waited for. */
#define LOCK_US (2 * NOW_SECOND)

static bool still_wanted(const struct due *d, bool asked,
			 struct runner_result *ret)
{
	if (d->doubt == STATUS_LEDGER_UNAVAILABLE ||
	    d->doubt == STATUS_AUDIT_BROKEN)
		ret->status = d->doubt;
	else if (d->known.frozen)
		ret->status = reason_set(&ret->why, STATUS_FROZEN,
					 "role %s is frozen: %s", d->known.role,
					 d->known.frozen_reason);
	else if (d->untaken || d->unseen || (!d->wanted && !asked))
		ret->status = STATUS_NOTHING_DUE;
	return ret->status == STATUS_OK;
}

void due_run(struct open_engine *w, const struct due_task *t,
	     struct runner_result *ret, struct due *ret_before,
	     struct due *ret_after)
{
	struct due before = { .doubt = STATUS_UNKNOWN }, after = before;
	struct runner_job job = *t->like;
	int lock = -1;
	enum status s;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	s = role_lock_take(open_engine_opened(w), config_name(t->role), LOCK_US,
			   &lock, &ret->why);
	if (s == STATUS_OK)
		s = due_look(w, t->role, now_wall(now_system()), &before,
			     &ret->why);
	ret->status = s;
	if (s == STATUS_OK && still_wanted(&before, t->asked, ret)) {
		job.mode = t->asked ? ENGINE_MODE_ROTATE : before.mode;
		if (job.mode == ENGINE_MODE_RETIRE) {
			job.if_free = true;
			job.reason = before.retire_why.text;
		}
		(before.compromised ? compromise_run : rotate_run)(
			w, config_name(t->role), &job, t->watch, t->arg, ret);
		if (job.mode == ENGINE_MODE_RETIRE &&
		    ret->status == STATUS_DEFERRED)
			remember_deferral(w, config_name(t->role));
	}
	if (s != STATUS_OK || due_look(w, t->role, now_wall(now_system()),
				       &after, NULL) != STATUS_OK)
		after.doubt = STATUS_UNKNOWN;
	role_lock_end(lock);
	*ret_before = before;
	*ret_after = after;
}
