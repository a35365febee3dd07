/* SPDX-License-Identifier: PostgreSQL */
/* Scenes: replies that are lost, rotations that are left over, and what finishes
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "simulate.h"

static void each_lost_reply_is_resolved_within_the_run(void **state)
{
	static const struct fault some[] = {
		{ "claim", FATE_LOST_BEFORE, 0, 2, false },
		{ "claim", FATE_LOST_AFTER, 0, 2, false },
		{ "apply", FATE_LOST_BEFORE, 0, 2, false },
		{ "apply", FATE_LOST_AFTER, 0, 1, false },
		{ "apply", FATE_DOWN, 0, 2, false },
		{ "prove", FATE_DOWN, 0, 3, false },
		{ "promote", FATE_LOST_BEFORE, 0, 2, false },
		{ "promote", FATE_LOST_AFTER, 0, 1, false },
		{ "promote", FATE_DOWN, 0, 2, false },
		{ "promote", FATE_LIE, 0, 1, false },
		{ "stage", FATE_LOST_AFTER, 0, 1, false },
		{ "fetch", FATE_DOWN, 0, 2, false },
	};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		struct plan p = { .fault = { some[i] }, .n = 1 };

		world_make(&w, 11);
		name_plan(SCENE_MANAGED, ROTATE, &p, LAND_NEVER, false);
		put_under(&w, &p);
		if (run_order(&w, 0, ROTATE) != STATUS_OK)
			fail_plan("it was not resolved");
		assert_true(world_settled(&w));
		/* No third password: one run, one version. */
		assert_int_equal(w.staged, 1);
		world_free(&w);
	}
}

static void a_commit_that_fails_and_was_forwarded_costs_no_password(
	void **state)
{
	static struct world w;

	(void)state;
	/* Within the run, then over several. */
	for (unsigned times = 1; times <= 20; times++) {
		struct plan p = one_fault("apply", FATE_LOST_BEFORE, times);
		enum status s = STATUS_ERROR;

		prepare_scene(&w, SCENE_DOUBTED, false);
		name_plan(SCENE_DOUBTED, RECOVER, &p, LAND_NEVER, false);
		put_under(&w, &p);
		run_order(&w, 0, ROTATE);
		for (int i = 0; i < 6 && s != STATUS_OK; i++)
			s = run_order(&w, 1, RECOVER);
		if (s != STATUS_OK || !world_settled(&w))
			fail_plan("it was not resolved");
		assert_int_equal(w.staged, 1);
		world_free(&w);
	}
}

/* What may become live later would win over what is imported now. */
static void nothing_is_imported_over_a_doubted_rotation(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_DOUBTED_STAGED, false);
	assert_int_equal(run_order(&w, 0, IMPORT), STATUS_REFUSED);
	assert_int_equal(w.staged, 1);
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_OK);
	assert_int_equal(run_order(&w, 0, IMPORT), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_rejected_password_is_made_anew_at_most_twice(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	w.reject = true;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_REJECTED);
	assert_int_equal(w.staged, 1 + ENGINE_REJECTIONS);
	assert_true(world_settled(&w));
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* CURRENT may be dead there, and a new password waits to be proved. */
static void what_was_applied_is_finished_without_a_try(void **state)
{
	static const enum scene scenes[] = { SCENE_APPLIED, SCENE_FORWARDED,
					     SCENE_NO_MARKER_APPLIED };
	static const struct order *const some[] = { DUE, RECOVER };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t o = 0; o < 2; o++) {
			struct plan p = one_fault("login", FATE_DOWN, ALWAYS);

			prepare_scene(&w, scenes[i], false);
			name_plan(scenes[i], some[o], &p, LAND_NEVER, false);
			put_under(&w, &p);
			if (run_order(&w, 1, some[o]) != STATUS_OK)
				fail_plan("it was not finished");
			assert_true(world_settled(&w));
			assert_int_equal(w.staged, 1);
			world_free(&w);
		}
}

/* The database goes back to where the marker is missing after our password was
 * applied: the probe logs in with CURRENT, and ours is applied again. */
static void a_probe_leaves_our_password_alone(void **state)
{
	struct plan p = one_fault("prove", FATE_RESTORE, 1);
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_UNMARKED, false);
	put_under(&w, &p);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void finishing_is_enough_when_due(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_APPLIED, false);
	assert_int_equal(run_order(&w, 1, DUE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	world_free(&w);
	/* Asked for by a person it is followed by a new one. */
	prepare_scene(&w, SCENE_APPLIED, false);
	assert_int_equal(run_order(&w, 1, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 2);
	world_free(&w);
}

static void a_role_new_to_keyturn_has_nothing_to_recover(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_NEW, true);
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_OK);
	assert_int_equal(w.staged, 0);
	assert_false(world_managed(&w));
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* Draw by draw, once and from then on. */
static void without_randomness_nothing_is_made_up(void **state)
{
	static struct world w;

	(void)state;
	for (size_t o = 0; o < ORDERS; o++)
		for (int stays = 0; stays <= 1; stays++) {
			unsigned last = 2;

			for (unsigned n = 1; n <= last; n++) {
				struct plan p = { .n = 0 };

				prepare_scene(&w, SCENE_MANAGED, n % 2);
				name_plan(SCENE_MANAGED, &orders[o], &p,
					  LAND_NEVER, n % 2);
				w.random_from = w.draws + 1 + n;
				w.random_until = stays ? UINT32_MAX :
							 w.random_from + 1;
				run_order(&w, 0, &orders[o]);
				if (w.draws >= w.random_from)
					last = n + 1;
				must_converge(&w, LAND_NEVER);
				world_free(&w);
			}
		}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_lost_reply_is_resolved_within_the_run),
	cmocka_unit_test(
		a_commit_that_fails_and_was_forwarded_costs_no_password),
	cmocka_unit_test(nothing_is_imported_over_a_doubted_rotation),
	cmocka_unit_test(a_rejected_password_is_made_anew_at_most_twice),
	cmocka_unit_test(what_was_applied_is_finished_without_a_try),
	cmocka_unit_test(a_probe_leaves_our_password_alone),
	cmocka_unit_test(finishing_is_enough_when_due),
	cmocka_unit_test(a_role_new_to_keyturn_has_nothing_to_recover),
	cmocka_unit_test(without_randomness_nothing_is_made_up),
};

const struct simulate_group simulate_outcome = {
	tests, sizeof(tests) / sizeof(tests[0])
};
