/* SPDX-License-Identifier: PostgreSQL */
/* Does what may take time; must never touch what the scheduler decides by. */
#include "daemon/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/now.h"
#include "jobs/adoption.h"
#include "jobs/due.h"
#include "jobs/follow.h"
#include "jobs/grace.h"
#include "jobs/handoff_watch.h"
#include "jobs/hook_state.h"
#include "jobs/notice.h"
#include "report/report.h"

/* How often the store is asked for roles that the ledger does not know: only a
 * lost ledger could have made them known, and who takes one over writes it. */
#define STORE_AGAIN (600 * NOW_SECOND)
/* A store that was away is not asked by looks for so long: each question may take
 * its whole timeout.  Meanwhile runs try it, which hold up no one. */
#define STORE_RETRY (15 * NOW_SECOND)
/* How long a wish survives that cannot be done. */
#define METRICS_MAX ((size_t)64 << 20)

enum status task_new(enum task_kind kind, struct generation *generation,
		     struct task **ret)
{
	struct task *e = calloc(1, sizeof(*e));

	if (!e)
		return STATUS_NO_MEMORY;
	e->kind = kind;
	if (kind == TASK_WRITE)
		e->u.write.text = text_make(METRICS_MAX);
	if (kind == TASK_LOOK) {
		e->u.all.looks = calloc(generation->n_roles + 1,
					sizeof(*e->u.all.looks));
		if (!e->u.all.looks) {
			free(e);
			return STATUS_NO_MEMORY;
		}
	}
	e->generation = generation;
	if (generation)
		generation_hold(generation);
	*ret = e;
	return STATUS_OK;
}

void task_free(struct task *e)
{
	if (!e)
		return;
	if (e->generation)
		generation_drop(e->generation);
	if (e->kind == TASK_WRITE)
		text_free(&e->u.write.text);
	if (e->kind == TASK_LOOK) {
		free(e->u.all.looks);
		free(e->u.all.hooks);
	}
	free(e);
}

static struct task_look look_of(struct task *e, const struct config_group *role,
				const struct due *d, int64_t taken_at)
{
	const struct ledger_role *k = &d->known;
	int64_t now = now_wall(now_system());

	return (struct task_look){
		.wake_us = notice_wake(e->generation->engine, role, d, now),
		.finding = { .taken_at = taken_at,
			     .wanted = d->wanted,
			     .frozen = k->frozen,
			     .untaken = d->untaken || d->unseen,
			     .blackout = d->hold.blackout_us > 0,
			     .interrupted = d->compromised ||
					    k->open_run[0] != '\0',
			     .left_us = d->closes_us == INT64_MAX ?
						0 :
						d->closes_us - now,
			     .failures = k->failures,
			     .last_ago_us = now - k->last_run_us },
		.rotated_us = k->rotated_us,
		.next_due_us = d->next_us,
		.failures = k->failures,
		.behind = d->behind ||
			  follow_look(e->generation->engine, role, k->version,
				      NULL, NULL, NULL),
		.ends_early = report_ends_early(d->ends_us, d->next_us, now),
		.late = !d->wanted && !d->held && !d->handing &&
			d->next_us > 0 && d->next_us <= now &&
			d->retire != SCHEDULE_RETIRE_WAITS,
		.postponed = d->hold.postponed_us > 0,
		.blackout = d->hold.blackout_us > 0,
		.held = d->held,
		.planned_us = d->hold.turn.due_us > 0 && !k->frozen ?
				      d->hold.turn.at_us :
				      0,
		.unseen = d->unseen,
		.ahead = d->ahead,
		.open = k->open_run[0] != '\0',
		.store_away = d->doubt == STATUS_STORE_UNAVAILABLE,
	};
}

static bool is_ledgers(enum status s)
{
	return s == STATUS_LEDGER_UNAVAILABLE || s == STATUS_AUDIT_BROKEN;
}

/* ---- what owners asked for ------------------------------------------------- */

/* Known to the ledger until it is done, so that it outlives keyturnd. */
static bool recall_request(struct task *e, const char *role, int64_t *ret_us)
{
	struct ledger *l = e->generation->ledger;
	char value[LEDGER_TEXT_SIZE];

	if (ledger_fact_recall(l, LEDGER_FACT_ASKED, role,
			       now_wall(now_system()), value,
			       NULL) != STATUS_OK)
		return false;
	*ret_us = strtoll(value, NULL, 10);
	return true;
}

static enum status remember_request(struct task *e, const char *role,
				    int64_t at_us, struct reason *why)
{
	char value[32];

	snprintf(value, sizeof(value), "%lld", (long long)at_us);
	return ledger_fact_remember(e->generation->ledger, LEDGER_FACT_ASKED,
				    role, value, now_wall(now_system()), why);
}

/* By the wall clock. */
static int64_t began(const struct task *e)
{
	return now_wall(now_system()) - (now_boot(now_system()) - e->began);
}

/* Done, or never to be done; what was asked for since it began is not. */
static void forget_request(struct task *e)
{
	enum status s = e->u.run.result.status;
	int64_t at;

	if (s != STATUS_OK && s != STATUS_NOTHING_DUE && s != STATUS_FROZEN &&
	    s != STATUS_UNDELIVERED)
		return;
	if (recall_request(e, e->u.run.role, &at) && at <= began(e))
		ledger_fact_drop(e->generation->ledger, LEDGER_FACT_ASKED,
				 e->u.run.role, NULL);
}

/* ---- hand-offs ----------------------------------------------------------------- */

/* What has come to pass of it is recorded. */
static enum status look_at_handoff(struct task *e,
				   const struct config_group *role,
				   struct task_look *look, struct reason *why)
{
	struct handoff h;
	enum status s =
		handoff_watch(e->generation->engine, role, e->actor, &h, why);

	if (s != STATUS_OK)
		return s;
	look->handoff_open = h.manual && h.version[0] && !handoff_is_over(&h);
	look->handoff_late = h.late;
	return STATUS_OK;
}

/* ---- a run ----------------------------------------------------------------- */

static void run_role(struct task *e)
{
	const struct runner_job like = {
		.fresh = e->u.run.requested,
		.reason = e->u.run.requested ? TASK_REQUESTED : "",
	};
	const struct config_group *role = NULL;
	struct due before, after;

	e->u.run.result.status = open_role(e->generation->opened, e->u.run.role,
					   &role, &e->u.run.result.why);
	if (e->u.run.result.status != STATUS_OK)
		return;
	due_run(e->generation->engine,
		&(struct due_task){ .role = role,
				    .asked = e->u.run.requested,
				    .like = &like },
		&e->u.run.result, &before, &after);
	if (e->u.run.requested)
		forget_request(e);
	e->u.run.moved =
		e->u.run.result.version[0] && before.doubt == STATUS_OK &&
		strcmp(e->u.run.result.version, before.known.version) != 0;
	/* Nothing is newer than this; what is in doubt is not known at all. */
	if (after.doubt == STATUS_OK)
		e->u.run.look = look_of(e, role, &after, INT64_MAX);
	/* What fails here is found again by the next look. */
	look_at_handoff(e, role, &e->u.run.look, NULL);
	if (e->u.run.look.ends_early)
		report_ending(after.ends_us, after.next_us, open_rolname(role),
			      &e->u.run.ending);
}

/* ---- a look ---------------------------------------------------------------- */

/* What can be said of a role without its store, if anything. */
static enum status look_aside(struct task *e, size_t i, bool away,
			      struct due *ret, struct reason *why)
{
	struct ledger *l = e->generation->ledger;
	struct due d = { .mode = ENGINE_MODE_RECOVER, .closes_us = INT64_MAX };
	enum status s;

	s = l->ops->roles->get(l, config_name(e->generation->roles[i]),
			       &d.known, why);
	if (s == STATUS_NOT_FOUND && !away) {
		d.untaken = true;
	} else if (away && (s == STATUS_NOT_FOUND ||
			    (s == STATUS_OK && d.known.rotated_us == 0))) {
		d.doubt = STATUS_STORE_UNAVAILABLE;
		d.wanted = true;
	} else {
		return STATUS_NOT_FOUND;
	}
	*ret = d;
	return STATUS_OK;
}

/* As due_look(), but a store is not asked each time, and one that is away not
 * for each of its roles. */
static enum status look_at(struct task *e, size_t i, struct due *d,
			   struct reason *why)
{
	const struct config_group *role = e->generation->roles[i];
	int64_t *asked = &e->generation->store_asked[i];
	int64_t *away_at = generation_store_away(e->generation, role);
	int64_t now = now_boot(now_system());
	bool lately = *asked > 0 && now - *asked < STORE_AGAIN;
	bool away = *away_at > 0 && now - *away_at < STORE_RETRY;
	enum status s;

	if ((lately || away) &&
	    look_aside(e, i, away && !lately, d, why) == STATUS_OK)
		return STATUS_OK;
	s = due_look(e->generation->engine, role, now_wall(now_system()), d,
		     why);
	*asked = s == STATUS_OK && (d->untaken || d->unseen) ? now : 0;
	if (s == STATUS_OK && d->doubt == STATUS_STORE_UNAVAILABLE)
		*away_at = now_boot(now_system());
	return s;
}

static enum status look_at_hooks(struct task *e, struct reason *why)
{
	const struct config *c = e->generation->config;
	size_t n = config_count(c, CONFIG_SECTION_hook);
	struct hook_state state;
	enum status s;

	e->u.all.hooks = calloc(n + 1, sizeof(*e->u.all.hooks));
	if (!e->u.all.hooks)
		return reason_no_memory(why);
	for (size_t i = 0; i < n; i++) {
		s = hook_state_load(
			e->generation->ledger,
			config_name(config_at(c, CONFIG_SECTION_hook, i)),
			&state, why);
		if (s != STATUS_OK)
			return s;
		text_copy(e->u.all.hooks[i].name,
			  sizeof(e->u.all.hooks[i].name), state.hook);
		e->u.all.hooks[i].attempts = state.attempts;
		e->u.all.hooks[i].lost = state.lost;
		e->u.all.n_hooks = i + 1;
	}
	return STATUS_OK;
}

/* Hooks hear of it, and the log says so. */
static enum status tell_of_next(struct task *e, size_t i, const struct due *d)
{
	const struct config_group *role = e->generation->roles[i];
	char planned[NOW_STAMP_SIZE];
	bool told = false;
	enum status s;

	s = notice_tell(e->generation->engine, role, d, e->actor,
			now_wall(now_system()), &told, &e->why);
	if (told)
		log_line(LOG_LEVEL_INFO,
			 "%s: notice was given of the rotation "
			 "at %s",
			 config_name(role),
			 now_stamp(d->hold.turn.at_us, planned));
	e->u.all.told += told;
	return s;
}

/* The same of an old password that is still in use. */
static enum status tell_of_grace(struct task *e, size_t i, const struct due *d)
{
	const struct config_group *role = e->generation->roles[i];
	int64_t looks_us = now_boot(now_system()) - e->generation->opened_us;
	const struct grace_watch g = {
		.role = role,
		.known = &d->known,
		.looked = looks_us >= adoption_gap_us(e->generation->config),
		.actor = e->actor,
		.now_us = now_wall(now_system()),
	};
	bool told = false;
	enum status s = grace_tell(e->generation->engine, &g, &told, &e->why);

	if (told)
		log_line(LOG_LEVEL_WARN,
			 "%s: the old password is still used and soon refused; "
			 "notice was given (keyturn adoption %s)",
			 config_name(role), config_name(role));
	e->u.all.told += told;
	return s;
}

static void look_at_roles(struct task *e)
{
	struct ledger *l = e->generation->ledger;
	struct due d;
	enum status s = STATUS_OK;
	int64_t asked_at;

	for (size_t i = 0; i < e->generation->n_roles && s == STATUS_OK; i++) {
		int64_t taken_at = now_boot(now_system());

		s = look_at(e, i, &d, &e->why);
		if (s == STATUS_OK && is_ledgers(d.doubt))
			s = d.doubt;
		if (s == STATUS_OK) {
			e->u.all.looks[i] = look_of(e, e->generation->roles[i],
						    &d, taken_at);
			e->u.all.looks[i].store_there =
				(d.untaken || d.unseen) &&
				e->generation->store_asked[i] >= taken_at;
		}
		if (s == STATUS_OK)
			s = tell_of_next(e, i, &d);
		if (s == STATUS_OK)
			s = tell_of_grace(e, i, &d);
		if (s == STATUS_OK)
			s = look_at_handoff(e, e->generation->roles[i],
					    &e->u.all.looks[i], &e->why);
		if (s == STATUS_OK && e->u.all.recall)
			e->u.all.looks[i].asked = recall_request(
				e, config_name(e->generation->roles[i]),
				&asked_at);
	}
	if (s == STATUS_OK)
		s = look_at_hooks(e, &e->why);
	if (s == STATUS_OK && e->u.all.checkpoint)
		s = l->ops->trail->checkpoint(l, &e->why);
	if (s == STATUS_OK)
		s = l->ops->trail->head(l, -1, &e->head_seq, e->head, &e->why);
	if (s == STATUS_NOT_FOUND)
		s = STATUS_OK;
	e->status = s;
}

/* ---- the rest -------------------------------------------------------------- */

/* A ledger of another name is a new one; one that was there and is away now is
 * waited for: made again it would have forgotten what is frozen. */
static bool may_make(const struct task *e, const struct generation *made)
{
	return e->u.open.make ||
	       strcmp(generation_string(made, CONFIG_keyturn_ledger),
		      generation_string(e->generation,
					CONFIG_keyturn_ledger)) != 0;
}

/* Another ledger in its place has forgotten what is frozen: it is taken by a
 * start only, at which a person is near. */
static enum status recognise_ledger(struct task *e,
				    const struct generation *made)
{
	const char *path = generation_string(made, CONFIG_keyturn_ledger);
	char hash[LEDGER_HASH_SIZE] = "";
	int64_t seq;
	enum status s;

	if (e->head_seq == 0 ||
	    strcmp(path, generation_string(e->generation,
					   CONFIG_keyturn_ledger)) != 0)
		return STATUS_OK;
	s = made->ledger->ops->trail->head(made->ledger, e->head_seq, &seq,
					   hash, &e->why);
	if ((s == STATUS_OK && strcmp(hash, e->head) == 0) ||
	    (s != STATUS_OK && s != STATUS_NOT_FOUND))
		return s;
	return reason_set(&e->why, STATUS_LEDGER_UNAVAILABLE,
			  "%s is not the ledger that was there: its trail "
			  "does not have what was event %lld; put the right "
			  "one back, or restart keyturnd with this one",
			  path, (long long)e->head_seq);
}

static void open_it(struct task *e)
{
	struct generation *made = NULL;
	enum status s;

	s = e->kind == TASK_LOAD ?
		    generation_load(e->u.open.path, &made, &e->why) :
		    generation_again(e->generation, &made, &e->why);
	/* The one in force works: nothing worse takes its place. */
	if (s == STATUS_OK && e->kind == TASK_LOAD &&
	    (s = generation_judge(made, &e->why)) != STATUS_OK) {
		generation_free(made);
		made = NULL;
	}
	if (s == STATUS_OK)
		s = generation_open(made, may_make(e, made), e->actor,
				    e->u.open.tell, &e->u.open.lost, &e->why);
	if (s == STATUS_OK && (s = recognise_ledger(e, made)) != STATUS_OK) {
		generation_free(made);
		made = NULL;
	}
	e->status = s;
	if (s == STATUS_OK || (made && e->u.open.patient && is_ledgers(s)))
		e->u.open.made = made;
	else
		generation_free(made);
}

static void note_request(struct task *e)
{
	struct ledger *l = e->generation->ledger;
	const struct audit_event ev = audit_event_make(
		AUDIT_REQUEST, e->u.note, e->actor, "", TASK_REQUESTED);

	e->status = l->ops->trail->note(l, &ev, 1, true, &e->why);
	if (e->status == STATUS_OK)
		e->status = remember_request(e, e->u.note, began(e), &e->why);
}

static void write_text(struct task *e)
{
	const struct file_owner owner = { (uid_t)-1, (gid_t)-1, 0644 };

	e->status = text_status(&e->u.write.text);
	if (e->status == STATUS_OK)
		e->status = file_replace(e->u.write.path,
					 text_str(&e->u.write.text),
					 e->u.write.text.len, &owner, &e->why);
	else
		reason_set(&e->why, e->status, "the metrics are too long");
}

void task_do(struct task *e)
{
	switch (e->kind) {
	case TASK_RUN:
		run_role(e);
		break;
	case TASK_LOOK:
		look_at_roles(e);
		break;
	case TASK_OPEN:
	case TASK_LOAD:
		open_it(e);
		break;
	case TASK_NOTE:
		note_request(e);
		break;
	case TASK_WRITE:
		write_text(e);
		break;
	}
}
