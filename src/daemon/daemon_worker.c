/* SPDX-License-Identifier: PostgreSQL */
/* Keeps the thread busy that does everything but runs, one thing at a time; must
 * never wait for it. */
#include "daemon/daemon_worker.h"

#include <string.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/now.h"
#include "daemon/metrics.h"

#define SOONEST NOW_SECOND /* between two writings of the metrics */

static void tell_of_hook(void *arg, const char *hook, bool bad,
			 const char *sentence)
{
	(void)arg;
	log_line(bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "hook %s: %s", hook,
		 sentence);
}

static void give_task(struct daemon *d, struct task *e, int64_t now)
{
	e->began = now;
	e->actor = d->actor;
	e->head_seq = d->head_seq;
	memcpy(e->head, d->head, sizeof(e->head));
	if (thread_pool_give(d->worker, e) != STATUS_OK)
		task_free(e);
	else
		d->worker_busy = true;
}

static bool take_request(struct daemon *d, char role[PLAN_NAME_SIZE])
{
	bool any;

	pthread_mutex_lock(&d->lock);
	any = d->n_requests > 0;
	if (any) {
		memcpy(role, d->requests[0], PLAN_NAME_SIZE);
		d->n_requests--;
		memmove(d->requests[0], d->requests[1],
			d->n_requests * PLAN_NAME_SIZE);
	}
	pthread_mutex_unlock(&d->lock);
	return any;
}

/* True when there is something to record. */
static bool next_request(struct daemon *d, struct task **ret)
{
	char name[PLAN_NAME_SIZE];
	struct plan_role *role;

	while (take_request(d, name)) {
		role = plan_find(d->plan, name);
		if (!role || !plan_ask(d->plan, role)) {
			log_line(LOG_LEVEL_WARN,
				 "%s: its owner asked for a rotation, but it "
				 "is %s",
				 name,
				 !role	      ? "not configured" :
				 role->frozen ? "frozen" :
						"not taken over");
			agent_notify_taken(d->notifier, name);
			continue;
		}
		log_line(LOG_LEVEL_INFO, "%s: its owner asks for a rotation",
			 name);
		if (!d->generation->ledger ||
		    task_new(TASK_NOTE, d->generation, ret) != STATUS_OK)
			continue;
		text_copy((*ret)->u.note, sizeof((*ret)->u.note), name);
		return true;
	}
	return false;
}

static void write_metrics(struct daemon *d, int64_t now)
{
	struct metrics_view v = {
		.plan = d->plan,
		.looks = d->looks,
		.lives = d->generation->lives,
		.hooks = d->hooks,
		.n_hooks = d->n_hooks,
		.ledger_up = d->generation->ledger && !d->trouble[0],
		.runs_ok = d->runs_ok,
		.runs_failed = d->runs_failed,
		.runs_deferred = d->runs_deferred,
		.agent_failures = agent_notify_failed(d->notifier),
		.started_us = d->started_us,
		.reloaded_us = d->reloaded_us,
		.reload_ok = d->reload_ok,
		.now_us = now_wall(now_system()),
		.boot_us = now,
	};
	struct refresher_file files[DAEMON_FILES_MAX];
	struct task *e = NULL;

	v.files = files;
	v.n_files = refresher_files(d->refresher, files, DAEMON_FILES_MAX);
	d->changed = false;
	d->written = now;
	if (task_new(TASK_WRITE, d->generation, &e) != STATUS_OK)
		return;
	e->u.write.path =
		generation_string(d->generation, CONFIG_keyturn_metrics);
	metrics_write(&v, &e->u.write.text);
	give_task(d, e, now);
}

void daemon_worker_wrote(struct daemon *d, const struct task *e)
{
	bool failed = e->status != STATUS_OK;

	if (failed && !d->write_failed)
		log_line(LOG_LEVEL_WARN, "the metrics cannot be written: %s",
			 e->why.text);
	d->write_failed = failed;
}

static void load_configuration(struct daemon *d, int64_t now)
{
	struct task *e = NULL;

	if (task_new(TASK_LOAD, d->generation, &e) != STATUS_OK)
		return;
	d->reload = false;
	notify_reloading();
	log_line(LOG_LEVEL_INFO, "reading %s again", d->path);
	e->u.open.path = d->path;
	e->u.open.tell = tell_of_hook;
	e->u.open.make = !d->ledger_made;
	e->u.open.patient = !d->generation->ledger || d->trouble[0];
	give_task(d, e, now);
}

void daemon_worker_give(struct daemon *d, int64_t now)
{
	const struct plan_site *ledger = &d->plan->sites[PLAN_SITE_LEDGER];
	bool away = !d->generation->ledger || ledger->failures > 0;
	struct task *e = NULL;

	if (d->worker_busy)
		return;
	/* Also at the end: what was taken from the agent is nowhere else. */
	if (next_request(d, &e)) {
		give_task(d, e, now);
	} else if (d->stopping) {
		return;
	} else if (d->reload) {
		load_configuration(d, now);
	} else if (away && now >= ledger->not_before) {
		if (task_new(TASK_OPEN, d->generation, &e) != STATUS_OK)
			return;
		e->u.open.tell = tell_of_hook;
		e->u.open.make = !d->ledger_made;
		give_task(d, e, now);
	} else if (!away && (now >= d->next_look ||
			     now_wall(now_system()) >= d->next_due_us)) {
		if (task_new(TASK_LOOK, d->generation, &e) != STATUS_OK)
			return;
		e->u.all.checkpoint = d->checkpoint;
		e->u.all.recall = !d->recalled;
		d->checkpoint = false;
		d->next_due_us = INT64_MAX;
		give_task(d, e, now);
	} else if (d->changed && now - d->written >= SOONEST &&
		   *generation_string(d->generation, CONFIG_keyturn_metrics)) {
		write_metrics(d, now);
	}
}
