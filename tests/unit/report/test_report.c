/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "base/now.h"
#include "report/report.h"

#define HOUR (INT64_C(3600) * NOW_SECOND)
#define NOW  (INT64_C(1800000000) * NOW_SECOND)

static struct ledger_role known(void)
{
	struct ledger_role k = { .role = "sap", .last_status = "OK" };

	text_copy(k.version, sizeof(k.version),
		  "11111111-2222-4333-8444-555555555555");
	k.rotated_us = NOW - 26 * HOUR;
	return k;
}

static enum report_state state_of(const struct ledger_role *k, int64_t due)
{
	const struct report_role r = { .cluster = "main",
				       .store = "local",
				       .known = k,
				       .next_due_us = due,
				       .expires_us = 0 };

	return report_state(&r, NOW);
}

static void the_most_urgent_state_is_shown(void **state)
{
	struct ledger_role k = known();

	(void)state;
	assert_int_equal(state_of(&k, 0), REPORT_OK);
	assert_int_equal(state_of(&k, NOW + 1), REPORT_OK);
	assert_int_equal(state_of(&k, NOW), REPORT_DUE);
	assert_int_equal(state_of(&k, NOW - HOUR), REPORT_OVERDUE);
	text_copy(k.last_status, sizeof(k.last_status), "CLUSTER_UNAVAILABLE");
	assert_int_equal(state_of(&k, NOW - HOUR), REPORT_FAILED);
	text_copy(k.last_status, sizeof(k.last_status), "DEFERRED");
	assert_int_equal(state_of(&k, 0), REPORT_DEFERRED);
	assert_int_equal(state_of(&k, NOW), REPORT_DEFERRED);
	assert_int_equal(state_of(&k, NOW - HOUR), REPORT_OVERDUE);
	assert_string_equal(report_state_name(REPORT_DEFERRED), "deferred");
	assert_string_equal(report_state_name(REPORT_FROZEN), "frozen");
	text_copy(k.open_run, sizeof(k.open_run), "run");
	assert_int_equal(state_of(&k, NOW - HOUR), REPORT_OPEN);
	k.frozen = true;
	assert_int_equal(state_of(&k, NOW - HOUR), REPORT_FROZEN);
}

static void a_role_never_rotated_is_new_until_a_run_failed(void **state)
{
	struct ledger_role k = { .role = "sap" };

	(void)state;
	assert_int_equal(state_of(&k, 0), REPORT_NEW);
	text_copy(k.last_status, sizeof(k.last_status), "REFUSED");
	assert_int_equal(state_of(&k, 0), REPORT_FAILED);
}

static void a_new_role_has_no_due_time(void **state)
{
	struct ledger_role k = { .role = "sap" };
	const struct schedule_spec spec = { .every = "30d", .name = "sap" };
	struct schedule *s = NULL;
	struct schedule_zone *z = NULL;

	(void)state;
	assert_int_equal(schedule_zone_open("UTC", &z, NULL), STATUS_OK);
	assert_int_equal(schedule_parse(&spec, z, &s, NULL), STATUS_OK);
	assert_int_equal(report_next_due(s, &k), 0);
	k.rotated_us = NOW;
	assert_int_equal(report_next_due(s, &k), NOW + 30 * 24 * HOUR);
	assert_int_equal(report_next_due(NULL, &k), 0);
	schedule_free(s);
	schedule_zone_free(z);
}

static void status_as_json_is_json_with_every_field(void **state)
{
	struct ledger_role k = known();
	const struct report_role r = { .cluster = "main",
				       .store = "local",
				       .known = &k,
				       .next_due_us = NOW + HOUR,
				       .expires_us = 0 };
	struct text t = text_make(4096);
	json_t *j;

	(void)state;
	text_copy(k.last_error, sizeof(k.last_error), "a \"quote\" and \\");
	report_status_json(&t, &r, NOW);
	j = json_loads(text_str(&t), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "state")),
			    "ok");
	assert_int_equal(json_integer_value(json_object_get(j, "age_seconds")),
			 26 * 3600);
	assert_string_equal(json_string_value(json_object_get(j, "last_error")),
			    "a \"quote\" and \\");
	assert_true(json_is_null(json_object_get(j, "frozen_reason")));
	assert_true(json_is_null(json_object_get(j, "open_run")));
	assert_true(json_is_array(json_object_get(j, "follow")));
	json_decref(j);
	text_free(&t);
}

static void a_step_that_is_behind_is_shown(void **state)
{
	const struct ledger_role k = known();
	struct report_step s = { .role = "sap",
				 .name = "delivery cpi",
				 .version = "v-1",
				 .sentence = "" };
	struct report_role r = { .cluster = "main",
				 .store = "local",
				 .known = &k };
	struct text t = text_make(4096), steps = text_make(4096);
	json_t *j, *step;

	(void)state;
	report_step_line(&t, &s, NOW);
	assert_string_equal(text_str(&t), "");
	s.behind = true;
	s.sentence = "not run yet";
	report_step_line(&t, &s, NOW);
	s.attempts = 3;
	s.since_us = NOW - 2 * HOUR;
	s.next_us = NOW + HOUR;
	s.sentence = "ended with 1: \x1b no";
	report_step_line(&t, &s, NOW);
	assert_string_equal(
		text_str(&t),
		"delivery cpi of role sap: not run yet\n"
		"delivery cpi of role sap: failing for 2h, 3 "
		"attempts, the next in 1h: ended with 1: \\x1b no\n");
	text_reset(&t);
	report_step_json(&steps, &s);
	r.follow = text_str(&steps);
	report_status_json(&t, &r, NOW);
	j = json_loads(text_str(&t), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	step = json_array_get(json_object_get(j, "follow"), 0);
	assert_string_equal(json_string_value(json_object_get(step, "state")),
			    "failing");
	assert_int_equal(json_integer_value(json_object_get(step, "failures")),
			 3);
	json_decref(j);
	text_free(&t);
	text_free(&steps);
}

static void consumers_who_were_not_seen_yet_are_counted(void **state)
{
	struct ledger_role k = known();
	struct report_role r = { .cluster = "main",
				 .store = "local",
				 .known = &k,
				 .expected = 4,
				 .adopted = 3 };
	struct text t = text_make(4096);

	(void)state;
	report_status_line(&t, 6, &r, NOW);
	assert_non_null(strstr(text_str(&t), "  adopting 3 of 4 consumers\n"));
	report_status_json(&t, &r, NOW);
	assert_non_null(strstr(text_str(&t), "\"consumers_expected\":4,"
					     "\"consumers_adopted\":3,"));
	text_reset(&t);
	r.adopted = 4;
	report_status_line(&t, 6, &r, NOW);
	assert_null(strstr(text_str(&t), "consumers"));
	text_free(&t);
}

#define DAY (24 * HOUR)

/* By its settings, or because it is too old already. */
static void a_life_is_shown_against_what_the_policy_allows(void **state)
{
	static const struct {
		struct schedule_life life;
		int64_t age;
		bool outlives;
		const char *says;
	} cases[] = {
		{ { 7 * DAY, DAY, 30 * DAY, .pair = false },
		  DAY,
		  false,
		  "lives at most 8d; max_life 30d" },
		{ { 30 * DAY, DAY, 30 * DAY, .pair = false },
		  DAY,
		  true,
		  "may live 31d, over max_life 30d of its policy: keyturn "
		  "check" },
		{ { 0, DAY, 30 * DAY, .pair = false },
		  DAY,
		  true,
		  "may live any time, over max_life 30d" },
		{ { 7 * DAY, DAY, 30 * DAY, .pair = false },
		  31 * DAY,
		  true,
		  "older than max_life 30d of its policy: keyturn rotate" },
		{ { 0, DAY, 0, .pair = false }, 400 * DAY, false, "Z  \n" },
	};
	struct ledger_role k = known();
	struct text t = text_make(4096);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct report_role r = { .cluster = "main",
					       .store = "local",
					       .known = &k,
					       .next_due_us = NOW + HOUR,
					       /* What is wrong comes first. */
					       .expected = cases[i].outlives,
					       .life = cases[i].life };
		json_t *j;

		k.rotated_us = NOW - cases[i].age;
		text_reset(&t);
		report_status_line(&t, 6, &r, NOW);
		if (!strstr(text_str(&t), cases[i].says))
			fail_msg("%s", text_str(&t));
		text_reset(&t);
		report_status_json(&t, &r, NOW);
		j = json_loads(text_str(&t), JSON_REJECT_DUPLICATES, NULL);
		assert_int_equal(json_is_true(json_object_get(j, "outlives")),
				 cases[i].outlives);
		if (cases[i].life.interval_us > 0)
			assert_int_equal(json_integer_value(json_object_get(
						 j, "longest_life_seconds")) *
						 (HOUR / 3600),
					 cases[i].life.interval_us + DAY);
		else
			assert_true(json_is_null(
				json_object_get(j, "longest_life_seconds")));
		json_decref(j);
	}
	text_free(&t);
}

static void a_run_as_json_keeps_its_steps_as_numbers(void **state)
{
	struct ledger_run run = { .role = "sap",
				  .mode = "rotate",
				  .status = "OK",
				  .begun_us = NOW,
				  .ended_us = NOW + 21000,
				  .steps = "claim=12 stage=3400" };
	struct text t = text_make(4096);
	json_t *j, *steps;

	(void)state;
	report_run_json(&t, &run);
	j = json_loads(text_str(&t), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	steps = json_object_get(j, "steps");
	assert_int_equal(json_object_size(steps), 2);
	assert_int_equal(json_integer_value(json_object_get(steps, "stage")),
			 3400);
	json_decref(j);
	/* Nothing recorded, or something cut off, is still JSON. */
	text_reset(&t);
	text_copy(run.steps, sizeof(run.steps), "claim=12 sta");
	report_run_json(&t, &run);
	j = json_loads(text_str(&t), JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	json_decref(j);
	text_free(&t);
}

static void a_table_line_has_no_trailing_surprise(void **state)
{
	struct ledger_role k = known();
	const struct report_role r = { .cluster = "main",
				       .store = "local",
				       .known = &k,
				       .next_due_us = NOW + HOUR,
				       .expires_us = 0 };
	struct text t = text_make(4096);

	(void)state;
	report_status_head(&t, 6);
	report_status_line(&t, 6, &r, NOW);
	assert_non_null(strstr(text_str(&t), "sap     ok"));
	assert_non_null(strstr(text_str(&t), "1d 2h"));
	assert_non_null(strstr(text_str(&t), "2027-01-15T09:00:00Z"));
	text_free(&t);
}

static void what_people_wrote_does_not_reach_the_terminal_raw(void **state)
{
	struct ledger_run run = { .role = "sap",
				  .mode = "rotate",
				  .status = "OK",
				  .begun_us = NOW,
				  .reason = "\033[2Jgone\n2026 forged",
				  .actor = "uid 0 (root) for \033]0;x\007" };
	struct ledger_role k = known();
	const struct report_role r = { .cluster = "main",
				       .store = "local",
				       .known = &k,
				       .next_due_us = NOW + HOUR,
				       .expires_us = 0 };
	struct text t = text_make(4096);

	(void)state;
	report_run_lines(&t, &run);
	assert_null(strchr(text_str(&t), '\033'));
	assert_null(strchr(text_str(&t), '\007'));
	assert_non_null(strstr(text_str(&t), "\\x1b[2Jgone\\x0a2026"));
	text_reset(&t);
	k.frozen = true;
	text_copy(k.frozen_reason, sizeof(k.frozen_reason), "a\rb\033c");
	report_status_line(&t, 6, &r, NOW);
	assert_non_null(strstr(text_str(&t), "a\\x0db\\x1bc"));
	text_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_urgent_state_is_shown),
		cmocka_unit_test(
			a_role_never_rotated_is_new_until_a_run_failed),
		cmocka_unit_test(a_new_role_has_no_due_time),
		cmocka_unit_test(status_as_json_is_json_with_every_field),
		cmocka_unit_test(a_step_that_is_behind_is_shown),
		cmocka_unit_test(consumers_who_were_not_seen_yet_are_counted),
		cmocka_unit_test(
			a_life_is_shown_against_what_the_policy_allows),
		cmocka_unit_test(a_run_as_json_keeps_its_steps_as_numbers),
		cmocka_unit_test(a_table_line_has_no_trailing_surprise),
		cmocka_unit_test(
			what_people_wrote_does_not_reach_the_terminal_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
