/* SPDX-License-Identifier: PostgreSQL */
/* report_uses: the agent's audit, added up by who came with which password. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/now.h"
#include "report/report_uses.h"

static int set_up(void **state)
{
	struct report_uses *u = NULL;

	if (report_uses_new(&u) != STATUS_OK)
		return -1;
	*state = u;
	return 0;
}

static int tear_down(void **state)
{
	report_uses_free(*state);
	return 0;
}

/* An event as the ledger exports it. */
static void add(struct report_uses *u, const char *at, const char *role,
		const char *status, const char *detail)
{
	struct text line = text_make(4096);
	struct audit_entry e;
	struct reason why;

	text_printf(&line,
		    "{\"actor\":\"uid 101\",\"at\":\"%s\",\"detail\":", at);
	text_add_json(&line, detail);
	text_printf(&line,
		    ",\"kind\":\"verify\",\"role\":\"%s\",\"status\":\"%s\","
		    "\"version\":\"v\",\"seq\":1,\"prev\":\"\",\"hash\":\"\"}",
		    role, status);
	assert_int_equal(audit_entry_read(text_str(&line), &e, &why),
			 STATUS_OK);
	assert_int_equal(report_uses_add(u, &e, &why), STATUS_OK);
	text_free(&line);
}

static const char *told(struct report_uses *u)
{
	static char copy[8192];
	struct text t = text_make(sizeof(copy) - 1);
	int64_t now = 0;

	assert_int_equal(now_parse("2026-11-21T04:00:00Z", &now), 0);
	report_uses_text(u, &t, now);
	assert_int_equal(text_status(&t), STATUS_OK);
	text_copy(copy, sizeof(copy), text_str(&t));
	text_free(&t);
	return copy;
}

#define FROM	", from 192.0.2.7, service keyturn"
#define CURRENT "VERIFY, fresh, current password"
#define OLD	"VERIFY, fresh, previous password"

static void uses_of_one_user_are_added_up(void **state)
{
	add(*state, "2026-11-21T03:00:00.000000Z", "sap", "OK",
	    OLD FROM ", pid 7");
	add(*state, "2026-11-21T03:01:00.000000Z", "sap", "OK",
	    OLD FROM ", 41 more");
	assert_string_equal(told(*state),
			    "sap: previous password, 42 times, last 59m ago: "
			    "uid 101, from 192.0.2.7, service keyturn\n");
}

static void the_previous_password_comes_first(void **state)
{
	const char *text;

	add(*state, "2026-11-21T03:30:00.000000Z", "sap", "OK",
	    CURRENT FROM ", pid 7");
	add(*state, "2026-11-21T03:00:00.000000Z", "sap", "OK",
	    "VERIFY, stale, previous password" FROM ", pid 8");
	add(*state, "2026-11-21T03:00:00.000000Z", "erp", "OK",
	    CURRENT ", pid 8");
	text = told(*state);
	assert_ptr_equal(strstr(text, "erp: current password, 1 times, last "
				      "1h ago: uid 101\n"),
			 text);
	assert_true(strstr(text, "sap: previous") <
		    strstr(text, "sap: current"));
}

static void a_refused_password_is_no_use(void **state)
{
	add(*state, "2026-11-21T03:00:00.000000Z", "sap", "REJECTED",
	    "VERIFY, fresh, wrong password" FROM ", pid 7");
	add(*state, "2026-11-21T03:00:00.000000Z", "sap", "REJECTED",
	    OLD FROM ", pid 7");
	add(*state, "2026-11-21T03:00:00.000000Z", "sap", "OK",
	    "GET, fresh, pid 7");
	assert_string_equal(told(*state), "no password was checked\n");
}

/* A remote host's name is the attacker's to choose. */
static void a_name_that_looks_like_a_count_is_a_name(void **state)
{
	add(*state, "2026-11-21T03:00:00.000000Z", "sap", "OK",
	    OLD ", from x, 900 more, service keyturn, pid 7");
	assert_string_equal(told(*state),
			    "sap: previous password, 1 times, last 1h ago: "
			    "uid 101, from x, 900 more, service keyturn\n");
}

static void json_has_all_of_it(void **state)
{
	struct text t = text_make(8192);

	add(*state, "2026-11-21T03:00:00.000000Z", "sap", "OK",
	    OLD FROM ", pid 7");
	report_uses_json(*state, &t);
	assert_string_equal(
		text_str(&t),
		"[{\"role\":\"sap\",\"password\":\"previous\",\"actor\":\"uid "
		"101\",\"whom\":\"from 192.0.2.7, service keyturn\","
		"\"version\":\"v\",\"times\":1,\"first\":\"2026-11-21T03:00:"
		"00.000000Z\",\"last\":\"2026-11-21T03:00:00.000000Z\"}]\n");
	text_free(&t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(uses_of_one_user_are_added_up),
		TEST(the_previous_password_comes_first),
		TEST(a_refused_password_is_no_use),
		TEST(a_name_that_looks_like_a_count_is_a_name),
		TEST(json_has_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
