/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/thread_pool.h"

static sem_t begun, go;
static atomic_uint done, blocked;

static void work(void *arg, void *thing)
{
	sigset_t mask;

	(void)arg;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	if (sigismember(&mask, SIGTERM) && sigismember(&mask, SIGHUP))
		atomic_fetch_add(&blocked, 1);
	sem_post(&begun);
	sem_wait(&go);
	atomic_fetch_add(&done, (unsigned)(uintptr_t)thing);
}

static int begin(void **state)
{
	(void)state;
	sem_init(&begun, 0, 0);
	sem_init(&go, 0, 0);
	atomic_store(&done, 0);
	atomic_store(&blocked, 0);
	return 0;
}

static void as_many_work_at_once_as_were_allowed(void **state)
{
	struct thread_pool *c = NULL;

	(void)state;
	assert_int_equal(thread_pool_new(3, work, NULL, &c), STATUS_OK);
	for (int i = 0; i < 3; i++)
		assert_int_equal(thread_pool_give(c, (void *)1), STATUS_OK);
	for (int i = 0; i < 3; i++)
		sem_wait(&begun);
	assert_int_equal(thread_pool_busy(c), 3);
	assert_int_equal(thread_pool_give(c, (void *)1), STATUS_BUSY);
	sem_post(&go);
	while (thread_pool_busy(c) == 3)
		sched_yield();
	assert_int_equal(thread_pool_give(c, (void *)10), STATUS_OK);
	for (int i = 0; i < 3; i++)
		sem_post(&go);
	thread_pool_free(c);
	assert_int_equal(atomic_load(&done), 13);
}

static void what_was_given_is_done_before_the_crew_ends(void **state)
{
	struct thread_pool *c = NULL;

	(void)state;
	assert_int_equal(thread_pool_new(THREAD_POOL_MAX + 7, work, NULL, &c),
			 STATUS_OK);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(thread_pool_give(c, (void *)1), STATUS_OK);
		sem_post(&go);
	}
	thread_pool_free(c);
	assert_int_equal(atomic_load(&done), 20);
	thread_pool_free(NULL);
}

static void signals_are_left_to_the_thread_that_waits_for_them(void **state)
{
	struct thread_pool *c = NULL;
	sigset_t mask;

	(void)state;
	assert_int_equal(thread_pool_new(1, work, NULL, &c), STATUS_OK);
	assert_int_equal(thread_pool_give(c, (void *)1), STATUS_OK);
	sem_post(&go);
	thread_pool_free(c);
	assert_int_equal(atomic_load(&blocked), 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGTERM));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup(f, begin)
		T(as_many_work_at_once_as_were_allowed),
		T(what_was_given_is_done_before_the_crew_ends),
		T(signals_are_left_to_the_thread_that_waits_for_them),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
