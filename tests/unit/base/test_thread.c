/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/now.h"
#include "base/thread.h"

struct shared {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool set;
	sigset_t mask;
};

static void *set_it(void *arg)
{
	struct shared *s = arg;

	pthread_mutex_lock(&s->lock);
	pthread_sigmask(SIG_SETMASK, NULL, &s->mask);
	s->set = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static struct timespec now_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t;
}

/* If the condition went by the wall clock, a time of the boot would be over. */
static void a_wait_goes_by_the_clock_that_nobody_sets(void **state)
{
	struct timespec until, before = now_of(CLOCK_MONOTONIC), after;
	struct shared s = { .lock = PTHREAD_MUTEX_INITIALIZER };

	(void)state;
	thread_cond_init(&s.changed);
	pthread_mutex_lock(&s.lock);
	until = thread_after(NOW_SECOND / 5);
	while (thread_wait(&s.changed, &s.lock, &until))
		;
	pthread_mutex_unlock(&s.lock);
	after = now_of(CLOCK_MONOTONIC);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000L +
			    after.tv_nsec - before.tv_nsec >=
		    200000000L);
	pthread_cond_destroy(&s.changed);
}

static void what_is_awaited_ends_the_wait(void **state)
{
	struct shared s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct timespec until = thread_after(3600 * NOW_SECOND);
	pthread_t thread;

	(void)state;
	assert_true(until.tv_nsec >= 0 && until.tv_nsec < 1000000000L);
	thread_cond_init(&s.changed);
	assert_int_equal(thread_start(&thread, set_it, &s), 0);
	pthread_mutex_lock(&s.lock);
	while (!s.set)
		assert_true(thread_wait(&s.changed, &s.lock, &until));
	pthread_mutex_unlock(&s.lock);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* Signals are for another thread, and ours are as they were. */
	assert_int_equal(sigismember(&s.mask, SIGTERM), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &s.mask);
	assert_int_equal(sigismember(&s.mask, SIGTERM), 0);
	pthread_cond_destroy(&s.changed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_wait_goes_by_the_clock_that_nobody_sets),
		cmocka_unit_test(what_is_awaited_ends_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
