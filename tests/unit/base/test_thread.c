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
#include "base/thread_loop.h"

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

struct turns {
	struct thread_loop loop;
	unsigned n; /* under its lock */
};

static void take_turns(void *arg)
{
	struct turns *t = arg;

	while (thread_loop_goes_on(&t->loop)) {
		const struct timespec until =
			thread_after(t->n < 3 ? 1000 : 3600 * NOW_SECOND);

		pthread_mutex_lock(&t->loop.lock);
		t->n++;
		thread_loop_rest(&t->loop, &until);
		pthread_mutex_unlock(&t->loop.lock);
	}
}

static unsigned turns_of(struct turns *t)
{
	unsigned n;

	pthread_mutex_lock(&t->loop.lock);
	n = t->n;
	pthread_mutex_unlock(&t->loop.lock);
	return n;
}

static void a_loop_rests_and_stops_when_it_is_told(void **state)
{
	static struct turns t;

	(void)state;
	assert_int_equal(thread_loop_start(&t.loop, take_turns, &t), 0);
	while (turns_of(&t) < 4)
		now_sleep(now_system(), 1000);
	/* It rests for an hour by now. */
	assert_false(thread_loop_stopped(&t.loop));
	assert_true(thread_loop_goes_on(&t.loop));
	thread_loop_stop(&t.loop);
	assert_false(thread_loop_goes_on(&t.loop));
	while (!thread_loop_stopped(&t.loop))
		now_sleep(now_system(), 1000);
	assert_int_equal(t.n, 4);
	thread_loop_join(&t.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loop_rests_and_stops_when_it_is_told),
		cmocka_unit_test(a_wait_goes_by_the_clock_that_nobody_sets),
		cmocka_unit_test(what_is_awaited_ends_the_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
