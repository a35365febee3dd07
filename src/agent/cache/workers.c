/* SPDX-License-Identifier: PostgreSQL */
/* Asks stores in threads; must never be waited for by the event loop. */
#include "agent/cache/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"

/* One store, its queue and its threads. */
struct queue {
	struct queue *next;
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
	pthread_mutex_t lock; /* over all below, and the queues */
	struct queue *queues;
	unsigned running; /* queries inside a store */
	bool retired;
};

enum status agent_cache_workers_new(struct opened *opened,
				    agent_cache_workers_done_fn *done,
				    void *arg, struct agent_cache_workers **ret,
				    struct reason *why)
{
	struct agent_cache_workers *c = calloc(1, sizeof(*c));

	if (!c)
		return reason_no_memory(why);
	c->opened = opened;
	c->done = done;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return STATUS_OK;
}

/* A store that is away is said once, and once that it is back. */
static void log_change(struct queue *r, const struct agent_cache_ask *q)
{
	bool failing = q->status == STATUS_STORE_UNAVAILABLE ||
		       q->status == STATUS_TIMEOUT;

	if (failing == r->failing)
		return;
	r->failing = failing;
	if (failing)
		log_line(LOG_LEVEL_WARN, "%s%s cannot be asked: %s",
			 q->token ? "" : "store ", r->store, q->why.text);
	else
		log_line(LOG_LEVEL_INFO, "%s%s answers again",
			 q->token ? "" : "store ", r->store);
}

static void run_query(struct queue *r, struct agent_cache_ask *q)
{
	struct agent_cache_workers *c = r->all;
	struct token_cache *tokens = NULL;
	struct store *store = NULL;

	if (q->token) {
		q->status = open_token(c->opened, q->name + strlen(AGENT_TOKEN),
				       &tokens, &q->why);
		if (q->status == STATUS_OK)
			agent_cache_ask_run_token(q, tokens);
		return;
	}
	q->status = open_store(c->opened, q->store, &store, &q->why);
	if (q->status == STATUS_OK)
		agent_cache_ask_run(q, store);
}

static void *serve_queue(void *arg)
{
	struct queue *r = arg;
	struct agent_cache_workers *c = r->all;
	struct agent_cache_ask *q;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!r->first && !c->retired) {
			r->n_waiting++;
			pthread_cond_wait(&r->work, &c->lock);
			r->n_waiting--;
		}
		if (!r->first)
			break;
		q = r->first;
		r->first = q->next;
		if (!r->first)
			r->last = NULL;
		c->running++;
		pthread_mutex_unlock(&c->lock);
		run_query(r, q);
		pthread_mutex_lock(&c->lock);
		log_change(r, q);
		c->running--;
		c->done(c->arg, q);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static struct queue *queue_of(struct agent_cache_workers *c, const char *store)
{
	struct queue *r;

	for (r = c->queues; r; r = r->next)
		if (strcmp(r->store, store) == 0)
			return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	text_copy(r->store, sizeof(r->store), store);
	r->all = c;
	pthread_cond_init(&r->work, NULL);
	r->next = c->queues;
	c->queues = r;
	return r;
}

static void queue_query(struct queue *r, struct agent_cache_ask *q, bool urgent)
{
	q->next = NULL;
	if (!r->first) {
		r->first = r->last = q;
	} else if (urgent) {
		q->next = r->first;
		r->first = q;
	} else {
		r->last->next = q;
		r->last = q;
	}
}

/* A thread more when all are busy and there may be one more. */
static bool has_thread(struct queue *r)
{
	if (r->n_waiting > 0 || r->n_threads == AGENT_CACHE_WORKERS_THREADS)
		return true;
	if (thread_start(&r->threads[r->n_threads], serve_queue, r) == 0)
		r->n_threads++;
	return r->n_threads > 0;
}

void agent_cache_workers_send(struct agent_cache_workers *c,
			      struct agent_cache_ask *q, bool urgent)
{
	struct queue *r;

	pthread_mutex_lock(&c->lock);
	r = c->retired ? NULL : queue_of(c, q->store);
	if (r && has_thread(r)) {
		queue_query(r, q, urgent);
		pthread_cond_signal(&r->work);
	} else {
		q->status = reason_set(&q->why, STATUS_NO_MEMORY,
				       "no thread for store %s", q->store);
		q->cancelled = c->retired;
		c->done(c->arg, q);
	}
	pthread_mutex_unlock(&c->lock);
}

void agent_cache_workers_retire(struct agent_cache_workers *c)
{
	struct agent_cache_ask *q;

	pthread_mutex_lock(&c->lock);
	c->retired = true;
	for (struct queue *r = c->queues; r; r = r->next) {
		while ((q = r->first) != NULL) {
			r->first = q->next;
			q->cancelled = true;
			c->done(c->arg, q);
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
	struct queue *r;

	if (!c)
		return;
	agent_cache_workers_retire(c);
	while ((r = c->queues) != NULL) {
		c->queues = r->next;
		for (unsigned i = 0; i < r->n_threads; i++)
			pthread_join(r->threads[i], NULL);
		pthread_cond_destroy(&r->work);
		free(r);
	}
	open_free(c->opened);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
