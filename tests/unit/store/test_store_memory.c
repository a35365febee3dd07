/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/store_memory.h"

#define ONE "11111111-1111-4111-8111-111111111111"
#define TWO "22222222-2222-4222-8222-222222222222"

struct record {
	int n;
};

static struct store_memory *make(void)
{
	struct store_memory *m = NULL;

	assert_int_equal(store_memory_new(sizeof(struct record), &m),
			 STATUS_OK);
	return m;
}

static struct secret *content(const char *text)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(64, &s), STATUS_OK);
	assert_int_equal(secret_set(s, text, strlen(text)), STATUS_OK);
	return s;
}

static int read_n(struct store_memory *m, const char *name)
{
	const struct record *r = store_memory_lock(m, name);
	int n = r->n;

	store_memory_unlock(m);
	return n;
}

static void write_n(struct store_memory *m, const char *name, int n)
{
	struct record *r = store_memory_lock(m, name);

	r->n = n;
	store_memory_unlock(m);
}

static void each_secret_has_a_record_that_begins_as_zeroes(void **state)
{
	struct store_memory *m = make();

	(void)state;
	assert_int_equal(read_n(m, "sap"), 0);
	write_n(m, "sap", 7);
	assert_int_equal(read_n(m, "erp"), 0);
	assert_int_equal(read_n(m, "sap"), 7);
	store_memory_free(m);
	store_memory_free(NULL);
}

static bool is(const void *record, const void *arg)
{
	return ((const struct record *)record)->n == *(const int *)arg;
}

static void a_record_is_found_by_what_is_in_it(void **state)
{
	struct store_memory *m = make();
	char name[STORE_NAME_SIZE] = "";
	struct record *r;
	int wanted = 2;

	(void)state;
	write_n(m, "sap", 1);
	write_n(m, "erp", 2);
	r = store_memory_lock_any(m, is, &wanted, name);
	assert_non_null(r);
	assert_string_equal(name, "erp");
	r->n = 3;
	store_memory_unlock(m);
	assert_null(store_memory_lock_any(m, is, &wanted, name));
	store_memory_unlock(m);
	store_memory_free(m);
}

static void what_is_held_is_for_its_own_version_until_released(void **state)
{
	struct store_memory *m = make();
	struct secret *in = content("hold-me-for-a-moment"), *out = NULL;

	(void)state;
	write_n(m, "sap", 7);
	store_memory_hold(m, "sap", ONE, in);
	assert_int_equal(store_memory_held(m, "sap", TWO, &out),
			 STATUS_NOT_FOUND);
	assert_int_equal(store_memory_held(m, "erp", ONE, &out),
			 STATUS_NOT_FOUND);
	assert_null(out);
	assert_int_equal(store_memory_held(m, "sap", ONE, &out), STATUS_OK);
	assert_true(secret_equal(in, out));
	assert_ptr_not_equal(in, out);
	secret_free(out);
	out = NULL;
	/* Another version takes its place. */
	store_memory_hold(m, "sap", TWO, in);
	assert_int_equal(store_memory_held(m, "sap", ONE, &out),
			 STATUS_NOT_FOUND);
	store_memory_release(m, "sap");
	assert_int_equal(store_memory_held(m, "sap", TWO, &out),
			 STATUS_NOT_FOUND);
	assert_int_equal(read_n(m, "sap"), 7);
	secret_free(in);
	store_memory_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			each_secret_has_a_record_that_begins_as_zeroes),
		cmocka_unit_test(a_record_is_found_by_what_is_in_it),
		cmocka_unit_test(
			what_is_held_is_for_its_own_version_until_released),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
