/* SPDX-License-Identifier: PostgreSQL */
/* Scenes: what is live, and whose it is: branches, restores, renamed roles,
 * passwords that were changed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"

static void a_branch_is_never_rotated_into_its_parents_secret(void **state)
{
	static const struct order *const some[] = { ROTATE, DUE, RECOVER };
	static struct world w;
	const char *current;

	(void)state;
	for (size_t o = 0; o < 3; o++) {
		prepare_scene(&w, SCENE_MANAGED, o % 2);
		w.db.branched = true;
		assert_int_equal(run_order(&w, 0, some[o]), STATUS_REFUSED);
		assert_int_equal(w.staged, 0);
		assert_false(w.role.frozen);
		/* A secret of its own: new there, whatever was brought along. */
		new_to_keyturn(&w);
		w.db.branched = true;
		snprintf(w.db.live, sizeof(w.db.live), "the parent's");
		assert_int_equal(run_order(&w, 0, &orders[o]), STATUS_OK);
		assert_true(world_settled(&w));
		/* Reset to the parent: the branch's own secret goes on. */
		w.db.branched = true;
		world_by_hand(&w);
		snprintf(w.db.live, sizeof(w.db.live), "the parent's");
		current = world_label(&w, STORE_LABEL_CURRENT);
		assert_true(*current);
		assert_int_equal(run_order(&w, 0, &orders[o]), STATUS_OK);
		assert_true(world_settled(&w));
		world_free(&w);
	}
}

/* The reply to the apply is lost, and then the database is a branch. */
static enum fate becomes_a_branch(struct world *w, const char *act, void *arg)
{
	(void)arg;
	if (strcmp(act, "apply") != 0)
		return FATE_GOOD;
	w->db.branched = true;
	return FATE_LOST_BEFORE;
}

static void a_branch_that_appears_leaves_the_outcome_open(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_MANAGED, false);
	w.fate = becomes_a_branch;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_UNKNOWN);
	world_free(&w);
}

/* It took the place of the one that the secret was for, and a person says so. */
static void a_branch_gets_the_secret_by_command(void **state)
{
	static const struct order *const commands[] = { EMERGENCY, IMPORT };
	static struct world w;

	(void)state;
	for (size_t o = 0; o < 2; o++) {
		prepare_scene(&w, SCENE_MANAGED, false);
		w.db.branched = true;
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_REFUSED);
		assert_int_equal(run_order(&w, 0, commands[o]), STATUS_OK);
		assert_true(world_settled(&w));
		assert_int_equal(w.staged, 1);
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
		assert_true(world_settled(&w));
		world_free(&w);
	}
}

/* Without a marker a login tells what is live, and another may have rotated
 * between that and the claim. */
static void a_login_older_than_the_claim_is_made_again(void **state)
{
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE, .fresh = true };
	static struct world w;
	struct before b;
	struct runner *r;

	(void)state;
	prepare_scene(&w, SCENE_NO_MARKER, false);
	b = remember_before(&w);
	r = world_runner(&w, 0, &job);
	step_to(&w, 0, r, ENGINE_CLAIM);
	assert_int_equal(run_order(&w, 1, ROTATE), STATUS_OK);
	assert_int_equal(finish_run(&w, 0, ROTATE, r, &b, false), STATUS_OK);
	assert_int_equal(w.restores_noted, 0);
	assert_int_equal(w.staged, 2);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* The proxy still takes the old password: no restore, and CURRENT stays. */
static void what_a_proxy_remembers_is_no_restore(void **state)
{
	char current[RANDOM_UUID_SIZE];
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_NO_MARKER, false);
	w.lag_us = 4 * 60 * NOW_SECOND;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	snprintf(current, sizeof(current), "%s",
		 world_label(&w, STORE_LABEL_CURRENT));
	w.db.proxy_until = w.clock + NOW_SECOND;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_BUSY);
	assert_int_equal(w.restores_noted, 0);
	assert_string_equal(world_label(&w, STORE_LABEL_CURRENT), current);
	w.db.proxy_until = 0;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* A daemon that remembers the store as it was two rotations ago. */
static void an_old_memory_of_the_store_is_no_reason_to_refuse(void **state)
{
	static struct world w;
	struct world_store old;

	(void)state;
	prepare_scene(&w, SCENE_NO_MARKER, false);
	old = w.store;
	rotate_twice(&w);
	w.store_before = old;
	w.remembers = true;
	assert_int_equal(run_order(&w, 1, ROTATE), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_password_changed_by_hand_after_the_apply_freezes_it(void **state)
{
	static struct world w;

	(void)state;
	for (int readable = 0; readable <= 1; readable++) {
		struct plan p = one_fault("prove", FATE_FOREIGN, 1);

		prepare_scene(&w, SCENE_MANAGED, readable);
		put_under(&w, &p);
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
		assert_true(w.role.frozen);
		/* Import of the password that a person set heals it. */
		w.role.frozen = false;
		assert_int_equal(run_order(&w, 0, IMPORT), STATUS_OK);
		assert_true(world_settled(&w));
		world_free(&w);
	}
}

static void a_password_changed_by_hand_is_seen_where_it_can_be_read(
	void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_BY_HAND, true);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 0);
	world_free(&w);
	/* Else by the login that comes before anything is changed. */
	prepare_scene(&w, SCENE_BY_HAND, false);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_REFUSED);
	assert_int_equal(w.staged, 0);
	assert_int_equal(run_order(&w, 0, EMERGENCY), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_missing_marker_costs_one_login_and_no_password(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_UNMARKED, false);
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_OK);
	assert_int_equal(w.staged, 0);
	assert_int_equal(w.n_proved, 1);
	assert_true(world_settled(&w));
	world_free(&w);
	prepare_scene(&w, SCENE_UNMARKED_BY_HAND, false);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 0);
	assert_int_equal(w.wrong_logins, 1);
	world_free(&w);
}

static void a_renamed_role_is_known_by_its_version(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_RENAMED, false);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_role_made_again_is_known_by_its_password(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_UNMARKED, false);
	w.db.renamed = true;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_renamed_role_with_another_password_is_frozen(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_UNMARKED_BY_HAND, false);
	w.db.renamed = true;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 0);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void a_restore_is_repointed_alarmed_and_rotated(void **state)
{
	static struct world w;

	(void)state;
	for (size_t o = 0; o < ORDERS - 1; o++) {
		unsigned before;
		int64_t seen;

		prepare_scene(&w, SCENE_RESTORED, false);
		before = w.staged;
		seen = w.role.epoch;
		assert_int_equal(run_order(&w, 0, &orders[o]), STATUS_OK);
		assert_true(w.restores_noted > 0);
		assert_int_equal(w.staged, before + 1);
		assert_true(world_settled(&w));
		/* INV5: what comes later has the higher epoch all the same. */
		assert_true(seen > 0 && w.db.epoch > seen);
		world_free(&w);
	}
}

static void a_store_rolled_back_freezes_and_an_emergency_heals(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_ROLLED_BACK, true);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 2);
	w.role.frozen = false;
	assert_int_equal(run_order(&w, 0, EMERGENCY), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(a_branch_is_never_rotated_into_its_parents_secret),
	cmocka_unit_test(a_branch_that_appears_leaves_the_outcome_open),
	cmocka_unit_test(a_branch_gets_the_secret_by_command),
	cmocka_unit_test(a_login_older_than_the_claim_is_made_again),
	cmocka_unit_test(what_a_proxy_remembers_is_no_restore),
	cmocka_unit_test(an_old_memory_of_the_store_is_no_reason_to_refuse),
	cmocka_unit_test(a_password_changed_by_hand_after_the_apply_freezes_it),
	cmocka_unit_test(
		a_password_changed_by_hand_is_seen_where_it_can_be_read),
	cmocka_unit_test(a_missing_marker_costs_one_login_and_no_password),
	cmocka_unit_test(a_renamed_role_is_known_by_its_version),
	cmocka_unit_test(a_role_made_again_is_known_by_its_password),
	cmocka_unit_test(a_renamed_role_with_another_password_is_frozen),
	cmocka_unit_test(a_restore_is_repointed_alarmed_and_rotated),
	cmocka_unit_test(a_store_rolled_back_freezes_and_an_emergency_heals),
};

const struct simulate_group simulate_live = { tests, sizeof(tests) /
							     sizeof(tests[0]) };
