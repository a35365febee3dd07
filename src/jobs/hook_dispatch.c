/* SPDX-License-Identifier: PostgreSQL */
/*
 * Events to hooks; must never let one hook wait for another, or a rotation for
 * any of them.
 */
#include "jobs/hook_dispatch.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/text.h"
#include "base/thread.h"
#include "crypto/entropy.h"
#include "hook/hook.h"
#include "jobs/hook_state.h"

#define BATCH	    64
#define POLL_US	    (5 * NOW_SECOND)
#define BACKOFF	    (1 * NOW_SECOND)
#define BACKOFF_MAX (300 * NOW_SECOND)
#define PATH_SIZE   1200

enum doing {
	LOOKING, /* or delivering */
	RESTING, /* there was nothing more to deliver */
	FAILING, /* waits before the next attempt */
	ENDED
};

/* One hook and its thread. */
struct route {
	struct hook_dispatch *dispatch;
	struct hook *hook;
	struct hook_state state; /* its thread's */
	unsigned attempts_max;
	int lock; /* held while this process delivers; -1 */
	pthread_t thread;
	bool started;
	/* Under the dispatcher's lock: */
	bool awake; /* look again before sleeping */
	enum doing doing;
};

struct hook_dispatch {
	const struct config *config;
	struct ledger *ledger;
	hook_dispatch_tell_fn *tell;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping;
	size_t n;
	struct route *routes;
};

/* ---- one thread at a time, in all processes ------------------------------ */

static bool take_lock(struct route *r)
{
	char path[PATH_SIZE];

	if (r->lock >= 0)
		return true;
	snprintf(path, sizeof(path), "%s.hook-%s",
		 config_string(config_find(r->dispatch->config,
					   CONFIG_SECTION_keyturn, ""),
			       CONFIG_keyturn_ledger),
		 r->state.hook);
	r->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (r->lock >= 0 && flock(r->lock, LOCK_EX | LOCK_NB) == 0)
		return true;
	if (r->lock >= 0)
		close(r->lock);
	r->lock = -1;
	return false;
}

static void drop_lock(struct route *r)
{
	if (r->lock >= 0)
		close(r->lock);
	r->lock = -1;
}

/* ---- sleeping and waking ------------------------------------------------- */

/* True when the thread is to go on.  A wake ends a rest, and no pause after a
 * failure. */
static bool wait_awake(struct route *r, int64_t us, enum doing doing)
{
	struct hook_dispatch *c = r->dispatch;
	const struct timespec until = thread_after(us);
	bool go_on;

	pthread_mutex_lock(&c->lock);
	r->doing = doing;
	pthread_cond_broadcast(&c->changed);
	while (!c->stopping && !(doing == RESTING && r->awake))
		if (!thread_wait(&c->changed, &c->lock, &until))
			break;
	if (doing == RESTING)
		r->awake = false;
	r->doing = LOOKING;
	go_on = !c->stopping;
	pthread_mutex_unlock(&c->lock);
	return go_on;
}

/* ---- delivering ---------------------------------------------------------- */

struct batch {
	char *lines[BATCH];
	size_t n;
};

/* Only copied here: a transaction is no place to wait for a receiver. */
static enum status collect_events(void *arg, const char *line)
{
	struct batch *b = arg;

	if (b->n == BATCH)
		return STATUS_LIMIT;
	return text_dup(line, &b->lines[b->n]) == STATUS_OK ?
		       (b->n++, STATUS_OK) :
		       STATUS_NO_MEMORY;
}

static void empty_batch(struct batch *b)
{
	while (b->n > 0)
		free(b->lines[--b->n]);
}

static void say_of_hook(struct route *r, bool bad, const char *sentence)
{
	r->dispatch->tell(r->dispatch->arg, r->state.hook, bad, sentence);
}

/* Record that the event was given up, so that an auditor finds it in the trail. */
static void give_up(struct route *r, const struct hook_notice *n)
{
	struct ledger *l = r->dispatch->ledger;
	char detail[LEDGER_TEXT_SIZE];
	const struct audit_event ev = audit_event_make(
		AUDIT_HOOK, "", "keyturn", status_name(STATUS_ERROR), detail);

	snprintf(detail, sizeof(detail),
		 "hook %s was not told of event %lld (%s): given up after %u "
		 "attempts: %.200s",
		 r->state.hook, (long long)n->seq, hook_event_name(n->event),
		 r->state.attempts, r->state.sentence);
	say_of_hook(r, true, detail);
	l->ops->trail->note(l, &ev, 1, true, NULL);
	r->state.lost++;
}

/* STATUS_OK: dealt with, or given up. */
static enum status attempt_delivery(struct route *r,
				    const struct hook_notice *n)
{
	struct reason why;
	enum status s;

	reason_clear(&why);
	s = hook_deliver(r->hook, n, &why);
	if (s == STATUS_OK) {
		if (r->state.attempts > 0)
			say_of_hook(r, false, "takes events again");
		r->state.attempts = 0;
		r->state.sentence[0] = '\0';
		return STATUS_OK;
	}
	if (r->state.attempts++ == 0) {
		r->state.since_us = now_wall(now_system());
		say_of_hook(r, true, why.text);
	}
	snprintf(r->state.sentence, sizeof(r->state.sentence), "%.300s",
		 why.text);
	if (r->state.attempts < r->attempts_max)
		return s;
	give_up(r, n);
	r->state.attempts = 0;
	return STATUS_OK;
}

/* Until it is dealt with; false: stop.  What has come so far is kept after each
 * attempt: another process goes on from there. */
static bool deliver_notice(struct route *r, const struct hook_notice *n)
{
	while (attempt_delivery(r, n) != STATUS_OK) {
		hook_state_store(r->dispatch->ledger, &r->state, NULL);
		if (!wait_awake(r,
				backoff_us(entropy_openssl(), BACKOFF,
					   BACKOFF_MAX, r->state.attempts),
				FAILING))
			return false;
	}
	r->state.seq = n->seq;
	hook_state_store(r->dispatch->ledger, &r->state, NULL);
	return true;
}

/* One batch; STATUS_NOT_FOUND when there was nothing. */
static enum status deliver_some(struct route *r, bool *ret_go_on,
				struct reason *why)
{
	struct ledger *l = r->dispatch->ledger;
	struct hook_notice *n = malloc(sizeof(*n));
	struct batch b = { .n = 0 };
	int64_t last = 0;
	enum status s;

	if (!n)
		return reason_no_memory(why);
	s = l->ops->trail->follow(l, r->state.seq, BATCH, collect_events, &b,
				  &last, why);
	for (size_t i = 0; i < b.n && s == STATUS_OK && *ret_go_on; i++) {
		/* What cannot be read is the audit's to complain about. */
		if (hook_notice_read(b.lines[i], n, NULL) == STATUS_OK &&
		    hook_wants(r->hook, n->event))
			*ret_go_on = deliver_notice(r, n);
	}
	if (s == STATUS_OK && *ret_go_on && last != r->state.seq) {
		r->state.seq = last;
		s = hook_state_store(r->dispatch->ledger, &r->state, why);
	}
	if (s == STATUS_OK && b.n == 0)
		s = STATUS_NOT_FOUND;
	empty_batch(&b);
	free(n);
	return s;
}

/* Where to begin.  When the trail ends before that place, the ledger was restored
 * from a backup, and it is begun at the trail's end. */
static enum status find_place(struct route *r, struct reason *why)
{
	struct ledger *l = r->dispatch->ledger;
	const char *hook = r->state.hook;
	int64_t end = 0;
	enum status s;

	s = hook_state_load(l, hook, &r->state, why);
	if (s == STATUS_OK)
		s = l->ops->trail->follow(l, -1, 0, NULL, NULL, &end, why);
	if (s == STATUS_OK && (r->state.seq < 0 || r->state.seq > end)) {
		r->state.seq = end;
		s = hook_state_store(r->dispatch->ledger, &r->state, why);
	}
	return s;
}

static void *serve_hook(void *arg)
{
	struct route *r = arg;
	struct hook_dispatch *c = r->dispatch;
	struct reason why;
	bool go_on = true, lost = false;
	enum status s;

	while (go_on) {
		bool had = r->lock >= 0;

		/* Another process may have delivered since we had it. */
		s = !take_lock(r) ? STATUS_NOT_FOUND :
		    had		  ? STATUS_OK :
				    find_place(r, &why);
		while (s == STATUS_OK && go_on)
			s = deliver_some(r, &go_on, &why);
		if (s != STATUS_OK && s != STATUS_NOT_FOUND) {
			if (!lost)
				say_of_hook(r, true, why.text);
			drop_lock(r);
		}
		lost = s != STATUS_OK && s != STATUS_NOT_FOUND;
		go_on = go_on && wait_awake(r, POLL_US, RESTING);
	}
	drop_lock(r);
	pthread_mutex_lock(&c->lock);
	r->doing = ENDED;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- outside ------------------------------------------------------------- */

static enum status open_hook(const struct config_group *g, struct hook **ret,
			     struct reason *why)
{
	struct hook_options o = {
		.name = config_name(g),
		.url = config_string(g, CONFIG_hook_url),
		.secret_file = config_string(g, CONFIG_hook_secret_file),
		.ca_file = config_string(g, CONFIG_hook_ca_file),
		.events = config_string(g, CONFIG_hook_events),
		.timeout_us = config_duration_us(g, CONFIG_hook_timeout),
		.now = now_system(),
		.random = entropy_openssl(),
	};
	size_t n = config_list_n(g, CONFIG_hook_command);
	enum status s;

	if (n > HOOK_ARGS_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "%s: [hook %s] has more than %d arguments",
				  config_where(g), o.name, HOOK_ARGS_MAX);
	for (size_t i = 0; i < n; i++)
		o.argv[i] = config_list_at(g, CONFIG_hook_command, i);
	s = hook_open(&o, ret, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [hook %s]", config_where(g),
				   o.name);
	return STATUS_OK;
}

enum status hook_dispatch_check(const struct config *config, struct reason *why)
{
	size_t n = config_count(config, CONFIG_SECTION_hook);
	enum status s = STATUS_OK;

	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		struct hook *h = NULL;

		s = open_hook(config_at(config, CONFIG_SECTION_hook, i), &h,
			      why);
		hook_close(h);
	}
	return s;
}

static enum status start_route(struct route *r, struct reason *why)
{
	int rc;

	/* The place is found before anything new is recorded.  A ledger that is
	 * away is asked again by the thread. */
	if (take_lock(r) && find_place(r, NULL) != STATUS_OK)
		drop_lock(r);
	rc = thread_start(&r->thread, serve_hook, r);
	if (rc != 0)
		return reason_set(why, STATUS_NO_MEMORY,
				  "no thread for hook %s: %s", r->state.hook,
				  strerror(rc));
	r->started = true;
	return STATUS_OK;
}

static enum status open_route(struct hook_dispatch *c, size_t i,
			      struct reason *why)
{
	const struct config_group *g =
		config_at(c->config, CONFIG_SECTION_hook, i);
	struct route *r = &c->routes[i];

	r->dispatch = c;
	r->lock = -1;
	r->awake = true;
	r->state.hook = config_name(g);
	r->attempts_max = (unsigned)config_int(g, CONFIG_hook_attempts);
	c->n = i + 1;
	return open_hook(g, &r->hook, why);
}

static bool is_configured(void *arg, const char *key)
{
	return config_find(arg, CONFIG_SECTION_hook,
			   key + strlen(ledger_fact_prefix(
					 LEDGER_FACT_HOOK))) != NULL;
}

enum status hook_dispatch_start(const struct config *config,
				struct ledger *ledger,
				hook_dispatch_tell_fn *tell, void *arg,
				struct hook_dispatch **ret, struct reason *why)
{
	size_t n = config_count(config, CONFIG_SECTION_hook);
	struct hook_dispatch *c = NULL;
	enum status s = STATUS_OK;

	*ret = NULL;
	/* A hook that was taken out and comes back hears what is from then on. */
	s = ledger->ops->facts->forget(ledger,
				       ledger_fact_prefix(LEDGER_FACT_HOOK),
				       is_configured, (void *)config, why);
	if (s != STATUS_OK || n == 0)
		return s;
	c = calloc(1, sizeof(*c));
	if (c)
		c->routes = calloc(n, sizeof(*c->routes));
	if (!c || !c->routes) {
		free(c);
		return reason_no_memory(why);
	}
	c->config = config;
	c->ledger = ledger;
	c->tell = tell;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	thread_cond_init(&c->changed);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		s = open_route(c, i, why);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		s = start_route(&c->routes[i], why);
	if (s != STATUS_OK) {
		hook_dispatch_free(c);
		return s;
	}
	*ret = c;
	return STATUS_OK;
}

void hook_dispatch_wake(struct hook_dispatch *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n; i++)
		c->routes[i].awake = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static bool all_settled(const struct hook_dispatch *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct route *r = &c->routes[i];

		if (r->doing == LOOKING || (r->doing == RESTING && r->awake))
			return false;
	}
	return true;
}

void hook_dispatch_drain(struct hook_dispatch *c, int64_t limit_us)
{
	const struct timespec until = thread_after(limit_us);

	if (!c)
		return;
	hook_dispatch_wake(c);
	pthread_mutex_lock(&c->lock);
	while (!all_settled(c))
		if (!thread_wait(&c->changed, &c->lock, &until))
			break;
	pthread_mutex_unlock(&c->lock);
}

void hook_dispatch_stop(struct hook_dispatch *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

bool hook_dispatch_stopped(struct hook_dispatch *c)
{
	bool all = true;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n; i++)
		all = all &&
		      (c->routes[i].doing == ENDED || !c->routes[i].started);
	pthread_mutex_unlock(&c->lock);
	return all;
}

void hook_dispatch_free(struct hook_dispatch *c)
{
	if (!c)
		return;
	hook_dispatch_stop(c);
	for (size_t i = 0; i < c->n; i++) {
		if (c->routes[i].started)
			pthread_join(c->routes[i].thread, NULL);
		drop_lock(&c->routes[i]);
		hook_close(c->routes[i].hook);
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c->routes);
	free(c);
}
