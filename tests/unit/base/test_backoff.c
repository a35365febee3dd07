/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/backoff.h"

static enum status draw(void *self, void *p, size_t n)
{
	uint64_t *next = self;

	assert_int_equal(n, sizeof(*next));
	memcpy(p, next, n);
	return STATUS_OK;
}

static enum status broken(void *self, void *p, size_t n)
{
	(void)self, (void)p, (void)n;
	return STATUS_ERROR;
}

static void a_pause_doubles_up_to_its_limit(void **state)
{
	(void)state;
	assert_int_equal(backoff_us(NULL, 10, 100, 1), 10);
	assert_int_equal(backoff_us(NULL, 10, 100, 2), 20);
	assert_int_equal(backoff_us(NULL, 10, 100, 4), 80);
	assert_int_equal(backoff_us(NULL, 10, 100, 5), 100);
	assert_int_equal(backoff_us(NULL, 10, 100, 4000000000U), 100);
	assert_int_equal(backoff_us(NULL, 500, 100, 1), 100);
	assert_int_equal(backoff_us(NULL, 10, INT64_MAX / 2, 70),
			 INT64_MAX / 2);
}

static void chance_takes_up_to_half_of_it(void **state)
{
	uint64_t dice = 0;
	const struct random r = { draw, &dice };
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (; dice < 1000; dice++) {
		int64_t us = backoff_us(&r, 100, 1000, 3);

		least = us < least ? us : least;
		most = us > most ? us : most;
	}
	assert_int_equal(least, 200);
	assert_int_equal(most, 400);
	dice = UINT64_MAX;
	assert_in_range(backoff_us(&r, 100, 1000, 3), 200, 400);
}

static void without_chance_it_is_the_whole(void **state)
{
	const struct random r = { broken, NULL };

	(void)state;
	assert_int_equal(backoff_us(&r, 100, 1000, 3), 400);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_doubles_up_to_its_limit),
		cmocka_unit_test(chance_takes_up_to_half_of_it),
		cmocka_unit_test(without_chance_it_is_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
