/* SPDX-License-Identifier: PostgreSQL */
/* Worker threads; must never hold more work than it has threads, because what
 * waits here could be neither chosen again nor called off. */
#include "base/thread_pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/thread.h"

struct thread_pool {
	thread_pool_work_fn *work;
	void *arg;
	unsigned most;
	pthread_mutex_t lock; /* over everything below */
	pthread_cond_t given;
	unsigned started, busy;	     /* busy: given or at work */
	void *hand[THREAD_POOL_MAX]; /* given, not yet taken up */
	unsigned in_hand;
	bool ending;
	pthread_t threads[THREAD_POOL_MAX];
};

static void *run_thread(void *arg)
{
	struct thread_pool *c = arg;
	void *thing;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (c->in_hand == 0 && !c->ending)
			pthread_cond_wait(&c->given, &c->lock);
		if (c->in_hand == 0)
			break;
		thing = c->hand[--c->in_hand];
		pthread_mutex_unlock(&c->lock);
		c->work(c->arg, thing);
		pthread_mutex_lock(&c->lock);
		c->busy--;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static bool start_thread(struct thread_pool *c)
{
	int rc = thread_start(&c->threads[c->started], run_thread, c);

	c->started += rc == 0;
	return rc == 0;
}

enum status thread_pool_new(unsigned most, thread_pool_work_fn *work, void *arg,
			    struct thread_pool **ret)
{
	struct thread_pool *c = calloc(1, sizeof(*c));

	if (!c)
		return STATUS_NO_MEMORY;
	c->work = work;
	c->arg = arg;
	c->most = most < THREAD_POOL_MAX ? most : THREAD_POOL_MAX;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->given, NULL);
	*ret = c;
	return STATUS_OK;
}

enum status thread_pool_give(struct thread_pool *c, void *thing)
{
	enum status s = STATUS_OK;

	pthread_mutex_lock(&c->lock);
	if (c->busy >= c->most)
		s = STATUS_BUSY;
	else if (c->busy >= c->started && !start_thread(c))
		s = c->started ? STATUS_BUSY : STATUS_NO_MEMORY;
	if (s == STATUS_OK) {
		c->hand[c->in_hand++] = thing;
		c->busy++;
		pthread_cond_signal(&c->given);
	}
	pthread_mutex_unlock(&c->lock);
	return s;
}

unsigned thread_pool_busy(struct thread_pool *c)
{
	unsigned n;

	pthread_mutex_lock(&c->lock);
	n = c->busy;
	pthread_mutex_unlock(&c->lock);
	return n;
}

void thread_pool_free(struct thread_pool *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_broadcast(&c->given);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->started; i++)
		pthread_join(c->threads[i], NULL);
	pthread_cond_destroy(&c->given);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
