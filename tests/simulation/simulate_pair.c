/* SPDX-License-Identifier: PostgreSQL */
/* Scenes of a pair: what a rotation, a retirement and a rollback do, and wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(members_take_turns),
};

const struct simulate_group simulate_pair = { tests, sizeof(tests) /
							     sizeof(tests[0]) };
