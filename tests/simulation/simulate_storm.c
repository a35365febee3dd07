/* SPDX-License-Identifier: PostgreSQL */
/* Storms: rotators that take turns at random, late effects, restores; and that the
 * checks notice each defence that is switched off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate.h"

static enum fate stormy_fate(struct world *w, const char *act, void *arg)
{
	static const enum fate some[] = { FATE_DOWN,	    FATE_LOST_BEFORE,
					  FATE_LOST_AFTER,  FATE_LATE,
					  FATE_LATE,	    FATE_CRASH_BEFORE,
					  FATE_CRASH_AFTER, FATE_LIE };

	(void)arg;
	if (world_random(w) % 1000 >= 60)
		return FATE_GOOD;
	/* A lying login freezes, which is right but ends the storm. */
	for (;;) {
		enum fate f = some[world_random(w) % 8];

		if (f == FATE_LIE && strcmp(act, "stage") != 0 &&
		    strcmp(act, "fetch") != 0)
			continue;
		simulated.faults++;
		return f;
	}
}

struct storm {
	struct world w;
	struct runner *r[WORLD_ROTATORS];
	struct runner_job job[WORLD_ROTATORS];
	unsigned since_backup;
	bool ebbs; /* no run begins until nobody is at work any more */
};

/* What happens without any rotator's doing. */
static void make_weather(struct storm *s, enum world_mutation mutation)
{
	struct world *w = &s->w;

	if (world_in_flight(w) && world_random(w) % 8 == 0) {
		unsigned which =
			(unsigned)(world_random(w) % world_in_flight(w));

		world_land(w, which, world_random(w) % 4 == 0);
	}
	if (world_random(w) % 400 == 0) {
		world_backup(w);
		s->since_backup = w->staged;
	}
	/* Within the ring: fewer stagings than it holds.  Of a pair two that log
	 * in must be in it. */
	if (world_random(w) % 300 == 0 &&
	    (mutation == WORLD_SHORT_RING ||
	     w->staged - s->since_backup + w->pair < STORE_RING_MIN))
		world_restore(w);
}

/* A quiet moment now and then, from which on CURRENT counts again. */
static void ebb(struct storm *s)
{
	struct world *w = &s->w;

	s->ebbs = s->ebbs || world_random(w) % 200 == 0;
	if (!s->ebbs || s->r[0] || s->r[1] || s->r[2])
		return;
	while (world_in_flight(w))
		world_land(w, 0, world_random(w) % 2);
	world_rest(w);
	s->ebbs = false;
}

/* What a pair is told to do beside the rest. */
static void choose_pair_job(struct world *w, struct runner_job *job)
{
	uint64_t what = world_random(w) % 8;

	if (what < 3)
		job->mode = ENGINE_MODE_RETIRE;
	else if (what < 5)
		job->mode = ENGINE_MODE_ROLLBACK;
	job->at_once = what == 0;
	job->end_sessions = what == 0;
	job->unpair = what == 7;
}

static void take_turn(struct storm *s)
{
	struct world *w = &s->w;
	int i = (int)(world_random(w) % WORLD_ROTATORS);

	if (!s->r[i] && s->ebbs)
		return;
	if (!s->r[i]) {
		/* A line each: the order of initialisers is the compiler's. */
		s->job[i] = (struct runner_job){ .fresh = false };
		s->job[i].mode = world_random(w) % 3 ? ENGINE_MODE_ROTATE :
						       ENGINE_MODE_RECOVER;
		s->job[i].fresh = world_random(w) % 2;
		if (w->pair)
			choose_pair_job(w, &s->job[i]);
		s->r[i] = world_runner(w, i, &s->job[i]);
		w->role.frozen = false;
		simulated.runs++;
	}
	if (world_step(w, i, s->r[i]))
		return;
	simulated.crashes += w->dead[i];
	runner_free(s->r[i]);
	s->r[i] = NULL;
}

/*
 * Up to three rotators take turns at random, effects land late and in any
 * order, the database is restored now and then.  Returns false on a violation
 * (left in *ret_violation).
 */
static bool survive_storm(uint64_t seed, enum world_mutation mutation,
			  bool pair, unsigned turns, char ret_violation[200])
{
	static struct storm s;
	bool good = true;

	memset(&s, 0, sizeof(s)); /* not secret */
	snprintf(plan_text, sizeof(plan_text), "storm %llu%s",
		 (unsigned long long)seed, pair ? " of a pair" : "");
	world_make(&s.w, seed);
	s.w.mutation = mutation;
	s.w.fate = stormy_fate;
	s.w.polite = seed % 4 == 0;
	if (pair)
		world_pair(&s.w);
	if (seed % 3 == 0 && mutation == WORLD_SOUND && !pair)
		world_forwards(&s.w);
	for (unsigned t = 0; t < turns && good; t++) {
		make_weather(&s, mutation);
		take_turn(&s);
		if (pair)
			ebb(&s);
		good = s.w.violation[0] == '\0';
	}
	for (int i = 0; i < WORLD_ROTATORS; i++)
		runner_free(s.r[i]);
	if (good && mutation == WORLD_SOUND)
		must_converge(&s.w, LAND_FIRST);
	memcpy(ret_violation, s.w.violation, sizeof(s.w.violation));
	world_free(&s.w);
	return good;
}

static void survive_storms(bool pair)
{
	const char *many = getenv("KEYTURN_SIMULATE_STORMS");
	unsigned long n = many ? strtoul(many, NULL, 10) : 3000;
	char violation[200];

	for (unsigned long seed = 1; seed <= n; seed++)
		if (!survive_storm(seed, WORLD_SOUND, pair, 400, violation))
			fail_plan("%s", violation);
}

/*
 * An apply that is late, whose claim is over, when so many rotations have come
 * since that the store has forgotten its version.
 */
static bool survive_late_apply(enum world_mutation mutation,
			       char ret_violation[200])
{
	struct plan p = { .fault = { { "apply", FATE_LATE, 0, 1, false },
				     { NULL, FATE_CRASH_BEFORE, 0, 1, true } },
			  .n = 2 };
	static struct world w;

	prepare_scene(&w, SCENE_MANAGED, false);
	snprintf(plan_text, sizeof(plan_text), "a late apply");
	w.mutation = mutation;
	put_under(&w, &p);
	run_order(&w, 0, ROTATE);
	w.fate = NULL;
	assert_int_equal(world_in_flight(&w), 1);
	for (int i = 0; i < STORE_RING_MIN + 4; i++)
		assert_int_equal(run_order(&w, 1, ROTATE), STATUS_OK);
	assert_string_equal(w.violation, "");
	world_land(&w, 0, false);
	memcpy(ret_violation, w.violation, sizeof(w.violation));
	if (mutation == WORLD_SOUND)
		assert_true(world_settled(&w));
	world_free(&w);
	return ret_violation[0] == '\0';
}

static void an_apply_of_an_old_claim_does_nothing(void **state)
{
	char violation[200];

	(void)state;
	if (!survive_late_apply(WORLD_SOUND, violation))
		fail_plan("%s", violation);
	/* Seldom met in a storm: so rotators and what is late must not decide
	 * whether this defence is tried. */
	if (survive_late_apply(WORLD_NO_DB_CAS, violation))
		fail_plan("no database CAS: nothing noticed");
	printf("defence off: no database CAS: %s\n", violation);
}

static void storms_of_rotators_faults_and_restores_break_nothing(void **state)
{
	(void)state;
	survive_storms(false);
}

static void storms_over_a_pair_break_nothing(void **state)
{
	(void)state;
	survive_storms(true);
}

static void must_notice(enum world_mutation mutation, bool pair,
			const char *name)
{
	char violation[200] = "";
	uint64_t seed;

	for (seed = 1; seed < 40000; seed++)
		if (!survive_storm(seed, mutation, pair, 400, violation))
			break;
	if (!violation[0])
		fail_msg("%s: nothing noticed", name);
	printf("defence off: %s: caught in storm %llu: %s\n", name,
	       (unsigned long long)seed, violation);
}

static void the_checks_notice_each_defence_of_a_pair_that_is_off(void **state)
{
	static const char *const names[] = {
		"no compare-and-swap of a password",
		"no compare-and-swap of a rollback",
		"no compare-and-swap of NOLOGIN",
		"no compare-and-swap of a clearing",
	};

	(void)state;
	for (int m = WORLD_MUTATIONS; m < WORLD_PAIR_MUTATIONS; m++)
		must_notice((enum world_mutation)m, true,
			    names[m - WORLD_MUTATIONS]);
}

static void the_checks_notice_each_defence_that_is_switched_off(void **state)
{
	static const char *const names[] = {
		"sound",
		"no database CAS", /* has a scene of its own, above */
		"no store CAS",
		"PENDING dropped when superseded",
		"no session binding and PENDING dropped",
		"a ring of none"
	};

	(void)state;
	for (int m = WORLD_NO_STORE_CAS; m < WORLD_MUTATIONS; m++)
		must_notice((enum world_mutation)m, false, names[m]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(an_apply_of_an_old_claim_does_nothing),
	cmocka_unit_test(storms_of_rotators_faults_and_restores_break_nothing),
	cmocka_unit_test(storms_over_a_pair_break_nothing),
	cmocka_unit_test(the_checks_notice_each_defence_that_is_switched_off),
	cmocka_unit_test(the_checks_notice_each_defence_of_a_pair_that_is_off),
};

const struct simulate_group simulate_storm = {
	tests, sizeof(tests) / sizeof(tests[0])
};
