/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/store_versions.h"

#define P STORE_LABEL_PENDING
#define C STORE_LABEL_CURRENT
#define V STORE_LABEL_PREVIOUS
#define R STORE_LABEL_RING

/* "P9 C8 V7 r6 R5": labels and ids, newest first; a small r never lived. */
static void expect(const struct store_state *s, const char *list)
{
	static const char letters[] = { [P] = 'P', [C] = 'C', [V] = 'V' };
	char is[512] = "";
	size_t n = 0, i;

	for (i = 0; i < s->n; i++)
		n += (size_t)snprintf(is + n, sizeof(is) - n, "%s%c%s",
				      i ? " " : "",
				      s->versions[i].label != R ?
					      letters[s->versions[i].label] :
				      s->versions[i].lived ? 'R' :
							     'r',
				      s->versions[i].id);
	assert_string_equal(is, list);
}

static void stage(struct store_state *s, int id, unsigned ring)
{
	char text[8];

	snprintf(text, sizeof(text), "%d", id);
	assert_int_equal(store_versions_stage(s, text, id, ring), STATUS_OK);
}

static struct store_state rotated(int first, int last, unsigned ring)
{
	struct store_state s = { .revision = "7" };
	char id[8];

	for (; first <= last; first++) {
		stage(&s, first, ring);
		snprintf(id, sizeof(id), "%d", first);
		store_versions_promote(&s, id);
		store_versions_prune(&s, ring);
	}
	return s;
}

static void labels_move_as_a_rotation_moves_them(void **state)
{
	struct store_state s = { .n = 0 };

	(void)state;
	stage(&s, 1, 4);
	expect(&s, "P1");
	assert_int_equal(s.versions[0].created_us, 1);
	store_versions_promote(&s, "1");
	expect(&s, "C1");
	stage(&s, 2, 4);
	expect(&s, "P2 C1");
	store_versions_promote(&s, "2");
	expect(&s, "C2 V1");
	stage(&s, 3, 4);
	store_versions_promote(&s, "3");
	expect(&s, "C3 V2 R1");
	assert_int_equal(s.versions[2].created_us, 1);
}

static void a_pending_that_is_superseded_or_retired_is_in_the_ring(void **state)
{
	struct store_state s = rotated(1, 2, 4);

	(void)state;
	stage(&s, 3, 4);
	stage(&s, 4, 4);
	expect(&s, "P4 r3 C2 V1");
	store_versions_retire(&s, "4");
	expect(&s, "r4 r3 C2 V1");
}

static void current_goes_back_to_what_a_restore_brought(void **state)
{
	struct store_state s = rotated(1, 4, 4);

	(void)state;
	expect(&s, "C4 V3 R2 R1");
	store_versions_promote(&s, "3");
	expect(&s, "C3 V4 R2 R1");
	store_versions_promote(&s, "1");
	expect(&s, "C1 V3 R4 R2");
}

static void the_ring_forgets_the_oldest_and_no_labelled_one(void **state)
{
	struct store_state s = rotated(1, 9, 4);

	(void)state;
	expect(&s, "C9 V8 R7 R6 R5 R4");
	stage(&s, 10, 4);
	store_versions_prune(&s, 0);
	expect(&s, "P10 C9 V8 R7");
}

static void what_never_lived_leaves_first_but_for_the_newest(void **state)
{
	struct store_state s = rotated(1, 6, 4);
	int i;

	(void)state;
	expect(&s, "C6 V5 R4 R3 R2 R1");
	for (i = 7; i <= 9; i++)
		stage(&s, i, 4);
	expect(&s, "P9 r8 C6 V5 R4 R3 R2");
	store_versions_promote(&s, "9");
	store_versions_prune(&s, 4);
	expect(&s, "C9 r8 V6 R5 R4 R3");
}

static void the_largest_ring_has_room_for_another_version(void **state)
{
	struct store_state s = rotated(1, 70, STORE_RING_MAX);

	(void)state;
	stage(&s, 71, STORE_RING_MAX);
	assert_int_equal(s.n, STORE_VERSIONS_MAX);
	stage(&s, 72, STORE_RING_MAX);
	assert_int_equal(s.n, STORE_VERSIONS_MAX);
	assert_string_equal(s.versions[0].id, "72");
}

static void a_write_is_judged_by_what_happened_then_by_the_revision(
	void **state)
{
	struct store_state s = rotated(1, 3, 4);

	(void)state;
	stage(&s, 4, 4);
	expect(&s, "P4 C3 V2 R1");
	assert_int_equal(store_versions_may_promote(&s, "7", "4"),
			 STORE_VERSIONS_GO);
	assert_int_equal(store_versions_may_promote(&s, "6", "4"),
			 STORE_VERSIONS_MOVED);
	assert_int_equal(store_versions_may_promote(&s, "6", "3"),
			 STORE_VERSIONS_DONE);
	assert_int_equal(store_versions_may_promote(&s, "7", "5"),
			 STORE_VERSIONS_ABSENT);
	assert_int_equal(store_versions_may_retire(&s, "7", "4"),
			 STORE_VERSIONS_GO);
	assert_int_equal(store_versions_may_retire(&s, "6", "4"),
			 STORE_VERSIONS_MOVED);
	assert_int_equal(store_versions_may_retire(&s, "6", "1"),
			 STORE_VERSIONS_DONE);
	assert_int_equal(store_versions_may_retire(&s, "7", "5"),
			 STORE_VERSIONS_ABSENT);
	assert_int_equal(store_versions_may_retire(&s, "7", "3"),
			 STORE_VERSIONS_LABELLED);
	assert_int_equal(store_versions_may_retire(&s, "7", "2"),
			 STORE_VERSIONS_LABELLED);
}

static void one_that_is_dropped_is_gone(void **state)
{
	struct store_state s = rotated(1, 3, 4);

	(void)state;
	store_versions_drop(&s, "2");
	store_versions_drop(&s, "9");
	expect(&s, "C3 R1");
}

static void a_version_for_which_there_is_no_room_is_told(void **state)
{
	struct store_state s = { .n = 0 }, before;

	(void)state;
	for (s.n = 0; s.n < STORE_VERSIONS_MAX; s.n++) {
		snprintf(s.versions[s.n].id, sizeof(s.versions[0].id), "%d",
			 (int)s.n);
		s.versions[s.n].label = STORE_LABEL_PREVIOUS;
	}
	before = s;
	assert_int_equal(store_versions_stage(&s, "new", 1, STORE_RING_MAX),
			 STATUS_LIMIT);
	assert_memory_equal(&s, &before, sizeof(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_move_as_a_rotation_moves_them),
		cmocka_unit_test(
			a_pending_that_is_superseded_or_retired_is_in_the_ring),
		cmocka_unit_test(current_goes_back_to_what_a_restore_brought),
		cmocka_unit_test(
			the_ring_forgets_the_oldest_and_no_labelled_one),
		cmocka_unit_test(
			what_never_lived_leaves_first_but_for_the_newest),
		cmocka_unit_test(the_largest_ring_has_room_for_another_version),
		cmocka_unit_test(
			a_write_is_judged_by_what_happened_then_by_the_revision),
		cmocka_unit_test(one_that_is_dropped_is_gone),
		cmocka_unit_test(a_version_for_which_there_is_no_room_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
