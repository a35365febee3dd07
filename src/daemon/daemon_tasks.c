/* SPDX-License-Identifier: PostgreSQL */
/* Errands out and back; must never wait for one. */
#include "daemon/daemon_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/now.h"
#include "daemon/metrics.h"

#define SOONEST	   NOW_SECOND /* between two looks, or two writings */
#define NOT_AT_ALL INT64_MAX

/* ---- to and fro ------------------------------------------------------------- */

static void ring(struct daemon *d)
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
	ring(d);
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
	ring(d);
}

static void tell_of_hook(void *arg, const char *hook, bool bad,
			 const char *sentence)
{
	(void)arg;
	log_line(bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "hook %s: %s", hook,
		 sentence);
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
static void retire(struct daemon *d)
{
	struct daemon_retired *r = malloc(sizeof(*r));

	hook_dispatch_stop(d->generation->dispatch);
	refresher_stop(d->feed);
	if (r) { /* else it is never freed, and nothing else is wrong */
		*r = (struct daemon_retired){ d->retired, d->generation,
					      d->feed };
		d->retired = r;
	}
	d->feed = NULL;
}

static void put_in_force(struct daemon *d, struct generation *made, bool fresh,
			 int64_t now)
{
	struct reason why;

	retire(d);
	d->generation = made;
	d->looked = false;
	d->next_look = now;
	d->changed = true;
	if (!made->ledger)
		return;
	d->head_seq = 0; /* the next look says */
	d->ledger_made = true;
	d->trouble[0] = '\0';
	plan_site_good(&d->agenda->sites[PLAN_SITE_LEDGER]);
	if (refresher_start(made, fresh, d->actor, &d->feed, &why) != STATUS_OK)
		log_line(LOG_LEVEL_ERROR, "no file is kept fresh: %s",
			 why.text);
}

static void ledger_failed(struct daemon *d, int64_t began, int64_t now,
			  const struct reason *why)
{
	struct plan_site *ledger = &d->agenda->sites[PLAN_SITE_LEDGER];
	char age[32];

	plan_site_failed(d->agenda, ledger, began, now);
	text_copy(d->trouble, sizeof(d->trouble), why->text);
	d->changed = true;
	log_line(LOG_LEVEL_ERROR, "%s; nothing is rotated, tried again in %s",
		 why->text, now_age(ledger->not_before - now, age));
}

static void opened(struct daemon *d, struct task *e, int64_t now)
{
	if (e->status != STATUS_OK) {
		ledger_failed(d, e->began, now, &e->why);
		return;
	}
	if (e->lost)
		log_line(LOG_LEVEL_WARN,
			 "the ledger file was missing; a new one was created. "
			 "The history is lost; passwords are not affected. "
			 "What was frozen is not known any more");
	else if (d->trouble[0])
		log_line(LOG_LEVEL_INFO, "the ledger is back");
	put_in_force(d, e->made, e->make, now);
}

static void loaded(struct daemon *d, struct task *e, int64_t now)
{
	struct plan *a = NULL, *old = d->agenda;

	d->changed = true;
	if (e->made &&
	    daemon_tasks_plan(d, e->made, &a, &e->why) != STATUS_OK) {
		generation_free(e->made);
		e->made = NULL;
		e->status = STATUS_NO_MEMORY;
	}
	d->reload_ok = e->made != NULL;
	if (!d->reload_ok) {
		log_line(LOG_LEVEL_ERROR,
			 "the new configuration is refused and the old one "
			 "stays in force: %s",
			 e->why.text);
	} else {
		plan_inherit(a, old);
		d->agenda = a;
		plan_free(old);
		put_in_force(d, e->made, true, now);
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
	const char *role = d->agenda->roles[i].name;

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
	if (l->late && !d->looks[i].late && d->agenda->roles[i].wanted)
		log_line(LOG_LEVEL_WARN,
			 "%s: its window closed before it was its turn; it "
			 "waits for the next one",
			 role);
	d->looks[i] = *l;
	plan_learn(d->agenda, &d->agenda->roles[i], &l->finding, now);
}

/* One that is away is tried by one role at a time, and the jobs are left to the
 * others. */
static void judge_store(struct daemon *d, size_t i, const struct task *e,
			int64_t now)
{
	struct plan_site *s = &d->agenda->sites[d->agenda->roles[i].store];

	if (e->looks[i].store_there)
		plan_site_good(s);
	else if (e->looks[i].store_away && s->failures == 0)
		plan_site_failed(d->agenda, s, e->began, now);
}

static void looked(struct daemon *d, struct task *e, int64_t now)
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
	for (size_t i = 0; i < d->agenda->n_roles; i++) {
		judge_store(d, i, e, now);
		take_look(d, i, &e->looks[i], now);
	}
	for (size_t i = 0; i < d->agenda->n_roles; i++)
		if (e->looks[i].asked)
			plan_ask(d->agenda, &d->agenda->roles[i]);
	d->recalled = true;
	d->head_seq = e->head_seq;
	memcpy(d->head, e->head, sizeof(d->head));
	d->next_due_us = INT64_MAX;
	for (size_t i = 0; i < d->agenda->n_roles; i++)
		if (d->looks[i].next_due_us > wall &&
		    d->looks[i].next_due_us < d->next_due_us)
			d->next_due_us = d->looks[i].next_due_us;
	free(d->hooks);
	d->hooks = e->hooks;
	d->n_hooks = e->n_hooks;
	e->hooks = NULL;
	d->looked = true;
	d->next_look = now + generation_duration_us(d->generation,
						    CONFIG_keyturn_poll);
	d->changed = true;
}

/* ---- a run ------------------------------------------------------------------------- */

static const char *what_happened(const struct runner_result *r, bool moved)
{
	if (r->restored)
		return "a restored database was seen: re-pointed and rotated";
	if (r->finished_earlier)
		return "finished what was interrupted";
	if (r->undone)
		return "undid what was interrupted";
	if (moved)
		return "rotated";
	return r->delivered ? "a sink that was behind is in step again" :
			      "in order";
}

static void log_run(struct daemon *d, const struct task *e,
		    const struct plan_role *role, int64_t now)
{
	const struct runner_result *r = &e->result;
	char age[32] = "";
	int64_t until;

	if (r->status == STATUS_OK) {
		log_line(r->unconfirmed ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
			 "%s: %s%s, version %s, %.3f s%s%s", e->role,
			 what_happened(r, e->moved),
			 e->requested ? " (" TASK_REQUESTED ")" : "",
			 r->version[0] ? r->version : "none",
			 (double)r->took_us / NOW_SECOND,
			 r->unconfirmed ? "; " : "",
			 r->unconfirmed ? RUNNER_UNCONFIRMED : "");
		return;
	}
	until = role ? plan_pause(d->agenda, role) : 0;
	if (role && !role->frozen && until > now)
		now_age(until - now, age);
	log_line(LOG_LEVEL_WARN, "%s: %s%s%s%s%s", e->role,
		 status_sentence(r->status), r->why.text[0] ? ": " : "",
		 r->why.text, age[0] ? "; tried again in " : "", age);
}

static void ran(struct daemon *d, struct task *e, int64_t now)
{
	struct plan_role *role = plan_find(d->agenda, e->role);
	enum status s = e->result.status;

	d->runs--;
	d->changed = true;
	if (!role) {
		plan_end_gone(d->agenda, e->role);
	} else if (role->running) {
		if (e->result.cluster_bad)
			plan_end_doubted(d->agenda, role, s, now);
		else
			plan_end(d->agenda, role, s, now);
		take_look(d, (size_t)(role - d->agenda->roles), &e->looks[0],
			  now);
	}
	if (e->looks[0].next_due_us > now_wall(now_system()) &&
	    e->looks[0].next_due_us < d->next_due_us)
		d->next_due_us = e->looks[0].next_due_us;
	if (s == STATUS_NOTHING_DUE)
		return;
	d->checkpoint = true;
	if (s == STATUS_OK)
		d->runs_ok++;
	else
		d->runs_failed++;
	log_run(d, e, role, now);
	if (s == STATUS_OK && e->ending.text[0])
		log_line(LOG_LEVEL_WARN, "%s: %s", e->role, e->ending.text);
	if (e->moved)
		agent_notify_tell(d->push, e->role, e->result.version);
	hook_dispatch_wake(d->generation->dispatch);
	if (s == STATUS_LEDGER_UNAVAILABLE || s == STATUS_AUDIT_BROKEN)
		text_copy(d->trouble, sizeof(d->trouble), e->result.why.text);
}

int64_t daemon_tasks_begin(struct daemon *d, int64_t now)
{
	struct plan_role *r;
	struct task *e = NULL;
	int64_t wake = NOT_AT_ALL;

	/* A ledger in doubt is opened anew first, not tried by a run. */
	if (!d->generation->ledger || !d->looked ||
	    d->agenda->sites[PLAN_SITE_LEDGER].failures > 0)
		return wake;
	while ((r = plan_next(d->agenda, now, &wake)) != NULL) {
		if (task_new(TASK_RUN, d->generation, &e) != STATUS_OK)
			return now + NOW_SECOND;
		text_copy(e->role, sizeof(e->role), r->name);
		e->requested = r->asked;
		e->began = now;
		if (thread_pool_give(d->crew, e) != STATUS_OK) {
			task_free(e);
			return now + NOW_SECOND;
		}
		plan_begin(d->agenda, r, now);
		d->runs++;
		d->changed = true;
	}
	return wake;
}

/* ---- the clerk ---------------------------------------------------------------------- */

static void give_clerk(struct daemon *d, struct task *e, int64_t now)
{
	e->began = now;
	e->actor = d->actor;
	e->tell = tell_of_hook;
	e->head_seq = d->head_seq;
	memcpy(e->head, d->head, sizeof(e->head));
	if (thread_pool_give(d->clerk, e) != STATUS_OK)
		task_free(e);
	else
		d->clerk_busy = true;
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
static bool requested(struct daemon *d, struct task **ret)
{
	char name[PLAN_NAME_SIZE];
	struct plan_role *role;

	while (take_request(d, name)) {
		role = plan_find(d->agenda, name);
		if (!role || !plan_ask(d->agenda, role)) {
			log_line(LOG_LEVEL_WARN,
				 "%s: its owner asked for a rotation, but it "
				 "is %s",
				 name,
				 !role	      ? "not configured" :
				 role->frozen ? "frozen" :
						"not taken over");
			agent_notify_taken(d->push, name);
			continue;
		}
		log_line(LOG_LEVEL_INFO, "%s: its owner asks for a rotation",
			 name);
		if (!d->generation->ledger ||
		    task_new(TASK_NOTE, d->generation, ret) != STATUS_OK)
			continue;
		text_copy((*ret)->role, sizeof((*ret)->role), name);
		return true;
	}
	return false;
}

static void write_metrics(struct daemon *d, int64_t now)
{
	struct metrics_view v = {
		.agenda = d->agenda,
		.looks = d->looks,
		.hooks = d->hooks,
		.n_hooks = d->n_hooks,
		.ledger_up = d->generation->ledger && !d->trouble[0],
		.runs_ok = d->runs_ok,
		.runs_failed = d->runs_failed,
		.agent_failures = agent_notify_failed(d->push),
		.started_us = d->started_us,
		.reloaded_us = d->reloaded_us,
		.reload_ok = d->reload_ok,
		.now_us = now_wall(now_system()),
		.boot_us = now,
	};
	struct refresher_file files[DAEMON_FILES_MAX];
	struct task *e = NULL;

	v.files = files;
	v.n_files = refresher_files(d->feed, files, DAEMON_FILES_MAX);
	d->changed = false;
	d->written = now;
	if (task_new(TASK_WRITE, d->generation, &e) != STATUS_OK)
		return;
	e->path = generation_string(d->generation, CONFIG_keyturn_metrics);
	metrics_write(&v, &e->text);
	give_clerk(d, e, now);
}

static void wrote(struct daemon *d, const struct task *e)
{
	bool failed = e->status != STATUS_OK;

	if (failed && !d->write_failed)
		log_line(LOG_LEVEL_WARN, "the metrics cannot be written: %s",
			 e->why.text);
	d->write_failed = failed;
}

static void load(struct daemon *d, int64_t now)
{
	struct task *e = NULL;

	if (task_new(TASK_LOAD, d->generation, &e) != STATUS_OK)
		return;
	d->reload = false;
	notify_reloading();
	log_line(LOG_LEVEL_INFO, "reading %s again", d->path);
	e->path = d->path;
	e->make = !d->ledger_made;
	e->patient = !d->generation->ledger || d->trouble[0];
	give_clerk(d, e, now);
}

void daemon_tasks_clerk(struct daemon *d, int64_t now)
{
	const struct plan_site *ledger = &d->agenda->sites[PLAN_SITE_LEDGER];
	bool away = !d->generation->ledger || ledger->failures > 0;
	struct task *e = NULL;

	if (d->clerk_busy)
		return;
	/* Also at the end: what was taken from the agent is nowhere else. */
	if (requested(d, &e)) {
		give_clerk(d, e, now);
	} else if (d->stopping) {
		return;
	} else if (d->reload) {
		load(d, now);
	} else if (away && now >= ledger->not_before) {
		if (task_new(TASK_OPEN, d->generation, &e) != STATUS_OK)
			return;
		e->make = !d->ledger_made;
		give_clerk(d, e, now);
	} else if (!away && (now >= d->next_look ||
			     now_wall(now_system()) >= d->next_due_us)) {
		if (task_new(TASK_LOOK, d->generation, &e) != STATUS_OK)
			return;
		e->checkpoint = d->checkpoint;
		e->recall = !d->recalled;
		d->checkpoint = false;
		d->next_due_us = INT64_MAX;
		give_clerk(d, e, now);
	} else if (d->changed && now - d->written >= SOONEST &&
		   *generation_string(d->generation, CONFIG_keyturn_metrics)) {
		write_metrics(d, now);
	}
}

/* ---- everything that came back ------------------------------------------------------ */

static void settle_one(struct daemon *d, struct task *e, int64_t now)
{
	if (e->kind != TASK_RUN)
		d->clerk_busy = false;
	switch (e->kind) {
	case TASK_RUN:
		ran(d, e, now);
		break;
	case TASK_LOOK:
		looked(d, e, now);
		break;
	case TASK_OPEN:
		opened(d, e, now);
		break;
	case TASK_LOAD:
		loaded(d, e, now);
		break;
	case TASK_NOTE:
		if (e->status != STATUS_OK)
			log_line(LOG_LEVEL_WARN,
				 "%s: that its owner asked for a rotation "
				 "could not be recorded: %s",
				 e->role, e->why.text);
		else
			agent_notify_taken(d->push, e->role);
		d->checkpoint = true;
		hook_dispatch_wake(d->generation->dispatch);
		break;
	case TASK_WRITE:
		wrote(d, e);
		break;
	}
}

static void free_retired(struct daemon *d)
{
	struct daemon_retired **at = &d->retired, *r;

	while ((r = *at) != NULL) {
		if (!refresher_stopped(r->feed)) {
			at = &r->next;
			continue;
		}
		refresher_free(r->feed);
		r->feed = NULL;
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
}
