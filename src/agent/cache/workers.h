/* SPDX-License-Identifier: PostgreSQL */
/*
 * Threads that carry errands to stores, so that a store that does not answer
 * keeps nobody waiting but those who want something of it: each store has a
 * queue and a few threads of its own.  Owned by the event loop.
 */
#ifndef KEYTURN_AGENT_CACHE_WORKERS_H
#define KEYTURN_AGENT_CACHE_WORKERS_H

#include "agent/cache/ask.h"
#include "open/open.h"

#define AGENT_CACHE_WORKERS_THREADS 4 /* for each store */

struct agent_cache_workers;

/* Told, in a thread of its own, that an errand is done; the receiver's. */
typedef void agent_cache_workers_done_fn(void *arg, struct agent_cache_ask *e);

/* The backends are the couriers' from here on. */
enum status agent_cache_workers_new(struct opened *b,
				    agent_cache_workers_done_fn *done,
				    void *arg, struct agent_cache_workers **ret,
				    struct reason *why);

/* Queue e for its store, in front when urgent; it comes back through done()
 * in any case. */
void agent_cache_workers_send(struct agent_cache_workers *c,
			      struct agent_cache_ask *e, bool urgent);

/* No more errands: what is queued comes back as cancelled, what is under way
 * may end. */
void agent_cache_workers_retire(struct agent_cache_workers *c);
/* Retired, and no thread is left in a store? */
bool agent_cache_workers_idle(struct agent_cache_workers *c);
/* Waits for the threads; takes NULL. */
void agent_cache_workers_free(struct agent_cache_workers *c);

#endif
