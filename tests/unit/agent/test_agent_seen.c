/* SPDX-License-Identifier: PostgreSQL */
/* agent_trail_seen: what logged in is added up, many hosts share a row, and no one
 * who still comes with the old password is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/trail/seen.h"

#define V1 "0f8fad5b-d9cb-469f-a165-708677289501"
#define V2 "1f8fad5b-d9cb-469f-a165-708677289502"
#define V3 "2f8fad5b-d9cb-469f-a165-708677289503"

struct world {
	struct now now;
	int64_t us;
	struct agent_trail_seen *seen;
};

static int64_t clock_of(void *self)
{
	return ((struct world *)self)->us;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->us = 1000 * NOW_SECOND;
	w->now = (struct now){ clock_of, clock_of, NULL, w };
	w->seen = agent_trail_seen_new(&w->now);
	assert_non_null(w->seen);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	agent_trail_seen_free(w->seen);
	free(w);
	return 0;
}

static const struct agent_trail_seen_use current = {
	.role = "sap",
	.login = "sap",
	.version = V2,
	.beside = V1,
	.rhost = "192.0.2.7",
	.service = "pgbouncer",
};
static const struct agent_trail_seen_use previous = {
	.role = "sap",
	.login = "sap",
	.version = V1,
	.previous = true,
	.beside = V2,
	.rhost = "192.0.2.7",
	.service = "pgbouncer",
};

static size_t count_rows(struct world *w)
{
	const struct agent_trail_seen_row *r;
	size_t n = 0;

	w->us += AGENT_TRAIL_SEEN_SETTLE_US;
	for (r = agent_trail_seen_behind(w->seen, 0); r;
	     r = agent_trail_seen_next(w->seen, r))
		n++;
	return n;
}

static void the_same_again_is_counted(void **state)
{
	struct world *w = *state;
	const struct agent_trail_seen_row *r;

	agent_trail_seen_add(w->seen, &current);
	w->us += 5 * NOW_SECOND;
	agent_trail_seen_add(w->seen, &current);
	w->us += NOW_SECOND;
	agent_trail_seen_add(w->seen, &current);
	assert_int_equal(count_rows(w), 1);
	r = agent_trail_seen_behind(w->seen, 0);
	assert_int_equal(r->count, 3);
	assert_int_equal(r->previous, 0);
	assert_int_equal(r->last_us - r->first_us, 6 * NOW_SECOND);
	assert_string_equal(r->rhost, "192.0.2.7");
	assert_string_equal(r->service, "pgbouncer");
	assert_string_equal(r->version, V2);
	assert_false(r->further);
	assert_int_equal(agent_trail_seen_since_us(w->seen),
			 6 * NOW_SECOND + AGENT_TRAIL_SEEN_SETTLE_US);
}

static void each_difference_has_a_row(void **state)
{
	struct world *w = *state;
	struct agent_trail_seen_use use[5];

	agent_trail_seen_add(w->seen, &current);
	for (int i = 0; i < 5; i++)
		use[i] = current;
	use[0].role = "crm";
	use[1].login = "sap_b";
	use[2].rhost = "192.0.2.8";
	use[3].service = "keyturn";
	use[4] = previous;
	for (size_t i = 0; i < 5; i++) {
		agent_trail_seen_add(w->seen, &use[i]);
		assert_int_equal(count_rows(w), i + 2);
	}
}

/* It was current when the first of these logged in. */
static void a_password_that_became_the_previous_one_keeps_its_row(void **state)
{
	struct world *w = *state;
	struct agent_trail_seen_use use = previous;
	const struct agent_trail_seen_row *r;

	use.previous = false;
	use.beside = "";
	agent_trail_seen_add(w->seen, &use);
	agent_trail_seen_add(w->seen, &current);
	agent_trail_seen_add(w->seen, &previous);
	assert_int_equal(count_rows(w), 2);
	r = agent_trail_seen_behind(w->seen, 0);
	assert_string_equal(r->version, V1);
	assert_int_equal(r->count, 2);
	assert_int_equal(r->previous, 1);
}

static void many_hosts_share_a_row_of_each_version(void **state)
{
	struct world *w = *state;
	struct agent_trail_seen_use use = current;
	const struct agent_trail_seen_row *r, *last = NULL;
	char host[32];

	use.rhost = host;
	for (int i = 0; i < AGENT_TRAIL_SEEN_HOSTS + 100; i++) {
		snprintf(host, sizeof(host), "2001:db8::%x", i);
		agent_trail_seen_add(w->seen, &use);
	}
	assert_int_equal(count_rows(w), AGENT_TRAIL_SEEN_HOSTS + 1);
	for (r = agent_trail_seen_behind(w->seen, 0); r;
	     r = agent_trail_seen_next(w->seen, r))
		last = r;
	assert_true(last->further);
	assert_int_equal(last->count, 100);
	assert_string_equal(last->rhost, "");
	assert_int_equal(agent_trail_seen_behind(w->seen, 7)->count, 1);
	/* One that has a row keeps it; the old password has room of its own. */
	snprintf(host, sizeof(host), "2001:db8::%x", 7);
	agent_trail_seen_add(w->seen, &use);
	agent_trail_seen_add(w->seen, &previous);
	w->us += AGENT_TRAIL_SEEN_SETTLE_US;
	assert_int_equal(agent_trail_seen_behind(w->seen, 7)->count, 2);
	last = agent_trail_seen_next(w->seen, last);
	assert_non_null(last);
	assert_false(last->further);
	assert_string_equal(last->version, V1);
}

/* A client without an address is no shared row. */
static void a_login_from_nowhere_is_not_the_shared_row(void **state)
{
	struct world *w = *state;
	struct agent_trail_seen_use use = current;

	use.login = use.rhost = use.service = "";
	agent_trail_seen_add(w->seen, &use);
	w->us += AGENT_TRAIL_SEEN_SETTLE_US;
	assert_false(agent_trail_seen_behind(w->seen, 0)->further);
}

static void a_third_version_takes_the_place_of_the_oldest(void **state)
{
	struct world *w = *state;
	struct agent_trail_seen_use use = current, other = previous;
	const struct agent_trail_seen_row *r;

	other.role = "crm";
	agent_trail_seen_add(w->seen, &previous);
	agent_trail_seen_add(w->seen, &other);
	agent_trail_seen_add(w->seen, &current);
	use.version = V3;
	use.beside = V2;
	agent_trail_seen_add(w->seen, &use);
	w->us += AGENT_TRAIL_SEEN_SETTLE_US;
	/* Another role's stay. */
	r = agent_trail_seen_behind(w->seen, 0);
	assert_string_equal(r->role, "crm");
	assert_int_equal(r->entry, 2);
	r = agent_trail_seen_next(w->seen, r);
	assert_string_equal(r->version, V2);
	r = agent_trail_seen_next(w->seen, r);
	assert_string_equal(r->version, V3);
	assert_null(agent_trail_seen_next(w->seen, r));
	/* Numbers go on, behind the end as well. */
	agent_trail_seen_add(w->seen, &other);
	other.rhost = "192.0.2.9";
	agent_trail_seen_add(w->seen, &other);
	w->us += AGENT_TRAIL_SEEN_SETTLE_US;
	r = agent_trail_seen_behind(w->seen, 4);
	assert_string_equal(r->rhost, "192.0.2.9");
	assert_int_equal(r->entry, 5);
	assert_null(agent_trail_seen_behind(w->seen, 5));
}

static void all_rows_have_a_bound(void **state)
{
	struct world *w = *state;
	struct agent_trail_seen_use use = current;
	char role[32], host[32];
	size_t roles = 2 * AGENT_TRAIL_SEEN_ROWS / AGENT_TRAIL_SEEN_HOSTS;

	use.role = role;
	use.rhost = host;
	for (size_t i = 0; i < roles; i++)
		for (int k = 0; k < AGENT_TRAIL_SEEN_HOSTS; k++) {
			snprintf(role, sizeof(role), "role-%zu", i);
			snprintf(host, sizeof(host), "host-%d", k);
			agent_trail_seen_add(w->seen, &use);
		}
	/* The last half has a shared row each. */
	assert_int_equal(count_rows(w), AGENT_TRAIL_SEEN_ROWS + roles / 2);
}

/* ---- the rotator's own ---- */

static void a_login_is_shown_when_nobody_called_it_its_own(void **state)
{
	struct world *w = *state;

	agent_trail_seen_add(w->seen, &current);
	assert_null(agent_trail_seen_behind(w->seen, 0));
	w->us += AGENT_TRAIL_SEEN_SETTLE_US - 1;
	assert_null(agent_trail_seen_behind(w->seen, 0));
	w->us += 1;
	assert_int_equal(agent_trail_seen_behind(w->seen, 0)->count, 1);
	/* Too late. */
	assert_false(agent_trail_seen_own(w->seen, "sap", NOW_SECOND));
	assert_int_equal(count_rows(w), 1);
}

static void the_rotators_own_login_does_not_count(void **state)
{
	struct world *w = *state;
	const struct agent_trail_seen_row *r;

	agent_trail_seen_add(w->seen, &previous);
	w->us += 20 * NOW_SECOND;
	agent_trail_seen_add(w->seen, &previous);
	w->us += NOW_SECOND / 3;
	assert_false(agent_trail_seen_own(w->seen, "crm", NOW_SECOND));
	assert_true(agent_trail_seen_own(w->seen, "sap", NOW_SECOND));
	assert_false(agent_trail_seen_own(w->seen, "sap", NOW_SECOND));
	assert_int_equal(count_rows(w), 1);
	r = agent_trail_seen_behind(w->seen, 0);
	assert_int_equal(r->count, 1);
	assert_int_equal(r->previous, 1);
	assert_int_equal(r->last_us, 1000 * NOW_SECOND);
	/* One that was nothing else is no row. */
	agent_trail_seen_add(w->seen, &current);
	assert_true(agent_trail_seen_own(w->seen, "sap", NOW_SECOND));
	assert_int_equal(count_rows(w), 1);
	agent_trail_seen_add(w->seen, &current);
	assert_int_equal(count_rows(w), 2);
}

static void of_several_hosts_none_is_left_out(void **state)
{
	struct world *w = *state;
	struct agent_trail_seen_use other = current;

	other.rhost = "192.0.2.8";
	agent_trail_seen_add(w->seen, &current);
	agent_trail_seen_add(w->seen, &other);
	assert_false(agent_trail_seen_own(w->seen, "sap", NOW_SECOND));
	assert_int_equal(count_rows(w), 2);
}

static void who_comes_all_the_time_is_shown(void **state)
{
	struct world *w = *state;
	const struct agent_trail_seen_row *r;

	for (int i = 0; i < 100; i++) {
		agent_trail_seen_add(w->seen, &previous);
		w->us += NOW_SECOND / 10;
	}
	r = agent_trail_seen_behind(w->seen, 0);
	assert_non_null(r);
	assert_in_range(r->count, 60, 99);
	assert_true(w->us - r->last_us <= 2 * AGENT_TRAIL_SEEN_SETTLE_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_again_is_counted,
						setup, teardown),
		cmocka_unit_test_setup_teardown(each_difference_has_a_row,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_password_that_became_the_previous_one_keeps_its_row,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			many_hosts_share_a_row_of_each_version, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_login_from_nowhere_is_not_the_shared_row, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_third_version_takes_the_place_of_the_oldest, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_login_is_shown_when_nobody_called_it_its_own, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			the_rotators_own_login_does_not_count, setup, teardown),
		cmocka_unit_test_setup_teardown(
			of_several_hosts_none_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(who_comes_all_the_time_is_shown,
						setup, teardown),
		cmocka_unit_test_setup_teardown(all_rows_have_a_bound, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
