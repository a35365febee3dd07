/* SPDX-License-Identifier: PostgreSQL */
/*
 * Threads that ask stores.  Each store has a queue and a few threads of its own,
 * so that one that does not answer delays only those who need it.  Owned by the
 * event loop.
 */
#ifndef KEYTURN_AGENT_CACHE_WORKERS_H
#define KEYTURN_AGENT_CACHE_WORKERS_H

#include "agent/cache/ask.h"
#include "open/open.h"

#define AGENT_CACHE_WORKERS_THREADS 4 /* for each store */

struct agent_cache_workers;

/* Told, in a worker, that a query is done; it is the receiver's. */
typedef void agent_cache_workers_done_fn(void *arg, struct agent_cache_ask *q);

/* The workers own `opened` from here on. */
enum status agent_cache_workers_new(struct opened *opened,
				    agent_cache_workers_done_fn *done,
				    void *arg, struct agent_cache_workers **ret,
				    struct reason *why);

/* Queue q for its store, in front when urgent; it comes back through done()
 * in any case. */
void agent_cache_workers_send(struct agent_cache_workers *c,
			      struct agent_cache_ask *q, bool urgent);

/* Take no more queries: those in a queue come back as cancelled, those that run
 * may end. */
void agent_cache_workers_retire(struct agent_cache_workers *c);
/* Retired, and no thread is left in a store? */
bool agent_cache_workers_idle(struct agent_cache_workers *c);
/* Waits for the threads; takes NULL. */
void agent_cache_workers_free(struct agent_cache_workers *c);

#endif
