/* SPDX-License-Identifier: PostgreSQL */
/* When an old password ends by itself: evidence from looks, and the decision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/now.h"
#include "schedule/schedule_retire.h"

#define S   NOW_SECOND
#define H   (3600 * S)
#define D   (24 * H)
#define NOW (INT64_C(1800000000) * S)
#define V1  "11111111-2222-4333-8444-555555555555"
#define V2  "22222222-2222-4333-8444-555555555555"
#define GAP (90 * S)

/* ---- looks ---- */

static struct schedule_retire_seen look(int64_t at)
{
	return (struct schedule_retire_seen){ .taken_us = at,
					      .version = V2,
					      .visible = true,
					      .may_login = true,
					      .kept = true,
					      .retired_us = -1,
					      .live_us = 5 * D,
					      .admin = "adm" };
}

/* What the look is remembered as, after the one before. */
static struct schedule_retire_seen after(struct schedule_retire_seen before,
					 struct schedule_retire_seen now)
{
	schedule_retire_add(&now, &before, GAP);
	return now;
}

static const struct schedule_retire_seen never;

static void quiet_counts_from_the_first_of_looks_without_a_gap(void **state)
{
	struct schedule_retire_seen s = after(never, look(NOW));

	(void)state;
	assert_int_equal(s.quiet_us, NOW);
	for (int i = 1; i < 10; i++)
		s = after(s, look(NOW + i * GAP));
	assert_int_equal(s.quiet_us, NOW);
	assert_int_equal(s.taken_us, NOW + 9 * GAP);
	/* keyturnd did not run, the cluster was away, or a ledger of an earlier
	 * time was put back. */
	s = after(s, look(s.taken_us + GAP + 1));
	assert_int_equal(s.quiet_us, s.taken_us);
}

static void a_clock_that_is_set_begins_anew(void **state)
{
	struct schedule_retire_seen s = after(never, look(NOW)), x;

	(void)state;
	s = after(s, look(NOW + GAP));
	x = after(s, look(NOW + GAP - 1)); /* back */
	assert_int_equal(x.quiet_us, NOW + GAP - 1);
	x = after(s, look(NOW + 30 * D)); /* and ahead */
	assert_int_equal(x.quiet_us, NOW + 30 * D);
}

static void a_session_or_another_version_begins_anew(void **state)
{
	struct schedule_retire_seen s = after(never, look(NOW)),
				    used = look(NOW + S), other = used,
				    blind = used;

	(void)state;
	used.sessions = 1;
	assert_int_equal(after(s, used).quiet_us, 0);
	assert_int_equal(after(after(s, used), look(NOW + 2 * S)).quiet_us,
			 NOW + 2 * S);
	memcpy(other.version, V1, sizeof(V1));
	assert_int_equal(after(s, other).quiet_us, NOW + S);
	blind.visible = false;
	assert_int_equal(after(s, blind).quiet_us, 0);
}

static void what_was_seen_is_a_line_and_back(void **state)
{
	struct schedule_retire_seen s = look(NOW), back;
	struct text t = text_make(500);

	(void)state;
	s.quiet_us = NOW - D;
	s.sessions = 7;
	s.retired_us = 3 * S;
	s.visible = s.kept = false;
	text_copy(s.admin, sizeof(s.admin), "an admin");
	schedule_retire_write(&s, &t);
	assert_true(schedule_retire_read(text_str(&t), &back));
	assert_int_equal(back.taken_us, s.taken_us);
	assert_int_equal(back.quiet_us, s.quiet_us);
	assert_int_equal(back.live_us, s.live_us);
	assert_int_equal(back.sessions, 7);
	assert_int_equal(back.retired_us, 3 * S);
	assert_true(back.may_login && !back.visible && !back.kept);
	assert_string_equal(back.version, V2);
	assert_string_equal(back.admin, "an admin");
	assert_false(schedule_retire_read("", &back));
	assert_false(schedule_retire_read("1 2 x", &back));
	assert_int_equal(back.taken_us, 0);
	text_free(&t);
}

/* ---- the decision ---- */

/* A pair whose old member should be retired now. */
struct a_case {
	struct schedule_retire r;
	struct schedule_retire_seen s;
};

static struct a_case due(void)
{
	struct a_case c = { .r = { .grace_us = D,
				   .quiet_us = H,
				   .tombstone_us = 7 * D,
				   .gap_us = GAP,
				   .version = V2,
				   .rotated_us = NOW - 2 * D,
				   .last_run_us = NOW - 2 * D,
				   .expected = 4,
				   .adopted = 4,
				   .now_us = NOW },
			    .s = look(NOW - 30 * S) };

	c.s.quiet_us = c.s.taken_us - H;
	return c;
}

static void is(const struct a_case *c, enum schedule_retire_verdict want,
	       const char *words)
{
	struct reason why;

	assert_int_equal(schedule_retire_judge(&c->r, &c->s, &why), want);
	if (!strstr(why.text, words))
		fail_msg("\"%s\" is not in: %s", words, why.text);
	if (!*words)
		assert_string_equal(why.text, "");
}

/* Spoil one thing of it. */
#define EXCEPT(change, verdict, words)                    \
	do {                                              \
		struct a_case c = due();                  \
		change;                                   \
		is(&c, SCHEDULE_RETIRE_##verdict, words); \
	} while (0)

static void it_is_retired_when_all_holds_and_for_nothing_less(void **state)
{
	(void)state;
	EXCEPT((void)c, DUE,
	       "the old member was quiet for 1h, and 4 of 4 consumers were seen "
	       "with the new password");
	/* It was never looked at, or not lately; a clock was wrong. */
	EXCEPT(c.s = never, BLIND, "was never looked at");
	EXCEPT(c.s.taken_us = NOW - GAP - 1, BLIND,
	       "was last looked at 1m 30s");
	EXCEPT(c.s.taken_us = NOW + 1, BLIND, "a clock was wrong");
	EXCEPT(c.r.last_run_us = c.s.taken_us, BLIND, "since the last run");
	EXCEPT(c.r.version = V1, BLIND, "since the last run");
	/* It cannot be seen. */
	EXCEPT(c.s.visible = false, WAITS,
	       "GRANT pg_read_all_stats TO \"adm\"");
	/* It is in use, or was. */
	EXCEPT((c.s.sessions = 3, c.s.quiet_us = 0), WAITS,
	       "in use (sessions: 3)");
	EXCEPT(c.s.quiet_us++, WAITS, "was quiet for 59m 59s of 1h");
	EXCEPT(c.r.deferred_us = c.s.taken_us - 10 * S, WAITS,
	       "was quiet for 10s of 1h");
	EXCEPT(c.r.deferred_us = NOW, WAITS, "was quiet for 0s of 1h");
	/* Grace, by the clock that has seen less of it. */
	EXCEPT(c.r.rotated_us = NOW - D + 5 * S, WAITS, "ends in 5s");
	EXCEPT(c.s.live_us = D - 7 * S, WAITS, "ends in 7s");
	EXCEPT(c.r.rotated_us = NOW + S, WAITS, "a clock was wrong");
	EXCEPT(c.r.rotated_us = 0, WAITS, "is not known");
	/* Who should have moved. */
	EXCEPT(c.r.adopted = 3, WAITS, "3 of 4 consumers");
	EXCEPT(c.r.expected = c.r.adopted = 0, WAITS, "0 of 0 consumers");
	/* A person has said so, or a deadline: of who has moved, of nothing
	 * else. */
	EXCEPT((c.r.adopted = 3, c.r.decided = "it was confirmed"), DUE,
	       "the old member was quiet for 1h, and it was confirmed");
	EXCEPT((c.s.quiet_us++, c.r.decided = "it was confirmed"), WAITS,
	       "was quiet for 59m 59s of 1h");
	EXCEPT((c.s.visible = false, c.r.decided = "it was confirmed"), WAITS,
	       "GRANT pg_read_all_stats");
	/* It was never rotated. */
	EXCEPT(c.r.version = "", NOTHING, "");
}

/* The old member has no LOGIN. */
static struct a_case retired(void)
{
	struct a_case c = due();

	c.s.may_login = false;
	c.s.retired_us = 7 * D;
	return c;
}

static void the_password_is_cleared_after_tombstone(void **state)
{
	struct a_case c = retired();

	(void)state;
	is(&c, SCHEDULE_RETIRE_CLEAR, "without LOGIN for 7d");
	/* Whoever uses it still, and whatever may not be seen. */
	c.s.sessions = 1;
	c.s.visible = false;
	c.r.adopted = 0;
	is(&c, SCHEDULE_RETIRE_CLEAR, "without LOGIN");
	c = retired();
	c.s.retired_us--;
	is(&c, SCHEDULE_RETIRE_KEEPS, "its password is removed in ");
	c = retired();
	c.s.taken_us = NOW - GAP - 1;
	is(&c, SCHEDULE_RETIRE_BLIND, "last looked at");
	c = retired();
	c.s.retired_us = -1; /* by somebody else: only they know why */
	is(&c, SCHEDULE_RETIRE_NOTHING, "");
	c = retired();
	c.s.kept = false;
	is(&c, SCHEDULE_RETIRE_NOTHING, "");
	/* That is known for as long as nothing happened. */
	c.s.taken_us = NOW - D;
	is(&c, SCHEDULE_RETIRE_NOTHING, "");
	c.r.last_run_us = NOW - S;
	is(&c, SCHEDULE_RETIRE_BLIND, "last looked at");
}

/* Who looks all the time notes what changed: by that others tell, and only by a look
 * something is decided. */
static void a_note_tells_and_decides_nothing(void **state)
{
	struct a_case c = due();

	(void)state;
	c.r.noted_us = H;
	c.s.taken_us -= 20 * 60 * S;
	c.s.quiet_us = c.s.taken_us - H;
	is(&c, SCHEDULE_RETIRE_WAITS, "was quiet for 1h");
	c.s.quiet_us = c.s.taken_us;
	is(&c, SCHEDULE_RETIRE_WAITS, "was quiet for 0s of 1h");
	c.s.taken_us = NOW - H - GAP - 1;
	is(&c, SCHEDULE_RETIRE_BLIND, "was last looked at");
	c = retired();
	c.r.noted_us = H;
	c.s.taken_us -= 20 * 60 * S;
	is(&c, SCHEDULE_RETIRE_KEEPS, "its password is removed in 0s");
}

static void that_it_goes_on_is_no_news(void **state)
{
	struct schedule_retire_seen a = look(NOW), b = a;

	(void)state;
	b.taken_us += 10 * S;
	b.live_us += 10 * S;
	assert_false(schedule_retire_is_news(&b, &a));
	b.sessions = 1;
	assert_true(schedule_retire_is_news(&b, &a));
	a.sessions = 2;
	assert_false(schedule_retire_is_news(&b, &a));
#define NEWS(change)                                          \
	do {                                                  \
		b = a;                                        \
		change;                                       \
		assert_true(schedule_retire_is_news(&b, &a)); \
	} while (0)
	NEWS(b.quiet_us++);
	NEWS(b.may_login = !a.may_login);
	NEWS(b.visible = !a.visible);
	NEWS(b.kept = !a.kept);
	NEWS(b.retired_us = a.retired_us < 0 ? 0 : -1);
	NEWS(b.version[0]++);
	NEWS(b.admin[0]++);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			quiet_counts_from_the_first_of_looks_without_a_gap),
		cmocka_unit_test(a_clock_that_is_set_begins_anew),
		cmocka_unit_test(a_session_or_another_version_begins_anew),
		cmocka_unit_test(what_was_seen_is_a_line_and_back),
		cmocka_unit_test(
			it_is_retired_when_all_holds_and_for_nothing_less),
		cmocka_unit_test(the_password_is_cleared_after_tombstone),
		cmocka_unit_test(a_note_tells_and_decides_nothing),
		cmocka_unit_test(that_it_goes_on_is_no_news),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
