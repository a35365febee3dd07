/* SPDX-License-Identifier: PostgreSQL */
/*
 * keyturnd's one loop.  Must never do itself what may block, but for its very
 * end: the watchdog of the service manager watches this thread.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/now.h"
#include "daemon/daemon_tasks.h"
#include "daemon/daemon_worker.h"
#include "hook/hook.h"

#define TICK	   (2 * NOW_SECOND) /* the longest sleep: clocks may jump */
#define SHORTEST   (10 * 1000)
#define LAST_WORDS (5 * NOW_SECOND) /* for hooks at the end */
#define ALLOWANCE  (15 * NOW_SECOND)

/* ---- what people are told ----------------------------------------------------- */

static void count_roles(const struct daemon *d, unsigned *ret_failing,
			unsigned *ret_frozen)
{
	const struct plan *a = d->plan;

	*ret_failing = *ret_frozen = 0;
	for (size_t i = 0; i < a->n_roles; i++) {
		*ret_frozen += a->roles[i].frozen;
		*ret_failing += a->roles[i].failures > 0;
	}
}

static void next_due(const struct daemon *d, char *buf, size_t size)
{
	char stamp[NOW_STAMP_SIZE];
	int64_t at = INT64_MAX;

	for (size_t i = 0; i < d->plan->n_roles; i++)
		if (d->looks[i].next_due_us > 0 && d->looks[i].next_due_us < at)
			at = d->looks[i].next_due_us;
	if (at == INT64_MAX)
		snprintf(buf, size, "nothing is planned");
	else
		snprintf(buf, size, "next due %.19sZ", now_stamp(at, stamp));
}

static void say_status(struct daemon *d)
{
	char now[sizeof(d->said)], due[64];
	unsigned failing, frozen;

	count_roles(d, &failing, &frozen);
	next_due(d, due, sizeof(due));
	if (d->stopping)
		snprintf(now, sizeof(now), "stopping: %u roles in work",
			 d->runs);
	else if (d->trouble[0])
		snprintf(now, sizeof(now), "waiting for the ledger: %.300s",
			 d->trouble);
	else if (!d->looked)
		snprintf(now, sizeof(now), "looking at %zu roles",
			 d->plan->n_roles);
	else
		snprintf(now, sizeof(now),
			 "%zu roles: %u in work, %u failing, %u frozen; %s%s",
			 d->plan->n_roles, d->runs, failing, frozen, due,
			 d->reload_ok ? "" : "; the last reload was refused");
	if (strcmp(now, d->said) == 0)
		return;
	memcpy(d->said, now, sizeof(now));
	notify_status("%s", now);
}

/* ---- signals -------------------------------------------------------------------- */

static void stop_all(struct daemon *d, int64_t now)
{
	int64_t limit = generation_duration_us(d->generation,
					       CONFIG_keyturn_stop_timeout);

	if (d->stopping) { /* asked twice */
		d->stop_at = now;
		return;
	}
	d->stopping = true;
	d->stop_at = now + limit;
	notify_sendf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld",
		     (long long)(limit + ALLOWANCE));
	log_line(LOG_LEVEL_INFO, "stopping: %u roles in work are finished",
		 d->runs);
}

static void take_signals(struct daemon *d, int fd, int64_t now)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			d->reload = true;
		else
			stop_all(d, now);
	}
}

static int open_signals(void)
{
	sigset_t ours;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&ours);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &ours, NULL);
	return signalfd(-1, &ours, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* ---- the loop --------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the worker has something to do next: look, or open the ledger. */
static int64_t clerk_wakes(const struct daemon *d)
{
	const struct plan_site *ledger = &d->plan->sites[PLAN_SITE_LEDGER];

	return !d->generation->ledger || ledger->failures > 0 ?
		       ledger->not_before :
		       d->next_look;
}

/* How long nothing can happen by time alone. */
static int64_t rest(const struct daemon *d, int64_t now, int64_t wake,
		    int64_t watchdog)
{
	int64_t until = sooner(wake, now + TICK);

	if (watchdog > 0)
		until = sooner(until, now + watchdog / 2);
	if (!d->worker_busy && !d->stopping)
		until = sooner(until, clerk_wakes(d));
	if (d->stopping)
		until = sooner(until, d->stop_at);
	return until - now > SHORTEST ? until - now : SHORTEST;
}

static void run_loop(struct daemon *d, int signals)
{
	int64_t watchdog = notify_watchdog_us(), fed = 0, now, wake;
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
				{ .fd = d->wake_fd, .events = POLLIN } };
	uint64_t rings;
	bool quiet;

	for (;;) {
		now = now_boot(now_system());
		take_signals(d, signals, now);
		if (read(d->wake_fd, &rings, sizeof(rings)) < 0)
			rings = 0;
		daemon_tasks_settle(d, now);
		wake = INT64_MAX;
		if (!d->stopping)
			wake = daemon_tasks_begin(d, now);
		/* Before the worker, who then sees the last requests. */
		quiet = d->stopping && agent_notify_hush(d->notifier);
		daemon_worker_give(d, now);
		say_status(d);
		if (watchdog > 0 && now - fed >= watchdog / 2) {
			notify_send("WATCHDOG=1");
			fed = now;
		}
		if (d->stopping &&
		    ((d->runs == 0 && !d->worker_busy && quiet) ||
		     now >= d->stop_at))
			return;
		poll(fds, 2, (int)(rest(d, now, wake, watchdog) / 1000));
	}
}

/* ---- beginning and end -------------------------------------------------------------- */

static enum status set_up(struct daemon *d, int *ret_signals,
			  struct reason *why)
{
	enum status s;

	*ret_signals = open_signals();
	d->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (*ret_signals < 0 || d->wake_fd < 0)
		return reason_set(why, STATUS_ERROR,
				  "no descriptor for signals: %s",
				  strerror(errno));
	s = generation_load(d->path, &d->generation, why);
	if (s == STATUS_OK)
		s = daemon_tasks_plan(d, d->generation, &d->plan, why);
	if (s != STATUS_OK)
		return s;
	if (thread_pool_new(THREAD_POOL_MAX, daemon_tasks_do, d, &d->runners) !=
		    STATUS_OK ||
	    thread_pool_new(1, daemon_tasks_do, d, &d->worker) != STATUS_OK)
		return reason_no_memory(why);
	return agent_notify_start(
		generation_string(d->generation, CONFIG_keyturn_agent_socket),
		open_random(), daemon_tasks_request, d, &d->notifier, why);
}

/* Threads of their own that still wait for others have until then. */
static void end_threads(struct daemon *d, int64_t until)
{
	while (!(refresher_stopped(d->refresher) &&
		 sampler_stopped(d->sampler) &&
		 follower_stopped(d->follower)) &&
	       now_boot(now_system()) < until)
		now_sleep(now_system(), 20 * 1000);
	if (refresher_stopped(d->refresher)) {
		refresher_free(d->refresher);
		d->refresher = NULL;
	}
	if (sampler_stopped(d->sampler)) {
		sampler_free(d->sampler);
		d->sampler = NULL;
	}
	if (follower_stopped(d->follower)) {
		follower_free(d->follower);
		d->follower = NULL;
	}
}

/* Everything has come back: sign what was done, and let hooks hear of it. */
static bool say_goodbye(struct daemon *d)
{
	int64_t until = now_boot(now_system()) + LAST_WORDS;
	struct ledger *l = d->generation->ledger;
	struct reason why;

	if (l && d->checkpoint &&
	    l->ops->trail->checkpoint(l, &why) != STATUS_OK)
		log_line(LOG_LEVEL_WARN, "no checkpoint was signed: %s",
			 why.text);
	refresher_stop(d->refresher);
	sampler_stop(d->sampler);
	follower_stop(d->follower);
	hook_dispatch_drain(d->generation->dispatch, LAST_WORDS);
	hook_dispatch_stop(d->generation->dispatch);
	end_threads(d, until);
	while (!generation_idle(d->generation) &&
	       now_boot(now_system()) < until)
		now_sleep(now_system(), 20 * 1000);
	daemon_tasks_settle(d, now_boot(now_system()));
	return generation_idle(d->generation) && !d->retired;
}

static void release_all(struct daemon *d)
{
	agent_notify_free(d->notifier);
	thread_pool_free(d->runners);
	thread_pool_free(d->worker);
	generation_free(d->generation);
	plan_free(d->plan);
	free(d->looks);
	free(d->hooks);
	if (d->wake_fd >= 0)
		close(d->wake_fd);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void log_unfinished(const struct daemon *d)
{
	for (size_t i = 0; i < d->plan->n_roles; i++)
		if (d->plan->roles[i].running)
			log_line(LOG_LEVEL_WARN,
				 "%s: not finished within stop_timeout; it is "
				 "recovered at the next start",
				 d->plan->roles[i].name);
}

enum status daemon_run(const char *config_path, struct reason *why)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int signals = -1;
	enum status s;

	if (!d)
		return reason_no_memory(why);
	d->path = config_path;
	snprintf(d->actor, sizeof(d->actor), "keyturnd (uid %u)",
		 (unsigned)geteuid());
	d->wake_fd = -1;
	d->back_end = &d->back;
	d->reload_ok = true;
	d->next_due_us = INT64_MAX;
	d->started_us = d->reloaded_us = now_wall(now_system());
	pthread_mutex_init(&d->lock, NULL);
	s = set_up(d, &signals, why);
	if (s != STATUS_OK)
		goto out;
	log_line(LOG_LEVEL_INFO, "started: %zu roles", d->generation->n_roles);
	notify_send("READY=1");
	run_loop(d, signals);
	if (d->runs > 0 || d->worker_busy) {
		log_unfinished(d);
		hook_end(now_system());
		return d->runs > 0 ? STATUS_UNKNOWN : STATUS_TIMEOUT;
	}
	if (!say_goodbye(d)) {
		log_line(LOG_LEVEL_WARN,
			 "a hook, a delivery, a token source or a cluster "
			 "still works; "
			 "it is begun again");
		hook_end(now_system());
		return STATUS_TIMEOUT;
	}
	log_line(LOG_LEVEL_INFO, "stopped");
out:
	if (signals >= 0)
		close(signals);
	release_all(d);
	return s;
}
