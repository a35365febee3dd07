/* SPDX-License-Identifier: PostgreSQL */
/* Starts, stops and joins one thread; must never call it ended while it works. */
#include "base/thread_loop.h"

static void *run_loop(void *arg)
{
	struct thread_loop *l = arg;

	l->run(l->arg);
	pthread_mutex_lock(&l->lock);
	l->ended = true;
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int thread_loop_start(struct thread_loop *l, void (*run)(void *arg), void *arg)
{
	int rc;

	l->run = run;
	l->arg = arg;
	l->stopping = l->ended = false;
	pthread_mutex_init(&l->lock, NULL);
	thread_cond_init(&l->changed);
	rc = thread_start(&l->thread, run_loop, l);
	if (rc == 0)
		return 0;
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
	return rc;
}

bool thread_loop_goes_on(struct thread_loop *l)
{
	bool stopping;

	pthread_mutex_lock(&l->lock);
	stopping = l->stopping;
	pthread_mutex_unlock(&l->lock);
	return !stopping;
}

void thread_loop_rest(struct thread_loop *l, const struct timespec *until)
{
	while (!l->stopping)
		if (!thread_wait(&l->changed, &l->lock, until))
			break;
}

void thread_loop_stop(struct thread_loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&l->lock);
}

bool thread_loop_stopped(struct thread_loop *l)
{
	bool ended;

	pthread_mutex_lock(&l->lock);
	ended = l->ended;
	pthread_mutex_unlock(&l->lock);
	return ended;
}

void thread_loop_join(struct thread_loop *l)
{
	thread_loop_stop(l);
	pthread_join(l->thread, NULL);
	pthread_cond_destroy(&l->changed);
	pthread_mutex_destroy(&l->lock);
}
