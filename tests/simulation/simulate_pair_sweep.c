/* SPDX-License-Identifier: PostgreSQL */
/* The sweep over a pair: every single fault, each act failing for as long as it
 * likes, open outcomes, and a rotator paused anywhere while another works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "simulate.h"

#define ALL (PAIR_SHARED + PAIR_ORDERS)

static void survive_single_faults(enum scene scene, const struct order *o)
{
	struct plan p = { .n = 0 };
	unsigned acts = play_plan(scene, o, &p, LAND_FIRST, false, NULL);

	p = one_fault(NULL, FATE_GOOD, 1);
	for (unsigned a = 0; a < acts; a++)
		for (int f = FATE_DOWN; f < FATE_COUNT; f++) {
			if (is_one_left_out())
				continue;
			p.fault[0].from = a;
			p.fault[0].fate = (enum fate)f;
			play_plan(scene, o, &p,
				  (enum landing)((a + (unsigned)f) % LANDINGS),
				  a % 2, NULL);
			if (f == FATE_LATE)
				play_plan(scene, o, &p, LAND_FIRST, a % 2,
					  NULL);
		}
}

static void every_single_fault_of_a_pair_is_survived(void **state)
{
	const struct order *o;

	(void)state;
	for (int scene = SCENES; scene < PAIR_SCENES; scene++)
		for (size_t n = 0; (o = order_in((enum scene)scene, n)); n++)
			survive_single_faults((enum scene)scene, o);
}

static void every_act_on_a_pair_may_fail_for_as_long_as_it_likes(void **state)
{
	const struct order *o;

	(void)state;
	for (int scene = SCENES; scene < PAIR_SCENES; scene++)
		for (size_t n = 0; (o = order_in((enum scene)scene, n)); n++)
			fail_acts((enum scene)scene, o);
}

static void an_open_outcome_of_a_pair_survives_whatever_fails_next(void **state)
{
	static const char *const first[] = { "claim",	"apply",   "revert",
					     "nologin", "clear",   "withdraw",
					     "prove",	"promote", "seal" };
	static const enum fate fates[] = { FATE_LOST_BEFORE, FATE_LOST_AFTER,
					   FATE_LATE, FATE_RESTORE };
	static const enum scene scenes[] = {
		SCENE_PAIR_FIRST,    SCENE_PAIR_ROTATED,   SCENE_PAIR_RETIRED,
		SCENE_PAIR_REVERTED, SCENE_PAIR_REVERTING, SCENE_PAIR_OPEN,
		SCENE_PAIR_FULL
	};
	const struct order *o;

	(void)state;
	for (size_t s = 0; s < 7; s++)
		for (size_t n = 0; (o = order_in(scenes[s], n)); n++)
			for (size_t i = 0; i < 9; i++)
				for (size_t f = 0; f < 4; f++)
					fail_after(scenes[s], o, first[i],
						   fates[f]);
}

static void who_works_on_a_pair_may_stand_still_anywhere(void **state)
{
	static const enum scene scenes[] = {
		SCENE_PAIR_ADOPTED, SCENE_PAIR_ROTATED,	  SCENE_PAIR_RETIRED,
		SCENE_PAIR_APPLIED, SCENE_PAIR_REVERTING, SCENE_PAIR_UNRETIRED,
		SCENE_PAIR_OPEN,    SCENE_PAIR_SEALED
	};
	static const enum fate fates[] = { FATE_GOOD, FATE_LATE,
					   FATE_CRASH_AFTER };
	const struct order *o, *other;

	(void)state;
	for (unsigned n = 0, mix = 0; n < 8 * ALL * ALL * 3; n++)
		for (unsigned k = 1; k < 40; k++, mix++) {
			enum scene scene = scenes[n / 3 / ALL / ALL];
			struct plan p = one_fault(NULL, fates[n % 3], 1);

			o = order_in(scene, n / 3 / ALL % ALL);
			other = order_in(scene, n / 3 % ALL);
			p.fault[0].from = mix % 20;
			if (!survive_pause(scene, o, k, other, &p,
					   (enum landing)(mix / 20 % LANDINGS)))
				break;
		}
}

/* The same of a store that compares labels: where an old password ends, and what
 * went before. */
static void a_store_that_compares_labels_survives_the_same(void **state)
{
	static const enum scene scenes[] = {
		SCENE_PAIR_FIRST,      SCENE_PAIR_ROTATED,
		SCENE_PAIR_RETIRED,    SCENE_PAIR_REVERTED,
		SCENE_PAIR_APPLIED,    SCENE_PAIR_WITHDREW,
		SCENE_PAIR_TOMBSTONED, SCENE_PAIR_UNROTATED,
		SCENE_PAIR_UNRETIRED,  SCENE_PAIR_UNREVERTED,
	};
	static const char *const first[] = { "claim",	"stage",    "renew",
					     "promote", "withdraw", "nologin" };
	static const enum fate fates[] = { FATE_LOST_BEFORE, FATE_LOST_AFTER,
					   FATE_LATE, FATE_RESTORE };
	const struct order *o;

	(void)state;
	scene_labels = true;
	for (size_t s = 0; s < sizeof(scenes) / sizeof(scenes[0]); s++)
		for (size_t n = 0; (o = order_in(scenes[s], n)); n++) {
			survive_single_faults(scenes[s], o);
			if (o->mode == ENGINE_MODE_RETIRE)
				fail_acts(scenes[s], o);
			/* What an emergency replaces keeps PREVIOUS until the
			 * next run, in any store. */
			for (size_t i = o->emergency ? 8 : 0; i < 24 && s < 4;
			     i++)
				fail_after(scenes[s], o, first[i / 4],
					   fates[i % 4]);
		}
	scene_labels = false;
}

static void who_moves_labels_may_stand_still_anywhere(void **state)
{
	static const enum scene scenes[] = { SCENE_PAIR_ROTATED,
					     SCENE_PAIR_REVERTED,
					     SCENE_PAIR_UNRETIRED };
	static const enum fate fates[] = { FATE_GOOD, FATE_LATE,
					   FATE_CRASH_AFTER };
	const struct order *o, *other;

	(void)state;
	scene_labels = true;
	for (unsigned n = 0, mix = 0; n < 3 * ALL * ALL * 3; n++)
		for (unsigned k = 1; k < 50; k++, mix++) {
			enum scene scene = scenes[n / 3 / ALL / ALL];
			struct plan p = one_fault(NULL, fates[n % 3], 1);

			o = order_in(scene, n / 3 / ALL % ALL);
			other = order_in(scene, n / 3 % ALL);
			p.fault[0].from = mix % 24;
			if (!survive_pause(scene, o, k, other, &p,
					   (enum landing)(mix / 24 % LANDINGS)))
				break;
		}
	scene_labels = false;
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(every_single_fault_of_a_pair_is_survived),
	cmocka_unit_test(every_act_on_a_pair_may_fail_for_as_long_as_it_likes),
	cmocka_unit_test(
		an_open_outcome_of_a_pair_survives_whatever_fails_next),
	cmocka_unit_test(who_works_on_a_pair_may_stand_still_anywhere),
	cmocka_unit_test(a_store_that_compares_labels_survives_the_same),
	cmocka_unit_test(who_moves_labels_may_stand_still_anywhere),
};

const struct simulate_group simulate_pair_sweep = {
	tests, sizeof(tests) / sizeof(tests[0])
};
