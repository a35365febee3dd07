/* SPDX-License-Identifier: PostgreSQL */
/* Gives roles that may be behind to threads; must never run one role in two of
 * them, nor say the same trouble at each attempt. */
#include "daemon/follower.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/now.h"
#include "base/thread_loop.h"
#include "base/thread_pool.h"
#include "jobs/follow.h"

/* Roles at a time. */
#define THREADS 4

/* When to run next is said by the wall clock, which may jump. */
#define NAP_US (2 * NOW_SECOND)

/* A role with steps. */
struct followed {
	struct follower *follower;
	const struct config_group *role;
	/* Under the follower's lock: */
	int64_t next_us; /* wall clock */
	bool running;
	bool awake; /* ... and to be looked at once more after it */
	bool first; /* the first turn, which waits for no pause */
	/* Its thread's, as only one runs it: */
	bool troubled; /* it could not even be tried, and that was said */
};

struct follower {
	struct generation *generation;
	const char *actor;
	int64_t poll_us;
	struct thread_pool *pool;
	struct thread_loop loop;
	/* Under its lock: */
	bool woken;
	unsigned long attempts;
	struct followed *roles;
	size_t n;
};

/* ---- one role, in a thread of the pool -------------------------------------- */

static void tell_attempt(struct followed *r, const struct follow_outcome *o)
{
	struct follower *f = r->follower;

	if (o->behind && o->state->attempts <= 1)
		log_line(LOG_LEVEL_WARN, "%s: %s: %s; it is tried again",
			 o->role, o->step, o->detail);
	else if (!o->behind)
		log_line(LOG_LEVEL_INFO, "%s: %s has the current password",
			 o->role, o->step);
	hook_dispatch_wake(f->generation->dispatch);
	pthread_mutex_lock(&f->loop.lock);
	f->attempts++;
	pthread_mutex_unlock(&f->loop.lock);
}

static void tell_outcome(void *arg, const struct follow_outcome *o)
{
	struct followed *r = arg;
	bool trouble = !o->tried && o->status != STATUS_UNDELIVERED;

	if (o->tried)
		tell_attempt(r, o);
	else if (trouble && !r->troubled)
		log_line(LOG_LEVEL_WARN, "%s: %s: %s", o->role, o->step,
			 o->detail);
	r->troubled = trouble;
}

static void follow_role(void *arg, void *thing)
{
	struct follower *f = arg;
	struct followed *r = thing;
	const struct follow_options o = {
		.engine = f->generation->engine,
		.actor = f->actor,
		.at_once = r->first,
		.fn = tell_outcome,
		.arg = r,
	};
	int64_t next = follow_run(&o, r->role), poll;

	pthread_mutex_lock(&f->loop.lock);
	/* Others may rotate it. */
	poll = now_wall(now_system()) + f->poll_us;
	r->next_us = r->awake ? 0 : next < poll ? next : poll;
	r->running = r->awake = r->first = false;
	f->woken = true;
	pthread_cond_signal(&f->loop.changed);
	pthread_mutex_unlock(&f->loop.lock);
}

/* ---- which, and when --------------------------------------------------------- */

/* Whose turn it has been for longest, so that roles whose programs hang do not
 * keep the threads among themselves; or NULL.  Under the lock. */
static struct followed *choose_role(struct follower *f, int64_t now)
{
	struct followed *best = NULL;

	for (size_t i = 0; i < f->n; i++) {
		struct followed *r = &f->roles[i];

		if (r->running ||
		    (r->next_us > now && r->next_us <= now + f->poll_us))
			continue;
		if (!best || r->next_us < best->next_us)
			best = r;
	}
	return best;
}

/* Under the lock. */
static void begin_some(struct follower *f)
{
	int64_t now = now_wall(now_system());
	struct followed *r;

	while (!f->loop.stopping && (r = choose_role(f, now)) != NULL) {
		if (thread_pool_give(f->pool, r) != STATUS_OK)
			return;
		r->running = true;
	}
}

static void follow_roles(void *arg)
{
	struct follower *f = arg;

	pthread_mutex_lock(&f->loop.lock);
	while (!f->loop.stopping) {
		const struct timespec until = thread_after(NAP_US);

		f->woken = false;
		begin_some(f);
		while (!f->loop.stopping && !f->woken)
			if (!thread_wait(&f->loop.changed, &f->loop.lock,
					 &until))
				break;
	}
	pthread_mutex_unlock(&f->loop.lock);
	thread_pool_free(f->pool);
	f->pool = NULL;
}

/* ---- outside ------------------------------------------------------------------ */

static enum status start_threads(struct follower *f, struct reason *why)
{
	int rc;

	if (thread_pool_new(THREADS, follow_role, f, &f->pool) != STATUS_OK)
		return reason_no_memory(why);
	rc = thread_loop_start(&f->loop, follow_roles, f);
	if (rc == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_NO_MEMORY, "no thread: %s", strerror(rc));
}

static void release_follower(struct follower *f)
{
	thread_pool_free(f->pool);
	generation_drop(f->generation);
	free(f->roles);
	free(f);
}

enum status follower_start(struct generation *generation, const char *actor,
			   struct follower **ret, struct reason *why)
{
	struct follower *f = calloc(1, sizeof(*f));
	enum status s = STATUS_OK;

	*ret = NULL;
	if (f)
		f->roles = calloc(generation->n_roles + 1, sizeof(*f->roles));
	if (!f || !f->roles) {
		free(f);
		return reason_no_memory(why);
	}
	f->generation = generation;
	f->actor = actor;
	f->poll_us = generation_duration_us(generation, CONFIG_keyturn_poll);
	generation_hold(generation);
	for (size_t i = 0; i < generation->n_roles; i++)
		if (follow_has(generation->roles[i]))
			f->roles[f->n++] = (struct followed){
				.follower = f,
				.role = generation->roles[i],
				.first = true,
			};
	if (f->n > 0)
		s = start_threads(f, why);
	if (f->n == 0 || s != STATUS_OK) {
		release_follower(f);
		return s;
	}
	*ret = f;
	return STATUS_OK;
}

void follower_wake(struct follower *f, const char *role)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->loop.lock);
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(config_name(f->roles[i].role), role) == 0) {
			f->roles[i].awake = f->roles[i].running;
			f->roles[i].next_us = 0;
			f->woken = true;
		}
	pthread_cond_signal(&f->loop.changed);
	pthread_mutex_unlock(&f->loop.lock);
}

unsigned long follower_attempts(struct follower *f)
{
	unsigned long n;

	if (!f)
		return 0;
	pthread_mutex_lock(&f->loop.lock);
	n = f->attempts;
	pthread_mutex_unlock(&f->loop.lock);
	return n;
}

void follower_stop(struct follower *f)
{
	if (f)
		thread_loop_stop(&f->loop);
}

bool follower_stopped(struct follower *f)
{
	return !f || thread_loop_stopped(&f->loop);
}

void follower_free(struct follower *f)
{
	if (!f)
		return;
	thread_loop_join(&f->loop);
	release_follower(f);
}
