/* SPDX-License-Identifier: PostgreSQL */
/* Weighs whether an old password may end; must never take what was not seen for
 * what is not there. */
#include "schedule/schedule_retire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/now.h"

/* ---- looks --------------------------------------------------------------------- */

static bool is_next(const struct schedule_retire_seen *now,
		    const struct schedule_retire_seen *before, int64_t gap_us)
{
	return before->taken_us > 0 && now->taken_us >= before->taken_us &&
	       now->taken_us - before->taken_us <= gap_us &&
	       strcmp(now->version, before->version) == 0;
}

void schedule_retire_add(struct schedule_retire_seen *now,
			 const struct schedule_retire_seen *before,
			 int64_t gap_us)
{
	if (now->sessions > 0 || !now->visible)
		now->quiet_us = 0;
	else if (is_next(now, before, gap_us) && before->quiet_us > 0)
		now->quiet_us = before->quiet_us;
	else
		now->quiet_us = now->taken_us;
}

bool schedule_retire_is_news(const struct schedule_retire_seen *now,
			     const struct schedule_retire_seen *noted)
{
	return strcmp(now->version, noted->version) != 0 ||
	       strcmp(now->admin, noted->admin) != 0 ||
	       now->quiet_us != noted->quiet_us ||
	       (now->sessions > 0) != (noted->sessions > 0) ||
	       (now->retired_us < 0) != (noted->retired_us < 0) ||
	       now->may_login != noted->may_login ||
	       now->visible != noted->visible || now->kept != noted->kept;
}

#define LINE "%" PRId64 " %" PRId64 " %s %" PRId64 " %" PRId64 " %" PRId64

void schedule_retire_write(const struct schedule_retire_seen *s, struct text *t)
{
	text_printf(t, LINE " %d %d %d %s", s->taken_us, s->quiet_us,
		    s->version, s->live_us, s->sessions, s->retired_us,
		    s->may_login, s->visible, s->kept, s->admin);
}

bool schedule_retire_read(const char *line, struct schedule_retire_seen *ret)
{
	struct schedule_retire_seen s = { .taken_us = 0 };
	int may_login = 0, visible = 0, kept = 0, end = -1;

	*ret = s;
	if (sscanf(line,
		   "%" SCNd64 " %" SCNd64 " %36s %" SCNd64 " %" SCNd64
		   " %" SCNd64 " %d %d %d %n",
		   &s.taken_us, &s.quiet_us, s.version, &s.live_us, &s.sessions,
		   &s.retired_us, &may_login, &visible, &kept, &end) < 9 ||
	    end < 0)
		return false;
	s.may_login = may_login != 0;
	s.visible = visible != 0;
	s.kept = kept != 0;
	text_cut(s.admin, sizeof(s.admin), line + end);
	*ret = s;
	return true;
}

/* ---- the decision ---------------------------------------------------------------- */

static enum schedule_retire_verdict blind(const struct schedule_retire *r,
					  const struct schedule_retire_seen *s,
					  struct reason *why)
{
	char age[32];

	if (s->taken_us == 0)
		reason_set(why, STATUS_DEFERRED,
			   "who uses the old member was never looked at; "
			   "keyturnd does so once a poll");
	else if (s->taken_us > r->now_us)
		reason_set(why, STATUS_DEFERRED,
			   "the last look at who uses the old member is of a "
			   "time that is to come: a clock was wrong");
	else
		reason_set(why, STATUS_DEFERRED,
			   "who uses the old member was last looked at %s ago; "
			   "does keyturnd run?",
			   now_age(r->now_us - s->taken_us, age));
	return SCHEDULE_RETIRE_BLIND;
}

static bool is_younger(const struct schedule_retire *r,
		       const struct schedule_retire_seen *s, int64_t than_us)
{
	return s->taken_us > 0 && s->taken_us <= r->now_us &&
	       r->now_us - s->taken_us <= than_us;
}

/* By both clocks: one of them may be wrong. */
static int64_t grace_left(const struct schedule_retire *r,
			  const struct schedule_retire_seen *s)
{
	int64_t since = r->now_us - r->rotated_us;

	if (s->live_us < since)
		since = s->live_us;
	if (since < 0)
		since = 0;
	return r->rotated_us == 0  ? INT64_MAX :
	       since < r->grace_us ? r->grace_us - since :
				     0;
}

/* The old member may log in.  STATUS_OK: it should not any more. */
static enum status judge_open(const struct schedule_retire *r,
			      const struct schedule_retire_seen *s,
			      struct reason *why)
{
	int64_t from = s->quiet_us > r->deferred_us ? s->quiet_us :
						      r->deferred_us;
	int64_t quiet = s->taken_us > from ? s->taken_us - from : 0;
	char is[32], wanted[32];

	now_age(quiet, is);
	now_age(r->quiet_us, wanted);
	if (!s->visible)
		return reason_set(
			why, STATUS_DEFERRED,
			"the old member's sessions are not shown to keyturn's "
			"admin, and what is not seen is not quiet; run as a "
			"superuser GRANT pg_read_all_stats TO \"%s\", or see "
			"keyturn check",
			s->admin);
	if (r->rotated_us == 0 || r->rotated_us > r->now_us)
		return reason_set(why, STATUS_DEFERRED,
				  "since when the current password is that is "
				  "not known, or a clock was wrong");
	if (grace_left(r, s) > 0)
		return reason_set(why, STATUS_DEFERRED,
				  "the grace of the old password ends in %s",
				  now_age(grace_left(r, s), is));
	if (s->quiet_us == 0)
		return reason_set(why, STATUS_DEFERRED,
				  "the old member is in use (sessions: %" PRId64
				  ")",
				  s->sessions);
	if (quiet < r->quiet_us)
		return reason_set(why, STATUS_DEFERRED,
				  "the old member was quiet for %s of %s", is,
				  wanted);
	if (r->decided)
		return reason_set(why, STATUS_OK,
				  "retire = auto: the old member was quiet for "
				  "%s, and %s",
				  is, r->decided);
	if (r->expected == 0 || r->adopted < r->expected)
		return reason_set(why, STATUS_DEFERRED,
				  "%zu of %zu consumers were seen with the new "
				  "password",
				  r->adopted, r->expected);
	return reason_set(why, STATUS_OK,
			  "retire = auto: the old member was quiet for %s, and "
			  "%zu of %zu consumers were seen with the new "
			  "password",
			  is, r->adopted, r->expected);
}

enum schedule_retire_verdict schedule_retire_judge(
	const struct schedule_retire *r, const struct schedule_retire_seen *s,
	struct reason *why)
{
	bool same = strcmp(s->version, r->version) == 0;
	bool fresh = is_younger(r, s, r->gap_us);
	char a[32];

	reason_clear(why);
	if (!r->version[0] ||
	    (same && s->taken_us > r->last_run_us && !s->may_login &&
	     (!s->kept || s->retired_us < 0)))
		return SCHEDULE_RETIRE_NOTHING;
	if (!is_younger(r, s, r->gap_us + r->noted_us))
		return blind(r, s, why);
	if (!same || s->taken_us <= r->last_run_us) {
		reason_set(
			why, STATUS_DEFERRED,
			"who uses the old member was not looked at since the "
			"last run");
		return SCHEDULE_RETIRE_BLIND;
	}
	if (s->may_login)
		return judge_open(r, s, why) == STATUS_OK && fresh ?
			       SCHEDULE_RETIRE_DUE :
			       SCHEDULE_RETIRE_WAITS;
	if (s->retired_us >= r->tombstone_us && fresh) {
		reason_set(why, STATUS_OK,
			   "retire = auto: the old member has been without "
			   "LOGIN for %s",
			   now_age(s->retired_us, a));
		return SCHEDULE_RETIRE_CLEAR;
	}
	reason_set(why, STATUS_DEFERRED,
		   "the old member may not log in; its password is removed in "
		   "%s",
		   now_age(s->retired_us < r->tombstone_us ?
				   r->tombstone_us - s->retired_us :
				   0,
			   a));
	return SCHEDULE_RETIRE_KEEPS;
}
