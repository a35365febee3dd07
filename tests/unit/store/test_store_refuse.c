/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/store_refuse.h"

#define ONE "11111111-1111-4111-8111-111111111111"

static void a_name_has_its_bounds(void **state)
{
	char longest[STORE_NAME_SIZE + 1];
	struct reason why;

	(void)state;
	memset(longest, 'a', sizeof(longest)); /* not secret */
	longest[STORE_NAME_SIZE] = '\0';
	assert_int_equal(store_refuse_name("", &why), STATUS_REFUSED);
	assert_int_equal(store_refuse_name(longest, &why), STATUS_REFUSED);
	assert_string_equal(why.text,
			    "the name of a secret has 1 to 255 bytes");
	longest[STORE_NAME_SIZE - 1] = '\0';
	assert_int_equal(store_refuse_name(longest, &why), STATUS_OK);
}

static void an_id_is_a_lower_case_uuid(void **state)
{
	static const char *const bad[] = {
		"", "1", ONE "1", "11111111-1111-4111-8111-11111111111A"
	};
	struct reason why;
	size_t i;

	(void)state;
	assert_int_equal(store_refuse_id(ONE, &why), STATUS_OK);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(store_refuse_id(bad[i], &why), STATUS_REFUSED);
		assert_string_equal(why.text,
				    "a version id must be a lower-case UUID");
	}
}

static void a_ring_has_its_bounds(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(store_refuse_ring("s", STORE_RING_MIN, &why),
			 STATUS_OK);
	assert_int_equal(store_refuse_ring("s", STORE_RING_MAX, &why),
			 STATUS_OK);
	assert_int_equal(store_refuse_ring("s", STORE_RING_MIN - 1, &why),
			 STATUS_CONFIG);
	assert_int_equal(store_refuse_ring("s", STORE_RING_MAX + 1, &why),
			 STATUS_CONFIG);
	assert_string_equal(why.text, "store s: the ring must keep 4 to 64 "
				      "versions, not 65");
}

static void a_verdict_becomes_a_status_and_a_sentence(void **state)
{
	struct store_state s = {
		.n = 1,
		.versions = { { .id = ONE, .label = STORE_LABEL_PREVIOUS } },
	};
	const struct {
		enum store_versions_verdict verdict;
		enum status status;
		const char *words;
	} cases[] = {
		{ STORE_VERSIONS_GO, STATUS_OK, "" },
		{ STORE_VERSIONS_DONE, STATUS_OK, "" },
		{ STORE_VERSIONS_MOVED, STATUS_CONFLICT,
		  "store s: sap was changed by somebody else meanwhile" },
		{ STORE_VERSIONS_ABSENT, STATUS_REFUSED,
		  "store s has no version " ONE " of sap" },
		{ STORE_VERSIONS_LABELLED, STATUS_REFUSED,
		  "store s: version " ONE " of sap is previous and cannot be "
		  "retired" },
	};
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		reason_clear(&why);
		assert_int_equal(store_refuse_move(cases[i].verdict, "s", "sap",
						   ONE, &s, &why),
				 cases[i].status);
		assert_string_equal(why.text, cases[i].words);
	}
}

static void the_store_is_named_once(void **state)
{
	struct reason why;

	(void)state;
	reason_set(&why, STATUS_REFUSED, "no");
	assert_int_equal(store_refuse_wrap("s", STATUS_REFUSED, &why),
			 STATUS_REFUSED);
	assert_string_equal(why.text, "store s: no");
	store_refuse_wrap("s", STATUS_REFUSED, &why);
	assert_string_equal(why.text, "store s: no");
	store_refuse_wrap("s", STATUS_REFUSED, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_its_bounds),
		cmocka_unit_test(an_id_is_a_lower_case_uuid),
		cmocka_unit_test(a_ring_has_its_bounds),
		cmocka_unit_test(a_verdict_becomes_a_status_and_a_sentence),
		cmocka_unit_test(the_store_is_named_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
