/* SPDX-License-Identifier: PostgreSQL */
/*
 * Threads that work on what they are given, one thing each at a time.  Who is
 * given what, and when, is the caller's to decide: there is no queue.
 */
#ifndef KEYTURN_THREAD_POOL_H
#define KEYTURN_THREAD_POOL_H

#include "base/status.h"

#define THREAD_POOL_MAX 192

struct thread_pool;

/* Work on one thing, in a thread of the pool.  The thread counts as free again
 * only after this has returned. */
typedef void thread_pool_work_fn(void *arg, void *thing);

/* Of at most `most` threads (1 to THREAD_POOL_MAX), which are started as they are
 * needed, with all signals blocked. */
enum status thread_pool_new(unsigned most, thread_pool_work_fn *work, void *arg,
			    struct thread_pool **ret);

/* Give a thing to a free thread.  STATUS_BUSY when all are at work;
 * STATUS_NO_MEMORY when there is none and none can be started. */
enum status thread_pool_give(struct thread_pool *c, void *thing);

/* How many are at work. */
unsigned thread_pool_busy(struct thread_pool *c);

/* Wait until they are free, end and release them.  Takes NULL. */
void thread_pool_free(struct thread_pool *c);

#endif
