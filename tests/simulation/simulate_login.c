/* SPDX-License-Identifier: PostgreSQL */
/* Scenes: what logins prove, before anything is changed and after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "simulate.h"

static const enum scene untouched[] = { SCENE_MANAGED,	  SCENE_DOUBTED,
					SCENE_NO_MARKER,  SCENE_STAGED,
					SCENE_UNMARKED,	  SCENE_NEW,
					SCENE_ROLLED_BACK };

/* Nothing happens to the role, and the run says so. */
static void must_refuse(struct world *w, enum scene scene,
			const struct order *o, struct plan *p)
{
	char live[WORLD_PASSWORD];
	unsigned staged = w->staged;

	memcpy(live, w->db.password, sizeof(live));
	name_plan(scene, o, p, LAND_NEVER, false);
	put_under(w, p);
	if (run_order(w, 0, o) != STATUS_REFUSED)
		fail_plan("it was not refused");
	assert_string_equal(w->db.password, live);
	assert_int_equal(w->staged, staged);
	assert_false(w->role.frozen);
	must_converge(w, LAND_NEVER);
}

static void a_proxy_that_remembers_is_waited_for(void **state)
{
	static struct world w;
	static const int64_t lags[] = { NOW_SECOND / 2, 4 * 60 * NOW_SECOND };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		prepare_scene(&w, SCENE_MANAGED, false);
		w.lag_us = lags[i];
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
		assert_true(w.wrong_logins > 0);
		assert_true(world_settled(&w));
		assert_int_equal(w.staged, 1);
		world_free(&w);
	}
}

static void a_refusal_that_lasts_freezes_the_role(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	w.lag_us = NOW_SECOND;
	{
		struct plan p = one_fault("prove", FATE_FOREIGN, 1);

		put_under(&w, &p);
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
	}
	assert_true(w.wrong_logins > 1);
	world_free(&w);
}

/* The rule came between what was tried and the proof. */
static void a_server_that_does_not_ask_freezes_the_role(void **state)
{
	static struct world w;

	(void)state;
	for (int readable = 0; readable <= 1; readable++) {
		struct plan p = one_fault("prove", FATE_LIE, ALWAYS);

		prepare_scene(&w, SCENE_MANAGED, readable);
		put_under(&w, &p);
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
		assert_true(w.role.frozen);
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
		assert_int_equal(run_order(&w, 0, RECOVER), STATUS_FROZEN);
		assert_int_equal(w.staged, 1);
		w.role.frozen = false;
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void a_server_that_takes_any_password_freezes_the_role(void **state)
{
	static struct world w;

	(void)state;
	for (size_t o = 0; o < 3; o++) {
		struct plan p = one_fault("control", FATE_LIE, ALWAYS);

		prepare_scene(&w, SCENE_APPLIED, false);
		put_under(&w, &p);
		assert_int_equal(run_order(&w, 0, &orders[o]), STATUS_FROZEN);
		assert_true(w.role.frozen);
		w.role.frozen = false;
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void what_could_not_be_proved_is_not_begun(void **state)
{
	static const struct {
		const char *act;
		enum fate fate;
	} faults_of[] = {
		{ "login", FATE_DOWN },	   /* an endpoint is away */
		{ "login", FATE_LIE },	   /* it asks for no password */
		{ "login", FATE_FOREIGN }, /* CURRENT is refused */
		{ "control", FATE_DOWN },  /* the same, with a wrong one */
		{ "control", FATE_LIE },   /* it takes any password */
		{ "try", FATE_REFUSED },   /* a sink cannot be written */
	};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(faults_of) / sizeof(faults_of[0]); i++)
		for (int due = 0; due <= 1; due++) {
			struct plan p = one_fault(faults_of[i].act,
						  faults_of[i].fate, ALWAYS);
			char live[WORLD_PASSWORD];

			prepare_scene(&w, SCENE_MANAGED, false);
			memcpy(live, w.db.password, sizeof(live));
			if (faults_of[i].fate != FATE_FOREIGN) {
				must_refuse(&w, SCENE_MANAGED,
					    due ? DUE : ROTATE, &p);
			} else {
				put_under(&w, &p);
				assert_int_equal(run_order(&w, 0,
							   due ? DUE : ROTATE),
						 STATUS_REFUSED);
				assert_int_equal(w.staged, 0);
				must_converge(&w, LAND_NEVER);
			}
			world_free(&w);
		}
}

/* pg_hba.conf has no line for the role, whatever keyturn knows of it. */
static void who_cannot_log_in_from_here_is_not_locked_out(void **state)
{
	static const struct order *const some[] = { ROTATE, DUE, EMERGENCY };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(untouched) / sizeof(untouched[0]); i++)
		for (size_t o = 0; o < 3; o++) {
			struct plan p = { .n = 0 };
			char live[WORLD_PASSWORD];
			unsigned staged;
			enum status s;

			prepare_scene(&w, untouched[i], false);
			name_plan(untouched[i], some[o], &p, LAND_NEVER, false);
			staged = w.staged;
			memcpy(live, w.db.password, sizeof(live));
			w.shut = true;
			s = run_order(&w, 0, some[o]);
			if (s == STATUS_OK)
				fail_plan("it went on");
			assert_string_equal(w.db.password, live);
			assert_int_equal(w.staged, staged);
			must_converge(&w, LAND_NEVER);
			world_free(&w);
		}
}

/* One login more, and one that fails; none when they were had lately. */
static void what_was_proved_lately_is_not_tried_again(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	world_remembers(&w, 3600 * NOW_SECOND);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 2);
	assert_int_equal(w.controls, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 5);
	assert_int_equal(w.controls, 1);
	/* Written once, and not with each rotation. */
	assert_int_equal(w.remembered, 1);
	/* Another way, then a failure, then time: tried again. */
	w.way = "another";
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 7);
	assert_int_equal(w.controls, 2);
	w.role.rotated_us = w.clock + NOW_SECOND;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 9);
	assert_int_equal(w.controls, 2);
	w.clock += 3600 * NOW_SECOND;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 11);
	assert_int_equal(w.controls, 3);
	world_free(&w);
}

/* What it refuses now it will take when it has forgotten. */
static void a_proxy_that_does_not_know_current_yet_is_no_reason_to_refuse(
	void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	w.lag_us = 4 * 60 * NOW_SECOND;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	w.db.proxy_until = w.clock + NOW_SECOND;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_BUSY);
	assert_int_equal(w.staged, 1);
	w.db.proxy_until = 0;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	world_free(&w);
}

/* Its own failure is all that a run may believe. */
static void a_try_that_failed_is_made_again(void **state)
{
	struct plan p = one_fault("login", FATE_DOWN, 1);
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	world_remembers(&w, 3600 * NOW_SECOND);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	w.way = "another";
	put_under(&w, &p);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_REFUSED);
	w.fate = NULL;
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_OK);
	w.shut = true;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_REFUSED);
	assert_int_equal(w.staged, 1);
	world_free(&w);
}

static void nothing_is_imported_from_a_server_that_does_not_ask(void **state)
{
	static struct world w;

	(void)state;
	for (int control = 0; control <= 1; control++) {
		struct plan p = one_fault(control ? "control" : "login",
					  FATE_LIE, ALWAYS);

		prepare_scene(&w, SCENE_NEW, true);
		put_under(&w, &p);
		assert_int_equal(run_order(&w, 0, IMPORT), STATUS_REFUSED);
		assert_int_equal(w.staged, 0);
		world_free(&w);
	}
}

static void a_wrong_password_is_not_imported(void **state)
{
	struct plan p = one_fault("login", FATE_FOREIGN, 1);
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_NEW, true);
	put_under(&w, &p);
	assert_int_equal(run_order(&w, 0, IMPORT), STATUS_REFUSED);
	assert_int_equal(w.staged, 0);
	assert_false(w.role.frozen);
	world_free(&w);
}

/* The login before the marker is no proof of what the marker then names. */
static void an_import_is_proved_after_it_is_marked(void **state)
{
	static const enum fate fates[] = { FATE_FOREIGN, FATE_RESTORE };
	static struct world w;

	(void)state;
	for (int readable = 0; readable <= 1; readable++)
		for (size_t f = 0; f < 2; f++) {
			struct plan p = one_fault("adopt", fates[f], 1);

			prepare_scene(&w, SCENE_APPLIED, readable);
			put_under(&w, &p);
			assert_int_equal(run_order(&w, 0, IMPORT),
					 STATUS_FROZEN);
			assert_string_not_equal(
				world_label(&w, STORE_LABEL_CURRENT),
				w.db.live);
			must_converge(&w, LAND_NEVER);
			world_free(&w);
		}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_proxy_that_remembers_is_waited_for),
	cmocka_unit_test(a_refusal_that_lasts_freezes_the_role),
	cmocka_unit_test(a_server_that_does_not_ask_freezes_the_role),
	cmocka_unit_test(a_server_that_takes_any_password_freezes_the_role),
	cmocka_unit_test(what_could_not_be_proved_is_not_begun),
	cmocka_unit_test(who_cannot_log_in_from_here_is_not_locked_out),
	cmocka_unit_test(what_was_proved_lately_is_not_tried_again),
	cmocka_unit_test(
		a_proxy_that_does_not_know_current_yet_is_no_reason_to_refuse),
	cmocka_unit_test(a_try_that_failed_is_made_again),
	cmocka_unit_test(nothing_is_imported_from_a_server_that_does_not_ask),
	cmocka_unit_test(a_wrong_password_is_not_imported),
	cmocka_unit_test(an_import_is_proved_after_it_is_marked),
};

const struct simulate_group simulate_login = {
	tests, sizeof(tests) / sizeof(tests[0])
};
