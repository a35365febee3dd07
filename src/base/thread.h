/* SPDX-License-Identifier: PostgreSQL */
/*
 * Threads and bounded waits.  A wait is measured by CLOCK_MONOTONIC, so that a
 * wall clock that is set back cannot make it longer.
 */
#ifndef KEYTURN_THREAD_H
#define KEYTURN_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/*
 * Start a thread with all signals blocked: they are for the thread that waits
 * for them.  ret NULL: detached.  Returns 0 or an error number.
 */
int thread_start(pthread_t *ret, void *(*run)(void *), void *arg);

/* A condition for thread_wait(); pthread_cond_destroy() it. */
void thread_cond_init(pthread_cond_t *cond);

/* When `us` microseconds (0 or more) from now are over. */
struct timespec thread_after(int64_t us);

/* Wait for the condition, whose lock is held; false when the time is over. */
bool thread_wait(pthread_cond_t *cond, pthread_mutex_t *lock,
		 const struct timespec *until);

#endif
