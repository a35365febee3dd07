/* SPDX-License-Identifier: PostgreSQL */
/* Tells of what is to come; must never tell one step twice, or of a rotation that
 * will not be. */
#include "jobs/notice.h"

#include "open/open_schedule.h"
#include "schedule/schedule_time.h"

/* Will it be rotated by itself? */
static bool is_coming(const struct due *d)
{
	return d->hold.turn.due_us > 0 && !d->known.frozen && !d->untaken &&
	       !d->unseen && d->doubt == STATUS_OK && !d->known.open_run[0];
}

void notice_sentence(const struct config_group *role, const char *when,
		     const char *zone, int64_t left_us, struct reason *ret)
{
	char left[32];

	reason_set(ret, STATUS_OK, "the %s of %s %s in %s, on %s, time zone %s",
		   config_is_pair(role) ? "user name and the password" :
					  "password",
		   config_name(role),
		   config_is_pair(role) ? "change" : "changes",
		   now_age(left_us, left), when, zone);
}

static enum status tell(struct open_engine *w, const struct config_group *role,
			const struct due *d,
			const struct schedule_notice_told *now_told,
			const char *was, struct audit_event *e,
			struct reason *why)
{
	const struct schedule_zone *zone = NULL;
	char due[NOW_STAMP_SIZE], planned[NOW_STAMP_SIZE], step[32];
	char local[SCHEDULE_TIME_SIZE], show[SCHEDULE_TIME_SIZE];
	char fact[SCHEDULE_NOTICE_SIZE];
	const char *name = "";
	struct reason sentence;
	enum status s;

	s = open_engine_calendar_partner(open_engine_calendar(w), role, &zone,
					 &name, why);
	if (s != STATUS_OK)
		return s;
	notice_sentence(role, schedule_time_show(zone, now_told->at_us, show),
			name, now_told->at_us - e->at_us, &sentence);
	e->detail = sentence.text;
	e->due = now_stamp(d->hold.turn.due_us, due);
	e->planned = now_stamp(now_told->at_us, planned);
	e->local = schedule_time_local(zone, now_told->at_us, local);
	e->zone = name;
	e->step = now_age(now_told->step_us, step);
	schedule_notice_write(now_told, fact);
	return ledger_fact_change(open_engine_ledger(w), LEDGER_FACT_TOLD,
				  config_name(role), was, fact, e, why);
}

enum status notice_tell(struct open_engine *w, const struct config_group *role,
			const struct due *d, const char *actor, int64_t now_us,
			bool *ret_told, struct reason *why)
{
	const struct config *c = open_config(open_engine_opened(w));
	struct audit_event e = audit_event_make(
		AUDIT_UPCOMING, config_name(role), actor, "", "");
	struct schedule_notice_told told = { .step_us = 0 }, next;
	struct schedule_notice n = { .n = 0 };
	char fact[LEDGER_TEXT_SIZE] = "";
	enum status s;

	*ret_told = false;
	s = open_schedule_notice(c, role, &n, why);
	if (s != STATUS_OK || n.n == 0 || !is_coming(d))
		return s;
	s = ledger_fact_recall(open_engine_ledger(w), LEDGER_FACT_TOLD,
			       config_name(role), now_us, fact, why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return s;
	schedule_notice_read(fact, &told);
	next = (struct schedule_notice_told){
		.due_us = d->hold.turn.due_us,
		.at_us = d->hold.turn.at_us,
		.step_us = schedule_notice_step(&n, &told, d->hold.turn.due_us,
						d->hold.turn.at_us, now_us),
	};
	if (next.step_us == 0)
		return STATUS_OK;
	e.at_us = now_us;
	s = tell(w, role, d, &next, fact, &e, why);
	*ret_told = s == STATUS_OK;
	/* Another process told of it just now. */
	return s == STATUS_CONFLICT ? STATUS_OK : s;
}

int64_t notice_wake(struct open_engine *w, const struct config_group *role,
		    const struct due *d, int64_t now_us)
{
	const struct config *c = open_config(open_engine_opened(w));
	const int64_t times[] = { d->next_us, d->hold.turn.at_us,
				  d->hold.postponed_us, d->hold.blackout_us };
	struct schedule_notice n = { .n = 0 };
	int64_t wake = INT64_MAX;

	if (is_coming(d) &&
	    open_schedule_notice(c, role, &n, NULL) == STATUS_OK)
		wake = schedule_notice_next(&n, d->hold.turn.at_us, now_us);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (times[i] > now_us && times[i] < wake)
			wake = times[i];
	return wake;
}
