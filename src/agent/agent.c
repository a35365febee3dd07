/* SPDX-License-Identifier: PostgreSQL */
/* The agent's life: start, the event loop, reload, stop; must never do in the
 * loop what can wait for a disk, a network or a client. */
#include "agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/access/groups.h"
#include "agent/agent_internal.h"
#include "agent/agent_sandbox.h"
#include "agent/agent_wake.h"
#include "agent/cache/workers.h"
#include "agent/serve/client.h"
#include "agent/serve/listen.h"
#include "agent/serve/throttle.h"
#include "agent/trail/seen.h"
#include "agent/trail/trail.h"
#include "agent/trail/writer.h"
#include "base/file.h"
#include "base/log.h"
#include "base/notify.h"
#include "crypto/entropy.h"
#include "wire/wire.h"

#define EVENTS	256
#define TICK_US (NOW_SECOND / 20)
/* A loop that is so late was stopped: no load makes it so. */
#define STOOD_STILL_US (2 * NOW_SECOND)

/* ---- What the parts tell each other -------------------------------------- */

static void send_query(void *arg, struct agent_cache_ask *q, bool urgent)
{
	struct agent *a = arg;

	agent_cache_workers_send(a->workers, q, urgent);
}

static void take_news(void *arg, const struct agent_secret *s)
{
	struct agent *a = arg;

	a->snapshot.changed = a->snapshot.changed || s->changed;
	if (s->news && s->why.text[0])
		log_line(LOG_LEVEL_WARN, "%s: %s", s->name, s->why.text);
	else if (s->news)
		log_line(LOG_LEVEL_INFO, "%s: all is well again", s->name);
	agent_serve_client_told(a, s);
}

static void take_done(struct agent *a)
{
	struct agent_cache_ask *q, *next;
	uint64_t n;

	if (read(a->wake.fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&a->lock);
	q = a->done;
	a->done = NULL;
	pthread_mutex_unlock(&a->lock);
	for (; q; q = next) {
		next = q->next;
		agent_cache_answer(a->cache, q);
	}
	if (agent_trail_collect(a->trail))
		agent_serve_client_told(a, NULL);
	agent_config_take(a);
}

/* ---- Starting ------------------------------------------------------------ */

/* The keys of digests, and of counting failures, last as long as the process, or
 * as what it keeps. */
static enum status make_cache(struct agent *a, struct reason *why)
{
	const struct agent_cache_hooks hooks = { send_query, take_news, a };
	struct secret *key = NULL;
	uint64_t seed = 0;
	enum status s;

	s = secret_new(DIGEST_SIZE, &key);
	if (s == STATUS_OK)
		s = random_bytes(entropy_openssl(), secret_buffer(key),
				 DIGEST_SIZE);
	if (s == STATUS_OK)
		secret_set_len(key, DIGEST_SIZE);
	if (s == STATUS_OK)
		s = random_bytes(entropy_openssl(), &seed, sizeof(seed));
	if (s != STATUS_OK) {
		secret_free(key);
		return reason_set(why, s, "no random key can be made");
	}
	s = agent_cache_new(a->now, key, seed, &hooks, &a->cache, why);
	if (s != STATUS_OK)
		secret_free(key);
	a->snapshot = (struct agent_cache_snapshot){ .cache = a->cache,
						     .now = a->now,
						     .buffer = a->outbox };
	return s;
}

static enum status make_loop(struct agent *a, struct reason *why)
{
	struct epoll_event on_signal = { EPOLLIN, { .ptr = &a->signals } };
	struct epoll_event on_wake = { EPOLLIN, { .ptr = &a->wake } };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A write beyond a limit fails instead of ending us. */
	signal(SIGXFSZ, SIG_IGN);
	a->epoll = epoll_create1(EPOLL_CLOEXEC);
	a->signals = (struct agent_watch){
		AGENT_SOURCE_SIGNAL,
		signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)
	};
	a->wake =
		(struct agent_watch){ AGENT_SOURCE_WAKE,
				      eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (a->epoll < 0 || a->signals.fd < 0 || a->wake.fd < 0 ||
	    epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->signals.fd, &on_signal) ||
	    epoll_ctl(a->epoll, EPOLL_CTL_ADD, a->wake.fd, &on_wake))
		return reason_set(why, STATUS_ERROR,
				  "cannot make the event loop: %s",
				  strerror(errno));
	return STATUS_OK;
}

/* What was asked for before the start and not taken. */
static void recall_requests(struct agent *a, struct ledger *ledger)
{
	char value[LEDGER_TEXT_SIZE];

	for (size_t i = 0; i < agent_access_groups_count(a->groups); i++) {
		struct agent_role *role = agent_access_groups_at(a->groups, i);

		role->asked = ledger_fact_recall(ledger, LEDGER_FACT_ASKED,
						 role->name, now_wall(a->now),
						 value, NULL) == STATUS_OK;
	}
}

/* The ledger stays the one that the agent was started with. */
static enum status make_trail(struct agent *a, struct reason *why)
{
	struct ledger *ledger = NULL;
	bool lost = false;
	enum status s;

	s = config_load(a->config_path, &a->ledger_config, why);
	if (s == STATUS_OK)
		s = open_new(a->ledger_config, &a->ledger_opened, why);
	if (s == STATUS_OK)
		s = open_ledger(a->ledger_opened, OPEN_LEDGER_WRITE, &ledger,
				&lost, why);
	if (s == STATUS_OK && lost)
		log_line(LOG_LEVEL_INFO, "a new ledger was begun");
	if (s == STATUS_OK)
		recall_requests(a, ledger);
	if (s == STATUS_OK)
		s = agent_trail_new(ledger, a->now, agent_wake, a, &a->trail,
				    why);
	return s;
}

/* A descriptor for each client. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

enum status agent_new(const char *config_path, struct agent **ret,
		      struct reason *why)
{
	struct agent *a = calloc(1, sizeof(*a));
	enum status s = STATUS_NO_MEMORY;

	if (!a)
		return reason_no_memory(why);
	a->now = now_system();
	a->epoll = a->signals.fd = a->wake.fd = -1;
	for (int i = 0; i < AGENT_LISTENERS; i++)
		a->listeners[i] =
			(struct agent_watch){ (enum agent_source)i, -1 };
	pthread_mutex_init(&a->lock, NULL);
	raise_limits();
	a->config_path = strdup(config_path);
	a->throttle = agent_serve_throttle_new();
	a->seen = agent_trail_seen_new(a->now);
	if (a->config_path && a->throttle && a->seen)
		s = secret_new(WIRE_REQUEST_MAX, &a->inbox);
	if (s == STATUS_OK)
		s = secret_new(WIRE_REPLY_MAX, &a->outbox);
	if (s != STATUS_OK)
		reason_set(why, s,
			   "cannot allocate or lock memory (see LimitMEMLOCK)");
	if (s == STATUS_OK)
		s = make_loop(a, why);
	if (s == STATUS_OK)
		s = make_cache(a, why);
	if (s == STATUS_OK)
		s = agent_config_load(a, why);
	if (s == STATUS_OK)
		a->programs = agent_config_programs(a->config);
	if (s == STATUS_OK)
		s = agent_sandbox_enter(a->programs, why);
	if (s == STATUS_OK)
		s = make_trail(a, why);
	if (s == STATUS_OK)
		s = agent_serve_listen(a, why);
	if (s != STATUS_OK) {
		agent_free(a);
		return s;
	}
	*ret = a;
	return STATUS_OK;
}

/* ---- The loop ------------------------------------------------------------ */

static void take_signals(struct agent *a)
{
	struct signalfd_siginfo info;

	while (read(a->signals.fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			a->reload = true;
		else
			a->stopping = true;
	}
}

static void dispatch_event(struct agent *a, const struct epoll_event *e)
{
	struct agent_watch *w = e->data.ptr;

	switch (w->source) {
	case AGENT_SOURCE_AGENT:
	case AGENT_SOURCE_CREDS:
	case AGENT_SOURCE_ADMIN:
		agent_serve_client_accept(a, w);
		break;
	case AGENT_SOURCE_CLIENT:
		agent_serve_client_ready(
			a, (struct agent_serve_client *)(void *)w, e->events);
		break;
	case AGENT_SOURCE_SIGNAL:
		take_signals(a);
		break;
	case AGENT_SOURCE_WAKE:
		take_done(a);
		break;
	}
}

static void tell_status(struct agent *a)
{
	size_t held = 0, stale = 0;
	int64_t stale_s;

	for (struct agent_secret *s = agent_cache_first(a->cache); s;
	     s = s->next) {
		switch (agent_cache_look(a->cache, s, &stale_s)) {
		case AGENT_CACHE_STALE:
			stale++;
			/* fall through */
		case AGENT_CACHE_FRESH:
			held++;
			break;
		case AGENT_CACHE_COMING:
		case AGENT_CACHE_NOTHING:
			break;
		}
	}
	notify_status("%zu secrets, %zu of them stale; %u clients; %llu "
		      "requests%s%s",
		      held, stale, a->n_clients, (unsigned long long)a->served,
		      *agent_trail_trouble(a->trail) ? "; no audit: " : "",
		      agent_trail_trouble(a->trail));
}

static void each_second(struct agent *a)
{
	agent_cache_tick(a->cache);
	agent_trail_tick(a->trail);
	agent_config_reap(a, false);
	agent_config_names(a);
	agent_cache_snapshot_save(&a->snapshot, false);
}

/* Before anything is answered: rotations may have been missed. */
static void notice_sleep(struct agent *a)
{
	if (a->second_us > 0 &&
	    now_boot(a->now) > a->second_us + STOOD_STILL_US)
		agent_cache_slept(a->cache);
}

static void do_tick(struct agent *a)
{
	int64_t now = now_boot(a->now), watchdog = notify_watchdog_us();

	if (now < a->tick_us)
		return;
	a->tick_us = now + TICK_US;
	agent_serve_client_tick(a);
	if (now >= a->second_us) {
		a->second_us = now + NOW_SECOND;
		each_second(a);
	}
	if (now < a->watchdog_us)
		return;
	a->watchdog_us = now + (watchdog > 0 && watchdog < 10 * NOW_SECOND ?
					watchdog :
					10 * NOW_SECOND);
	if (watchdog > 0)
		notify_send("WATCHDOG=1");
	tell_status(a);
}

/* Milliseconds until something may be due. */
static int pause_ms(const struct agent *a)
{
	int64_t until = a->n_clients > 0 || a->accept_us ? a->tick_us :
							   a->second_us;
	int64_t us;

	if (a->watchdog_us < until)
		until = a->watchdog_us;
	us = until - now_boot(a->now);
	return us > 0 ? (int)(us / 1000) + 1 : 0;
}

enum status agent_run(struct agent *a, struct reason *why)
{
	struct epoll_event events[EVENTS];
	int n;

	notify_send("READY=1");
	while (!a->stopping) {
		n = epoll_wait(a->epoll, events, EVENTS, pause_ms(a));
		if (n < 0 && errno != EINTR)
			return reason_set(why, STATUS_ERROR, "epoll: %s",
					  strerror(errno));
		notice_sleep(a);
		for (int i = 0; i < n; i++)
			dispatch_event(a, &events[i]);
		do_tick(a);
		if (a->reload && !a->reloading)
			agent_config_reload(a);
		agent_serve_client_turn(a);
	}
	notify_send("STOPPING=1");
	return STATUS_OK;
}

/* A store that hangs is not waited for: everything that matters is written. */
static void leave_stores(struct agent *a)
{
	int64_t until = now_boot(a->now) + 2 * NOW_SECOND;

	if (!a->workers)
		return;
	agent_cache_workers_retire(a->workers);
	while (!agent_cache_workers_idle(a->workers) || !agent_config_idle(a)) {
		if (now_boot(a->now) >= until) {
			log_line(LOG_LEVEL_WARN,
				 "a store still does not answer; ending");
			_exit(EXIT_SUCCESS);
		}
		now_sleep(a->now, NOW_SECOND / 50);
	}
}

void agent_free(struct agent *a)
{
	struct agent_cache_ask *q;

	if (!a)
		return;
	if (a->trail && a->cache)
		agent_cache_snapshot_save(&a->snapshot, true);
	agent_serve_listen_stop(a);
	agent_serve_client_close_all(a);
	agent_trail_free(a->trail);
	agent_config_stop(a);
	leave_stores(a);
	agent_cache_workers_free(a->workers);
	agent_config_reap(a, true);
	while ((q = a->done) != NULL) {
		a->done = q->next;
		agent_cache_ask_free(q);
	}
	agent_access_groups_free(a->groups);
	agent_cache_free(a->cache);
	open_free(a->ledger_opened);
	config_free(a->ledger_config);
	config_free(a->config);
	agent_serve_throttle_free(a->throttle);
	agent_trail_seen_free(a->seen);
	secret_free(a->inbox);
	secret_free(a->outbox);
	for (int *fd = (int[]){ a->epoll, a->signals.fd, a->wake.fd, -2 };
	     *fd != -2; fd++)
		if (*fd >= 0)
			close(*fd);
	pthread_mutex_destroy(&a->lock);
	free(a->config_path);
	free(a);
}
