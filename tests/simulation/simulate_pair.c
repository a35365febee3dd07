/* SPDX-License-Identifier: PostgreSQL */
/* Scenes of a pair: what a rotation, a retirement and a rollback do, and wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"

static void members_take_turns(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_NEW, false);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
		assert_true(world_settled(&w));
		assert_int_equal(w.db.active, i % 2);
		assert_int_equal(run_order(&w, 0, RETIRE), STATUS_OK);
		assert_int_equal(world_others(&w), 0);
	}
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* A run of an order that stops when nothing may be checked at its end. */
static void run_unchecked(struct world *w, int i, const struct order *o)
{
	struct runner_job job = order_job(o, NULL);
	struct runner *r = world_runner(w, i, &job);

	while (world_step(w, i, r))
		;
	runner_free(r);
}

/* A rollback's last write is on its way when the database is restored to before
 * it, and the member that it went back to is retired. */
static void late_write_of_a_rollback(struct world *w)
{
	struct plan p = { .fault = { { "promote", FATE_LATE, 0, 1, false },
				     { NULL, FATE_CRASH_BEFORE, 0, 1, true } },
			  .n = 2 };

	prepare_scene(w, SCENE_PAIR_ROTATED, false);
	world_backup(w);
	put_under(w, &p);
	run_unchecked(w, 0, ROLLBACK);
	w->fate = NULL;
	assert_int_equal(world_in_flight(w), 1);
	world_restore(w);
}

static void a_late_write_is_refused_once_previous_is_withdrawn(void **state)
{
	static struct world w;

	(void)state;
	late_write_of_a_rollback(&w);
	assert_int_equal(run_order(&w, 1, RETIRE), STATUS_OK);
	world_land(&w, 0, false);
	assert_true(world_settled(&w));
	assert_string_equal(w.violation, "");
	must_converge(&w, LAND_NEVER);
	world_free(&w);
	/* And that is noticed where it is not. */
	late_write_of_a_rollback(&w);
	w.mutation = WORLD_PAIR_NO_WITHDRAWAL;
	run_unchecked(&w, 1, RETIRE);
	assert_string_not_equal(w.violation, "");
	world_free(&w);
}

/* Where labels are compared CURRENT is another version by then.  Twice a rollback's
 * write is late: of the database as it was, and of the one that was restored. */
static void a_late_write_does_not_know_what_was_renewed(void **state)
{
	char live[RANDOM_UUID_SIZE];
	static struct world w;

	(void)state;
	scene_labels = true;
	for (int late = 0; late < 2; late++) {
		late_write_of_a_rollback(&w);
		memcpy(live, w.db.live, sizeof(live));
		if (late)
			assert_int_equal(run_order(&w, 1, RETIRE), STATUS_OK);
		world_land(&w, 0, false);
		if (!late)
			assert_int_equal(run_order(&w, 1, RECOVER), STATUS_OK);
		assert_int_equal(run_order(&w, 1, RETIRE), STATUS_OK);
		assert_true(world_settled(&w));
		assert_string_not_equal(w.db.live, live);
		assert_string_equal(world_label(&w, STORE_LABEL_PREVIOUS), "");
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
	/* A store that compares labels, taken for one that does not. */
	late_write_of_a_rollback(&w);
	world_forget_labels(&w);
	run_unchecked(&w, 1, RETIRE);
	assert_string_not_equal(w.violation, "");
	world_free(&w);
	scene_labels = false;
}

/* A retirement's reply is lost; until it claims again others go back and forth, and
 * a request of theirs knows the version that it had made. */
static void a_renewal_counts_under_its_claim_alone(void **state)
{
	struct plan lost = one_fault("nologin", FATE_LOST_BEFORE, 1);
	struct plan late = one_fault("promote", FATE_LATE, 1);
	struct runner_job retire = order_job(RETIRE, NULL);
	static struct world w;
	struct before b;
	struct runner *r;

	(void)state;
	scene_labels = true;
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	b = remember_before(&w);
	put_under(&w, &lost);
	r = world_runner(&w, 0, &retire);
	step_to(&w, 0, r, ENGINE_TOMBSTONE);
	assert_true(world_step(&w, 0, r));
	assert_int_equal(runner_state(r), ENGINE_CLAIM);
	put_under(&w, &late);
	assert_int_equal(run_order(&w, 1, ROLLBACK), STATUS_OK);
	w.fate = NULL;
	assert_int_equal(run_order(&w, 1, ROLLBACK), STATUS_OK);
	assert_int_equal(world_in_flight(&w), 1);
	assert_int_equal(finish_run(&w, 0, RETIRE, r, &b, false), STATUS_OK);
	assert_int_equal(world_others(&w), 0);
	land_all(&w, false);
	assert_true(world_settled(&w));
	must_converge(&w, LAND_NEVER);
	world_free(&w);
	scene_labels = false;
}

/* The password is as old as it was, whoever finishes it. */
static void a_renewal_is_no_rotation(void **state)
{
	static const char *const acts[] = { "renew", "promote", "withdraw" };
	static struct world w;

	(void)state;
	scene_labels = true;
	for (size_t i = 0; i < 4; i++) {
		int64_t rotated;

		prepare_scene(&w, SCENE_PAIR_ROTATED, false);
		rotated = w.role.rotated_us;
		assert_true(rotated > 0);
		w.clock += 3600 * NOW_SECOND;
		if (i < 3) {
			struct plan p = one_fault(acts[i], FATE_CRASH_AFTER, 1);

			put_under(&w, &p);
			run_order(&w, 0, RETIRE);
			w.fate = NULL;
			assert_int_equal(run_order(&w, 1, RECOVER), STATUS_OK);
		}
		assert_int_equal(run_order(&w, 1, RETIRE), STATUS_OK);
		assert_int_equal(w.role.rotated_us, rotated);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
	scene_labels = false;
}

/* CURRENT is what the marker calls live, and says that it is another member's. */
static void nobody_is_retired_for_a_current_of_another_member(void **state)
{
	struct runner_job retire = order_job(RETIRE, NULL);
	static struct world w;
	struct runner *r;

	(void)state;
	scene_labels = true;
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	r = world_runner(&w, 0, &retire);
	step_to(&w, 0, r, ENGINE_RENEW);
	for (size_t i = 0; i < w.store.n; i++)
		if (w.store.v[i].label == STORE_LABEL_CURRENT)
			snprintf(w.store.v[i].login, sizeof(w.store.v[i].login),
				 "%s", world_names[w.db.previous_of]);
	/* A login would not tell. */
	memcpy(w.db.role[w.db.previous_of].password,
	       w.db.role[w.db.active].password, WORLD_PASSWORD);
	while (world_step(&w, 0, r))
		;
	assert_int_equal(runner_engine(r)->outcome, STATUS_REFUSED);
	assert_int_equal(world_others(&w), 1);
	runner_free(r);
	world_free(&w);
	scene_labels = false;
}

/* No randomness for its id. */
static void nobody_is_retired_without_a_version_of_its_own(void **state)
{
	struct runner_job retire = order_job(RETIRE, NULL);
	static struct world w;
	struct runner *r;

	(void)state;
	scene_labels = true;
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	r = world_runner(&w, 0, &retire);
	step_to(&w, 0, r, ENGINE_RENEW);
	w.random_from = w.draws + 1;
	w.random_until = w.draws + 100;
	while (world_step(&w, 0, r))
		;
	assert_int_equal(runner_engine(r)->outcome, STATUS_ERROR);
	assert_int_equal(world_others(&w), 1);
	runner_free(r);
	w.random_from = w.random_until = 0;
	must_converge(&w, LAND_NEVER);
	world_free(&w);
	scene_labels = false;
}

/* Says done and did nothing, where PREVIOUS had no label before. */
static void a_withdrawal_is_read_back(void **state)
{
	struct plan p = one_fault("withdraw", FATE_LIE, ALWAYS);
	static struct world w;

	(void)state;
	for (int withdrew = 0; withdrew < 2; withdrew++) {
		prepare_scene(
			&w, withdrew ? SCENE_PAIR_WITHDREW : SCENE_PAIR_ROTATED,
			false);
		put_under(&w, &p);
		assert_int_equal(run_order(&w, 1, RETIRE), STATUS_BUSY);
		assert_int_equal(world_others(&w), 1);
		w.fate = NULL;
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void a_rollback_goes_back_while_the_password_is_kept(void **state)
{
	static const enum scene scenes[] = { SCENE_PAIR_ROTATED,
					     SCENE_PAIR_RETIRED,
					     SCENE_PAIR_FIRST };
	char before[RANDOM_UUID_SIZE];
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		prepare_scene(&w, scenes[i], i % 2);
		memcpy(before, w.db.previous, sizeof(before));
		assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_OK);
		assert_string_equal(world_label(&w, STORE_LABEL_CURRENT),
				    before);
		assert_int_equal(w.restores_noted, 0);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
	prepare_scene(&w, SCENE_PAIR_CLEARED, false);
	assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_REFUSED);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* A PgBouncer in front of the server cannot tell a right password of a role without
 * LOGIN; it is asked when that is back. */
static void a_rollback_behind_a_pooler_is_proved_there_afterwards(void **state)
{
	static const enum scene scenes[] = { SCENE_PAIR_ROTATED,
					     SCENE_PAIR_RETIRED };
	struct plan p = one_fault("prove", FATE_CRASH_BEFORE, 1);
	char before[RANDOM_UUID_SIZE];
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		prepare_scene(&w, scenes[i % 2], false);
		memcpy(before, w.db.previous, sizeof(before));
		w.pooler = true;
		if (i >= 2) {
			put_under(&w, &p);
			run_order(&w, 2, ROLLBACK);
			w.fate = NULL;
			assert_string_equal(w.db.live, before);
			p = one_fault("prove", FATE_CRASH_BEFORE, 1);
		}
		assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_OK);
		assert_string_equal(world_label(&w, STORE_LABEL_CURRENT),
				    before);
		w.pooler = false;
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void a_new_pair_begins_behind_a_pooler(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_NEW, false);
	w.pooler = true;
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	/* Here alone, and where it is proved. */
	assert_int_equal(w.controls, 2);
	assert_true(world_settled(&w));
	w.pooler = false;
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* A wrong password is refused by the pooler, too, in the run that goes back. */
static void a_rollback_tries_a_wrong_password_where_it_is_proved(void **state)
{
	static struct world w;
	unsigned controls;

	(void)state;
	for (int retired = 0; retired < 2; retired++) {
		prepare_scene(&w,
			      retired ? SCENE_PAIR_RETIRED : SCENE_PAIR_ROTATED,
			      false);
		controls = w.controls;
		assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_OK);
		assert_int_equal(w.controls - controls, 1 + retired);
		world_free(&w);
	}
}

/* Who runs it again gets what was asked for, and not its opposite. */
static void a_rollback_that_was_interrupted_is_finished_once(void **state)
{
	static const struct order *const some[] = { ROLLBACK, RECOVER, DUE };
	char live[RANDOM_UUID_SIZE];
	static struct world w;
	enum status s;

	(void)state;
	for (size_t o = 0; o < 3; o++) {
		prepare_scene(&w, SCENE_PAIR_REVERTING, false);
		memcpy(live, w.db.live, sizeof(live));
		s = run_order(&w, 1, some[o]);
		assert_int_equal(s, STATUS_OK);
		assert_string_equal(w.db.live, live);
		assert_true(world_settled(&w));
		assert_int_equal(w.restores_noted, 0);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* Another run finished what this one's lost reply left open. */
static void a_rollback_that_another_finished_is_not_made_again(void **state)
{
	struct plan p = one_fault("revert", FATE_LOST_AFTER, 1);
	struct runner_job job = order_job(ROLLBACK, NULL);
	char before[RANDOM_UUID_SIZE];
	static struct world w;
	struct before b;
	struct runner *r;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	memcpy(before, w.db.previous, sizeof(before));
	b = remember_before(&w);
	put_under(&w, &p);
	r = world_runner(&w, 0, &job);
	step_to(&w, 0, r, ENGINE_REVERT);
	assert_true(world_step(&w, 0, r));
	assert_int_equal(runner_state(r), ENGINE_CLAIM);
	assert_int_equal(run_order(&w, 1, RECOVER), STATUS_OK);
	assert_int_equal(finish_run(&w, 0, ROLLBACK, r, &b, false), STATUS_OK);
	assert_string_equal(w.db.live, before);
	assert_true(world_settled(&w));
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* The old member's password is a person's: the login before shows that. */
static void nobody_goes_back_to_what_does_not_log_in(void **state)
{
	static struct world w;
	struct world_role *old;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	old = &w.db.role[w.db.previous_of];
	memcpy(old->password, "a person's", sizeof("a person's"));
	old->by_hand = true;
	run_unchecked(&w, 0, ROLLBACK);
	assert_string_equal(w.violation, "");
	assert_true(world_settled(&w));
	world_free(&w);
	/* And what the server would let in, whatever the password, neither. */
	for (int right = 0; right < 2; right++) {
		struct plan p = one_fault(right ? "control" : "login", FATE_LIE,
					  ALWAYS);

		prepare_scene(&w, SCENE_PAIR_ROTATED, false);
		put_under(&w, &p);
		assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_REFUSED);
		assert_true(world_settled(&w));
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static enum status run_job(struct world *w, struct runner_job *job,
			   struct runner_result *ret)
{
	struct runner *r = world_runner(w, 0, job);

	while (world_step(w, 0, r))
		;
	runner_result(r, ret);
	runner_free(r);
	if (w->violation[0])
		fail_msg("%s", w->violation);
	return ret->status;
}

/* Consumers get both passwords; one before that cannot be had for good keeps
 * CURRENT from nobody, one that cannot be had now is waited for. */
static void the_password_before_is_delivered_where_it_can_be(void **state)
{
	static const enum fate fates[] = { FATE_GOOD, FATE_GONE, FATE_CORRUPT,
					   FATE_DOWN };
	struct runner_job rotate = order_job(ROTATE, NULL);
	static struct world w;

	(void)state;
	for (size_t f = 0; f < 4; f++) {
		struct plan p = { .fault = { { "fetch", fates[f], 1, ALWAYS,
					       false } },
				  .n = 1 };
		struct runner *r;

		prepare_scene(&w, SCENE_PAIR_CLEARED, false);
		r = world_runner(&w, 0, &rotate);
		step_to(&w, 0, r, ENGINE_DELIVER);
		put_under(&w, &p);
		assert_true(world_step(&w, 0, r));
		w.fate = NULL;
		while (world_step(&w, 0, r))
			;
		assert_int_equal(runner_engine(r)->sink_bad,
				 fates[f] == FATE_DOWN);
		assert_int_equal(strcmp(w.sink_version, w.db.live) == 0,
				 fates[f] != FATE_DOWN);
		assert_int_equal(w.sink_before[0] != '\0',
				 fates[f] == FATE_GOOD);
		runner_free(r);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* The owner's turn is no member's: what is kept of the other one would stay. */
static void a_pair_that_ends_leaves_no_password_behind(void **state)
{
	struct runner_job unpair = order_job(UNPAIR, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_RETIRED, false);
	assert_int_equal(run_job(&w, &unpair, &result), STATUS_DEFERRED);
	assert_non_null(strstr(result.why.text, "retire --now"));
	assert_int_equal(run_order(&w, 0, RETIRE_NOW), STATUS_OK);
	assert_int_equal(run_job(&w, &unpair, &result), STATUS_OK);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void who_is_in_use_is_changed_by_command_alone(void **state)
{
	struct runner_job rotate = order_job(ROTATE, NULL);
	struct runner_job retire = order_job(RETIRE, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_RETIRED, false);
	w.use[w.db.previous_of].sessions = 2;
	assert_int_equal(run_job(&w, &rotate, &result), STATUS_DEFERRED);
	rotate.force = true;
	assert_int_equal(run_job(&w, &rotate, &result), STATUS_OK);
	w.use[w.db.previous_of].prepared = 1;
	assert_int_equal(run_job(&w, &retire, &result), STATUS_DEFERRED);
	w.use[w.db.previous_of].prepared = 0;
	w.use[w.db.previous_of].senders = 1;
	assert_int_equal(run_job(&w, &retire, &result), STATUS_DEFERRED);
	assert_int_equal(world_others(&w), 1);
	retire.force = true;
	assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
	assert_int_equal(world_others(&w), 0);
	world_free(&w);
}

/* What keyturnd begins by itself is put off where a person's command goes on. */
static void who_came_back_is_not_retired_by_itself(void **state)
{
	struct runner_job retire = order_job(RETIRE, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	w.use[w.db.previous_of].sessions = 1;
	retire.if_free = true;
	assert_int_equal(run_job(&w, &retire, &result), STATUS_DEFERRED);
	assert_non_null(strstr(result.why.text, "has sessions again"));
	assert_int_equal(world_others(&w), 1);
	w.use[w.db.previous_of].sessions = 0;
	assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
	assert_true(result.retired);
	assert_int_equal(world_others(&w), 0);
	world_free(&w);
}

/* With a reply lost in between, the same is asked again. */
static void what_was_in_use_is_so_after_a_lost_reply(void **state)
{
	struct plan p = one_fault("apply", FATE_LOST_BEFORE, 1);
	struct runner_job rotate = order_job(ROTATE, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_RETIRED, false);
	w.use[w.db.previous_of].sessions = 2;
	rotate.force = true;
	put_under(&w, &p);
	assert_int_equal(run_job(&w, &rotate, &result), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* Also those that outlived a retirement, whose password is kept or goes now. */
static void sessions_end_with_their_member_where_that_is_asked(void **state)
{
	static const struct {
		enum scene scene;
		bool at_once;
	} cases[] = {
		{ SCENE_PAIR_ROTATED, false },
		{ SCENE_PAIR_RETIRED, false },
		{ SCENE_PAIR_RETIRED, true },
	};
	struct plan p = one_fault("evict", FATE_REFUSED, 1);
	struct runner_job retire = order_job(RETIRE, NULL);
	struct runner_result result;
	static struct world w;
	int old;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool ends = i % 2 != 0;

		prepare_scene(&w, cases[i / 2].scene, false);
		old = w.db.previous_of;
		w.use[old].sessions = 3;
		retire.at_once = cases[i / 2].at_once;
		retire.end_sessions = ends;
		assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
		assert_int_equal(w.use[old].sessions, ends ? 0 : 3);
		world_free(&w);
	}
	/* Who may not end them says so, and retires the member all the same. */
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	w.use[w.db.previous_of].sessions = 3;
	retire.at_once = false;
	put_under(&w, &p);
	assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
	assert_int_equal(result.sessions_left, 1);
	assert_int_equal(world_others(&w), 0);
	world_free(&w);
}

/* LOGIN, sessions and password by one run, also of who has it by hand, and of two
 * that an emergency has left. */
static void what_is_to_end_at_once_is_gone_after_one_run(void **state)
{
	struct runner_job retire = order_job(RETIRE_NOW, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	for (int i = 0; i < 3 * 2; i++) {
		enum scene scene = i < 2 ? SCENE_PAIR_ROTATED :
					   SCENE_PAIR_CLEARED;

		prepare_scene(&w, scene, i % 2);
		if (i >= 2)
			w.db.role[w.db.previous_of].can_login = true;
		if (i >= 2)
			memcpy(w.db.role[w.db.previous_of].password, "by hand",
			       sizeof("by hand"));
		w.db.role[w.db.previous_of].by_hand = i >= 2;
		if (i >= 4) {
			w.db.role[WORLD_OWNER] = w.db.role[w.db.previous_of];
			w.use[WORLD_OWNER].sessions = 2;
		}
		w.use[w.db.previous_of].sessions = 3;
		assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
		assert_true(result.retired);
		assert_int_equal(result.refuted, i < 2);
		assert_int_equal(world_others(&w), 0);
		for (int m = 0; m < WORLD_ROLES; m++)
			assert_true(m == w.db.active ||
				    (!w.db.role[m].password[0] &&
				     w.use[m].sessions == 0));
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void an_old_password_is_kept_and_then_shown_to_be_refused(void **state)
{
	struct runner_job retire = order_job(RETIRE, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_RETIRED, false);
	assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
	assert_false(result.refuted);
	assert_true(w.db.previous[0]);
	w.clock += 2 * 3600 * NOW_SECOND;
	assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
	assert_true(result.refuted);
	assert_false(w.db.previous[0]);
	assert_true(world_settled(&w));
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* An owner that was the login before, and was retired; then the rotation came before
 * its password was removed. */
static void an_adopted_owner_keeps_no_password_for_ever(void **state)
{
	static const char *const acts[] = { "clear", "control", "peek" };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 4 * 3 * 2; i++) {
		struct plan p = one_fault(
			acts[i / 2 % 3],
			i / 6 ? FATE_CRASH_BEFORE : FATE_CRASH_AFTER, 1);

		prepare_scene(&w, SCENE_PAIR_FIRST, i % 2);
		assert_int_equal(run_order(&w, 0, RETIRE), STATUS_OK);
		assert_true(w.db.role[WORLD_OWNER].password[0]);
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
		assert_int_equal(run_order(&w, 0, RETIRE), STATUS_OK);
		/* Whoever dies on the way leaves it to the next. */
		p.fault[0].from = i / 12;
		put_under(&w, &p);
		run_order(&w, 2, RETIRE_NOW);
		w.fate = NULL;
		assert_int_equal(run_order(&w, 1, RETIRE_NOW), STATUS_OK);
		for (int m = 0; m < WORLD_ROLES; m++)
			assert_true(m == w.db.active ||
				    !w.db.role[m].password[0]);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* That it could be cleared by now keeps nobody from a rotation or a rollback. */
static void what_is_kept_for_longer_is_in_nobodys_way(void **state)
{
	static const struct order *const some[] = { ROTATE, ROTATE, ROLLBACK };
	static struct world w;

	(void)state;
	for (size_t o = 0; o < 3; o++) {
		struct plan p = one_fault("apply", FATE_LOST_BEFORE, 1);

		prepare_scene(&w, SCENE_PAIR_RETIRED, false);
		w.clock += 2 * 3600 * NOW_SECOND;
		if (o == 1)
			put_under(&w, &p);
		assert_int_equal(run_order(&w, 0, some[o]), STATUS_OK);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* A login that goes through, or tells nothing, is no evidence of an end. */
static void what_still_logs_in_is_not_called_refused(void **state)
{
	static const enum fate fates[] = { FATE_LIE, FATE_DOWN };
	struct runner_job retire = order_job(RETIRE_NOW, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	for (int trust = 0; trust < 2; trust++)
		for (size_t f = 0; f < 2; f++) {
			struct plan p = { .fault = { { "control", fates[f], 1,
						       ALWAYS, false } },
					  .n = 1 };
			struct runner *r;

			prepare_scene(&w, SCENE_PAIR_RETIRED, false);
			put_under(&w, &p);
			r = world_runner(&w, 0, &retire);
			step_to(&w, 0, r, ENGINE_REFUTE);
			w.trust = trust;
			while (world_step(&w, 0, r))
				;
			runner_result(r, &result);
			runner_free(r);
			assert_int_not_equal(result.status, STATUS_OK);
			assert_false(result.refuted);
			w.trust = false;
			must_converge(&w, LAND_NEVER);
			world_free(&w);
		}
}

/* The lost reply of one rotator's apply; meanwhile another goes back to the
 * member that it was for. */
static void what_was_gone_back_to_is_not_overwritten(void **state)
{
	static const struct order *const some[] = { ROTATE, EMERGENCY };
	static struct world w;

	(void)state;
	for (size_t o = 0; o < 2; o++)
		for (int again = 0; again < 2; again++) {
			struct plan p = one_fault("apply", FATE_LOST_BEFORE, 1);
			struct runner_job job = order_job(some[o], NULL);
			struct before b;
			struct runner *r;

			prepare_scene(&w, SCENE_PAIR_RETIRED, false);
			b = remember_before(&w);
			put_under(&w, &p);
			r = world_runner(&w, 0, &job);
			step_to(&w, 0, r, ENGINE_APPLY);
			assert_true(world_step(&w, 0, r));
			assert_int_equal(runner_state(r), ENGINE_CLAIM);
			assert_int_equal(run_order(&w, 1, ROLLBACK), STATUS_OK);
			/* And forth: the member may log in, and is idle. */
			if (again)
				assert_int_equal(run_order(&w, 1, ROLLBACK),
						 STATUS_OK);
			finish_run(&w, 0, some[o], r, &b, false);
			must_converge(&w, LAND_NEVER);
			world_free(&w);
		}
}

/* CURRENT is tried before the other one ends. */
static void nobody_is_retired_for_a_password_that_does_not_log_in(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	world_by_hand(&w);
	assert_int_equal(run_order(&w, 0, RETIRE), STATUS_REFUSED);
	assert_int_equal(world_others(&w), 1);
	world_free(&w);
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	w.hurt = true;
	w.db.role[w.db.active].by_hand = true;
	w.db.role[w.db.active].can_login = false;
	run_unchecked(&w, 0, RETIRE);
	assert_int_equal(world_others(&w), 1);
	world_free(&w);
	/* A service that forwards: a rotation would repair it, this does not. */
	prepare_scene(&w, SCENE_PAIR_ROTATED, false);
	w.cluster.doubts = true;
	world_by_hand(&w);
	assert_int_equal(run_order(&w, 0, RETIRE), STATUS_REFUSED);
	assert_int_equal(world_others(&w), 1);
	world_free(&w);
	/* It was proved an hour ago, and has been changed since. */
	prepare_scene(&w, SCENE_PAIR_RETIRED, false);
	world_remembers(&w, 24 * 3600 * NOW_SECOND);
	assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
	world_by_hand(&w);
	assert_int_equal(run_order(&w, 0, RETIRE), STATUS_REFUSED);
	assert_int_equal(world_others(&w), 1);
	world_free(&w);
}

/* A commit failed, and may have let the idle member log in all the same: it is
 * retired, then the rotation is finished; neither waits for the other. */
static void what_a_failed_commit_left_can_be_ended(void **state)
{
	struct plan dies = one_fault("apply", FATE_CRASH_BEFORE, 1);
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_STAGED, false);
	w.cluster.doubts = true;
	w.db.role[w.db.previous_of].can_login = true;
	assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_REFUSED);
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_DEFERRED);
	assert_int_equal(world_others(&w), 1);
	assert_int_equal(run_order(&w, 0, RETIRE), STATUS_OK);
	assert_int_equal(world_others(&w), 0);
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_OK);
	assert_string_equal(world_label(&w, STORE_LABEL_PENDING), "");
	must_converge(&w, LAND_NEVER);
	world_free(&w);
	/* Where nothing was ever current, there is nothing to keep. */
	prepare_scene(&w, SCENE_PAIR_NEW, false);
	w.cluster.doubts = true;
	put_under(&w, &dies);
	run_order(&w, 1, ROTATE);
	w.fate = NULL;
	assert_string_not_equal(world_label(&w, STORE_LABEL_PENDING), "");
	w.db.role[0].can_login = true;
	assert_int_equal(run_order(&w, 0, RETIRE), STATUS_REFUSED);
	assert_true(w.db.role[0].can_login);
	world_free(&w);
}

/* A password that is live by the marker and refused by the server is replaced by
 * command; CURRENT, of the other member, stays what it is until that one logs in. */
static void what_is_replaced_by_command_leaves_current(void **state)
{
	struct plan lost = one_fault("apply", FATE_LOST_BEFORE, 1);
	struct plan dies = {
		.fault = { { "apply", FATE_LOST_BEFORE, 0, 1, false },
			   { "apply", FATE_CRASH_BEFORE, 0, 1, true } },
		.n = 2
	};
	char current[RANDOM_UUID_SIZE];
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_APPLIED, false);
	memcpy(current, world_label(&w, STORE_LABEL_CURRENT), sizeof(current));
	world_by_hand(&w);
	put_under(&w, &dies);
	run_order(&w, 1, EMERGENCY);
	assert_string_equal(world_label(&w, STORE_LABEL_CURRENT), current);
	put_under(&w, &lost);
	assert_int_equal(run_order(&w, 0, EMERGENCY), STATUS_OK);
	assert_string_not_equal(world_label(&w, STORE_LABEL_CURRENT), current);
	assert_true(world_settled(&w));
	assert_int_equal(w.restores_noted, 0);
	world_free(&w);
}

/* Whatever came back to life: one run, and nothing is handed out that does not log
 * in; what does beside CURRENT is said, and ended by who asks for it. */
static void what_a_restore_brings_back_is_said_and_can_be_ended(void **state)
{
	static const struct {
		enum scene scene;
		bool said; /* by the first run: who may log in */
	} cases[] = {
		{ SCENE_PAIR_UNROTATED, false },
		{ SCENE_PAIR_UNRETIRED, true },
		{ SCENE_PAIR_UNCLEARED, false },
		{ SCENE_PAIR_UNREVERTED, true },
	};
	struct runner_job recover = order_job(RECOVER, NULL);
	struct runner_job retire = order_job(RETIRE_NOW, NULL);
	struct runner_result result;
	static struct world w;
	enum status s;

	(void)state;
	for (size_t i = 0; i < 2 * 4; i++) {
		prepare_scene(&w, cases[i / 2].scene, false);
		w.clock += i % 2 ? 2 * 3600 * NOW_SECOND : 0;
		s = run_job(&w, &recover, &result);
		assert_true(result.went_back);
		assert_int_equal(s, cases[i / 2].said ? STATUS_DEFERRED :
							STATUS_OK);
		if (cases[i / 2].said)
			assert_non_null(
				strstr(result.why.text, "may still log in"));
		assert_true(!*world_label(&w, STORE_LABEL_PREVIOUS) ||
			    strcmp(world_label(&w, STORE_LABEL_PREVIOUS),
				   w.db.previous) == 0);
		assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
		assert_false(result.went_back);
		assert_int_equal(world_others(&w), 0);
		assert_int_equal(run_job(&w, &recover, &result), STATUS_OK);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* PREVIOUS is the newer version, which the database has forgotten, and there is a
 * PENDING that never was. */
static void a_person_looks_before_a_restored_pair_is_retired(void **state)
{
	static const struct order *const some[] = { RETIRE, RETIRE_NOW,
						    ROLLBACK };
	struct plan dies = one_fault("stage", FATE_CRASH_AFTER, 1);
	struct runner_result result;
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3 * 2; i++) {
		struct runner_job job = order_job(some[i / 2], NULL);

		prepare_scene(&w, SCENE_PAIR_ROTATED, false);
		world_backup(&w);
		assert_int_equal(run_order(&w, 0, RETIRE), STATUS_OK);
		assert_int_equal(run_order(&w, 0, ROTATE), STATUS_OK);
		assert_int_equal(run_order(&w, 0, RETIRE), STATUS_OK);
		dies = one_fault("stage", FATE_CRASH_AFTER, 1);
		put_under(&w, &dies);
		if (i % 2)
			run_order(&w, 2, ROTATE);
		w.fate = NULL;
		world_restore(&w);
		assert_int_equal(run_job(&w, &job, &result), STATUS_DEFERRED);
		assert_true(result.restored && result.disowned);
		assert_string_equal(world_label(&w, STORE_LABEL_PREVIOUS), "");
		assert_int_equal(world_others(&w), 1);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void a_new_pair_has_nothing_to_end(void **state)
{
	static struct world w;

	(void)state;
	prepare_scene(&w, SCENE_PAIR_NEW, false);
	assert_int_equal(run_order(&w, 0, RETIRE), STATUS_REFUSED);
	assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_REFUSED);
	assert_int_equal(run_order(&w, 0, RECOVER), STATUS_OK);
	assert_int_equal(w.staged, 0);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* NOLOGIN is refused: whatever the old password was ends all the same, nothing is
 * left to go back to, and no one waits for who may log in with nothing. */
static void who_keeps_login_gets_a_password_of_nobodys(void **state)
{
	struct runner_job retire = order_job(RETIRE, NULL);
	struct runner_result result;
	static struct world w;
	int old;

	(void)state;
	for (int ends = 0; ends < 2; ends++) {
		prepare_scene(&w, SCENE_PAIR_OPEN, false);
		old = w.db.previous_of;
		w.use[old].sessions = 1;
		retire.end_sessions = ends;
		assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
		assert_int_equal(result.ended, RUNNER_END_REPLACED);
		assert_true(result.refuted && result.retired);
		assert_int_equal(w.use[old].sessions, ends ? 0 : 1);
		w.use[old].sessions = 0;
		assert_true(w.db.role[old].can_login);
		assert_int_equal(world_others(&w), 0);
		assert_int_equal(run_order(&w, 0, ROLLBACK), STATUS_REFUSED);
		assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
		assert_false(result.retired);
		assert_int_equal(run_order(&w, 0, UNPAIR), STATUS_OK);
		assert_int_equal(run_order(&w, 0, RETIRE), STATUS_OK);
		assert_int_equal(world_others(&w), 0);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* Who has LOGIN by another's doing has a password that is not known. */
static void what_is_none_of_ours_is_ended_and_not_tried(void **state)
{
	struct runner_job retire = order_job(RETIRE, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	for (int ends = 0; ends < 2; ends++) {
		prepare_scene(&w, SCENE_PAIR_SEALED, false);
		w.db.role[WORLD_OWNER].can_login = true;
		w.db.role[WORLD_OWNER].by_hand = true;
		w.use[WORLD_OWNER].sessions = 1;
		retire.end_sessions = ends;
		assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
		assert_int_equal(result.ended, RUNNER_END_REPLACED);
		assert_false(result.refuted);
		assert_int_equal(w.use[WORLD_OWNER].sessions, ends ? 0 : 1);
		assert_int_equal(world_others(&w), 0);
		world_free(&w);
	}
}

/* A service that is told of passwords is not asked for none. */
static void what_ends_says_by_what(void **state)
{
	static const struct {
		enum scene scene;
		bool doubts, at_once;
		enum runner_end ended;
	} cases[] = {
		{ SCENE_PAIR_ROTATED, false, false, RUNNER_END_NOLOGIN },
		{ SCENE_PAIR_ROTATED, true, false, RUNNER_END_NOLOGIN },
		{ SCENE_PAIR_RETIRED, false, true, RUNNER_END_REMOVED },
		{ SCENE_PAIR_RETIRED, true, true, RUNNER_END_REPLACED },
		{ SCENE_PAIR_OPEN, true, false, RUNNER_END_REPLACED },
		{ SCENE_PAIR_FULL, false, true, RUNNER_END_REPLACED },
		{ SCENE_PAIR_CLEARED, true, true, RUNNER_END_NONE },
	};
	struct runner_job retire = order_job(RETIRE, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		prepare_scene(&w, cases[i].scene, false);
		w.cluster.doubts = cases[i].doubts;
		retire.at_once = cases[i].at_once;
		assert_int_equal(run_job(&w, &retire, &result), STATUS_OK);
		assert_int_equal(result.ended, cases[i].ended);
		assert_int_equal(result.refuted,
				 result.ended > RUNNER_END_NOLOGIN);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* Three are made, none is taken: the old password logs in, and is said to. */
static void what_no_password_may_replace_is_not_ended(void **state)
{
	static const enum scene scenes[] = { SCENE_PAIR_OPEN, SCENE_PAIR_FULL };
	struct runner_job retire = order_job(RETIRE_NOW, NULL);
	struct runner_result result;
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		prepare_scene(&w, scenes[i], false);
		w.reject = true;
		assert_int_equal(run_job(&w, &retire, &result), STATUS_REFUSED);
		assert_false(result.retired);
		assert_non_null(strstr(result.why.text, "nor can a password"));
		assert_int_equal(world_others(&w),
				 scenes[i] == SCENE_PAIR_OPEN);
		assert_true(w.db.previous[0]);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(members_take_turns),
	cmocka_unit_test(a_late_write_is_refused_once_previous_is_withdrawn),
	cmocka_unit_test(a_late_write_does_not_know_what_was_renewed),
	cmocka_unit_test(a_renewal_counts_under_its_claim_alone),
	cmocka_unit_test(a_renewal_is_no_rotation),
	cmocka_unit_test(nobody_is_retired_for_a_current_of_another_member),
	cmocka_unit_test(nobody_is_retired_without_a_version_of_its_own),
	cmocka_unit_test(a_withdrawal_is_read_back),
	cmocka_unit_test(a_rollback_goes_back_while_the_password_is_kept),
	cmocka_unit_test(a_rollback_behind_a_pooler_is_proved_there_afterwards),
	cmocka_unit_test(a_new_pair_begins_behind_a_pooler),
	cmocka_unit_test(a_rollback_tries_a_wrong_password_where_it_is_proved),
	cmocka_unit_test(a_rollback_that_was_interrupted_is_finished_once),
	cmocka_unit_test(a_rollback_that_another_finished_is_not_made_again),
	cmocka_unit_test(nobody_goes_back_to_what_does_not_log_in),
	cmocka_unit_test(the_password_before_is_delivered_where_it_can_be),
	cmocka_unit_test(a_pair_that_ends_leaves_no_password_behind),
	cmocka_unit_test(who_is_in_use_is_changed_by_command_alone),
	cmocka_unit_test(who_came_back_is_not_retired_by_itself),
	cmocka_unit_test(what_was_in_use_is_so_after_a_lost_reply),
	cmocka_unit_test(sessions_end_with_their_member_where_that_is_asked),
	cmocka_unit_test(what_is_kept_for_longer_is_in_nobodys_way),
	cmocka_unit_test(what_is_to_end_at_once_is_gone_after_one_run),
	cmocka_unit_test(an_old_password_is_kept_and_then_shown_to_be_refused),
	cmocka_unit_test(an_adopted_owner_keeps_no_password_for_ever),
	cmocka_unit_test(what_still_logs_in_is_not_called_refused),
	cmocka_unit_test(what_was_gone_back_to_is_not_overwritten),
	cmocka_unit_test(nobody_is_retired_for_a_password_that_does_not_log_in),
	cmocka_unit_test(what_a_failed_commit_left_can_be_ended),
	cmocka_unit_test(what_is_replaced_by_command_leaves_current),
	cmocka_unit_test(what_a_restore_brings_back_is_said_and_can_be_ended),
	cmocka_unit_test(a_person_looks_before_a_restored_pair_is_retired),
	cmocka_unit_test(a_new_pair_has_nothing_to_end),
	cmocka_unit_test(who_keeps_login_gets_a_password_of_nobodys),
	cmocka_unit_test(what_is_none_of_ours_is_ended_and_not_tried),
	cmocka_unit_test(what_ends_says_by_what),
	cmocka_unit_test(what_no_password_may_replace_is_not_ended),
};

const struct simulate_group simulate_pair = { tests, sizeof(tests) /
							     sizeof(tests[0]) };
