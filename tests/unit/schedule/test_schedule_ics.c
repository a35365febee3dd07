/* SPDX-License-Identifier: PostgreSQL */
/* Blackouts out of .ics files: what is taken, and that nothing is guessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <string.h>

#include "base/now.h"
#include "schedule/schedule_ics.h"

#define HEAD  "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n"
#define TAIL  "END:VCALENDAR\r\n"
#define EVENT "BEGIN:VEVENT\r\n"
#define DONE  "END:VEVENT\r\n"

static struct schedule_zone *berlin;

static int open_zone(void **state)
{
	struct reason why;

	(void)state;
	return schedule_zone_open("Europe/Berlin", &berlin, &why) != STATUS_OK;
}

static int free_zone(void **state)
{
	(void)state;
	schedule_zone_free(berlin);
	return 0;
}

static enum status read_text(const char *text, struct schedule_blackout **ret,
			     struct reason *why)
{
	enum status s;

	assert_int_equal(schedule_blackout_new(NULL, ret), STATUS_OK);
	s = schedule_ics_read("/b.ics", text, strlen(text), berlin, *ret, why);
	schedule_blackout_sort(*ret);
	return s;
}

/* The first blackout of the file is from .. to. */
static void assert_span(const char *text, const char *from, const char *to,
			const char *expected_name)
{
	struct schedule_blackout *b = NULL;
	struct reason why = { "" };
	char stamp[NOW_STAMP_SIZE];
	const char *name = "";
	int64_t at;

	assert_int_equal(read_text(text, &b, &why), STATUS_OK);
	at = schedule_blackout_next(b, 0);
	assert_true(at != INT64_MAX);
	now_stamp(at, stamp);
	assert_memory_equal(stamp, from, strlen(from));
	now_stamp(schedule_blackout_end(b, at, &name), stamp);
	assert_memory_equal(stamp, to, strlen(to));
	assert_string_equal(name, expected_name);
	schedule_blackout_free(b);
}

static void times_of_all_kinds_are_taken(void **state)
{
	(void)state;
	assert_span(HEAD EVENT "DTSTART:20261220T180000Z\r\n"
			       "DTEND:20270106T060000Z\r\n" DONE TAIL,
		    "2026-12-20T18:00:00", "2027-01-06T06:00:00", "/b.ics:4");
	assert_span(HEAD EVENT "DTSTART;TZID=America/New_York:20260701T080000\n"
			       "DTEND;TZID=\"Asia/Tokyo\":20260702T080000\n"
			       "SUMMARY:Migration\\, part\r\n  one\n" DONE TAIL,
		    "2026-07-01T12:00:00", "2026-07-01T23:00:00",
		    "Migration, part one (/b.ics:4)");
	/* Without a zone: by the clocks of ours. */
	assert_span(HEAD EVENT "DTSTART:20260701T080000\r\n"
			       "DURATION:PT1H30M\r\n" DONE TAIL,
		    "2026-07-01T06:00:00", "2026-07-01T07:30:00", "/b.ics:4");
	assert_span(HEAD EVENT "dtstart;value=date:20261224\r\n"
			       "DTEND;VALUE=DATE:20261227\r\n" DONE TAIL,
		    "2026-12-23T23:00:00", "2026-12-26T23:00:00", "/b.ics:4");
	assert_span(HEAD EVENT "DTSTART;VALUE=DATE:20261224\r\n" DONE TAIL,
		    "2026-12-23T23:00:00", "2026-12-24T23:00:00", "/b.ics:4");
	/* A day of 25 hours. */
	assert_span(HEAD EVENT "DTSTART:20261025T000000\r\n"
			       "DURATION:P1D\r\n" DONE TAIL,
		    "2026-10-24T22:00:00", "2026-10-25T23:00:00", "/b.ics:4");
	assert_span("\xEF\xBB\xBF" HEAD EVENT
		    "DTSTART;VALUE=DATE:20261224\r\nDURATION:P1W\r\n" DONE TAIL
		    "\r\n",
		    "2026-12-23T23:00:00", "2026-12-30T23:00:00", "/b.ics:4");
}

static void rules_of_zones_alarms_and_cancelled_events_are_passed_over(
	void **state)
{
	(void)state;
	assert_span(HEAD
		    "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n"
		    "BEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\n"
		    "RRULE:FREQ=YEARLY;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
		    "END:VTIMEZONE\r\n" EVENT "DTSTART:20260101T000000Z\r\n"
		    "DTEND:20260102T000000Z\r\nSTATUS:CANCELLED\r\n" DONE EVENT
		    "DTSTART:20260301T000000Z\r\n"
		    "DTEND:20260302T000000Z\r\n"
		    "BEGIN:VALARM\r\nTRIGGER:-PT1H\r\nDURATION:PT1H\r\n"
		    "END:VALARM\r\n" DONE TAIL,
		    "2026-03-01T00:00:00", "2026-03-02T00:00:00", "/b.ics:16");
}

static void what_would_have_to_be_guessed_is_refused(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
		{ "", "/b.ics:1: the file has no calendar" },
		{ "hello\n", "/b.ics:1: the line is not NAME:VALUE as in an "
			     ".ics file" },
		{ "X:1\n", "/b.ics:1: this is not in a calendar; an .ics file "
			   "begins with BEGIN:VCALENDAR" },
		{ HEAD EVENT "DTSTART:20260101T000000Z\r\n",
		  "/b.ics:5: the file ends in the middle of VEVENT" },
		{ "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
		  "/b.ics:2: the calendar has no VERSION:2.0" },
		{ HEAD EVENT DONE TAIL, "/b.ics:5: the event that ends here "
					"has no DTSTART" },
		{ HEAD EVENT "DTSTART:20260101T000000Z\r\n" DONE TAIL,
		  "/b.ics:5: the event has neither DTEND nor DURATION, so it "
		  "has no end" },
		{ HEAD EVENT "DTSTART:20260101T000000Z\r\n"
			     "RRULE:FREQ=DAILY\r\n" DONE TAIL,
		  "/b.ics:6: an event that repeats (RRULE) is not taken as a "
		  "blackout; write each time as an event of its own" },
		{ HEAD EVENT "RDATE:20260101T000000Z\r\n" DONE TAIL,
		  "/b.ics:5: an event that repeats (RDATE) is not taken as a "
		  "blackout; write each time as an event of its own" },
		{ HEAD EVENT
		  "DTSTART;TZID=Mars/Base:20260101T000000\r\n" DONE TAIL,
		  "/b.ics:5: time zone \"Mars/Base\" is not known here" },
		{ HEAD EVENT "DTSTART;TZID=W. Europe Standard Time:"
			     "20260101T000000\r\n" DONE TAIL,
		  "/b.ics:5: time zone \"W. Europe Standard Time\": not a "
		  "name like Europe/Berlin or UTC; a TZID must be a name of "
		  "the IANA database, as Europe/Berlin" },
		{ HEAD EVENT "DTSTART;TZID=UTC:20260101T000000Z\r\n" DONE TAIL,
		  "/b.ics:5: DTSTART has a TZID, and is in UTC; it can be one "
		  "of them" },
		{ HEAD EVENT "DTSTART:20260230T000000Z\r\n" DONE TAIL,
		  "/b.ics:5: DTSTART must be a date or a time, as 20261220 or "
		  "20261220T180000Z" },
		{ HEAD EVENT "DTSTART:20260228\r\n" DONE TAIL,
		  "/b.ics:5: DTSTART needs VALUE=DATE for a date, and only "
		  "then" },
		{ HEAD EVENT
		  "DTSTART;VALUE=DATE:20260228T000000Z\r\n" DONE TAIL,
		  "/b.ics:5: DTSTART needs VALUE=DATE for a date, and only "
		  "then" },
		{ HEAD EVENT "DTSTART:20260101T000000Z\r\n"
			     "DTSTART:20260101T000000Z\r\n" DONE TAIL,
		  "/b.ics:6: the event has DTSTART twice" },
		{ HEAD EVENT "DTSTART:20260101T000000Z\r\n"
			     "DTEND:20260101T000000Z\r\n" DONE TAIL,
		  "/b.ics:5: the event does not end after it begins" },
		{ HEAD EVENT
		  "DTSTART:20260101T000000Z\r\n"
		  "DTEND:20260102T000000Z\r\nDURATION:P1D\r\n" DONE TAIL,
		  "/b.ics:7: the event has DTEND and DURATION; it can have "
		  "one of them" },
		{ HEAD EVENT "DTSTART;VALUE=DATE:20260101\r\n"
			     "DTEND:20260102T000000Z\r\n" DONE TAIL,
		  "/b.ics:6: one of DTSTART and DTEND is a date and the other "
		  "a time" },
		{ HEAD EVENT "DTSTART;VALUE=DATE:20260101\r\n"
			     "DURATION:PT5H\r\n" DONE TAIL,
		  "/b.ics:6: DTSTART is a date, so DURATION must be days or "
		  "weeks" },
		{ HEAD EVENT "DTSTART:20260101T000000Z\r\n"
			     "DURATION:-P1D\r\n" DONE TAIL,
		  "/b.ics:6: DURATION must be as P2D or PT12H, and at most 100 "
		  "years" },
		{ HEAD "BEGIN:VTODO\r\nEND:VTODO\r\n" TAIL,
		  "/b.ics:4: VTODO is not taken as a blackout, or not here; "
		  "events are (VEVENT in a VCALENDAR)" },
		{ HEAD "END:VEVENT\r\n" TAIL,
		  "/b.ics:4: END:VEVENT ends nothing that was begun" },
		{ HEAD "METHOD:CANCEL\r\n" TAIL,
		  "/b.ics:4: METHOD:CANCEL withdraws events; take them out of "
		  "the file" },
		{ HEAD "X-A:a\x01z\r\n" TAIL,
		  "/b.ics:4: the line has a control character" },
		{ HEAD "X-A:\xff\r\n" TAIL,
		  "/b.ics:4: the line is not in UTF-8" },
		{ HEAD "X-A;B=\"c:d\r\n" TAIL,
		  "/b.ics:4: the line is not NAME:VALUE as in an .ics file" },
	};
	struct schedule_blackout *b = NULL;
	struct reason why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		reason_clear(&why);
		assert_int_equal(read_text(cases[i].text, &b, &why),
				 STATUS_CONFIG);
		if (strncmp(why.text, cases[i].sentence,
			    strlen(cases[i].sentence)) != 0)
			fail_msg("%s\ninstead of\n%s", why.text,
				 cases[i].sentence);
		schedule_blackout_free(b);
	}
}

static void durations_are_read_strictly(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "P1D", true },      { "+P1D", true },	   { "P2W", true },
		{ "PT1H", true },     { "PT90M", true },   { "PT1H2M3S", true },
		{ "P1DT1S", true },   { "P", false },	   { "PT", false },
		{ "P1", false },      { "P1W2D", false },  { "PT1M1H", false },
		{ "P1DT", false },    { "P1H", false },	   { "PT1D", false },
		{ "P99999D", false }, { "1D", false },	   { "P1D ", false },
		{ "P0D", false },     { "PT1H1H", false },
	};
	struct schedule_blackout *b = NULL;
	struct reason why;
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(text, sizeof(text),
			 HEAD EVENT "DTSTART:20260101T000000Z\r\n"
				    "DURATION:%s\r\n" DONE TAIL,
			 cases[i].text);
		if ((read_text(text, &b, &why) == STATUS_OK) != cases[i].good)
			fail_msg("%s", cases[i].text);
		schedule_blackout_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_of_all_kinds_are_taken),
		cmocka_unit_test(
			rules_of_zones_alarms_and_cancelled_events_are_passed_over),
		cmocka_unit_test(what_would_have_to_be_guessed_is_refused),
		cmocka_unit_test(durations_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, open_zone, free_zone);
}
