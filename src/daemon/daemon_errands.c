/* SPDX-License-Identifier: PostgreSQL */
/* Errands out and back; must never wait for one. */
#include "daemon/daemon_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/now.h"
#include "daemon/gauge.h"

#define SOONEST	   NOW_SECOND /* between two looks, or two writings */
#define NOT_AT_ALL INT64_MAX

/* ---- to and fro ------------------------------------------------------------- */

static void ring(struct daemon *d)
{
	const uint64_t one = 1;
	ssize_t done = write(d->wake_fd, &one, sizeof(one));

	(void)done; /* it is full: then it rings already */
}

void daemon_errands_do(void *arg, void *thing)
{
	struct daemon *d = arg;
	struct errand *e = thing;

	errand_do(e);
	pthread_mutex_lock(&d->lock);
	e->next = NULL;
	*d->back_end = e;
	d->back_end = &e->next;
	pthread_mutex_unlock(&d->lock);
	ring(d);
}

/* The agent hands it over again until it is told that we have recorded it. */
void daemon_errands_request(void *arg, const char *role)
{
	struct daemon *d = arg;
	bool room, waits = false;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < d->n_requests; i++)
		waits = waits || strcmp(d->requests[i], role) == 0;
	room = waits || d->n_requests < DAEMON_REQUESTS_MAX;
	if (room && !waits &&
	    text_copy(d->requests[d->n_requests], AGENDA_NAME_SIZE, role) ==
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

/* ---- a shop comes into force --------------------------------------------------- */

enum status daemon_errands_plan(struct daemon *d, const struct shop *shop,
				struct agenda **ret, struct reason *why)
{
	const struct agenda_limits limits = {
		.jobs = (unsigned)config_int(
			config_find(shop->config, CONFIG_SECTION_keyturn, ""),
			CONFIG_keyturn_jobs),
		.jitter_us = shop_duration_us(shop, CONFIG_keyturn_jitter),
		.backoff_us = shop_duration_us(shop, CONFIG_keyturn_backoff),
		.backoff_max_us =
			shop_duration_us(shop, CONFIG_keyturn_backoff_max),
		.request_interval_us =
			shop_duration_us(shop, CONFIG_keyturn_request_interval),
	};
	struct agenda *a = NULL;
	struct errand_look *looks;

	if (agenda_new(&limits, backends_random(), shop->n_roles, &a) !=
	    STATUS_OK)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	looks = calloc(shop->n_roles + 1, sizeof(*looks));
	if (!looks) {
		agenda_free(a);
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; i < shop->n_roles; i++)
		agenda_add(a, config_name(shop->roles[i]),
			   config_string(shop->roles[i], CONFIG_role_cluster),
			   config_string(shop->roles[i], CONFIG_role_store));
	free(d->looks);
	d->looks = looks;
	*ret = a;
	return STATUS_OK;
}

/* The shop in force, which is not it any more. */
static void retire(struct daemon *d)
{
	struct daemon_retired *r = malloc(sizeof(*r));

	courier_stop(d->shop->courier);
	feed_stop(d->feed);
	if (r) { /* else it is never freed, and nothing else is wrong */
		*r = (struct daemon_retired){ d->retired, d->shop, d->feed };
		d->retired = r;
	}
	d->feed = NULL;
}

static void put_in_force(struct daemon *d, struct shop *made, bool fresh,
			 int64_t now)
{
	struct reason why;

	retire(d);
	d->shop = made;
	d->looked = false;
	d->next_look = now;
	d->changed = true;
	if (!made->ledger)
		return;
	d->head_seq = 0; /* the next look says */
	d->ledger_made = true;
	d->trouble[0] = '\0';
	agenda_site_good(&d->agenda->sites[AGENDA_SITE_LEDGER]);
	if (feed_start(made, fresh, d->actor, &d->feed, &why) != STATUS_OK)
		log_line(LOG_LEVEL_ERROR, "no file is kept fresh: %s",
			 why.text);
}

static void ledger_failed(struct daemon *d, int64_t began, int64_t now,
			  const struct reason *why)
{
	struct agenda_site *ledger = &d->agenda->sites[AGENDA_SITE_LEDGER];
	char age[32];

	agenda_site_failed(d->agenda, ledger, began, now);
	text_copy(d->trouble, sizeof(d->trouble), why->text);
	d->changed = true;
	log_line(LOG_LEVEL_ERROR, "%s; nothing is rotated, tried again in %s",
		 why->text, now_age(ledger->not_before - now, age));
}

static void opened(struct daemon *d, struct errand *e, int64_t now)
{
	if (e->status != STATUS_OK) {
		ledger_failed(d, e->began, now, &e->why);
		return;
	}
	if (e->lost)
		log_line(LOG_LEVEL_WARN,
			 "the ledger was not there and was made anew: its "
			 "history and what was frozen are lost, no password "
			 "is");
	else if (d->trouble[0])
		log_line(LOG_LEVEL_INFO, "the ledger is back");
	put_in_force(d, e->made, e->make, now);
}

static void loaded(struct daemon *d, struct errand *e, int64_t now)
{
	struct agenda *a = NULL, *old = d->agenda;

	d->changed = true;
	if (e->made &&
	    daemon_errands_plan(d, e->made, &a, &e->why) != STATUS_OK) {
		shop_free(e->made);
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
		agenda_inherit(a, old);
		d->agenda = a;
		agenda_free(old);
		put_in_force(d, e->made, true, now);
		d->reloaded_us = now_wall(now_system());
		log_line(LOG_LEVEL_INFO,
			 "the new configuration is in force: %zu roles",
			 d->shop->n_roles);
		if (e->status != STATUS_OK)
			ledger_failed(d, now, now, &e->why);
	}
	notify_send("READY=1");
}

/* ---- what was looked at ---------------------------------------------------------- */

static void take_look(struct daemon *d, size_t i, const struct errand_look *l,
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
	agenda_learn(d->agenda, &d->agenda->roles[i], &l->finding, now);
}

/* One that is away is tried by one role at a time, and the jobs are left to the
 * others. */
static void judge_store(struct daemon *d, size_t i, const struct errand *e,
			int64_t now)
{
	struct agenda_site *s = &d->agenda->sites[d->agenda->roles[i].store];

	if (e->looks[i].store_there)
		agenda_site_good(s);
	else if (e->looks[i].store_away && s->failures == 0)
		agenda_site_failed(d->agenda, s, e->began, now);
}

static void looked(struct daemon *d, struct errand *e, int64_t now)
{
	int64_t wall = now_wall(now_system());

	if (e->shop != d->shop) {
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
			agenda_ask(d->agenda, &d->agenda->roles[i]);
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
	d->next_look = now + shop_duration_us(d->shop, CONFIG_keyturn_poll);
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

static void log_run(struct daemon *d, const struct errand *e,
		    const struct agenda_role *role, int64_t now)
{
	const struct runner_result *r = &e->result;
	char age[32] = "";
	int64_t until;

	if (r->status == STATUS_OK) {
		log_line(r->unconfirmed ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
			 "%s: %s%s, version %s, %.3f s%s%s", e->role,
			 what_happened(r, e->moved),
			 e->requested ? " (" ERRAND_REQUESTED ")" : "",
			 r->version[0] ? r->version : "none",
			 (double)r->took_us / NOW_SECOND,
			 r->unconfirmed ? "; " : "",
			 r->unconfirmed ? RUNNER_UNCONFIRMED : "");
		return;
	}
	until = role ? agenda_pause(d->agenda, role) : 0;
	if (role && !role->frozen && until > now)
		now_age(until - now, age);
	log_line(LOG_LEVEL_WARN, "%s: %s%s%s%s%s", e->role,
		 status_sentence(r->status), r->why.text[0] ? ": " : "",
		 r->why.text, age[0] ? "; tried again in " : "", age);
}

static void ran(struct daemon *d, struct errand *e, int64_t now)
{
	struct agenda_role *role = agenda_find(d->agenda, e->role);
	enum status s = e->result.status;

	d->runs--;
	d->changed = true;
	if (!role) {
		agenda_end_gone(d->agenda, e->role);
	} else if (role->running) {
		if (e->result.cluster_bad)
			agenda_end_doubted(d->agenda, role, s, now);
		else
			agenda_end(d->agenda, role, s, now);
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
		push_tell(d->push, e->role, e->result.version);
	courier_wake(d->shop->courier);
	if (s == STATUS_LEDGER_UNAVAILABLE || s == STATUS_AUDIT_BROKEN)
		text_copy(d->trouble, sizeof(d->trouble), e->result.why.text);
}

int64_t daemon_errands_begin(struct daemon *d, int64_t now)
{
	struct agenda_role *r;
	struct errand *e = NULL;
	int64_t wake = NOT_AT_ALL;

	/* A ledger in doubt is opened anew first, not tried by a run. */
	if (!d->shop->ledger || !d->looked ||
	    d->agenda->sites[AGENDA_SITE_LEDGER].failures > 0)
		return wake;
	while ((r = agenda_next(d->agenda, now, &wake)) != NULL) {
		if (errand_new(ERRAND_RUN, d->shop, &e) != STATUS_OK)
			return now + NOW_SECOND;
		text_copy(e->role, sizeof(e->role), r->name);
		e->requested = r->asked;
		e->began = now;
		if (crew_give(d->crew, e) != STATUS_OK) {
			errand_free(e);
			return now + NOW_SECOND;
		}
		agenda_begin(d->agenda, r, now);
		d->runs++;
		d->changed = true;
	}
	return wake;
}

/* ---- the clerk ---------------------------------------------------------------------- */

static void give_clerk(struct daemon *d, struct errand *e, int64_t now)
{
	e->began = now;
	e->actor = d->actor;
	e->tell = tell_of_hook;
	e->head_seq = d->head_seq;
	memcpy(e->head, d->head, sizeof(e->head));
	if (crew_give(d->clerk, e) != STATUS_OK)
		errand_free(e);
	else
		d->clerk_busy = true;
}

static bool take_request(struct daemon *d, char role[AGENDA_NAME_SIZE])
{
	bool any;

	pthread_mutex_lock(&d->lock);
	any = d->n_requests > 0;
	if (any) {
		memcpy(role, d->requests[0], AGENDA_NAME_SIZE);
		d->n_requests--;
		memmove(d->requests[0], d->requests[1],
			d->n_requests * AGENDA_NAME_SIZE);
	}
	pthread_mutex_unlock(&d->lock);
	return any;
}

/* True when there is something to record. */
static bool requested(struct daemon *d, struct errand **ret)
{
	char name[AGENDA_NAME_SIZE];
	struct agenda_role *role;

	while (take_request(d, name)) {
		role = agenda_find(d->agenda, name);
		if (!role || !agenda_ask(d->agenda, role)) {
			log_line(LOG_LEVEL_WARN,
				 "%s: its owner asked for a rotation, but it "
				 "is %s",
				 name,
				 !role	      ? "not configured" :
				 role->frozen ? "frozen" :
						"not taken over");
			push_taken(d->push, name);
			continue;
		}
		log_line(LOG_LEVEL_INFO, "%s: its owner asks for a rotation",
			 name);
		if (!d->shop->ledger ||
		    errand_new(ERRAND_NOTE, d->shop, ret) != STATUS_OK)
			continue;
		text_copy((*ret)->role, sizeof((*ret)->role), name);
		return true;
	}
	return false;
}

static void write_metrics(struct daemon *d, int64_t now)
{
	struct gauge_view v = {
		.agenda = d->agenda,
		.looks = d->looks,
		.hooks = d->hooks,
		.n_hooks = d->n_hooks,
		.ledger_up = d->shop->ledger && !d->trouble[0],
		.runs_ok = d->runs_ok,
		.runs_failed = d->runs_failed,
		.agent_failures = push_failed(d->push),
		.started_us = d->started_us,
		.reloaded_us = d->reloaded_us,
		.reload_ok = d->reload_ok,
		.now_us = now_wall(now_system()),
		.boot_us = now,
	};
	struct feed_file files[DAEMON_FILES_MAX];
	struct errand *e = NULL;

	v.files = files;
	v.n_files = feed_files(d->feed, files, DAEMON_FILES_MAX);
	d->changed = false;
	d->written = now;
	if (errand_new(ERRAND_WRITE, d->shop, &e) != STATUS_OK)
		return;
	e->path = shop_string(d->shop, CONFIG_keyturn_metrics);
	gauge_write(&v, &e->text);
	give_clerk(d, e, now);
}

static void wrote(struct daemon *d, const struct errand *e)
{
	bool failed = e->status != STATUS_OK;

	if (failed && !d->write_failed)
		log_line(LOG_LEVEL_WARN, "the metrics cannot be written: %s",
			 e->why.text);
	d->write_failed = failed;
}

static void load(struct daemon *d, int64_t now)
{
	struct errand *e = NULL;

	if (errand_new(ERRAND_LOAD, d->shop, &e) != STATUS_OK)
		return;
	d->reload = false;
	notify_reloading();
	log_line(LOG_LEVEL_INFO, "reading %s anew", d->path);
	e->path = d->path;
	e->make = !d->ledger_made;
	e->patient = !d->shop->ledger || d->trouble[0];
	give_clerk(d, e, now);
}

void daemon_errands_clerk(struct daemon *d, int64_t now)
{
	const struct agenda_site *ledger =
		&d->agenda->sites[AGENDA_SITE_LEDGER];
	bool away = !d->shop->ledger || ledger->failures > 0;
	struct errand *e = NULL;

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
		if (errand_new(ERRAND_OPEN, d->shop, &e) != STATUS_OK)
			return;
		e->make = !d->ledger_made;
		give_clerk(d, e, now);
	} else if (!away && (now >= d->next_look ||
			     now_wall(now_system()) >= d->next_due_us)) {
		if (errand_new(ERRAND_LOOK, d->shop, &e) != STATUS_OK)
			return;
		e->checkpoint = d->checkpoint;
		e->recall = !d->recalled;
		d->checkpoint = false;
		d->next_due_us = INT64_MAX;
		give_clerk(d, e, now);
	} else if (d->changed && now - d->written >= SOONEST &&
		   *shop_string(d->shop, CONFIG_keyturn_metrics)) {
		write_metrics(d, now);
	}
}

/* ---- everything that came back ------------------------------------------------------ */

static void settle_one(struct daemon *d, struct errand *e, int64_t now)
{
	if (e->kind != ERRAND_RUN)
		d->clerk_busy = false;
	switch (e->kind) {
	case ERRAND_RUN:
		ran(d, e, now);
		break;
	case ERRAND_LOOK:
		looked(d, e, now);
		break;
	case ERRAND_OPEN:
		opened(d, e, now);
		break;
	case ERRAND_LOAD:
		loaded(d, e, now);
		break;
	case ERRAND_NOTE:
		if (e->status != STATUS_OK)
			log_line(LOG_LEVEL_WARN,
				 "%s: that its owner asked for a rotation "
				 "could not be recorded: %s",
				 e->role, e->why.text);
		else
			push_taken(d->push, e->role);
		d->checkpoint = true;
		courier_wake(d->shop->courier);
		break;
	case ERRAND_WRITE:
		wrote(d, e);
		break;
	}
}

static void free_retired(struct daemon *d)
{
	struct daemon_retired **at = &d->retired, *r;

	while ((r = *at) != NULL) {
		if (!feed_stopped(r->feed)) {
			at = &r->next;
			continue;
		}
		feed_free(r->feed);
		r->feed = NULL;
		if (!shop_idle(r->shop)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		shop_free(r->shop);
		free(r);
	}
}

void daemon_errands_settle(struct daemon *d, int64_t now)
{
	struct errand *e, *next;

	pthread_mutex_lock(&d->lock);
	e = d->back;
	d->back = NULL;
	d->back_end = &d->back;
	pthread_mutex_unlock(&d->lock);
	for (; e; e = next) {
		next = e->next;
		settle_one(d, e, now);
		errand_free(e);
	}
	free_retired(d);
}
