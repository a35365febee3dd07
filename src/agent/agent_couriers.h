/* SPDX-License-Identifier: PostgreSQL */
/*
 * Threads that carry errands to stores, so that a store that does not answer
 * keeps nobody waiting but those who want something of it: each store has a
 * queue and a few threads of its own.  Owned by the event loop.
 */
#ifndef KEYTURN_AGENT_COURIERS_H
#define KEYTURN_AGENT_COURIERS_H

#include "agent/agent_errand.h"
#include "assembly/backends.h"

#define AGENT_COURIERS_THREADS 4 /* for each store */

struct agent_couriers;

/* Told, in a thread of its own, that an errand is done; the receiver's. */
typedef void agent_couriers_done_fn(void *arg, struct agent_errand *e);

/* The backends are the couriers' from here on. */
enum status agent_couriers_new(struct backends *b, agent_couriers_done_fn *done,
			       void *arg, struct agent_couriers **ret,
			       struct reason *why);

/* Queue e for its store, in front when urgent; it comes back through done()
 * in any case. */
void agent_couriers_send(struct agent_couriers *c, struct agent_errand *e,
			 bool urgent);

/* No more errands: what is queued comes back as cancelled, what is under way
 * may end. */
void agent_couriers_retire(struct agent_couriers *c);
/* Retired, and no thread is left in a store? */
bool agent_couriers_idle(struct agent_couriers *c);
/* Waits for the threads; takes NULL. */
void agent_couriers_free(struct agent_couriers *c);

#endif
