/* SPDX-License-Identifier: PostgreSQL */
/* Tasks out and back; must never wait for one. */
#include "daemon/daemon_tasks.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/now.h"
#include "daemon/daemon_worker.h"
#include "jobs/rotate.h"

#define NOT_AT_ALL INT64_MAX

/* ---- to and fro ------------------------------------------------------------- */

static void wake_loop(struct daemon *d)
{
	const uint64_t one = 1;
	ssize_t done = write(d->wake_fd, &one, sizeof(one));

	(void)done; /* it is full: then it rings already */
}

void daemon_tasks_do(void *arg, void *thing)
{
	struct daemon *d = arg;
	struct task *e = thing;

	task_do(e);
	pthread_mutex_lock(&d->lock);
	e->next = NULL;
	*d->back_end = e;
	d->back_end = &e->next;
	pthread_mutex_unlock(&d->lock);
	wake_loop(d);
}

/* The agent hands it over again until it is told that we have recorded it. */
void daemon_tasks_request(void *arg, const char *role)
{
	struct daemon *d = arg;
	bool room, waits = false;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->n_requests; i++)
		waits = waits || strcmp(d->requests[i], role) == 0;
	room = waits || d->n_requests < DAEMON_REQUESTS_MAX;
	if (room && !waits &&
	    text_copy(d->requests[d->n_requests], PLAN_NAME_SIZE, role) ==
		    STATUS_OK)
		d->n_requests++;
	pthread_mutex_unlock(&d->lock);
	if (!room)
		log_line(LOG_LEVEL_WARN,
			 "%s: its owner asked for a rotation, but %d requests "
			 "wait already; the agent keeps it",
			 role, DAEMON_REQUESTS_MAX);
	wake_loop(d);
}

/* ---- a generation comes into force --------------------------------------------------- */

enum status daemon_tasks_plan(struct daemon *d,
			      const struct generation *generation,
			      struct plan **ret, struct reason *why)
{
	const struct plan_limits limits = {
		.jobs = (unsigned)config_int(config_find(generation->config,
							 CONFIG_SECTION_keyturn,
							 ""),
					     CONFIG_keyturn_jobs),
		.jitter_us = generation_duration_us(generation,
						    CONFIG_keyturn_jitter),
		.backoff_us = generation_duration_us(generation,
						     CONFIG_keyturn_backoff),
		.backoff_max_us = generation_duration_us(
			generation, CONFIG_keyturn_backoff_max),
		.request_interval_us = generation_duration_us(
			generation, CONFIG_keyturn_request_interval),
	};
	struct plan *a = NULL;
	struct task_look *looks;

	if (plan_new(&limits, open_random(), generation->n_roles, &a) !=
	    STATUS_OK)
		return reason_no_memory(why);
	looks = calloc(generation->n_roles + 1, sizeof(*looks));
	if (!looks) {
		plan_free(a);
		return reason_no_memory(why);
	}
	for (size_t i = 0; i < generation->n_roles; i++)
		plan_add(a, config_name(generation->roles[i]),
			 config_string(generation->roles[i],
				       CONFIG_role_cluster),
			 config_string(generation->roles[i],
				       CONFIG_role_store));
	free(d->looks);
	d->looks = looks;
	*ret = a;
	return STATUS_OK;
}

/* The generation in force, which is not it any more. */
static void retire_generation(struct daemon *d)
{
	struct daemon_retired *r = malloc(sizeof(*r));

	hook_dispatch_stop(d->generation->dispatch);
	refresher_stop(d->refresher);
	sampler_stop(d->sampler);
	follower_stop(d->follower);
	if (r) { /* else it is never freed, and nothing else is wrong */
		*r = (struct daemon_retired){ d->retired, d->generation,
					      d->refresher, d->sampler,
					      d->follower };
		d->retired = r;
	}
	d->refresher = NULL;
	d->sampler = NULL;
	d->follower = NULL;
	d->followed = 0;
}

static void put_in_force(struct daemon *d, struct generation *made, bool fresh,
			 int64_t now)
{
	struct reason why;

	retire_generation(d);
	d->generation = made;
	d->looked = false;
	d->next_look = now;
	d->changed = true;
	if (!made->ledger)
		return;
	d->head_seq = 0; /* the next look says */
	d->ledger_made = true;
	d->trouble[0] = '\0';
	plan_site_good(&d->plan->sites[PLAN_SITE_LEDGER]);
	if (refresher_start(made, fresh, d->actor, &d->refresher, &why) !=
	    STATUS_OK)
		log_line(LOG_LEVEL_ERROR, "no file is kept fresh: %s",
			 why.text);
	if (sampler_start(made, &d->sampler, &why) != STATUS_OK)
		log_line(LOG_LEVEL_ERROR, "who uses the roles is not seen: %s",
			 why.text);
	if (follower_start(made, d->actor, &d->follower, &why) != STATUS_OK)
		log_line(LOG_LEVEL_ERROR, "nothing is delivered: %s", why.text);
}

static void ledger_failed(struct daemon *d, int64_t began, int64_t now,
			  const struct reason *why)
{
	struct plan_site *ledger = &d->plan->sites[PLAN_SITE_LEDGER];
	char age[32];

	plan_site_failed(d->plan, ledger, began, now);
	text_copy(d->trouble, sizeof(d->trouble), why->text);
	d->changed = true;
	log_line(LOG_LEVEL_ERROR, "%s; nothing is rotated, tried again in %s",
		 why->text, now_age(ledger->not_before - now, age));
}

static void take_opened(struct daemon *d, struct task *e, int64_t now)
{
	if (e->status != STATUS_OK) {
		ledger_failed(d, e->began, now, &e->why);
		return;
	}
	if (e->u.open.lost)
		log_line(LOG_LEVEL_WARN,
			 "the ledger file was missing; a new one was created. "
			 "The history is lost; passwords are not affected. "
			 "What was frozen is not known any more");
	else if (d->trouble[0])
		log_line(LOG_LEVEL_INFO, "the ledger is back");
	put_in_force(d, e->u.open.made, e->u.open.make, now);
}

static void take_loaded(struct daemon *d, struct task *e, int64_t now)
{
	struct plan *a = NULL, *old = d->plan;

	d->changed = true;
	if (e->u.open.made &&
	    daemon_tasks_plan(d, e->u.open.made, &a, &e->why) != STATUS_OK) {
		generation_free(e->u.open.made);
		e->u.open.made = NULL;
		e->status = STATUS_NO_MEMORY;
	}
	d->reload_ok = e->u.open.made != NULL;
	if (!d->reload_ok) {
		log_line(LOG_LEVEL_ERROR,
			 "the new configuration is refused and the old one "
			 "stays in force: %s",
			 e->why.text);
	} else {
		plan_inherit(a, old);
		d->plan = a;
		plan_free(old);
		put_in_force(d, e->u.open.made, true, now);
		d->reloaded_us = now_wall(now_system());
		log_line(LOG_LEVEL_INFO,
			 "the new configuration is in force: %zu roles",
			 d->generation->n_roles);
		if (e->status != STATUS_OK)
			ledger_failed(d, now, now, &e->why);
	}
	notify_send("READY=1");
}

/* ---- what was looked at ---------------------------------------------------------- */

static void take_look(struct daemon *d, size_t i, const struct task_look *l,
		      int64_t now)
{
	const char *role = d->plan->roles[i].name;

	if (l->finding.taken_at == 0)
		return;
	if (l->unseen && !d->looks[i].unseen)
		log_line(LOG_LEVEL_WARN,
			 "%s: the store knows this role and the ledger does "
			 "not; it may have been frozen, so it is not rotated "
			 "until keyturn recover or rotate names it",
			 role);
	if (l->ahead && !d->looks[i].ahead)
		log_line(LOG_LEVEL_WARN,
			 "%s: was last rotated at a time that is to come: a "
			 "clock was or is wrong; it counts as due",
			 role);
	if (l->held && !d->looks[i].held)
		log_line(LOG_LEVEL_WARN, "%s: is due and not rotated: it %s",
			 role,
			 l->blackout ? "is in a blackout" : "was postponed");
	if (l->late && !d->looks[i].late && d->plan->roles[i].wanted)
		log_line(LOG_LEVEL_WARN,
			 "%s: its window closed before it was its turn; it "
			 "waits for the next one",
			 role);
	d->looks[i] = *l;
	plan_learn(d->plan, &d->plan->roles[i], &l->finding, now);
}

/* One that is away is tried by one role at a time, and the jobs are left to the
 * others. */
static void judge_store(struct daemon *d, size_t i, const struct task *e,
			int64_t now)
{
	struct plan_site *s = &d->plan->sites[d->plan->roles[i].store];

	if (e->u.all.looks[i].store_there)
		plan_site_good(s);
	else if (e->u.all.looks[i].store_away && s->failures == 0)
		plan_site_failed(d->plan, s, e->began, now);
}

static void take_looked(struct daemon *d, struct task *e, int64_t now)
{
	int64_t wall = now_wall(now_system());

	if (e->generation != d->generation) {
		d->next_look = now;
		return;
	}
	if (e->status != STATUS_OK) {
		ledger_failed(d, e->began, now, &e->why);
		return;
	}
	for (size_t i = 0; i < d->plan->n_roles; i++) {
		judge_store(d, i, e, now);
		take_look(d, i, &e->u.all.looks[i], now);
	}
	for (size_t i = 0; i < d->plan->n_roles; i++)
		if (e->u.all.looks[i].asked)
			plan_ask(d->plan, &d->plan->roles[i]);
	d->recalled = true;
	d->head_seq = e->head_seq;
	memcpy(d->head, e->head, sizeof(d->head));
	d->next_due_us = INT64_MAX;
	for (size_t i = 0; i < d->plan->n_roles; i++)
		if (d->looks[i].finding.taken_at != 0 &&
		    d->looks[i].wake_us > wall &&
		    d->looks[i].wake_us < d->next_due_us)
			d->next_due_us = d->looks[i].wake_us;
	if (e->u.all.told > 0) {
		d->checkpoint = true;
		hook_dispatch_wake(d->generation->dispatch);
	}
	free(d->hooks);
	d->hooks = e->u.all.hooks;
	d->n_hooks = e->u.all.n_hooks;
	e->u.all.hooks = NULL;
	d->looked = true;
	d->next_look = now + generation_duration_us(d->generation,
						    CONFIG_keyturn_poll);
	d->changed = true;
}

/* ---- a run ------------------------------------------------------------------------- */

static void log_run(struct daemon *d, const struct task *e,
		    const struct plan_role *role, int64_t now)
{
	const struct runner_result *r = &e->u.run.result;
	char age[32] = "";
	int64_t until;

	if (r->went_back || r->disowned)
		log_line(LOG_LEVEL_WARN, "%s: %s%s%s", e->u.run.role,
			 r->went_back ? RUNNER_WENT_BACK : "",
			 r->went_back && r->disowned ? "; " : "",
			 r->disowned ? RUNNER_DISOWNED : "");
	if (r->status == STATUS_OK) {
		log_line(r->unconfirmed ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
			 "%s: %s%s, version %s, %.3f s%s%s", e->u.run.role,
			 rotate_outcome(r, ENGINE_MODE_RECOVER, e->u.run.moved),
			 e->u.run.requested ? " (" TASK_REQUESTED ")" : "",
			 r->version[0] ? r->version : "none",
			 (double)r->took_us / NOW_SECOND,
			 r->unconfirmed ? "; " : "",
			 r->unconfirmed ? RUNNER_UNCONFIRMED : "");
		return;
	}
	until = role ? plan_pause(d->plan, role) : 0;
	if (role && !role->frozen && until > now)
		now_age(until - now, age);
	log_line(r->status == STATUS_DEFERRED ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
		 "%s: %s%s%s%s%s", e->u.run.role, status_sentence(r->status),
		 r->why.text[0] ? ": " : "", r->why.text,
		 age[0] ? "; tried again in " : "", age);
}

static void take_run(struct daemon *d, struct task *e, int64_t now)
{
	struct plan_role *role = plan_find(d->plan, e->u.run.role);
	enum status s = e->u.run.result.status;

	d->runs--;
	d->changed = true;
	if (!role) {
		plan_end_gone(d->plan, e->u.run.role);
	} else if (role->running) {
		if (e->u.run.result.cluster_bad)
			plan_end_doubted(d->plan, role, s, now);
		else
			plan_end(d->plan, role, s, now);
		take_look(d, (size_t)(role - d->plan->roles), &e->u.run.look,
			  now);
	}
	if (e->u.run.look.wake_us > now_wall(now_system()) &&
	    e->u.run.look.wake_us < d->next_due_us)
		d->next_due_us = e->u.run.look.wake_us;
	if (s == STATUS_NOTHING_DUE)
		return;
	d->checkpoint = true;
	if (s == STATUS_OK)
		d->runs_ok++;
	else if (s == STATUS_DEFERRED)
		d->runs_deferred++;
	else
		d->runs_failed++;
	log_run(d, e, role, now);
	if (s == STATUS_OK && e->u.run.ending.text[0])
		log_line(LOG_LEVEL_WARN, "%s: %s", e->u.run.role,
			 e->u.run.ending.text);
	if (e->u.run.moved)
		agent_notify_tell(d->notifier, e->u.run.role,
				  e->u.run.result.version);
	follower_wake(d->follower, e->u.run.role);
	hook_dispatch_wake(d->generation->dispatch);
	if (s == STATUS_LEDGER_UNAVAILABLE || s == STATUS_AUDIT_BROKEN)
		text_copy(d->trouble, sizeof(d->trouble),
			  e->u.run.result.why.text);
}

int64_t daemon_tasks_begin(struct daemon *d, int64_t now)
{
	struct plan_role *r;
	struct task *e = NULL;
	int64_t wake = NOT_AT_ALL;

	/* A ledger in doubt is opened again first, not tried by a run. */
	if (!d->generation->ledger || !d->looked ||
	    d->plan->sites[PLAN_SITE_LEDGER].failures > 0)
		return wake;
	while ((r = plan_next(d->plan, now, &wake)) != NULL) {
		if (task_new(TASK_RUN, d->generation, &e) != STATUS_OK)
			return now + NOW_SECOND;
		text_copy(e->u.run.role, sizeof(e->u.run.role), r->name);
		e->u.run.requested = r->asked;
		e->began = now;
		if (thread_pool_give(d->runners, e) != STATUS_OK) {
			task_free(e);
			return now + NOW_SECOND;
		}
		plan_begin(d->plan, r, now);
		d->runs++;
		d->changed = true;
	}
	return wake;
}

/* ---- everything that came back ------------------------------------------------------ */

static void settle_one(struct daemon *d, struct task *e, int64_t now)
{
	if (e->kind != TASK_RUN)
		d->worker_busy = false;
	switch (e->kind) {
	case TASK_RUN:
		take_run(d, e, now);
		break;
	case TASK_LOOK:
		take_looked(d, e, now);
		break;
	case TASK_OPEN:
		take_opened(d, e, now);
		break;
	case TASK_LOAD:
		take_loaded(d, e, now);
		break;
	case TASK_NOTE:
		if (e->status != STATUS_OK)
			log_line(LOG_LEVEL_WARN,
				 "%s: that its owner asked for a rotation "
				 "could not be recorded: %s",
				 e->u.note, e->why.text);
		else
			agent_notify_taken(d->notifier, e->u.note);
		d->checkpoint = true;
		hook_dispatch_wake(d->generation->dispatch);
		break;
	case TASK_WRITE:
		daemon_worker_wrote(d, e);
		break;
	}
}

static void free_retired(struct daemon *d)
{
	struct daemon_retired **at = &d->retired, *r;

	while ((r = *at) != NULL) {
		if (!refresher_stopped(r->refresher) ||
		    !sampler_stopped(r->sampler) ||
		    !follower_stopped(r->follower)) {
			at = &r->next;
			continue;
		}
		refresher_free(r->refresher);
		r->refresher = NULL;
		sampler_free(r->sampler);
		r->sampler = NULL;
		follower_free(r->follower);
		r->follower = NULL;
		if (!generation_idle(r->generation)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		generation_free(r->generation);
		free(r);
	}
}

void daemon_tasks_settle(struct daemon *d, int64_t now)
{
	struct task *e, *next;

	pthread_mutex_lock(&d->lock);
	e = d->back;
	d->back = NULL;
	d->back_end = &d->back;
	pthread_mutex_unlock(&d->lock);
	for (; e; e = next) {
		next = e->next;
		settle_one(d, e, now);
		task_free(e);
	}
	free_retired(d);
	if (follower_attempts(d->follower) != d->followed) {
		d->followed = follower_attempts(d->follower);
		d->checkpoint = true;
		d->next_look = now;
	}
}
