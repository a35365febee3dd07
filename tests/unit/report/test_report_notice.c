/* SPDX-License-Identifier: PostgreSQL */
/* What partners are told: lines of a calendar to the byte, and that nothing is
 * promised which is not known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/now.h"
#include "report/report_notice.h"

static void lines_are_folded_between_characters(void **state)
{
	struct text t = text_make(4096);
	char value[200];

	(void)state;
	/* 2 + 73: as much as fits. */
	memset(value, 'a', 73);
	value[73] = '\0';
	report_notice_line(&t, "N", value);
	assert_int_equal(t.len, 75 + 2);
	assert_null(strstr(text_str(&t), "\r\n "));
	text_reset(&t);
	/* One byte more, and the last is an umlaut of two. */
	memcpy(value + 72, "\xc3\xbc", 3);
	report_notice_line(&t, "N", value);
	assert_memory_equal(text_str(&t) + 74, "\r\n \xc3\xbc\r\n", 7);
	text_reset(&t);
	/* Lines that go on have a blank that counts. */
	memset(value, 'b', 199);
	value[199] = '\0';
	report_notice_line(&t, "N", value);
	assert_memory_equal(text_str(&t) + 75, "\r\n bbb", 6);
	assert_memory_equal(text_str(&t) + 77 + 75, "\r\n bb", 5);
	text_reset(&t);
	report_notice_line(&t, "N", "");
	assert_string_equal(text_str(&t), "N:\r\n");
	text_free(&t);
}

static void texts_are_escaped(void **state)
{
	struct text t = text_make(256);

	(void)state;
	report_notice_escape(&t, "a,b;c\\d\ne:\"f\"");
	assert_string_equal(text_str(&t), "a\\,b\\;c\\\\d\\ne:\"f\"");
	text_free(&t);
}

static struct report_notice example(const struct schedule_zone *zone,
				    const struct schedule_turn *turns, size_t n)
{
	return (struct report_notice){
		.role = "sap",
		.logins = "sap",
		.zone = zone,
		.zone_name = "UTC",
		.now_us = INT64_C(1796000000) * NOW_SECOND,
		.turns = turns,
		.n = n,
		.where = 0xab,
		.version = "1",
	};
}

static void uids_are_of_the_due_point_and_not_of_the_time(void **state)
{
	struct schedule_turn t[] = {
		{ .due_us = INT64_C(1797735600) * NOW_SECOND,
		  .at_us = INT64_C(1797735600) * NOW_SECOND,
		  .blackout = "" },
		{ .due_us = INT64_C(1798340400) * NOW_SECOND,
		  .at_us = INT64_C(1799000000) * NOW_SECOND,
		  .blackout_us = INT64_C(1799000000) * NOW_SECOND,
		  .blackout = "secret plans" },
	};
	struct schedule_zone *zone = NULL;
	struct text a = text_make(65536), b = text_make(65536);
	struct report_notice r;
	struct reason why;

	(void)state;
	assert_int_equal(schedule_zone_open("UTC", &zone, &why), STATUS_OK);
	r = example(zone, t, 2);
	report_notice_ics(&a, &r);
	assert_non_null(strstr(text_str(&a), "\r\nUID:sap-20261220T030000Z-"
					     "000000ab@keyturn\r\n"));
	assert_non_null(
		strstr(text_str(&a), "\r\nDTSTART:20261220T030000Z\r\n"));
	assert_non_null(strstr(text_str(&a), "\r\nUID:sap-20261227T030000Z-"
					     "000000ab@keyturn\r\n"));
	/* The operator's words are not the partner's. */
	assert_null(strstr(text_str(&a), "secret plans"));
	t[0].at_us += 86400 * NOW_SECOND;
	t[0].postponed = true;
	r.revision = 9;
	report_notice_ics(&b, &r);
	assert_non_null(strstr(text_str(&b), "\r\nUID:sap-20261220T030000Z-"
					     "000000ab@keyturn\r\n"));
	assert_non_null(
		strstr(text_str(&b), "\r\nDTSTART:20261221T030000Z\r\n"));
	assert_non_null(strstr(text_str(&b), "\r\nSEQUENCE:9\r\n"));
	text_reset(&b);
	r.by_day = true;
	report_notice_ics(&b, &r);
	assert_non_null(strstr(text_str(&b), "\r\nUID:sap-20261220-000000ab@"
					     "keyturn\r\n"));
	text_free(&a);
	text_free(&b);
	schedule_zone_free(zone);
}

static void what_is_overdue_has_no_time(void **state)
{
	struct schedule_turn t = { .due_us = INT64_C(1795000000) * NOW_SECOND,
				   .at_us = INT64_C(1796000000) * NOW_SECOND,
				   .blackout = "" };
	struct schedule_zone *zone = NULL;
	struct text text = text_make(65536);
	struct report_notice r;
	struct reason why;

	(void)state;
	assert_int_equal(schedule_zone_open("UTC", &zone, &why), STATUS_OK);
	r = example(zone, &t, 1);
	r.pair = true;
	r.logins = "sap_a sap_b";
	report_notice_text(&text, &r);
	assert_non_null(strstr(text_str(&text),
			       "The user name and password of sap change\n"));
	assert_non_null(strstr(text_str(&text),
			       "When:   as soon as possible: it was due on "
			       "Wednesday 2026-11-18 "));
	assert_non_null(strstr(text_str(&text), "Users:  sap_a sap_b\n"));
	text_reset(&text);
	report_notice_json(&text, &r);
	assert_non_null(strstr(text_str(&text), "\"overdue\":true"));
	assert_non_null(
		strstr(text_str(&text), "\"changes\":[\"user\",\"password\"]"));
	text_free(&text);
	schedule_zone_free(zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_folded_between_characters),
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(uids_are_of_the_due_point_and_not_of_the_time),
		cmocka_unit_test(what_is_overdue_has_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
