/* SPDX-License-Identifier: PostgreSQL */
/* Carries errands to stores in threads; must never be waited for by the event
 * loop. */
#include "agent/cache/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

/* One store, its queue and its threads. */
struct route {
	struct route *next;
	struct agent_cache_workers *all;
	char store[AGENT_NAME_SIZE];
	pthread_cond_t work;
	struct agent_cache_ask *first, *last;
	pthread_t threads[AGENT_CACHE_WORKERS_THREADS];
	unsigned n_threads, n_waiting;
	bool failing; /* said so in the log */
};

struct agent_cache_workers {
	struct opened *opened;
	agent_cache_workers_done_fn *done;
	void *arg;
	pthread_mutex_t lock; /* over all below, and the routes */
	struct route *routes;
	unsigned running; /* errands inside a store */
	bool retired;
};

enum status agent_cache_workers_new(struct opened *b,
				    agent_cache_workers_done_fn *done,
				    void *arg, struct agent_cache_workers **ret,
				    struct reason *why)
{
	struct agent_cache_workers *c = calloc(1, sizeof(*c));

	if (!c)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	c->opened = b;
	c->done = done;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return STATUS_OK;
}

/* A store that is away is said once, and once that it is back. */
static void say(struct route *r, const struct agent_cache_ask *e)
{
	bool failing = e->status == STATUS_STORE_UNAVAILABLE ||
		       e->status == STATUS_TIMEOUT;

	if (failing == r->failing)
		return;
	r->failing = failing;
	if (failing)
		log_line(LOG_LEVEL_WARN, "%s%s cannot be asked: %s",
			 e->token ? "" : "store ", r->store, e->why.text);
	else
		log_line(LOG_LEVEL_INFO, "%s%s answers again",
			 e->token ? "" : "store ", r->store);
}

static void run(struct route *r, struct agent_cache_ask *e)
{
	struct agent_cache_workers *c = r->all;
	struct token_cache *tokens = NULL;
	struct store *store = NULL;

	if (e->token) {
		e->status = open_token(c->opened, e->name + strlen(AGENT_TOKEN),
				       &tokens, &e->why);
		if (e->status == STATUS_OK)
			agent_cache_ask_run_token(e, tokens);
		return;
	}
	e->status = open_store(c->opened, e->store, &store, &e->why);
	if (e->status == STATUS_OK)
		agent_cache_ask_run(e, store);
}

static void *work(void *arg)
{
	struct route *r = arg;
	struct agent_cache_workers *c = r->all;
	struct agent_cache_ask *e;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!r->first && !c->retired) {
			r->n_waiting++;
			pthread_cond_wait(&r->work, &c->lock);
			r->n_waiting--;
		}
		if (!r->first)
			break;
		e = r->first;
		r->first = e->next;
		if (!r->first)
			r->last = NULL;
		c->running++;
		pthread_mutex_unlock(&c->lock);
		run(r, e);
		pthread_mutex_lock(&c->lock);
		say(r, e);
		c->running--;
		c->done(c->arg, e);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static struct route *route_to(struct agent_cache_workers *c, const char *store)
{
	struct route *r;

	for (r = c->routes; r; r = r->next)
		if (strcmp(r->store, store) == 0)
			return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	text_copy(r->store, sizeof(r->store), store);
	r->all = c;
	pthread_cond_init(&r->work, NULL);
	r->next = c->routes;
	c->routes = r;
	return r;
}

static void put(struct route *r, struct agent_cache_ask *e, bool urgent)
{
	e->next = NULL;
	if (!r->first) {
		r->first = r->last = e;
	} else if (urgent) {
		e->next = r->first;
		r->first = e;
	} else {
		r->last->next = e;
		r->last = e;
	}
}

/* A thread more when all are busy and there may be one more. */
static bool staffed(struct route *r)
{
	if (r->n_waiting > 0 || r->n_threads == AGENT_CACHE_WORKERS_THREADS)
		return true;
	if (thread_start(&r->threads[r->n_threads], work, r) == 0)
		r->n_threads++;
	return r->n_threads > 0;
}

void agent_cache_workers_send(struct agent_cache_workers *c,
			      struct agent_cache_ask *e, bool urgent)
{
	struct route *r;

	pthread_mutex_lock(&c->lock);
	r = c->retired ? NULL : route_to(c, e->store);
	if (r && staffed(r)) {
		put(r, e, urgent);
		pthread_cond_signal(&r->work);
	} else {
		e->status = reason_set(&e->why, STATUS_NO_MEMORY,
				       "no thread for store %s", e->store);
		e->cancelled = c->retired;
		c->done(c->arg, e);
	}
	pthread_mutex_unlock(&c->lock);
}

void agent_cache_workers_retire(struct agent_cache_workers *c)
{
	struct agent_cache_ask *e;

	pthread_mutex_lock(&c->lock);
	c->retired = true;
	for (struct route *r = c->routes; r; r = r->next) {
		while ((e = r->first) != NULL) {
			r->first = e->next;
			e->cancelled = true;
			c->done(c->arg, e);
		}
		r->last = NULL;
		pthread_cond_broadcast(&r->work);
	}
	pthread_mutex_unlock(&c->lock);
}

bool agent_cache_workers_idle(struct agent_cache_workers *c)
{
	bool idle;

	pthread_mutex_lock(&c->lock);
	idle = c->retired && c->running == 0;
	pthread_mutex_unlock(&c->lock);
	return idle;
}

void agent_cache_workers_free(struct agent_cache_workers *c)
{
	struct route *r;

	if (!c)
		return;
	agent_cache_workers_retire(c);
	while ((r = c->routes) != NULL) {
		c->routes = r->next;
		for (unsigned i = 0; i < r->n_threads; i++)
			pthread_join(r->threads[i], NULL);
		pthread_cond_destroy(&r->work);
		free(r);
	}
	open_free(c->opened);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
