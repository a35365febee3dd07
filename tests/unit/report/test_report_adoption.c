/* SPDX-License-Identifier: PostgreSQL */
/* report_adoption, and report_trail that feeds it: who was seen with what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "base/now.h"
#include "report/report_adoption.h"
#include "report/report_trail.h"

#define NOW    (INT64_C(1800000000) * NOW_SECOND)
#define MINUTE (60 * NOW_SECOND)

#define V1 "11111111-2222-4333-8444-555555555555"
#define V2 "22222222-2222-4333-8444-555555555555"

static const struct report_adoption_context context = {
	.rolname = "sap",
	.rotated_us = NOW - 10 * MINUTE,
	.poll_us = MINUTE,
	.now_us = NOW,
};

static struct report_adoption *expecting(const char *consumers)
{
	struct report_adoption *a = NULL;

	assert_int_equal(report_adoption_new("sap", V2, consumers, &a),
			 STATUS_OK);
	return a;
}

static void add(struct report_adoption *a, const char *consumer,
		const char *version, enum ledger_source source, int64_t ago)
{
	struct ledger_sighting s = { .role = "sap",
				     .login = "sap",
				     .source = source,
				     .first_us = NOW - ago,
				     .last_us = NOW - ago,
				     .count = 3 };

	text_copy(s.consumer, sizeof(s.consumer), consumer);
	text_copy(s.version, sizeof(s.version), version);
	assert_int_equal(report_adoption_add(a, &s), STATUS_OK);
}

static void seen(struct report_adoption *a, const char *consumer,
		 const char *version, int64_t ago)
{
	add(a, consumer, version, LEDGER_SOURCE_SESSION, ago);
}

static const char *kept(struct text *t)
{
	static char copy[8192];

	assert_int_equal(text_status(t), STATUS_OK);
	text_copy(copy, sizeof(copy), text_str(t));
	text_free(t);
	return copy;
}

static const char *told(struct report_adoption *a)
{
	struct text t = text_make(8000);

	report_adoption_text(a, &context, &t);
	return kept(&t);
}

static const char *sentence(struct report_adoption *a)
{
	struct text t = text_make(200);

	report_adoption_sentence(a, &t);
	return kept(&t);
}

#define BOUND \
	"    note: sessions are looked at every 1m; shorter ones may be missed\n"

static void who_is_expected_and_not_seen_is_said(void **state)
{
	struct report_adoption *a =
		expecting("app:etl host:192.0.2.0/24 app:billing");

	(void)state;
	seen(a, "host:192.0.2.7,app:etl", V2, MINUTE);
	seen(a, "host:10.0.0.1,app:billing", "", 2 * MINUTE);
	assert_string_equal(sentence(a), "adopting 2 of 3 consumers");
	assert_string_equal(
		told(a),
		"sap: adopting 2 of 3 consumers, changed 10m ago\n"
		"    new  host:192.0.2.7,app:etl  seen 3 times, last 1m ago\n"
		"    old  host:10.0.0.1,app:billing  seen 3 times, last 2m "
		"ago\n"
		"    not seen  app:billing  with the new password\n" BOUND);
	report_adoption_free(a);
}

static void without_expectations_those_who_were_seen_count(void **state)
{
	struct report_adoption *a = expecting("");

	(void)state;
	assert_string_equal(sentence(a), "");
	assert_string_equal(
		told(a), "sap: no consumer was seen, changed 10m ago\n" BOUND);
	seen(a, "host:a", V1, 20 * MINUTE);
	seen(a, "host:b", V1, 20 * MINUTE);
	assert_string_equal(sentence(a), "adopting 0 of 2 consumers");
	seen(a, "host:a", V2, MINUTE);
	assert_string_equal(sentence(a), "adopting 1 of 2 consumers");
	seen(a, "host:b", V2, MINUTE);
	assert_string_equal(sentence(a),
			    "2 of 2 consumers seen with the new password");
	/* What they used before does not matter any more. */
	assert_null(strstr(told(a), "old"));
	report_adoption_free(a);
}

static void who_still_comes_with_the_old_one_is_shown(void **state)
{
	struct report_adoption *a = expecting("");

	(void)state;
	seen(a, "host:a", V2, 5 * MINUTE);
	seen(a, "host:a", "", MINUTE);
	assert_non_null(strstr(told(a),
			       "    old  host:a  seen 3 times, last 1m ago\n"));
	report_adoption_free(a);
}

static void a_handout_is_not_a_use(void **state)
{
	struct report_adoption *a = expecting("user:101");

	(void)state;
	add(a, "user:101", V2, LEDGER_SOURCE_HANDOUT, MINUTE);
	assert_string_equal(sentence(a), "adopting 0 of 1 consumers");
	assert_non_null(strstr(told(a), "    new  user:101  was given it 3 "
					"times, last 1m ago\n"
					"    not seen  user:101  with the new "
					"password\n"));
	add(a, "user:101", V2, LEDGER_SOURCE_VERIFY, MINUTE);
	assert_int_equal(report_adoption_adopted(a), 1);
	report_adoption_free(a);
}

static void nobody_adopts_a_password_that_there_is_not(void **state)
{
	struct report_adoption *a = NULL;

	(void)state;
	assert_int_equal(report_adoption_new("sap", "", "app:etl", &a),
			 STATUS_OK);
	seen(a, "app:etl", "", MINUTE);
	assert_int_equal(report_adoption_adopted(a), 0);
	assert_string_equal(sentence(a), "");
	report_adoption_free(a);
}

static void one_address_may_be_a_poolers(void **state)
{
	struct report_adoption *a = expecting("");

	(void)state;
	seen(a, "host:10.0.0.5,app:etl", V2, MINUTE);
	assert_null(strstr(told(a), "pooler"));
	seen(a, "host:10.0.0.5,app:web", V2, MINUTE);
	assert_non_null(strstr(told(a),
			       "note: all sessions come from host:10.0.0.5; "
			       "if that is a pooler, it is the address of "
			       "every consumer behind it"));
	seen(a, "host:10.0.0.50,app:web", V2, MINUTE);
	assert_null(strstr(told(a), "pooler"));
	report_adoption_free(a);
}

static void a_clock_that_was_ahead_is_not_believed(void **state)
{
	struct report_adoption *a = expecting("");

	(void)state;
	seen(a, "host:a", V2, -MINUTE);
	assert_non_null(strstr(told(a), "last at 2027-01-15T08:01:00.000000Z, "
					"which is to come: a clock was wrong"));
	report_adoption_free(a);
}

static void a_member_is_named_when_it_is_not_the_role(void **state)
{
	struct report_adoption *a = expecting("");
	struct ledger_sighting s = { .role = "sap",
				     .login = "sap_b",
				     .version = V2,
				     .consumer = "host:a",
				     .last_us = NOW,
				     .count = 1 };

	(void)state;
	assert_int_equal(report_adoption_add(a, &s), STATUS_OK);
	assert_non_null(strstr(told(a), "last 0s ago, as sap_b\n"));
	text_copy(s.role, sizeof(s.role), "erp");
	assert_int_equal(report_adoption_add(a, &s), STATUS_OK);
	assert_int_equal(report_adoption_expected(a), 1);
	report_adoption_free(a);
}

static void json_has_it_all(void **state)
{
	struct report_adoption *a = expecting("app:etl app:web");
	struct text t = text_make(8000);
	json_t *j, *s;

	(void)state;
	seen(a, "host:local,app:etl", V2, MINUTE);
	report_adoption_json(a, &context, &t);
	j = json_loads(text_str(&t), 0, NULL);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "expected")), 2);
	assert_int_equal(json_integer_value(json_object_get(j, "adopted")), 1);
	assert_int_equal(
		json_integer_value(json_object_get(j, "sampled_every_seconds")),
		60);
	s = json_array_get(json_object_get(j, "consumers"), 1);
	assert_string_equal(json_string_value(json_object_get(s, "state")),
			    "not seen");
	s = json_array_get(json_object_get(j, "sightings"), 0);
	assert_string_equal(json_string_value(json_object_get(s, "consumer")),
			    "host:local,app:etl");
	assert_string_equal(json_string_value(json_object_get(s, "password")),
			    "new");
	assert_string_equal(json_string_value(json_object_get(s, "source")),
			    "session");
	json_decref(j);
	text_free(&t);
	report_adoption_free(a);
}

static void those_who_were_seen_lately_are_learnt_once(void **state)
{
	struct report_adoption *a = expecting("");
	struct text t = text_make(8000);

	(void)state;
	seen(a, "host:a,app:x", V1, 50 * MINUTE);
	seen(a, "host:a,app:x", V2, MINUTE);
	seen(a, "host:b", V1, 40 * MINUTE);
	seen(a, "host:c", V1, 5 * MINUTE);
	add(a, "user:7", V2, LEDGER_SOURCE_HANDOUT, MINUTE);
	report_adoption_learn(a, NOW - 30 * MINUTE, &t);
	assert_string_equal(kept(&t), "consumers = host:a,app:x\n\thost:c\n");
	t = text_make(8000);
	report_adoption_learn(a, NOW, &t);
	assert_string_equal(kept(&t), "");
	report_adoption_free(a);
}

/* ---- an agent's audit ---- */

static enum status add_line(struct report_trail *t, const char *kind,
			    const char *at, const char *more)
{
	char line[1024];
	struct reason why;

	snprintf(line, sizeof(line),
		 "{\"actor\":\"uid 101\",\"at\":\"2026-11-21T%s.000000Z\","
		 "%s,\"kind\":\"%s\",\"role\":\"sap\",\"version\":\"" V1 "\","
		 "\"seq\":1,\"prev\":\"\",\"hash\":\"\"}",
		 at, more, kind);
	return report_trail_add(t, line, &why);
}

#define GET "\"operation\":\"GET\",\"status\":\"OK\""
#define CHECKED(s) \
	"\"host\":\"192.0.2.7\",\"service\":\"pg\",\"status\":\"" s "\""

static void an_agents_trail_is_added_up(void **state)
{
	struct report_trail *t = NULL;
	const struct ledger_sighting *s;
	struct reason why;
	size_t n = 0;

	(void)state;
	assert_int_equal(report_trail_new(&t), STATUS_OK);
	assert_int_equal(add_line(t, "handout", "03:00:00", GET), STATUS_OK);
	assert_int_equal(add_line(t, "handout", "04:00:00",
				  GET ",\"count\":41"),
			 STATUS_OK);
	assert_int_equal(add_line(t, "verify", "05:00:00", CHECKED("OK")),
			 STATUS_OK);
	assert_int_equal(add_line(t, "verify", "05:00:00", CHECKED("REJECTED")),
			 STATUS_OK);
	/* keyturn get, which is a person's. */
	assert_int_equal(add_line(t, "handout", "05:00:00",
				  "\"detail\":\"raw\""),
			 STATUS_OK);
	assert_int_equal(add_line(t, "claim", "05:00:00", "\"status\":\"OK\""),
			 STATUS_OK);
	assert_int_equal(report_trail_add(t, "nonsense", &why), STATUS_CORRUPT);
	s = report_trail_sightings(t, &n);
	assert_int_equal(n, 2);
	assert_string_equal(s[0].consumer, "user:101");
	assert_int_equal(s[0].count, 42);
	assert_int_equal(s[0].last_us - s[0].first_us, 60 * MINUTE);
	assert_true(s[0].total);
	assert_int_equal(s[0].source, LEDGER_SOURCE_HANDOUT);
	assert_string_equal(s[1].consumer, "host:192.0.2.7,app:pg");
	assert_int_equal(s[1].source, LEDGER_SOURCE_VERIFY);
	assert_string_equal(s[1].version, V1);
	report_trail_free(t);
}

static int64_t since_four(const void *arg, const char *role)
{
	int64_t at = INT64_MAX;

	(void)arg;
	if (strcmp(role, "sap") == 0)
		now_parse("2026-11-21T04:00:00Z", &at);
	return at;
}

static void refusals_are_added_up_since_they_are_wanted(void **state)
{
	struct report_trail *t = NULL;
	const struct report_refusal *r;
	size_t n = 1;

	(void)state;
	assert_int_equal(report_trail_new(&t), STATUS_OK);
	assert_int_equal(add_line(t, "verify", "05:00:00", CHECKED("REJECTED")),
			 STATUS_OK);
	report_trail_refusals(t, &n);
	assert_int_equal(n, 0); /* no one wants them */
	report_trail_since(t, since_four, NULL);
	add_line(t, "verify", "03:59:59", CHECKED("REJECTED"));
	add_line(t, "verify", "05:00:00", CHECKED("REJECTED"));
	add_line(t, "verify", "06:00:00", CHECKED("REJECTED") ",\"count\":6");
	add_line(t, "verify", "06:00:00",
		 CHECKED("REJECTED") ",\"label\":\"previous\"");
	add_line(t, "verify", "06:00:00", CHECKED("OK"));
	r = report_trail_refusals(t, &n);
	assert_int_equal(n, 2);
	assert_string_equal(r[0].host, "192.0.2.7");
	assert_string_equal(r[0].label, "");
	assert_int_equal(r[0].count, 7);
	assert_int_equal(r[0].last_us - r[0].first_us, 60 * MINUTE);
	assert_string_equal(r[1].label, "previous");
	assert_int_equal(r[1].count, 1);
	report_trail_sightings(t, &n);
	assert_int_equal(n, 1);
	report_trail_free(t);
}

static void ever_other_hosts_are_counted_as_one(void **state)
{
	struct report_trail *t = NULL;
	const struct report_refusal *r;
	char more[128];
	size_t n = 0;

	(void)state;
	assert_int_equal(report_trail_new(&t), STATUS_OK);
	report_trail_since(t, since_four, NULL);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(more, sizeof(more),
			 "\"host\":\"10.0.%u.%u\",\"status\":\"REJECTED\"",
			 i / 250, i % 250);
		assert_int_equal(add_line(t, "verify", "05:00:00", more),
				 STATUS_OK);
	}
	r = report_trail_refusals(t, &n);
	assert_int_equal(n, 501);
	assert_string_equal(r[500].host, "");
	assert_int_equal(r[500].count, 2500);
	report_trail_free(t);
}

/* ---- gateways ---- */

static const char *told_at(struct report_adoption *a,
			   const struct report_adoption_gateway *g, size_t n)
{
	struct report_adoption_context c = context;
	struct text t = text_make(8000);

	c.gateways = g;
	c.n_gateways = n;
	c.gap_us = 3 * MINUTE;
	c.grace_us = NOW + 60 * MINUTE;
	report_adoption_text(a, &c, &t);
	return kept(&t);
}

static void one_consumer_may_come_through_several_gateways(void **state)
{
	struct report_adoption *a = expecting("");
	struct text t = text_make(2000);

	(void)state;
	add(a, "host:a,via:gw1", V2, LEDGER_SOURCE_VERIFY, MINUTE);
	add(a, "host:a,via:gw2", V2, LEDGER_SOURCE_VERIFY, MINUTE);
	add(a, "host:b,via:gw2", V1, LEDGER_SOURCE_VERIFY, MINUTE);
	add(a, "host:aa,via:gw2", V1, LEDGER_SOURCE_VERIFY, MINUTE);
	assert_string_equal(sentence(a), "adopting 1 of 3 consumers");
	report_adoption_learn(a, 0, &t);
	assert_string_equal(kept(&t),
			    "consumers = host:a\n\thost:b\n\thost:aa\n");
	report_adoption_free(a);
}

static void a_gateway_that_was_not_heard_is_never_quiet(void **state)
{
	static const struct report_adoption_gateway g[] = {
		{ "gw1", NOW - 60 * MINUTE, NOW - MINUTE },
		{ "gw2", NOW - 60 * MINUTE, NOW - 4 * MINUTE },
		{ "gw3", NOW - 5 * MINUTE, NOW - MINUTE },
		{ "gw4", 0, 0 },
	};
	struct report_adoption *a = expecting("");

	(void)state;
	assert_string_equal(
		told_at(a, g, 4),
		"sap: no consumer was seen, changed 10m ago, the old password "
		"is accepted for 1h more\n"
		"    note: gateway gw1: all logins since the change are "
		"counted\n"
		"    note: gateway gw2: its agent has not been heard for 4m; "
		"who logs in there since then is not known\n"
		"    note: gateway gw3: its agent was restarted, or not heard, "
		"after the change; who logged in there before "
		"2027-01-15T07:55:00.000000Z may be missing\n"
		"    note: gateway gw4: its agent has never answered; who logs "
		"in there is not known\n");
	assert_non_null(strstr(told_at(a, g, 0),
			       "note: no agent of its gateways was asked yet; "
			       "who logs in there is not known\n"));
	report_adoption_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_expected_and_not_seen_is_said),
		cmocka_unit_test(
			without_expectations_those_who_were_seen_count),
		cmocka_unit_test(who_still_comes_with_the_old_one_is_shown),
		cmocka_unit_test(a_handout_is_not_a_use),
		cmocka_unit_test(nobody_adopts_a_password_that_there_is_not),
		cmocka_unit_test(one_address_may_be_a_poolers),
		cmocka_unit_test(a_clock_that_was_ahead_is_not_believed),
		cmocka_unit_test(a_member_is_named_when_it_is_not_the_role),
		cmocka_unit_test(json_has_it_all),
		cmocka_unit_test(those_who_were_seen_lately_are_learnt_once),
		cmocka_unit_test(
			one_consumer_may_come_through_several_gateways),
		cmocka_unit_test(a_gateway_that_was_not_heard_is_never_quiet),
		cmocka_unit_test(an_agents_trail_is_added_up),
		cmocka_unit_test(refusals_are_added_up_since_they_are_wanted),
		cmocka_unit_test(ever_other_hosts_are_counted_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
