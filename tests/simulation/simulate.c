/* SPDX-License-Identifier: PostgreSQL */
/*
 * The shipped engine and runner in the simulated world: every single fault and
 * every pair of faults of one rotation, then storms of interleaved rotators,
 * late effects and restores.  Prints how much was survived.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* ---- what the engine did: rows taken, by whom (linked with --wrap) ---- */

enum status __real_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row);
enum status __wrap_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row);

static const struct engine_row *last_row;
static unsigned long rows_taken[512];
static unsigned long rotations, faults, crashes;

enum status __wrap_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row)
{
	const struct engine_row *row = NULL;
	enum status s = __real_engine_step(e, event, &row);
	size_t n;

	if (s != STATUS_OK)
		fail_msg("no row for %s in %s", engine_event_name(event),
			 engine_state_name(e->state));
	rows_taken[row - engine_rows(&n)]++;
	last_row = row;
	if (ret_row)
		*ret_row = row;
	return s;
}

/* ---- a plan of faults: act number -> fate ---- */

struct plan {
	unsigned at[3];
	enum fate fate[3];
	unsigned n;
	unsigned count; /* acts so far */
};

static enum fate planned(struct world *w, const char *act, void *arg)
{
	struct plan *p = arg;
	unsigned now = p->count++;

	(void)w, (void)act;
	for (unsigned i = 0; i < p->n; i++)
		if (p->at[i] == now) {
			faults++;
			return p->fate[i];
		}
	return FATE_GOOD;
}

static char plan_text[200] = "";

static const char *row_text(const struct engine_row *row)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s on %s to %s",
		 engine_state_name(row->from), engine_event_name(row->event),
		 engine_state_name(row->to));
	return text;
}

/* What states.def promises of a death in a row's target state. */
static void check_died(const struct world *w, const char *password_at_start)
{
	const char *pending = "", *current = "";

	crashes++;
	world_label(w, STORE_LABEL_PENDING, &pending);
	world_label(w, STORE_LABEL_CURRENT, &current);
	switch (last_row->died) {
	case ENGINE_DIED_RESTARTS:
		if (strcmp(w->db.password, password_at_start) != 0)
			fail_msg("%s: RESTARTS, but another password is live",
				 row_text(last_row));
		break;
	case ENGINE_DIED_FINISHES:
		if (strcmp(w->db.live, pending) != 0 &&
		    strcmp(w->db.live, current) != 0)
			fail_msg(
				"%s: FINISHES, but the live version is neither "
				"PENDING nor CURRENT",
				row_text(last_row));
		break;
	case ENGINE_DIED_SETTLED:
		if (strcmp(w->db.live, current) != 0)
			fail_msg("%s: SETTLED, but CURRENT is not live",
				 row_text(last_row));
		break;
	case ENGINE_DIED_RESOLVES:
		break;
	}
}

static enum status run_one(struct world *w, int i, enum engine_mode mode,
			   bool fresh, bool emergency, bool check)
{
	struct runner_result result;
	struct runner_job job;
	char live[600];
	struct secret *given = NULL;
	struct runner *r;
	unsigned guard = 0;

	snprintf(live, sizeof(live), "%s", w->db.password);
	r = world_runner(w, i, &job, mode, fresh);
	job.emergency = emergency;
	if (emergency) {
		runner_free(r);
		assert_int_equal(runner_new(w->env, &job, &r), STATUS_OK);
	}
	if (mode == ENGINE_MODE_IMPORT) {
		assert_int_equal(secret_new(600, &given), STATUS_OK);
		secret_set(given, w->db.password, strlen(w->db.password));
		job.password = given;
	}
	rotations++;
	last_row = NULL;
	while (world_step(w, i, r))
		if (++guard > 500)
			fail_msg("the run does not end");
	if (w->dead[i] && check && last_row)
		check_died(w, live);
	runner_result(r, &result);
	runner_free(r);
	secret_free(given);
	if (w->violation[0])
		fail_msg("%s (%s)", w->violation, plan_text);
	return w->dead[i] ? STATUS_UNKNOWN : result.status;
}

enum landing { LAND_FIRST, LAND_LATER, LAND_NEVER, LANDINGS };

static void land_all(struct world *w, bool lost)
{
	while (world_in_flight(w))
		world_land(w, 0, lost);
	if (w->violation[0])
		fail_msg("%s", w->violation);
}

/* After any fault: recover by another process, then a clean rotation. */
static void must_converge(struct world *w, enum landing landing)
{
	const char *pending;
	bool by_hand;
	enum status s;

	w->fate = NULL;
	w->trust = w->reject = false;
	if (landing == LAND_FIRST)
		land_all(w, false);
	s = run_one(w, 1, ENGINE_MODE_RECOVER, true, false, false);
	if (landing == LAND_LATER)
		land_all(w, false);
	else
		land_all(w, true);
	if (s == STATUS_FROZEN) {
		w->role.frozen = false;
		s = run_one(w, 1, ENGINE_MODE_ROTATE, true, true, false);
	}
	/* A zombie's late claim may fence one run, no more. */
	/* What a person did is only seen where pg_authid can be read. */
	by_hand = w->db.foreign && !w->readable;
	for (int i = 0; i < 2 && s != STATUS_OK; i++)
		s = run_one(w, 1, ENGINE_MODE_RECOVER, true, false, false);
	if (s != STATUS_OK)
		fail_msg("recover ends with %s", status_name(s));
	if (!by_hand && !world_settled(w))
		fail_msg("recovered, but CURRENT is not live");
	if (landing != LAND_LATER &&
	    world_label(w, STORE_LABEL_PENDING, &pending))
		fail_msg("recovered, but a PENDING is left");
	s = run_one(w, 1, ENGINE_MODE_ROTATE, true, false, false);
	if (s != STATUS_OK || !world_settled(w))
		fail_msg("the next rotation ends with %s", status_name(s));
}

static bool changes_history(enum fate f)
{
	return f == FATE_RESTORE || f == FATE_FOREIGN;
}

/* One run under a plan in a world prepared by `scene`. */
static unsigned under_plan(unsigned scene, struct plan *p, enum landing landing)
{
	static struct world w;
	enum engine_mode mode = scene == 2 ? ENGINE_MODE_RECOVER :
				scene == 3 ? ENGINE_MODE_IMPORT :
					     ENGINE_MODE_ROTATE;
	bool check = true;
	unsigned acts;

	world_make(&w, 42 + scene);
	w.readable = (p->n ? p->at[0] : 0) % 2;
	world_backup(&w);
	/* Scenes 1, 2: an earlier run died right after its apply; 4: right
	 * after staging; 5: two rotations after the backup. */
	if (scene == 1 || scene == 2 || scene == 4) {
		struct plan death = { .at = { scene == 4 ? 7 : 9 },
				      .fate = { FATE_CRASH_AFTER },
				      .n = 1 };

		w.fate = planned;
		w.fate_arg = &death;
		run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false);
	} else if (scene == 5) {
		run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false);
		run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false);
		world_restore(&w);
	} else if (scene == 6)
		w.db.live[0] = '\0'; /* the marker is missing */
	else if (scene == 7) {	     /* a role new to keyturn */
		w.db.live[0] = '\0';
		w.db.foreign = true;
		w.store.n = 0;
		w.have_role = false;
	}
	if (scene >= 6)
		world_backup(&w);
	for (unsigned i = 0; i < p->n; i++)
		check = check && !changes_history(p->fate[i]) &&
			p->fate[i] != FATE_LATE;
	snprintf(plan_text, sizeof(plan_text),
		 "scene %u, act %u fate %d, act %u fate %d, landing %d", scene,
		 p->at[0], (int)p->fate[0], p->at[1], (int)p->fate[1],
		 (int)landing);
	p->count = 0;
	w.fate = planned;
	w.fate_arg = p;
	run_one(&w, 0, mode, true, false, check && scene != 5);
	acts = p->count;
	must_converge(&w, landing);
	world_free(&w);
	return acts;
}

#define SCENES 8

static void every_single_fault_is_survived(void **state)
{
	(void)state;
	for (unsigned scene = 0; scene < SCENES; scene++) {
		struct plan p = { .n = 0 };
		unsigned acts = under_plan(scene, &p, LAND_FIRST);

		p.n = 1;
		for (p.at[0] = 0; p.at[0] < acts; p.at[0]++)
			for (int f = FATE_DOWN; f < FATE_COUNT; f++)
				for (int l = 0; l < LANDINGS; l++) {
					p.fate[0] = (enum fate)f;
					under_plan(scene, &p, (enum landing)l);
				}
	}
}

static void every_pair_of_faults_is_survived(void **state)
{
	(void)state;
	for (unsigned scene = 0; scene < SCENES; scene++)
		for (int f = FATE_DOWN; f < FATE_COUNT; f++)
			for (int g = FATE_DOWN; g < FATE_COUNT; g++)
				for (unsigned a = 0; a < 18; a++)
					for (unsigned b = a + 1; b < 22; b++) {
						struct plan p = {
							.at = { a, b },
							.fate = { (enum fate)f,
								  (enum fate)
									  g },
							.n = 2
						};

						under_plan(scene, &p,
							   (enum landing)(
								   (a + b) %
								   LANDINGS));
					}
}

/* The same fault at every act from k on: retries must give up, safely. */
static enum fate always_from(struct world *w, const char *act, void *arg)
{
	struct plan *p = arg;

	(void)w, (void)act;
	if (p->count++ < p->at[0])
		return FATE_GOOD;
	faults++;
	return p->fate[0];
}

static void a_fault_that_stays_ends_the_run_and_loses_nothing(void **state)
{
	static struct world w;

	(void)state;
	for (int mode = 0; mode <= ENGINE_MODE_IMPORT; mode++)
		for (unsigned k = 0; k < 20; k++)
			for (int f = FATE_DOWN; f < FATE_COUNT; f++)
				for (int l = 0; l < LANDINGS; l++) {
					struct plan p = {
						.at = { k },
						.fate = { (enum fate)f }
					};

					if (changes_history((enum fate)f))
						continue;
					world_make(&w, 7);
					w.fate = always_from;
					w.fate_arg = &p;
					run_one(&w, 0, (enum engine_mode)mode,
						true, false, false);
					must_converge(&w, (enum landing)l);
					world_free(&w);
				}
}

/* Faults chosen by the name of the act. */
struct choice {
	const char *act;
	enum fate fate;
	unsigned times;
};

static enum fate chosen(struct world *w, const char *act, void *arg)
{
	struct choice *c = arg;

	(void)w;
	if (c->times == 0 || strcmp(act, c->act) != 0)
		return FATE_GOOD;
	c->times--;
	faults++;
	return c->fate;
}

static void each_act_failing_a_few_times_is_retried_within_the_run(void **state)
{
	static const struct choice choices[] = {
		{ "claim", FATE_LOST_BEFORE, 2 },
		{ "claim", FATE_LOST_AFTER, 2 },
		{ "apply", FATE_LOST_BEFORE, 2 },
		{ "apply", FATE_LOST_AFTER, 1 },
		{ "apply", FATE_DOWN, 2 },
		{ "prove", FATE_DOWN, 3 },
		{ "promote", FATE_LOST_BEFORE, 2 },
		{ "promote", FATE_LOST_AFTER, 1 },
		{ "promote", FATE_DOWN, 2 },
		{ "stage", FATE_LOST_AFTER, 1 },
		{ "fetch", FATE_DOWN, 2 },
	};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		struct choice c = choices[i];

		world_make(&w, 11);
		w.fate = chosen;
		w.fate_arg = &c;
		assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false,
					 false),
				 STATUS_OK);
		assert_true(world_settled(&w));
		/* No third password: one run, one version. */
		assert_int_equal(w.generated, 1);
		world_free(&w);
	}
}

static void a_rejected_password_is_made_anew_at_most_twice(void **state)
{
	static struct world w;

	(void)state;
	world_make(&w, 3);
	w.reject = true;
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_REJECTED);
	assert_int_equal(w.generated, 1 + ENGINE_REJECTIONS);
	assert_true(world_settled(&w));
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void a_server_that_does_not_ask_freezes_the_role(void **state)
{
	static struct world w;

	(void)state;
	world_make(&w, 4);
	w.trust = true;
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_FROZEN);
	assert_true(w.role.frozen);
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_FROZEN);
	assert_int_equal(w.generated, 1);
	w.role.frozen = false;
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void a_password_changed_by_hand_after_the_apply_freezes_the_role(
	void **state)
{
	struct choice c = { "prove", FATE_FOREIGN, 1 };
	static struct world w;

	(void)state;
	world_make(&w, 5);
	w.fate = chosen;
	w.fate_arg = &c;
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_FROZEN);
	assert_true(w.role.frozen);
	/* Import of the password that a person set heals it. */
	w.role.frozen = false;
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_IMPORT, true, false, false),
			 STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_restore_is_repointed_alarmed_and_rotated(void **state)
{
	static struct world w;
	unsigned before;

	(void)state;
	world_make(&w, 6);
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_OK);
	world_backup(&w);
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_OK);
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_OK);
	world_restore(&w);
	before = w.generated;
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_RECOVER, true, false,
				 false),
			 STATUS_OK);
	assert_true(w.restores_noted > 0);
	assert_int_equal(w.generated, before + 1);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_store_rolled_back_freezes_and_an_emergency_heals(void **state)
{
	static struct world w;
	static struct world_store old;

	(void)state;
	world_make(&w, 8);
	old = w.store;
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_OK);
	w.store = old;
	w.db.foreign = true; /* INV1 cannot hold after a rollback */
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, false),
			 STATUS_FROZEN);
	w.role.frozen = false;
	assert_int_equal(run_one(&w, 0, ENGINE_MODE_ROTATE, true, true, false),
			 STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void finishing_is_enough_when_due_and_followed_by_a_new_one_when_asked(
	void **state)
{
	static struct world w;

	(void)state;
	for (int fresh = 0; fresh <= 1; fresh++) {
		struct choice c = { "prove", FATE_CRASH_BEFORE, 1 };

		world_make(&w, 9);
		w.fate = chosen;
		w.fate_arg = &c;
		run_one(&w, 0, ENGINE_MODE_ROTATE, true, false, true);
		assert_int_equal(run_one(&w, 1, ENGINE_MODE_ROTATE, fresh,
					 false, false),
				 STATUS_OK);
		assert_int_equal(w.generated, fresh ? 2 : 1);
		assert_true(world_settled(&w));
		world_free(&w);
	}
}

/* ---- storms ---- */

struct storm {
	unsigned faults_per_mille;
	bool restores, store_faults, crash;
};

static enum fate stormy(struct world *w, const char *act, void *arg)
{
	static const enum fate some[] = { FATE_DOWN,	    FATE_LOST_BEFORE,
					  FATE_LOST_AFTER,  FATE_LATE,
					  FATE_LATE,	    FATE_CRASH_BEFORE,
					  FATE_CRASH_AFTER, FATE_LIE };
	struct storm *s = arg;

	if (world_random(w) % 1000 >= s->faults_per_mille)
		return FATE_GOOD;
	/* A lying login freezes, which is right but ends the storm. */
	for (;;) {
		enum fate f = some[world_random(w) % 8];

		if (f == FATE_LIE && strcmp(act, "stage") != 0 &&
		    strcmp(act, "fetch") != 0)
			continue;
		faults++;
		return f;
	}
}

/*
 * Up to three rotators take turns at random, effects land late and in any
 * order, the database is restored now and then.  Returns false on a violation
 * (left in *ret_violation).
 */
static bool storm(uint64_t seed, enum world_mutation mutation, unsigned turns,
		  char ret_violation[200])
{
	static struct world w;
	struct runner *r[WORLD_ROTATORS] = { NULL };
	struct runner_job job[WORLD_ROTATORS];
	struct storm s = { 60, true, true, true };
	unsigned since_backup = 0;
	bool good = true;

	world_make(&w, seed);
	w.mutation = mutation;
	w.fate = stormy;
	w.fate_arg = &s;
	s.faults_per_mille = 20 + (unsigned)(seed % 150);
	for (unsigned t = 0; t < turns && good; t++) {
		int i = (int)(world_random(&w) % WORLD_ROTATORS);
		unsigned flying = world_in_flight(&w);

		if (flying && world_random(&w) % 4 == 0)
			world_land(&w, (unsigned)(world_random(&w) % flying),
				   world_random(&w) % 4 == 0);
		if (world_random(&w) % 400 == 0) {
			world_backup(&w);
			since_backup = w.generated;
		}
		/* Within the ring: fewer stagings than it holds. */
		if (w.have_snapshot && world_random(&w) % 300 == 0 &&
		    (mutation == WORLD_SHORT_RING ||
		     w.generated - since_backup < STORE_RING_MIN))
			world_restore(&w);
		if (!r[i]) {
			w.acting = i;
			r[i] = world_runner(&w, i, &job[i],
					    world_random(&w) % 3 ?
						    ENGINE_MODE_ROTATE :
						    ENGINE_MODE_RECOVER,
					    world_random(&w) % 2);
			w.role.frozen = false;
			rotations++;
		}
		if (!world_step(&w, i, r[i])) {
			crashes += w.dead[i];
			runner_free(r[i]);
			r[i] = NULL;
		}
		good = w.violation[0] == '\0';
	}
	for (int i = 0; i < WORLD_ROTATORS; i++)
		runner_free(r[i]);
	if (good && mutation == WORLD_SOUND)
		must_converge(&w, LAND_FIRST);
	memcpy(ret_violation, w.violation, sizeof(w.violation));
	world_free(&w);
	return good;
}

static void storms_of_rotators_faults_and_restores_break_no_invariant(
	void **state)
{
	const char *many = getenv("KEYTURN_SIMULATE_STORMS");
	unsigned long n = many ? strtoul(many, NULL, 10) : 3000;
	char violation[200];

	(void)state;
	for (unsigned long seed = 1; seed <= n; seed++)
		if (!storm(seed, WORLD_SOUND, 400, violation))
			fail_msg("seed %lu: %s", seed, violation);
}

static void the_checks_notice_each_defence_that_is_switched_off(void **state)
{
	static const char *const names[] = {
		"sound",
		"no database CAS",
		"no store CAS",
		"PENDING dropped when superseded",
		"no session binding and PENDING dropped",
		"a ring of none"
	};

	(void)state;
	for (int m = WORLD_NO_DB_CAS; m < WORLD_MUTATIONS; m++) {
		char violation[200] = "";
		uint64_t seed;

		for (seed = 1; seed < 4000; seed++)
			if (!storm(seed, (enum world_mutation)m, 400,
				   violation))
				break;
		if (!violation[0])
			fail_msg("%s: nothing noticed", names[m]);
		printf("mutation %-42s caught at seed %llu: %s\n", names[m],
		       (unsigned long long)seed, violation);
	}
}

/* Rows for answers that only a broken program or a rare pair can give are
 * listed; every other row of states.def must have been walked above. */
static void every_row_of_the_table_was_walked(void **state)
{
	size_t n, missed = 0;
	const struct engine_row *rows = engine_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (rows_taken[i])
			continue;
		missed++;
		printf("not walked: %s on %s (guard %d)\n",
		       engine_state_name(rows[i].from),
		       engine_event_name(rows[i].event), (int)rows[i].guard);
	}
	printf("rows walked: %zu of %zu\n", n - missed, n);
	assert_int_equal(missed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_single_fault_is_survived),
		cmocka_unit_test(every_pair_of_faults_is_survived),
		cmocka_unit_test(
			a_fault_that_stays_ends_the_run_and_loses_nothing),
		cmocka_unit_test(
			each_act_failing_a_few_times_is_retried_within_the_run),
		cmocka_unit_test(
			a_rejected_password_is_made_anew_at_most_twice),
		cmocka_unit_test(a_server_that_does_not_ask_freezes_the_role),
		cmocka_unit_test(
			a_password_changed_by_hand_after_the_apply_freezes_the_role),
		cmocka_unit_test(a_restore_is_repointed_alarmed_and_rotated),
		cmocka_unit_test(
			a_store_rolled_back_freezes_and_an_emergency_heals),
		cmocka_unit_test(
			finishing_is_enough_when_due_and_followed_by_a_new_one_when_asked),
		cmocka_unit_test(
			storms_of_rotators_faults_and_restores_break_no_invariant),
		cmocka_unit_test(
			the_checks_notice_each_defence_that_is_switched_off),
		cmocka_unit_test(every_row_of_the_table_was_walked),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	printf("simulated %lu runs, %lu faults, %lu crashes\n", rotations,
	       faults, crashes);
	return failed;
}
