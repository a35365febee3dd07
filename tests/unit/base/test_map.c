/* SPDX-License-Identifier: PostgreSQL */
/* base/map: things are found by their key, and only by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/map.h"
#include "base/text.h"

#define THINGS 100

struct thing {
	struct map_link link;
	char name[8];
	bool seen;
};

static bool is_named(const void *thing, const void *key)
{
	return strcmp(((const struct thing *)thing)->name, key) == 0;
}

static struct thing *find(const struct map *m, const char *name)
{
	return map_find(m, map_hash_text(MAP_HASH, name), is_named, name);
}

static void put(struct map *m, struct thing *t, const char *name)
{
	assert_int_equal(text_copy(t->name, sizeof(t->name), name), STATUS_OK);
	map_put(m, t, map_hash_text(MAP_HASH, name));
}

/* Published vectors of 32-bit FNV-1a. */
static void the_hash_is_fnv_1a(void **state)
{
	(void)state;
	assert_int_equal(map_hash(MAP_HASH, "", 0), 0x811c9dc5u);
	assert_int_equal(map_hash(MAP_HASH, "a", 1), 0xe40c292cu);
	assert_int_equal(map_hash(MAP_HASH, "foobar", 6), 0xbf9cf968u);
	assert_int_not_equal(map_hash_text(map_hash_text(MAP_HASH, "ab"), "c"),
			     map_hash_text(map_hash_text(MAP_HASH, "a"), "bc"));
}

static void each_is_found_whatever_shares_its_bucket(void **state)
{
	static const size_t sizes[] = { 1, 7, 4096 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct map *m = map_new(sizes[i]);
		struct thing things[THINGS] = { 0 };
		char name[8] = "t00";
		size_t n = 0;

		for (size_t k = 0; k < THINGS; k++) {
			name[1] = (char)('0' + k / 10);
			name[2] = (char)('0' + k % 10);
			put(m, &things[k], name);
		}
		assert_int_equal(map_count(m), THINGS);
		for (size_t k = 0; k < THINGS; k++)
			assert_ptr_equal(find(m, things[k].name), &things[k]);
		assert_null(find(m, "other"));
		for (struct thing *t = map_next(m, NULL); t;
		     t = map_next(m, t), n++) {
			assert_false(t->seen);
			t->seen = true;
		}
		assert_int_equal(n, THINGS);
		map_free(m);
	}
}

/* One chain, so that the first, a middle and the last of it leave. */
static void what_is_removed_is_gone_and_the_others_stay(void **state)
{
	static const size_t order[] = { 1, 0, 2 };
	struct map *m = map_new(1);
	struct thing things[3] = { 0 };

	(void)state;
	assert_null(map_next(m, NULL));
	put(m, &things[0], "a");
	put(m, &things[1], "b");
	put(m, &things[2], "c");
	for (size_t i = 0; i < 3; i++) {
		map_remove(m, &things[order[i]]);
		assert_int_equal(map_count(m), 2 - i);
		assert_null(find(m, things[order[i]].name));
		for (size_t k = i + 1; k < 3; k++)
			assert_ptr_equal(find(m, things[order[k]].name),
					 &things[order[k]]);
	}
	assert_null(map_next(m, NULL));
	map_free(m);
	map_free(NULL);
}

static void one_may_leave_while_all_are_walked(void **state)
{
	struct map *m = map_new(2);
	struct thing things[3] = { 0 }, *t, *next;
	size_t n = 0;

	(void)state;
	put(m, &things[0], "a");
	put(m, &things[1], "b");
	put(m, &things[2], "c");
	for (t = map_next(m, NULL); t; t = next, n++) {
		next = map_next(m, t);
		map_remove(m, t);
	}
	assert_int_equal(n, 3);
	assert_int_equal(map_count(m), 0);
	map_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_fnv_1a),
		cmocka_unit_test(each_is_found_whatever_shares_its_bucket),
		cmocka_unit_test(what_is_removed_is_gone_and_the_others_stay),
		cmocka_unit_test(one_may_leave_while_all_are_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
