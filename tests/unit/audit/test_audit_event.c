/* SPDX-License-Identifier: PostgreSQL */
/* audit_event: an event written down and read back is the same event, and what
 * agents of before wrote in words is read as members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "audit/audit_entry.h"
#include "audit/audit_event.h"
#include "base/text.h"

static struct audit_entry read_back(const struct audit_event *e, int64_t at_us)
{
	struct audit_entry got = { 0 };
	struct reason why = { "" };
	char *body = NULL;

	assert_int_equal(audit_event_body(e, at_us, &body, &why), STATUS_OK);
	assert_int_equal(audit_entry_read(body, &got, &why), STATUS_OK);
	free(body);
	return got;
}

static void every_member_is_read_back(void **state)
{
	struct audit_event e = audit_event_make(AUDIT_VERIFY, "sap", "uid 101",
						"OK", "current password");
	struct audit_entry got;

	(void)state;
	e.version = "v";
	e.operation = "VERIFY";
	e.ended_by = "replaced";
	e.label = "current";
	e.host = "10.0.0.7, \"900 more\"";
	e.service = "postgresql";
	e.state = "offered";
	e.source = "cms";
	e.recipient = "sha256:00ff";
	e.stale = true;
	e.count = 17;
	e.pid = 4711;
	e.due = "2026-12-20T03:00:00.000000Z";
	e.planned = "2026-12-21T03:00:00.000000Z";
	e.local = "2026-12-21T04:00:00+01:00";
	e.zone = "Europe/Berlin";
	e.step = "3d";
	e.consumers = "host:192.0.2.7,via:gw1";
	e.last = "2026-12-20T23:00:00.000000Z";
	e.until = "2026-12-21T00:00:00.000000Z";
	got = read_back(&e, 1000001);
	assert_int_equal(got.at_us, 1000001);
	assert_int_equal(got.kind, AUDIT_VERIFY);
	assert_string_equal(got.role, "sap");
	assert_string_equal(got.actor, "uid 101");
	assert_string_equal(got.version, "v");
	assert_string_equal(got.status, "OK");
	assert_string_equal(got.detail, "current password");
	assert_string_equal(got.operation, "VERIFY");
	assert_string_equal(got.ended_by, "replaced");
	assert_string_equal(got.label, "current");
	assert_string_equal(got.host, "10.0.0.7, \"900 more\"");
	assert_string_equal(got.service, "postgresql");
	assert_string_equal(got.state, "offered");
	assert_string_equal(got.source, "cms");
	assert_string_equal(got.recipient, "sha256:00ff");
	assert_true(got.stale);
	assert_int_equal(got.count, 17);
	assert_int_equal(got.pid, 4711);
	assert_string_equal(got.due, "2026-12-20T03:00:00.000000Z");
	assert_string_equal(got.planned, "2026-12-21T03:00:00.000000Z");
	assert_string_equal(got.local, "2026-12-21T04:00:00+01:00");
	assert_string_equal(got.zone, "Europe/Berlin");
	assert_string_equal(got.step, "3d");
	assert_string_equal(got.consumers, "host:192.0.2.7,via:gw1");
	assert_string_equal(got.last, "2026-12-20T23:00:00.000000Z");
	assert_string_equal(got.until, "2026-12-21T00:00:00.000000Z");
}

static void the_body_is_canonical(void **state)
{
	struct audit_event e =
		audit_event_make(AUDIT_HANDOUT, "sap", "uid 1", "OK", "");
	struct reason why = { "" };
	char *body = NULL;

	(void)state;
	e.operation = "GET";
	e.ended_by = "nologin";
	e.epoch = 3;
	e.pid = 7;
	assert_int_equal(audit_event_body(&e, 0, &body, &why), STATUS_OK);
	assert_string_equal(body, "{\"actor\":\"uid 1\",\"at\":\"1970-01-01T00:"
				  "00:00.000000Z\",\"ended_by\":"
				  "\"nologin\",\"epoch\":3,"
				  "\"kind\":\"handout\","
				  "\"operation\":\"GET\",\"pid\":7,\"role\":"
				  "\"sap\",\"status\":\"OK\"}");
	free(body);
}

static void no_event_is_written_without_a_kind(void **state)
{
	const struct audit_event e =
		audit_event_make(AUDIT_NONE, "sap", "x", "OK", "");
	struct reason why = { "" };
	char *body = NULL;

	(void)state;
	assert_int_equal(audit_event_body(&e, 0, &body, &why), STATUS_ERROR);
	assert_null(body);
}

static void each_kind_is_known_by_its_name(void **state)
{
	(void)state;
	for (int k = AUDIT_NONE + 1; k < AUDIT_KINDS; k++)
		assert_int_equal(
			audit_event_kind(audit_event_name((enum audit_kind)k)),
			k);
	assert_int_equal(audit_event_kind("nonsense"), AUDIT_NONE);
	assert_int_equal(audit_event_kind(""), AUDIT_NONE);
}

/* What a run writes is named by the table of states. */
static void each_state_of_a_run_is_a_kind(void **state)
{
	static const char *const steps[] = {
#define STATE(name, audit, effect, does) audit,
#include "rotation/states.def"
	};
	size_t n = sizeof(steps) / sizeof(steps[0]);

	(void)state;
	for (size_t i = 0; i < n; i++)
		if (strcmp(steps[i], "start") != 0 &&
		    strcmp(steps[i], "ended") != 0)
			assert_int_not_equal(audit_event_kind(steps[i]),
					     AUDIT_NONE);
}

/* An agent's event of before there were members. */
static struct audit_entry old(const char *kind, const char *detail)
{
	struct text line = text_make(4096);
	struct audit_entry e = { 0 };
	struct reason why = { "" };

	text_add(&line, "{\"at\":\"2026-11-21T03:00:00Z\",\"detail\":");
	text_add_json(&line, detail);
	text_printf(&line, ",\"kind\":\"%s\",\"status\":\"OK\"}", kind);
	assert_int_equal(audit_entry_read(text_str(&line), &e, &why),
			 STATUS_OK);
	text_free(&line);
	return e;
}

static void an_old_hand_out_has_members(void **state)
{
	struct audit_entry e = old("handout", "GET, fresh, pid 7");

	(void)state;
	assert_string_equal(e.operation, "GET");
	assert_false(e.stale);
	assert_int_equal(e.pid, 7);
	assert_string_equal(e.detail, "");
	e = old("handout", "GET, stale, 41 more");
	assert_true(e.stale);
	assert_int_equal(e.count, 41);
	e = old("handout", "CREDENTIAL, fresh, app.service, pid 9");
	assert_string_equal(e.service, "app.service");
	e = old("handout", "label previous, format raw");
	assert_string_equal(e.operation, "");
	assert_string_equal(e.detail, "label previous, format raw");
}

static void an_old_check_has_members(void **state)
{
	struct audit_entry e = old("verify", "VERIFY, fresh, previous "
					     "password, from x, 900 more, "
					     "service keyturn, 5 more");

	(void)state;
	assert_string_equal(e.label, "previous");
	assert_string_equal(e.host, "x, 900 more");
	assert_string_equal(e.service, "keyturn");
	assert_int_equal(e.count, 5);
	assert_string_equal(e.detail, "previous password");
	e = old("verify", "VERIFY, stale, current password, pid 8");
	assert_string_equal(e.label, "current");
	assert_string_equal(e.host, "");
	assert_int_equal(e.pid, 8);
	e = old("verify", "VERIFY, fresh, wrong password, from further hosts, "
			  "12 more");
	assert_string_equal(e.label, "");
	assert_string_equal(e.host, "");
	assert_int_equal(e.count, 12);
	assert_string_equal(e.detail, "wrong password, from further hosts");
}

static void a_checkpoint_is_not_an_event_and_garbage_is_corrupt(void **state)
{
	struct audit_entry e;
	struct reason why;

	(void)state;
	assert_int_equal(audit_entry_read("{\"at\":\"2026-11-21T03:00:00Z\","
					  "\"checkpoint\":7}",
					  &e, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(audit_entry_read("{}", &e, &why), STATUS_CORRUPT);
	assert_int_equal(audit_entry_read("{\"kind\":\"x\",\"at\":\"now\"}", &e,
					  &why),
			 STATUS_CORRUPT);
	assert_int_equal(audit_entry_read("nonsense", &e, &why),
			 STATUS_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_is_read_back),
		cmocka_unit_test(the_body_is_canonical),
		cmocka_unit_test(no_event_is_written_without_a_kind),
		cmocka_unit_test(each_kind_is_known_by_its_name),
		cmocka_unit_test(each_state_of_a_run_is_a_kind),
		cmocka_unit_test(an_old_hand_out_has_members),
		cmocka_unit_test(an_old_check_has_members),
		cmocka_unit_test(
			a_checkpoint_is_not_an_event_and_garbage_is_corrupt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
