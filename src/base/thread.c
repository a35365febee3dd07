/* SPDX-License-Identifier: PostgreSQL */
/* Threads and bounded waits; must never wait by a clock that can be set. */
#include "base/thread.h"

#include <errno.h>
#include <signal.h>

#include "base/now.h"

int thread_start(pthread_t *ret, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int rc = pthread_attr_init(&attr);

	if (rc != 0)
		return rc;
	if (ret == NULL)
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(ret != NULL ? ret : &thread, &attr, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

void thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

struct timespec thread_after(int64_t us)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += us / NOW_SECOND;
	t.tv_nsec += us % NOW_SECOND * 1000;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	return t;
}

bool thread_wait(pthread_cond_t *cond, pthread_mutex_t *lock,
		 const struct timespec *until)
{
	return pthread_cond_timedwait(cond, lock, until) != ETIMEDOUT;
}
