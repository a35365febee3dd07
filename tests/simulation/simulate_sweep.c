/* SPDX-License-Identifier: PostgreSQL */
/* Every single fault and every pair of faults of one run, each act failing for as
 * long as one likes, and a rotator paused anywhere while another works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "simulate.h"

/* Without a marker, what others do behind our back goes unseen; docs/lakebase.md
 * says so. */
static int fates_of(enum scene scene)
{
	return scene >= SCENE_NO_MARKER && scene <= SCENE_NO_MARKER_STAGED ?
		       FATE_USURP :
		       FATE_COUNT;
}

static void survive_single_faults(enum scene scene, const struct order *o,
				  bool readable)
{
	struct plan p = { .n = 0 };
	unsigned acts = play_plan(scene, o, &p, LAND_FIRST, readable, NULL);

	p = one_fault(NULL, FATE_GOOD, 1);
	for (unsigned a = 0; a < acts; a++)
		for (int f = FATE_DOWN; f < fates_of(scene); f++)
			for (int l = 0; l < LANDINGS; l++) {
				if (is_one_left_out())
					continue;
				p.fault[0].from = a;
				p.fault[0].fate = (enum fate)f;
				play_plan(scene, o, &p, (enum landing)l,
					  readable, NULL);
			}
}

static void every_single_fault_is_survived(void **state)
{
	(void)state;
	for (int scene = 0; scene < SCENES; scene++)
		for (size_t o = 0; o < ORDERS; o++)
			for (int readable = 0; readable <= 1; readable++)
				survive_single_faults((enum scene)scene,
						      &orders[o], readable);
}

/* All pairs of acts for two fates; ends early where a run does. */
static void survive_pairs(enum scene scene, const struct order *o, enum fate f,
			  enum fate g)
{
	for (unsigned a = 0;; a++)
		for (unsigned b = a + 1;; b++) {
			struct plan p = { .fault = { { NULL, f, a, 1, false },
						     { NULL, g, b, 1, false } },
					  .n = 2 };
			unsigned acts =
				play_plan(scene, o, &p,
					  (enum landing)((a + b) % LANDINGS),
					  (a + b) % 2, NULL);

			if (acts <= a)
				return;
			if (acts <= b)
				break;
		}
}

static void every_pair_of_faults_is_survived(void **state)
{
	static const struct {
		enum scene scene;
		const struct order *order;
	} settings[] = {
		{ SCENE_MANAGED, ROTATE },    { SCENE_MANAGED, IMPORT },
		{ SCENE_APPLIED, ROTATE },    { SCENE_APPLIED, RECOVER },
		{ SCENE_STAGED, RECOVER },    { SCENE_RESTORED, ROTATE },
		{ SCENE_UNMARKED, ROTATE },   { SCENE_NEW, IMPORT },
		{ SCENE_BY_HAND, EMERGENCY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		for (int f = FATE_DOWN; f < FATE_COUNT; f++)
			for (int g = FATE_DOWN; g < FATE_COUNT; g++)
				if (!is_left_out())
					survive_pairs(settings[i].scene,
						      settings[i].order,
						      (enum fate)f,
						      (enum fate)g);
}

/* Once, often enough to be retried, always. */
static void fail_act(enum scene scene, const struct order *o, const char *act,
		     enum fate fate)
{
	static const unsigned times[] = { 1, 2, ENGINE_RETRIES, ALWAYS };
	struct plan p = one_fault(act, fate, 1);

	/* Of a pair the scenes are many, and twice is tried by every act. */
	for (unsigned from = 0; from <= 1; from++)
		for (size_t t = scene < SCENES ? 0 : 3 - from;
		     t < sizeof(times) / sizeof(times[0]); t++) {
			unsigned mix = from + (unsigned)t + fate;

			if (is_left_out())
				continue;
			p.fault[0].from = from;
			p.fault[0].times = times[t];
			play_plan(scene, o, &p, (enum landing)(mix % LANDINGS),
				  mix / LANDINGS % 2, NULL);
		}
}

/* The acts after the plan's fault: another cannot be the next to fail. */
static void find_occurring(enum scene scene, const struct order *o,
			   const struct plan *p, bool ret_occurs[ACTS])
{
	struct plan seen[2];

	for (int readable = 0; readable <= 1; readable++)
		play_plan(scene, o, p, LAND_NEVER, readable, &seen[readable]);
	for (size_t a = 0; a < ACTS; a++)
		ret_occurs[a] = seen[0].occurred[a] || seen[1].occurred[a];
}

void fail_acts(enum scene scene, const struct order *o)
{
	struct plan none = { .n = 0 };
	bool occurs[ACTS];

	find_occurring(scene, o, &none, occurs);
	for (size_t a = 0; a < ACTS; a++)
		for (int f = FATE_DOWN; f < fates_of(scene) && occurs[a]; f++)
			fail_act(scene, o, act_names[a], (enum fate)f);
}

static void every_act_may_fail_for_as_long_as_it_likes(void **state)
{
	(void)state;
	for (int scene = 0; scene < SCENES; scene++)
		for (size_t o = 0; o < ORDERS; o++)
			fail_acts((enum scene)scene, &orders[o]);
}

void fail_after(enum scene scene, const struct order *o, const char *first,
		enum fate fate)
{
	struct plan p = one_fault(first, fate, 1);
	bool occurs[ACTS];

	if ((int)fate >= fates_of(scene))
		return;
	find_occurring(scene, o, &p, occurs);
	p.n = 2;
	for (size_t a = 0; a < ACTS; a++)
		for (int f = FATE_DOWN; f < fates_of(scene) && occurs[a]; f++) {
			if ((scene >= SCENES && (a + f) % 3 != 0) ||
			    is_left_out())
				continue;
			p.fault[1] = (struct fault){ act_names[a], (enum fate)f,
						     0, ALWAYS, true };
			play_plan(scene, o, &p, (enum landing)(f % LANDINGS),
				  (f + a) % 2, NULL);
		}
}

static void an_open_outcome_survives_whatever_fails_next(void **state)
{
	static const char *const first[] = { "claim", "apply", "adopt", "prove",
					     "promote" };
	static const enum fate fates[] = { FATE_LOST_BEFORE, FATE_LOST_AFTER,
					   FATE_LATE, FATE_RESTORE,
					   FATE_FOREIGN };

	(void)state;
	for (int scene = 0; scene < SCENES; scene++)
		for (size_t o = 0; o < ORDERS; o++)
			for (size_t i = 0; i < 5; i++)
				for (size_t f = 0; f < 5; f++)
					fail_after((enum scene)scene,
						   &orders[o], first[i],
						   fates[f]);
}

bool survive_pause(enum scene scene, const struct order *o, unsigned k,
		   const struct order *other, struct plan *p,
		   enum landing landing)
{
	static struct world w;
	struct secret *given;
	struct runner_job job = order_job(o, NULL);
	struct before b;
	struct runner *r;
	bool more = true;

	if (is_left_out())
		return true;
	prepare_scene(&w, scene, k % 2);
	name_plan(scene, other, p, landing, k % 2);
	given = copy_password(world_password(&w));
	job.password = given;
	b = remember_before(&w);
	r = world_runner(&w, 0, &job);
	while (k-- > 0 && more)
		more = world_step(&w, 0, r);
	put_under(&w, p);
	run_order(&w, 1, other);
	w.fate = NULL;
	if (landing == LAND_FIRST)
		land_all(&w, false);
	finish_run(&w, 0, o, r, &b, false);
	secret_free(given);
	must_converge(&w, landing);
	world_free(&w);
	return more;
}

static void a_rotator_may_stand_still_anywhere_while_another_works(void **state)
{
	static const enum scene scenes[] = { SCENE_MANAGED,  SCENE_APPLIED,
					     SCENE_STAGED,   SCENE_RESTORED,
					     SCENE_UNMARKED, SCENE_NO_MARKER };
	static const enum fate fates[] = { FATE_GOOD, FATE_LATE,
					   FATE_CRASH_BEFORE,
					   FATE_CRASH_AFTER };
	unsigned mix = 0;

	(void)state;
	for (size_t s = 0; s < 6; s++)
		for (size_t o = 0; o < ORDERS; o++)
			for (size_t f = 0; f < 4; f++)
				for (unsigned act = 0; act < 18; act++) {
					struct plan p =
						one_fault(NULL, fates[f], 1);
					unsigned k = 1;

					p.fault[0].from = act;
					do {
						struct plan again = p;

						mix++;
						if (!survive_pause(
							    scenes[s],
							    &orders[o], k++,
							    &orders[mix % 5],
							    &again,
							    (enum landing)(
								    mix / 5 %
								    LANDINGS)))
							break;
					} while (k < 40);
				}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_single_fault_is_survived),
	cmocka_unit_test(every_pair_of_faults_is_survived),
	cmocka_unit_test(every_act_may_fail_for_as_long_as_it_likes),
	cmocka_unit_test(an_open_outcome_survives_whatever_fails_next),
	cmocka_unit_test(
		a_rotator_may_stand_still_anywhere_while_another_works),
};

const struct simulate_group simulate_sweep = {
	tests, sizeof(tests) / sizeof(tests[0])
};
