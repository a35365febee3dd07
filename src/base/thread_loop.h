/* SPDX-License-Identifier: PostgreSQL */
/* A thread that works beside others until it is told to stop. */
#ifndef KEYTURN_THREAD_LOOP_H
#define KEYTURN_THREAD_LOOP_H

#include "base/thread.h"

struct thread_loop {
	pthread_t thread;
	void (*run)(void *arg);
	void *arg;
	pthread_mutex_t lock; /* over what follows, and what the owner adds */
	pthread_cond_t changed;
	bool stopping; /* run is to return soon; said once, changed is signalled */
	bool ended;    /* it has */
};

/* Call run(arg) in a thread of its own.  Returns 0, or an error number, and then
 * there is nothing to be joined. */
int thread_loop_start(struct thread_loop *l, void (*run)(void *arg), void *arg);

/* Is run to go on?  Takes the lock. */
bool thread_loop_goes_on(struct thread_loop *l);

/* Wait until then, or until it is to stop.  Under the lock. */
void thread_loop_rest(struct thread_loop *l, const struct timespec *until);

/* Tell it to stop; does not wait. */
void thread_loop_stop(struct thread_loop *l);
/* Has run returned? */
bool thread_loop_stopped(struct thread_loop *l);
/* Stop, wait for it and release it. */
void thread_loop_join(struct thread_loop *l);

#endif
