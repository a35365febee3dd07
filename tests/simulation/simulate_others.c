/* SPDX-License-Identifier: PostgreSQL */
/* Scenes: other rotators, and the consumers' files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"

/* From the claim of one rotator to its staging, another comes in between. */
static void who_lost_the_claim_stages_nothing(void **state)
{
	static const enum engine_state at[] = { ENGINE_RESOLVE, ENGINE_GENERATE,
						ENGINE_STAGE };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct runner_job job = { .mode = ENGINE_MODE_ROTATE,
					  .fresh = true };
		struct plan p = {
			.fault = { { "apply", FATE_LATE, 0, 1, false },
				   { NULL, FATE_CRASH_BEFORE, 0, 1, true } },
			.n = 2
		};
		struct before b;
		struct runner *r;

		prepare_scene(&w, SCENE_MANAGED, false);
		b = remember_before(&w);
		r = world_runner(&w, 0, &job);
		while (runner_state(r) != at[i])
			assert_true(world_step(&w, 0, r));
		put_under(&w, &p);
		run_order(&w, 1, ROTATE);
		w.fate = NULL;
		assert_int_equal(w.staged, 1);
		assert_int_equal(finish_run(&w, 0, ROTATE, r, &b, false),
				 STATUS_BUSY);
		must_converge(&w, LAND_FIRST);
		world_free(&w);
	}
}

/* Fenced by our second claim it still holds the store's revision: what we apply
 * again must not be staged over. */
static void who_was_fenced_does_not_stage_over_what_is_applied_again(
	void **state)
{
	struct runner_job mine = { .mode = ENGINE_MODE_ROTATE, .fresh = true };
	struct runner_job other = mine;
	struct plan p = one_fault("apply", FATE_LATE, ALWAYS);
	static struct world w;
	struct runner *a, *b;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	a = world_runner(&w, 0, &mine);
	while (runner_state(a) != ENGINE_APPLY)
		assert_true(world_step(&w, 0, a));
	b = world_runner(&w, 1, &other);
	while (runner_state(b) != ENGINE_STAGE)
		assert_true(world_step(&w, 1, b));
	put_under(&w, &p);
	for (int sent = 0; sent < 2;) {
		sent += runner_state(a) == ENGINE_APPLY;
		assert_true(world_step(&w, 0, a));
	}
	w.fate = NULL;
	assert_int_equal(finish_run(&w, 1, ROTATE, b, NULL, false),
			 STATUS_BUSY);
	runner_free(a);
	must_converge(&w, LAND_FIRST);
	world_free(&w);
}

static void a_living_rotator_is_waited_for_but_not_by_recover(void **state)
{
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE };
	static struct world w;
	struct before b;
	struct runner *r;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	w.polite = true;
	b = remember_before(&w);
	r = world_runner(&w, 0, &job);
	step_to(&w, 0, r, ENGINE_APPLY);
	assert_int_equal(run_order(&w, 1, ROTATE), STATUS_BUSY);
	assert_int_equal(run_order(&w, 1, RECOVER), STATUS_OK);
	assert_int_equal(finish_run(&w, 0, ROTATE, r, &b, false), STATUS_BUSY);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void what_did_not_log_in_is_not_delivered(void **state)
{
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE, .fresh = true };
	struct plan p = one_fault("fetch", FATE_LIE, ALWAYS);
	static struct world w;
	char before[WORLD_PASSWORD];
	struct before b;
	struct runner *r;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	snprintf(before, sizeof(before), "%s", w.sink_password);
	b = remember_before(&w);
	r = world_runner(&w, 0, &job);
	step_to(&w, 0, r, ENGINE_DELIVER);
	put_under(&w, &p);
	assert_true(world_step(&w, 0, r));
	assert_int_equal(w.lies, 1);
	assert_string_equal(w.sink_password, before);
	assert_true(runner_engine(r)->sink_bad);
	w.fate = NULL;
	assert_int_equal(finish_run(&w, 0, ROTATE, r, &b, true),
			 STATUS_UNDELIVERED);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void an_emergency_passes_over_a_bad_sink_and_a_dead_password(
	void **state)
{
	struct plan p = one_fault("try", FATE_REFUSED, ALWAYS);
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_BY_HAND, false);
	put_under(&w, &p);
	assert_int_equal(run_order(&w, 0, EMERGENCY), STATUS_OK);
	assert_true(world_settled(&w));
	/* The one password that it tried was made up. */
	assert_int_equal(w.wrong_logins, 0);
	assert_int_equal(w.controls, 1);
	world_free(&w);
}

static void a_sink_that_cannot_be_written_undoes_nothing_and_is_remembered(
	void **state)
{
	struct plan p = one_fault("sink", FATE_DOWN, ALWAYS);
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE };
	struct runner_result result;
	static struct world w;
	struct runner *r;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	put_under(&w, &p);
	r = world_runner(&w, 0, &job);
	while (world_step(&w, 0, r))
		;
	runner_result(r, &result);
	runner_free(r);
	assert_int_equal(result.status, STATUS_UNDELIVERED);
	assert_true(w.role.undelivered_us > 0);
	assert_true(world_settled(&w));
	assert_string_equal(w.sink_version, "");
	w.fate = NULL;
	/* The next run brings it in step, whatever it is. */
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_OK);
	assert_string_equal(w.sink_version, w.db.live);
	assert_int_equal(w.role.undelivered_us, 0);
	world_free(&w);
}

static void a_sink_that_could_not_take_it_stops_the_run_before_it_begins(
	void **state)
{
	char before[WORLD_PASSWORD];

	(void)state;
	for (int emergency = 0; emergency < 2; emergency++) {
		struct plan p = one_fault("try", FATE_DOWN, ALWAYS);
		static struct world w;

		prepare_scene(&w, SCENE_MANAGED, false);
		snprintf(before, sizeof(before), "%s", w.db.password);
		put_under(&w, &p);
		/* A password that leaked goes whatever its consumers have. */
		assert_int_equal(run_order(&w, 0,
					   emergency ? EMERGENCY : ROTATE),
				 emergency ? STATUS_OK : STATUS_REFUSED);
		assert_int_equal(strcmp(w.db.password, before) == 0,
				 !emergency);
		assert_true(world_settled(&w));
		w.fate = NULL;
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
		assert_string_not_equal(w.db.password, before);
		world_free(&w);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_lost_the_claim_stages_nothing),
	cmocka_unit_test(
		who_was_fenced_does_not_stage_over_what_is_applied_again),
	cmocka_unit_test(a_living_rotator_is_waited_for_but_not_by_recover),
	cmocka_unit_test(what_did_not_log_in_is_not_delivered),
	cmocka_unit_test(
		an_emergency_passes_over_a_bad_sink_and_a_dead_password),
	cmocka_unit_test(
		a_sink_that_cannot_be_written_undoes_nothing_and_is_remembered),
	cmocka_unit_test(
		a_sink_that_could_not_take_it_stops_the_run_before_it_begins),
};

const struct simulate_group simulate_others = {
	tests, sizeof(tests) / sizeof(tests[0])
};
