/* SPDX-License-Identifier: PostgreSQL */
/* Labels, and finding versions in a state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "store/store.h"

static void every_label_has_a_name_that_parses_back(void **state)
{
	enum store_label l, back = STORE_LABEL_RING;
	struct reason why = { "" };

	(void)state;
	for (l = STORE_LABEL_RING; l <= STORE_LABEL_PREVIOUS; l++) {
		assert_int_equal(store_label_parse(store_label_name(l), &back,
						   &why),
				 STATUS_OK);
		assert_int_equal(back, l);
	}
}

static void an_unknown_label_lists_what_there_is(void **state)
{
	enum store_label l = STORE_LABEL_CURRENT;
	struct reason why = { "" };

	(void)state;
	assert_int_equal(store_label_parse("CURRENT", &l, &why), STATUS_USAGE);
	assert_non_null(strstr(why.text, "current, previous, pending or ring"));
	assert_int_equal(l, STORE_LABEL_CURRENT);
}

static void a_version_is_found_by_its_id_or_its_label(void **state)
{
	struct store_state s = { .n = 2,
				 .versions = {
					 { "b", STORE_LABEL_PENDING, 2 },
					 { "a", STORE_LABEL_CURRENT, 1 } } };

	(void)state;
	assert_ptr_equal(store_find_id(&s, "a"), &s.versions[1]);
	assert_null(store_find_id(&s, "c"));
	assert_ptr_equal(store_find_label(&s, STORE_LABEL_PENDING),
			 &s.versions[0]);
	assert_null(store_find_label(&s, STORE_LABEL_PREVIOUS));
}

static const struct store_ops without = { .type = "local" };

static void a_store_without_tokens_that_open_once_says_so(void **state)
{
	struct store s = { &without, "partners" };
	struct store_entry e = { .password = NULL };
	struct store_wrapped w = { .token = NULL };
	struct reason why = { "" };
	bool there = true;

	(void)state;
	assert_int_equal(store_wrap_able(&s, &why), STATUS_REFUSED);
	assert_string_equal(why.text,
			    "store partners is of type local, which has no "
			    "tokens that open once; that takes type = vault");
	assert_int_equal(store_wrap(&s, "a", &e, 3600, &w, &why),
			 STATUS_REFUSED);
	assert_int_equal(store_wrap_look(&s, "a", &there, &why),
			 STATUS_REFUSED);
	assert_null(w.token);
	assert_true(there);
}

static void a_life_of_a_token_has_its_bounds(void **state)
{
	struct reason why = { "" };

	(void)state;
	assert_int_equal(store_wrap_life(9, &why), STATUS_USAGE);
	assert_string_equal(why.text,
			    "a token that opens once lives for 10 seconds to 7 "
			    "days, not for 9 seconds");
	assert_int_equal(store_wrap_life(10, &why), STATUS_OK);
	assert_int_equal(store_wrap_life(604800, &why), STATUS_OK);
	assert_int_equal(store_wrap_life(604801, &why), STATUS_USAGE);
	assert_int_equal(store_wrap_life(-1, &why), STATUS_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_label_has_a_name_that_parses_back),
		cmocka_unit_test(an_unknown_label_lists_what_there_is),
		cmocka_unit_test(a_version_is_found_by_its_id_or_its_label),
		cmocka_unit_test(a_store_without_tokens_that_open_once_says_so),
		cmocka_unit_test(a_life_of_a_token_has_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
