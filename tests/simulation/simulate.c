/* SPDX-License-Identifier: PostgreSQL */
/*
 * The shipped engine and runner in the simulated world: scenes, every single fault
 * and every pair of faults of one run, then storms of interleaved rotators, late
 * effects and restores.  Prints how much was survived.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "simulate.h"

/* Cheap ones first: a mutant is to be caught soon. */
static const struct simulate_group *const groups[] = {
	&simulate_outcome,    &simulate_live,	       &simulate_login,
	&simulate_others,     &simulate_pair,	       &simulate_leak,
	&simulate_gateway,    &simulate_sweep,	       &simulate_storm,
	&simulate_pair_sweep, &simulate_gateway_sweep, &simulate_rows,
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

#define MOST 200

static struct CMUnitTest tests[MOST];

static size_t collect_tests(void)
{
	size_t n = 0;

	for (size_t g = 0; g < GROUPS; g++)
		for (size_t i = 0; i < groups[g]->n; i++) {
			if (n == MOST)
				abort();
			tests[n++] = groups[g]->tests[i];
		}
	return n;
}

int main(void)
{
	const char *only = getenv("KEYTURN_SIMULATE_ONLY"); /* a glob */
	size_t n = collect_tests();
	int failed = 0;

	if (only)
		cmocka_set_test_filter(only);
	/* tests/mutations/simulate wants to know whether, not how often. */
	if (getenv("KEYTURN_SIMULATE_STOP"))
		for (size_t i = 0; i < n && failed == 0; i++)
			failed = _cmocka_run_group_tests(
				"first failure", &tests[i], 1, NULL, NULL);
	else
		failed = _cmocka_run_group_tests("simulate", tests, n, NULL,
						 NULL);
	printf("simulated %lu runs, %lu faults, %lu crashes\n", simulated.runs,
	       simulated.faults, simulated.crashes);
	return failed;
}
