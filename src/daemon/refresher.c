/* SPDX-License-Identifier: PostgreSQL */
/* Keeps files fresh; must never raise the same alarm again and again: it is
 * remembered in the ledger, over reloads and restarts, for a day. */
#include "daemon/refresher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/now.h"
#include "base/text.h"
#include "base/thread_loop.h"
#include "jobs/sink_refresh.h"

/* When to run next is said by the wall clock, which may jump. */
#define NAP_SECONDS 2

struct refresher {
	struct generation *generation;
	struct sink_refresh *refresh;
	const char *actor;
	struct thread_loop loop;
	/* Under its lock: */
	struct refresher_file *files;
	size_t n, room;
};

/* The file's entry, made when it is new; NULL: no room. */
static struct refresher_file *find_file(struct refresher *f,
					const struct sink_refresh_outcome *o)
{
	struct refresher_file *file;

	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->files[i].sink, o->sink) == 0)
			return &f->files[i];
	if (f->n == f->room)
		return NULL;
	file = &f->files[f->n++];
	text_copy(file->sink, sizeof(file->sink), o->sink);
	text_copy(file->token, sizeof(file->token), o->token);
	return file;
}

/* In the trail, for auditors and hooks. */
static void raise_alarm(struct refresher *f,
			const struct sink_refresh_outcome *o)
{
	char detail[LEDGER_TEXT_SIZE], stamp[NOW_STAMP_SIZE];
	struct ledger *l = f->generation->ledger;
	const struct audit_event ev = audit_event_make(
		AUDIT_ALARM, "", f->actor, status_name(o->status), detail);

	if (o->expires_us > 0)
		snprintf(detail, sizeof(detail),
			 "sink %s: the token in %.200s ends at %s: %.200s",
			 o->sink, o->path, now_stamp(o->expires_us, stamp),
			 o->detail);
	else
		snprintf(detail, sizeof(detail),
			 "sink %s: there is no token in %.200s: %.200s",
			 o->sink, o->path, o->detail);
	log_line(LOG_LEVEL_ERROR, "%s", detail);
	l->ops->trail->note(l, &ev, 1, true, NULL);
	hook_dispatch_wake(f->generation->dispatch);
}

/* Was it raised, less than a day ago? */
static bool is_raised(struct refresher *f, const char *sink)
{
	struct ledger *l = f->generation->ledger;
	char value[LEDGER_TEXT_SIZE];

	return ledger_fact_recall(l, LEDGER_FACT_ALARM, sink,
				  now_wall(now_system()), value,
				  NULL) == STATUS_OK;
}

/* Its first failure, and that it is over: the trail has each attempt. */
static void tell_step(struct refresher *f, const struct sink_refresh_outcome *o)
{
	struct refresher_file *file;
	bool was_behind = false;

	pthread_mutex_lock(&f->loop.lock);
	file = find_file(f, o);
	if (file) {
		was_behind = file->behind;
		file->behind = o->status != STATUS_OK;
	}
	pthread_mutex_unlock(&f->loop.lock);
	if (o->status != STATUS_OK && !was_behind)
		log_line(LOG_LEVEL_WARN, "sink %s: %s: %s; it is tried again",
			 o->sink, o->step, o->detail);
	else if (o->status == STATUS_OK)
		log_line(LOG_LEVEL_INFO, "sink %s: %s has the new token",
			 o->sink, o->step);
	hook_dispatch_wake(f->generation->dispatch);
}

static void tell_outcome(void *arg, const struct sink_refresh_outcome *o)
{
	struct refresher *f = arg;
	struct refresher_file *file;
	unsigned failures = 0;

	if (o->step) {
		tell_step(f, o);
		return;
	}
	pthread_mutex_lock(&f->loop.lock);
	file = find_file(f, o);
	if (file) {
		failures = file->failures;
		file->alarm = o->alarm;
		file->expires_us = o->expires_us;
		if (o->tried)
			file->failures =
				o->status == STATUS_OK ? 0 : file->failures + 1;
	}
	pthread_mutex_unlock(&f->loop.lock);
	if (o->alarm && !is_raised(f, o->sink)) {
		raise_alarm(f, o);
		ledger_fact_remember(f->generation->ledger, LEDGER_FACT_ALARM,
				     o->sink, "raised", now_wall(now_system()),
				     NULL);
	} else if (!o->alarm && is_raised(f, o->sink)) {
		ledger_fact_drop(f->generation->ledger, LEDGER_FACT_ALARM,
				 o->sink, NULL);
		log_line(LOG_LEVEL_INFO, "sink %s: the alarm is over", o->sink);
	} else if (o->status != STATUS_OK && o->tried && failures == 0)
		log_line(LOG_LEVEL_WARN, "sink %s: %s", o->sink, o->detail);
	else if (o->status == STATUS_OK && failures > 0)
		log_line(LOG_LEVEL_INFO, "sink %s: fresh again", o->sink);
}

/* What is there already, so that only a change is an alarm's beginning. */
static void note_alarm(void *arg, const struct sink_refresh_outcome *o)
{
	struct refresher *f = arg;
	struct refresher_file *file;

	pthread_mutex_lock(&f->loop.lock);
	file = find_file(f, o);
	if (file)
		file->expires_us = o->expires_us;
	pthread_mutex_unlock(&f->loop.lock);
}

static void wait_awake(struct refresher *f)
{
	const struct timespec until = thread_after(NAP_SECONDS * NOW_SECOND);

	pthread_mutex_lock(&f->loop.lock);
	thread_loop_rest(&f->loop, &until);
	pthread_mutex_unlock(&f->loop.lock);
}

static void refresh_files(void *arg)
{
	struct refresher *f = arg;
	int64_t next = 0;

	sink_refresh_look(f->refresh, note_alarm, f);
	while (thread_loop_goes_on(&f->loop)) {
		if (now_wall(now_system()) >= next)
			next = sink_refresh_run(f->refresh, tell_outcome, f);
		wait_awake(f);
	}
}

static enum status start_thread(struct refresher *f, struct reason *why)
{
	int rc = thread_loop_start(&f->loop, refresh_files, f);

	if (rc == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_NO_MEMORY, "no thread for tokens: %s",
			  strerror(rc));
}

static void release_refresher(struct refresher *f)
{
	sink_refresh_free(f->refresh);
	generation_drop(f->generation);
	free(f->files);
	free(f);
}

enum status refresher_start(struct generation *generation, bool at_once,
			    const char *actor, struct refresher **ret,
			    struct reason *why)
{
	const struct sink_refresh_options o = { .opened = generation->opened,
						.ledger = generation->ledger,
						.actor = actor,
						.at_once = at_once };
	struct refresher *f = calloc(1, sizeof(*f));
	enum status s;

	*ret = NULL;
	if (!f)
		return reason_no_memory(why);
	f->generation = generation;
	f->actor = actor;
	generation_hold(generation);
	s = sink_refresh_new(&o, &f->refresh, why);
	if (s != STATUS_OK || sink_refresh_count(f->refresh) == 0) {
		release_refresher(f);
		return s;
	}
	f->room = sink_refresh_count(f->refresh);
	f->files = calloc(f->room, sizeof(*f->files));
	s = f->files ? start_thread(f, why) : reason_no_memory(why);
	if (s != STATUS_OK) {
		release_refresher(f);
		return s;
	}
	*ret = f;
	return STATUS_OK;
}

size_t refresher_files(struct refresher *f, struct refresher_file *ret,
		       size_t most)
{
	size_t n = 0;

	if (!f)
		return 0;
	pthread_mutex_lock(&f->loop.lock);
	for (; n < f->n && n < most; n++)
		ret[n] = f->files[n];
	pthread_mutex_unlock(&f->loop.lock);
	return n;
}

void refresher_stop(struct refresher *f)
{
	if (f)
		thread_loop_stop(&f->loop);
}

bool refresher_stopped(struct refresher *f)
{
	return !f || thread_loop_stopped(&f->loop);
}

void refresher_free(struct refresher *f)
{
	if (!f)
		return;
	thread_loop_join(&f->loop);
	release_refresher(f);
}
