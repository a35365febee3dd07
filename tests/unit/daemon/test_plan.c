/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/plan.h"

#define S INT64_C(1000000)

static int64_t now;
static struct plan *a;

static const struct plan_limits limits = {
	.jobs = 4,
	.jitter_us = 0,
	.backoff_us = 10 * S,
	.backoff_max_us = 100 * S,
	.request_interval_us = 60 * S,
};

/* "r0" on cluster "a", "r1" on "b", "r2" on "a" ... of one store. */
static struct plan *make(const struct plan_limits *l, size_t n,
			 size_t n_clusters)
{
	struct plan *made = NULL;
	char role[8], cluster[2] = "a";

	assert_int_equal(plan_new(l, NULL, n, &made), STATUS_OK);
	for (size_t i = 0; i < n; i++) {
		/* In the order of their names. */
		snprintf(role, sizeof(role), "r%c", (int)('0' + i));
		cluster[0] = (char)('a' + i % n_clusters);
		plan_add(made, role, cluster, "local");
	}
	return made;
}

static struct plan_role *role(const char *name)
{
	struct plan_role *r = plan_find(a, name);

	assert_non_null(r);
	return r;
}

static void learn(struct plan_role *r, bool wanted)
{
	const struct plan_finding f = { .taken_at = now, .wanted = wanted };

	plan_learn(a, r, &f, now);
}

static void want_all(void)
{
	for (size_t i = 0; i < a->n_roles; i++)
		learn(&a->roles[i], true);
}

static struct plan_role *begin_next(void)
{
	int64_t wake;
	struct plan_role *r = plan_next(a, now, &wake);

	if (r)
		plan_begin(a, r, now);
	return r;
}

static int64_t wakes(void)
{
	int64_t wake = 0;

	assert_null(plan_next(a, now, &wake));
	return wake;
}

static int begin(void **state)
{
	(void)state;
	now = 1000 * S;
	return 0;
}

static int end(void **state)
{
	(void)state;
	plan_free(a);
	a = NULL;
	return 0;
}

static void nothing_begins_before_it_was_looked_at(void **state)
{
	(void)state;
	a = make(&limits, 3, 1);
	assert_int_equal(wakes(), INT64_MAX);
	learn(role("r0"), false);
	assert_int_equal(wakes(), INT64_MAX);
	learn(role("r1"), true);
	assert_ptr_equal(begin_next(), role("r1"));
	assert_null(begin_next());
}

static void as_many_run_as_there_are_jobs(void **state)
{
	(void)state;
	a = make(&limits, 9, 1);
	want_all();
	for (int i = 0; i < 4; i++)
		assert_non_null(begin_next());
	assert_null(begin_next());
	plan_end(a, role("r2"), STATUS_OK, now);
	assert_non_null(begin_next());
	assert_null(begin_next());
}

static void a_role_never_runs_twice_at_once(void **state)
{
	(void)state;
	a = make(&limits, 1, 1);
	want_all();
	assert_non_null(begin_next());
	want_all(); /* the ledger says open: that is our own run */
	assert_true(plan_ask(a, role("r0")));
	assert_null(begin_next());
	plan_end(a, role("r0"), STATUS_OK, now);
	/* What was asked for while it ran is still to come. */
	assert_ptr_equal(begin_next(), role("r0"));
}

static void what_was_seen_before_a_run_ended_is_not_believed(void **state)
{
	struct plan_finding f = { .wanted = true };

	(void)state;
	a = make(&limits, 1, 1);
	want_all();
	begin_next();
	f.taken_at = now + S;
	now += 2 * S;
	plan_end(a, role("r0"), STATUS_OK, now);
	plan_learn(a, role("r0"), &f, now);
	assert_null(begin_next());
	f.taken_at = now;
	plan_learn(a, role("r0"), &f, now);
	assert_non_null(begin_next());
}

static void a_failure_is_paused_for_longer_each_time(void **state)
{
	static const int64_t pauses[] = { 10, 20, 40, 80, 100, 100 };

	(void)state;
	a = make(&limits, 1, 1);
	want_all();
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		assert_non_null(begin_next());
		plan_end(a, role("r0"), STATUS_ERROR, now);
		want_all();
		assert_int_equal(wakes(), now + pauses[i] * S);
		now += pauses[i] * S - 1;
		assert_null(begin_next());
		now++;
	}
	assert_non_null(begin_next());
	plan_end(a, role("r0"), STATUS_OK, now);
	want_all();
	assert_non_null(begin_next());
}

static void another_rotator_is_waited_for_without_blame(void **state)
{
	(void)state;
	a = make(&limits, 2, 1);
	want_all();
	assert_non_null(begin_next());
	plan_end(a, role("r0"), STATUS_BUSY, now);
	assert_ptr_equal(begin_next(), role("r1"));
	assert_int_equal(wakes(), now + 10 * S);
}

static void a_cluster_that_is_away_does_not_stall_the_others(void **state)
{
	unsigned of_a = 0, of_b = 0;
	struct plan_role *r;

	(void)state;
	a = make(&limits, 40, 2);
	want_all();
	/* The first jobs all go to a, as far as it may have them. */
	for (size_t i = 1; i < 40; i += 2)
		a->roles[i].ended_at = 1;
	while ((r = begin_next()) != NULL) {
		of_a += r->cluster == role("r0")->cluster;
		of_b += r->cluster == role("r1")->cluster;
	}
	assert_int_equal(of_a, 3);
	assert_int_equal(of_b, 1);
	/* It fails: from now on one of a's roles at a time tries it. */
	now += 30 * S;
	for (size_t i = 0; i < 40; i++)
		if (a->roles[i].running &&
		    a->roles[i].cluster == role("r0")->cluster)
			plan_end(a, &a->roles[i], STATUS_CLUSTER_UNAVAILABLE,
				 now);
	assert_int_equal(a->sites[role("r0")->cluster].failures, 1);
	for (int round = 0; round < 10; round++) {
		unsigned trying = 0, working = 0;

		now += 100 * S;
		while (begin_next() != NULL)
			;
		for (size_t i = 0; i < 40; i++) {
			trying += a->roles[i].running && a->roles[i].probing;
			working += a->roles[i].running && !a->roles[i].probing;
		}
		assert_int_equal(trying, 1);
		/* The probe takes no job from b, which may have 3 of 4. */
		assert_int_equal(working, 3);
		for (size_t i = 0; i < 40; i++)
			if (a->roles[i].running && !a->roles[i].probing) {
				plan_end(a, &a->roles[i], STATUS_OK, now);
				learn(&a->roles[i], true);
			} else if (a->roles[i].running)
				plan_end(a, &a->roles[i],
					 STATUS_CLUSTER_UNAVAILABLE, now);
	}
}

static void probes_take_turns_and_are_no_fault_of_the_role(void **state)
{
	struct plan_role *first, *second, *third;

	(void)state;
	a = make(&limits, 3, 1);
	a->limits.jobs = 1;
	want_all();
	first = begin_next();
	plan_end(a, first, STATUS_CLUSTER_UNAVAILABLE, now += S);
	assert_null(begin_next());
	now += 10 * S;
	second = begin_next();
	assert_null(begin_next());
	plan_end(a, second, STATUS_CLUSTER_UNAVAILABLE, now += S);
	now += 20 * S;
	third = begin_next();
	assert_true(first != second && second != third && first != third);
	assert_int_equal(first->failures, 1);
	assert_int_equal(second->failures, 0);
	/* It is back: the others follow at once. */
	plan_end(a, third, STATUS_OK, now += S);
	assert_ptr_equal(begin_next(), first);
	plan_end(a, first, STATUS_OK, now);
	assert_ptr_equal(begin_next(), second);
}

static void a_role_that_fails_where_others_do_well_waits_by_itself(void **state)
{
	int64_t waited = 0;

	(void)state;
	a = make(&limits, 2, 1);
	for (int i = 0; i < 8; i++) {
		int64_t before = now;

		want_all();
		for (;;) {
			int64_t wake;
			struct plan_role *r = plan_next(a, now, &wake);

			if (!r) {
				now = wake;
				continue;
			}
			plan_begin(a, r, now);
			if (r == role("r0")) {
				plan_end(a, r, STATUS_CLUSTER_UNAVAILABLE, now);
				break;
			}
			plan_end(a, r, STATUS_OK, now);
			learn(r, true);
			now += S;
		}
		waited = now - before;
	}
	assert_true(waited >= 90 * S);
}

static void runs_that_fail_together_count_once_for_their_site(void **state)
{
	(void)state;
	a = make(&limits, 4, 1);
	want_all();
	while (begin_next())
		;
	for (size_t i = 0; i < 4; i++)
		plan_end(a, &a->roles[i], STATUS_STORE_UNAVAILABLE,
			 now + (int64_t)i + 1);
	assert_int_equal(a->sites[role("r0")->store].failures, 1);
}

static void a_store_and_the_ledger_are_probed_as_clusters_are(void **state)
{
	static const enum status away[] = { STATUS_STORE_UNAVAILABLE,
					    STATUS_LEDGER_UNAVAILABLE,
					    STATUS_AUDIT_BROKEN };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		a = make(&limits, 6, 2);
		want_all();
		begin_next();
		plan_end(a, role("r0"), away[i], ++now);
		assert_null(begin_next());
		now += 10 * S;
		assert_non_null(begin_next());
		assert_null(begin_next());
		plan_free(a);
	}
	a = NULL;
}

static void a_frozen_role_is_left_alone_until_it_is_thawed(void **state)
{
	struct plan_finding f = { .wanted = true, .frozen = true };

	(void)state;
	a = make(&limits, 1, 1);
	f.taken_at = now;
	plan_learn(a, role("r0"), &f, now);
	assert_int_equal(wakes(), INT64_MAX);
	assert_false(plan_ask(a, role("r0")));
	f.frozen = false;
	plan_learn(a, role("r0"), &f, now);
	begin_next();
	plan_end(a, role("r0"), STATUS_FROZEN, ++now);
	assert_int_equal(wakes(), INT64_MAX);
}

static void what_an_owner_asks_for_waits_for_the_end_of_a_blackout(void **state)
{
	struct plan_finding f = { .blackout = true };

	(void)state;
	a = make(&limits, 1, 1);
	f.taken_at = now;
	plan_learn(a, role("r0"), &f, now);
	assert_true(plan_ask(a, role("r0")));
	assert_int_equal(wakes(), INT64_MAX);
	f.blackout = false;
	plan_learn(a, role("r0"), &f, now);
	assert_ptr_equal(begin_next(), role("r0"));
}

static void a_role_that_was_never_taken_over_is_not_rotated_on_request(
	void **state)
{
	struct plan_finding f = { .untaken = true };

	(void)state;
	a = make(&limits, 1, 1);
	f.taken_at = now;
	assert_true(plan_ask(a, role("r0"))); /* not known yet */
	plan_learn(a, role("r0"), &f, now);
	assert_int_equal(wakes(), INT64_MAX);
	assert_false(plan_ask(a, role("r0")));
}

static void requests_of_an_owner_are_spaced(void **state)
{
	(void)state;
	a = make(&limits, 1, 1);
	learn(role("r0"), false);
	assert_true(plan_ask(a, role("r0")));
	assert_non_null(begin_next());
	plan_end(a, role("r0"), STATUS_OK, now += S);
	assert_int_equal(wakes(), INT64_MAX);
	assert_true(plan_ask(a, role("r0")));
	assert_int_equal(wakes(), now + 59 * S);
	/* What is due does not wait for that. */
	learn(role("r0"), true);
	assert_non_null(begin_next());
}

static void a_request_that_failed_waits_for_its_pause_only(void **state)
{
	(void)state;
	a = make(&limits, 1, 1);
	learn(role("r0"), false);
	assert_true(plan_ask(a, role("r0")));
	assert_non_null(begin_next());
	plan_end(a, role("r0"), STATUS_BUSY, now += S);
	assert_int_equal(wakes(), now + 10 * S);
	now += 10 * S;
	assert_non_null(begin_next());
	assert_true(role("r0")->for_owner);
}

static void a_sink_left_behind_is_no_reason_to_rotate_again(void **state)
{
	struct plan_role *r;

	(void)state;
	a = make(&limits, 1, 1);
	r = role("r0");
	learn(r, false);
	assert_true(plan_ask(a, r));
	assert_ptr_equal(begin_next(), r);
	plan_end(a, r, STATUS_UNDELIVERED, now);
	assert_null(begin_next());
	assert_int_equal(r->failures, 1);
	now += 200 * S;
	assert_null(begin_next());
	/* A look finds that the sink may be tried again. */
	learn(r, true);
	assert_ptr_equal(begin_next(), r);
	plan_end(a, r, STATUS_OK, now);
	assert_int_equal(r->failures, 0);
}

static void what_waits_for_somebody_else_waits_and_has_not_failed(void **state)
{
	struct plan_role *r;
	int64_t first;

	(void)state;
	a = make(&limits, 1, 1);
	r = role("r0");
	learn(r, true);
	assert_ptr_equal(begin_next(), r);
	plan_end(a, r, STATUS_DEFERRED, now);
	assert_int_equal(r->failures, 0);
	first = wakes() - now;
	assert_true(first > 0 && first <= 10 * S);
	now = wakes();
	assert_ptr_equal(begin_next(), r);
	plan_end(a, r, STATUS_DEFERRED, now);
	assert_true(wakes() - now > first);
	assert_int_equal(r->failures, 0);
	/* Nothing is due any more: who comes next does not wait for that. */
	learn(r, false);
	learn(r, true);
	assert_ptr_equal(begin_next(), r);
	plan_end(a, r, STATUS_OK, now);
	assert_int_equal(r->deferrals, 0);
}

static void a_start_goes_on_with_the_pause_that_was_under_way(void **state)
{
	struct plan_finding f = { .wanted = true, .failures = 3 };

	(void)state;
	a = make(&limits, 2, 1);
	f.taken_at = now;
	f.last_ago_us = 25 * S;
	plan_learn(a, role("r0"), &f, now);
	assert_int_equal(wakes(), now + 15 * S);
	/* The clock was set back since. */
	f.last_ago_us = -1000000 * S;
	plan_learn(a, role("r1"), &f, now);
	assert_int_equal(role("r1")->not_before, now + 40 * S);
	/* A person rotated it. */
	learn(role("r0"), false);
	assert_int_equal(role("r0")->not_before, 0);
}

static enum status largest(void *self, void *p, size_t n)
{
	(void)self;
	memset(p, 0xff, n); /* not secret */
	return STATUS_OK;
}

static void due_roles_are_spread_and_interrupted_ones_are_not(void **state)
{
	const struct random r = { largest, NULL };
	struct plan_finding f = { .wanted = true };

	(void)state;
	a = make(&limits, 2, 1);
	a->limits.jitter_us = 30 * S;
	a->random = &r;
	f.taken_at = now;
	plan_learn(a, role("r0"), &f, now);
	f.interrupted = true;
	plan_learn(a, role("r1"), &f, now);
	assert_ptr_equal(begin_next(), role("r1"));
	assert_null(begin_next());
	assert_in_range(wakes(), now, now + 30 * S);
	/* Looking again does not throw the dice again. */
	now += 30 * S;
	f.interrupted = false;
	f.taken_at = now;
	plan_learn(a, role("r0"), &f, now);
	assert_ptr_equal(begin_next(), role("r0"));
}

static void jitter_ends_before_the_window_does(void **state)
{
	struct plan_limits l = limits;
	struct plan_finding f = { .wanted = true, .left_us = 20 * S };

	(void)state;
	l.jitter_us = 3600 * S;
	a = make(&l, 1, 1);
	f.taken_at = now;
	plan_learn(a, role("r0"), &f, now);
	/* Without chance it is the latest that there may be. */
	assert_int_equal(wakes(), now + 15 * S);
	now += 15 * S;
	assert_non_null(begin_next());
}

static void a_suspended_machine_begins_what_is_due_once(void **state)
{
	(void)state;
	a = make(&limits, 1, 1);
	want_all();
	begin_next();
	plan_end(a, role("r0"), STATUS_ERROR, now);
	now += 1000000 * S; /* the boot clock runs on */
	assert_non_null(begin_next());
	assert_null(begin_next());
}

static void a_new_configuration_ends_pauses_and_no_run(void **state)
{
	struct plan *was;

	(void)state;
	a = make(&limits, 3, 1);
	want_all();
	assert_ptr_equal(begin_next(), role("r0"));
	assert_ptr_equal(begin_next(), role("r1"));
	plan_end(a, role("r1"), STATUS_CLUSTER_UNAVAILABLE, ++now);
	plan_ask(a, role("r2"));
	was = a;
	a = make(&limits, 3, 2);
	plan_inherit(a, was);
	plan_free(was);
	want_all();
	assert_true(role("r0")->running);
	assert_ptr_equal(begin_next(), role("r2"));
	assert_true(role("r2")->for_owner);
	assert_ptr_equal(begin_next(), role("r1"));
	assert_null(begin_next());
}

static void a_role_that_went_and_came_back_still_runs(void **state)
{
	struct plan *was;

	(void)state;
	a = make(&limits, 2, 1);
	want_all();
	assert_ptr_equal(begin_next(), role("r0"));
	assert_ptr_equal(begin_next(), role("r1"));
	for (size_t n = 0; n <= 2; n += 2) { /* none configured, then both */
		was = a;
		a = make(&limits, n, 1);
		plan_inherit(a, was);
		plan_free(was);
		if (n == 0)
			plan_end_gone(a, "r1");
	}
	want_all();
	assert_true(role("r0")->running);
	assert_false(role("r1")->running);
	assert_ptr_equal(begin_next(), role("r1"));
	assert_null(begin_next());
	plan_end(a, role("r0"), STATUS_OK, now);
	learn(role("r0"), true);
	assert_ptr_equal(begin_next(), role("r0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(nothing_begins_before_it_was_looked_at),
		T(as_many_run_as_there_are_jobs),
		T(a_role_never_runs_twice_at_once),
		T(what_was_seen_before_a_run_ended_is_not_believed),
		T(a_failure_is_paused_for_longer_each_time),
		T(another_rotator_is_waited_for_without_blame),
		T(a_cluster_that_is_away_does_not_stall_the_others),
		T(probes_take_turns_and_are_no_fault_of_the_role),
		T(a_role_that_fails_where_others_do_well_waits_by_itself),
		T(runs_that_fail_together_count_once_for_their_site),
		T(a_store_and_the_ledger_are_probed_as_clusters_are),
		T(a_frozen_role_is_left_alone_until_it_is_thawed),
		T(what_an_owner_asks_for_waits_for_the_end_of_a_blackout),
		T(a_role_that_was_never_taken_over_is_not_rotated_on_request),
		T(requests_of_an_owner_are_spaced),
		T(a_request_that_failed_waits_for_its_pause_only),
		T(a_sink_left_behind_is_no_reason_to_rotate_again),
		T(what_waits_for_somebody_else_waits_and_has_not_failed),
		T(a_start_goes_on_with_the_pause_that_was_under_way),
		T(due_roles_are_spread_and_interrupted_ones_are_not),
		T(jitter_ends_before_the_window_does),
		T(a_suspended_machine_begins_what_is_due_once),
		T(a_new_configuration_ends_pauses_and_no_run),
		T(a_role_that_went_and_came_back_still_runs),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
