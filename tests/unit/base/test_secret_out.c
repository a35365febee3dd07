/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/secret_out.h"

static void pieces_become_one_secret(void **state)
{
	struct secret_out o = secret_out_make(64);
	struct secret *user = NULL, *made = NULL;

	(void)state;
	assert_int_equal(secret_new(8, &user), STATUS_OK);
	assert_int_equal(secret_set(user, "app", 3), STATUS_OK);
	secret_out_text(&o, "a=");
	secret_out_secret(&o, user);
	secret_out_bytes(&o, "&b", 2);
	secret_out_percent(&o, "x /\0\xff~", 6, "");
	secret_out_percent(&o, "/?", 2, "/");
	assert_int_equal(secret_out_take(&o, &made), STATUS_OK);
	assert_string_equal(secret_bytes(made), "a=app&bx%20%2F%00%FF~/%3F");
	secret_free(made);
	secret_free(user);
}

static void what_does_not_fit_leaves_nothing_to_take(void **state)
{
	struct secret_out o = secret_out_make(4);
	struct secret *made = NULL;

	(void)state;
	secret_out_text(&o, "abc");
	secret_out_text(&o, "de");
	secret_out_text(&o, "f"); /* would fit */
	assert_int_equal(secret_out_take(&o, &made), STATUS_LIMIT);
	assert_null(made);
	assert_null(o.secret);

	o = secret_out_make(SECRET_CAP_MAX + 1);
	secret_out_text(&o, "a");
	assert_int_equal(secret_out_take(&o, &made), STATUS_LIMIT);
	assert_null(made);
}

static void a_failure_of_the_caller_is_kept(void **state)
{
	struct secret_out o = secret_out_make(8);
	struct secret *made = NULL;

	(void)state;
	secret_out_text(&o, "abc");
	o.status = STATUS_CORRUPT;
	secret_out_text(&o, "d");
	assert_int_equal(secret_out_take(&o, &made), STATUS_CORRUPT);
	assert_null(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_become_one_secret),
		cmocka_unit_test(what_does_not_fit_leaves_nothing_to_take),
		cmocka_unit_test(a_failure_of_the_caller_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
