/* SPDX-License-Identifier: PostgreSQL */
/* The engine alone: each guard both ways, what its memory keeps, and what it
 * does with an event that the table has no row for.  Whether the table is right
 * is for tests/simulation to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "rotation/engine.h"

/* A machine in the middle of a run. */
static struct engine in(enum engine_state state, enum engine_mode mode)
{
	struct engine e = engine_make(mode, false, false);

	e.state = state;
	return e;
}

static enum engine_state step(struct engine *e, enum engine_event event)
{
	const struct engine_row *row = NULL;
	enum engine_state was = e->state;

	if (engine_step(e, event, &row) != STATUS_OK)
		fail_msg("no row for %s in %s", engine_event_name(event),
			 engine_state_name(was));
	assert_int_equal(row->from, was);
	assert_int_equal(row->event, event);
	assert_int_equal(row->to, e->state);
	return e->state;
}

#define assert_goes(e, event, to)                                             \
	assert_string_equal(engine_state_name(step(&(e), ENGINE_ON_##event)), \
			    #to)

/* ---- paths ---- */

static void a_rotation_goes_through_its_states_in_order(void **state)
{
	struct engine e = engine_make(ENGINE_MODE_ROTATE, true, false);

	(void)state;
	assert_goes(e, BEGIN, INTENT);
	assert_goes(e, OK, PREFLIGHT);
	assert_goes(e, OK, CLAIM);
	assert_goes(e, OK, RESOLVE);
	assert_goes(e, CURRENT_LIVE, TRY);
	assert_goes(e, OK, GENERATE);
	assert_goes(e, OK, STAGE);
	assert_true(e.have_version);
	assert_goes(e, OK, READBACK);
	assert_false(e.staged);
	assert_goes(e, SAME, APPLY);
	assert_true(e.staged);
	assert_goes(e, OK, PROVE);
	assert_true(e.applied);
	assert_goes(e, RIGHT, PROMOTE);
	assert_true(e.proved);
	assert_goes(e, OK, DELIVER);
	assert_goes(e, OK, CLOSE);
	assert_goes(e, OK, ENDED);
	assert_int_equal(e.outcome, STATUS_OK);
	assert_false(e.finished);
}

static void an_import_logs_in_before_it_stages_and_after_it_adopts(void **state)
{
	struct engine e = in(ENGINE_RESOLVE, ENGINE_MODE_IMPORT);

	(void)state;
	assert_goes(e, NEVER, VOUCH);
	assert_goes(e, RIGHT, STAGE);
	assert_goes(e, OK, READBACK);
	assert_goes(e, SAME, ADOPT);
	assert_goes(e, OK, PROVE);
	assert_goes(e, RIGHT, PROMOTE);
	assert_goes(e, OK, DELIVER);
}

static void a_lost_reply_is_asked_about_under_a_new_claim(void **state)
{
	struct engine e = in(ENGINE_APPLY, ENGINE_MODE_ROTATE);

	(void)state;
	e.have_version = e.staged = true;
	assert_goes(e, UNKNOWN, CLAIM);
	assert_true(e.open);
	assert_goes(e, OK, RESOLVE);
	assert_goes(e, PENDING_LIVE, PROVE);
	assert_false(e.open);
	assert_true(e.applied);
	assert_false(e.finishing);
}

static void a_lost_reply_of_what_was_not_done_applies_the_same_again(
	void **state)
{
	struct engine e = in(ENGINE_APPLY, ENGINE_MODE_ROTATE);

	(void)state;
	e.have_version = e.staged = true;
	assert_goes(e, UNKNOWN, CLAIM);
	assert_goes(e, OK, RESOLVE);
	assert_goes(e, PENDING_DEAD, STAGE);
	assert_goes(e, OK, READBACK);
	assert_goes(e, SAME, APPLY);
	assert_true(e.open);
}

static void the_interrupted_rotation_is_finished_before_the_one_asked_for(
	void **state)
{
	struct engine e = in(ENGINE_RESOLVE, ENGINE_MODE_ROTATE);

	(void)state;
	e.fresh = true;
	assert_goes(e, PENDING_LIVE, PROVE);
	assert_true(e.finishing);
	assert_goes(e, RIGHT, PROMOTE);
	assert_goes(e, OK, RESOLVE);
	assert_true(e.finished);
	assert_false(e.finishing);
	assert_goes(e, CURRENT_LIVE, TRY);
}

/* ---- guards, both ways ---- */

static void only_a_run_that_rotates_makes_the_first_password(void **state)
{
	struct engine yes = in(ENGINE_RESOLVE, ENGINE_MODE_ROTATE);
	struct engine no = in(ENGINE_RESOLVE, ENGINE_MODE_RECOVER);

	(void)state;
	assert_goes(yes, NEVER, TRY);
	assert_goes(no, NEVER, CLOSE);
	assert_int_equal(no.outcome, STATUS_OK);
}

static void only_an_import_adopts(void **state)
{
	struct engine yes = in(ENGINE_READBACK, ENGINE_MODE_IMPORT);
	struct engine no = in(ENGINE_READBACK, ENGINE_MODE_ROTATE);

	(void)state;
	assert_goes(yes, SAME, ADOPT);
	assert_goes(no, SAME, APPLY);
}

static void only_an_emergency_replaces_a_wrong_password(void **state)
{
	struct engine yes = in(ENGINE_PROBE, ENGINE_MODE_ROTATE);
	struct engine no = in(ENGINE_PROBE, ENGINE_MODE_ROTATE);

	(void)state;
	yes.emergency = true;
	assert_goes(yes, WRONG, TRY);
	assert_goes(no, WRONG, FREEZE);
	assert_int_equal(no.outcome, STATUS_FROZEN);
}

static void what_fails_before_the_apply_ends_refused(void **state)
{
	static const enum engine_event fails[] = {
		ENGINE_ON_WRONG, ENGINE_ON_NOT_ASKED, ENGINE_ON_CONTROL_PASSED,
		ENGINE_ON_NO_EVIDENCE, ENGINE_ON_FAILED
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
		struct engine e = in(ENGINE_TRY, ENGINE_MODE_ROTATE);

		assert_int_equal(step(&e, fails[i]), ENGINE_CLOSE);
		assert_int_equal(e.outcome, STATUS_REFUSED);
	}
}

static void an_emergency_replaces_once(void **state)
{
	struct engine yes = in(ENGINE_INSPECT, ENGINE_MODE_ROTATE);
	struct engine no = yes;

	(void)state;
	yes.emergency = no.emergency = true;
	no.have_version = true;
	assert_goes(yes, OURS_LIVE, GENERATE);
	assert_goes(no, OURS_LIVE, FREEZE);
}

static void a_new_password_is_made_once_and_only_when_wanted(void **state)
{
	const struct engine base = in(ENGINE_RESOLVE, ENGINE_MODE_ROTATE);
	struct engine due = base, finished = base, fresh = base, made = base;
	struct engine recover = in(ENGINE_RESOLVE, ENGINE_MODE_RECOVER);
	struct engine restored = recover;

	(void)state;
	finished.finished = true;
	fresh.finished = fresh.fresh = true;
	made.fresh = made.have_version = true;
	restored.restored = true;
	assert_goes(due, CURRENT_LIVE, TRY);
	assert_goes(finished, CURRENT_LIVE, DELIVER);
	assert_goes(fresh, CURRENT_LIVE, TRY);
	assert_goes(made, CURRENT_LIVE, DELIVER);
	assert_goes(recover, CURRENT_LIVE, DELIVER);
	assert_goes(restored, CURRENT_LIVE, TRY);
}

static void a_new_one_follows_only_a_finished_one_and_when_asked(void **state)
{
	struct engine fresh = in(ENGINE_PROMOTE, ENGINE_MODE_ROTATE);
	struct engine due = fresh, own = fresh;
	struct engine recover = in(ENGINE_PROMOTE, ENGINE_MODE_RECOVER);

	(void)state;
	fresh.finishing = due.finishing = recover.finishing = true;
	fresh.fresh = own.fresh = true;
	assert_goes(fresh, OK, RESOLVE);
	assert_goes(due, OK, DELIVER);
	assert_goes(own, OK, DELIVER);
	assert_goes(recover, OK, DELIVER);
	assert_true(due.finished);
	assert_false(own.finished);
}

static void a_run_finishes_one_earlier_rotation(void **state)
{
	struct engine first = in(ENGINE_RESOLVE, ENGINE_MODE_ROTATE);
	struct engine second = first;

	(void)state;
	second.finished = true;
	assert_goes(first, PENDING_LIVE, PROVE);
	assert_goes(second, PENDING_LIVE, CLOSE);
	assert_int_equal(second.outcome, STATUS_BUSY);
}

static void our_open_version_is_staged_again_and_no_other(void **state)
{
	const struct engine base = { .state = ENGINE_RESOLVE,
				     .mode = ENGINE_MODE_ROTATE,
				     .have_version = true,
				     .staged = true };
	struct engine ours = base, applied = base, finishing = base;
	struct engine import = base, urgent = base, foreign = base;

	(void)state;
	applied.applied = true;
	finishing.finishing = true;
	import.mode = ENGINE_MODE_IMPORT;
	urgent.emergency = true;
	assert_goes(ours, PENDING_DEAD, STAGE);
	assert_goes(applied, PENDING_DEAD, RETIRE);
	assert_goes(finishing, PENDING_DEAD, RETIRE);
	assert_goes(import, PENDING_DEAD, STAGE);
	assert_goes(urgent, FOREIGN, STAGE);
	assert_goes(foreign, FOREIGN, FREEZE);
}

static void an_open_outcome_is_never_closed_as_nothing_happened(void **state)
{
	static const enum engine_event events[] = {
		ENGINE_ON_BUSY, ENGINE_ON_GONE, ENGINE_ON_REFUSED,
		ENGINE_ON_UNKNOWN, ENGINE_ON_CLUSTER_DOWN
	};

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		struct engine e = in(ENGINE_CLAIM, ENGINE_MODE_ROTATE);
		struct engine shut = e;

		e.open = true;
		while (e.state == ENGINE_CLAIM)
			step(&e, events[i]);
		assert_int_equal(e.state, ENGINE_CLOSE);
		assert_int_equal(e.outcome, STATUS_UNKNOWN);
		while (shut.state == ENGINE_CLAIM)
			step(&shut, events[i]);
		assert_int_not_equal(shut.outcome, STATUS_UNKNOWN);
	}
}

static void a_state_is_retried_so_often_and_no_more(void **state)
{
	struct engine e = in(ENGINE_READBACK, ENGINE_MODE_ROTATE);

	(void)state;
	for (int i = 0; i < ENGINE_RETRIES; i++)
		assert_goes(e, ABSENT, READBACK);
	assert_goes(e, ABSENT, CLOSE);
	assert_int_equal(e.outcome, STATUS_STORE_UNAVAILABLE);
}

static void a_cluster_that_is_away_is_waited_for_only_if_it_matters(
	void **state)
{
	struct engine e = in(ENGINE_CLAIM, ENGINE_MODE_ROTATE);
	struct engine open = e;

	(void)state;
	open.open = true;
	assert_goes(e, CLUSTER_DOWN, CLOSE);
	assert_goes(open, CLUSTER_DOWN, CLAIM);
}

static void a_rejected_password_is_made_anew_so_often_and_no_more(void **state)
{
	struct engine e = in(ENGINE_APPLY, ENGINE_MODE_ROTATE);

	(void)state;
	for (int i = 0; i < ENGINE_REJECTIONS; i++) {
		e.staged = true;
		assert_goes(e, REJECTED, GENERATE);
		assert_false(e.staged);
		e.state = ENGINE_APPLY;
	}
	assert_goes(e, REJECTED, CLOSE);
	assert_int_equal(e.outcome, STATUS_REJECTED);
}

/* ---- of a pair ---- */

static struct engine pair_in(enum engine_state state, enum engine_mode mode)
{
	struct engine e = in(state, mode);

	e.pair = true;
	return e;
}

static void a_pair_is_looked_at_before_a_password_is_made(void **state)
{
	struct engine yes = pair_in(ENGINE_TRY, ENGINE_MODE_ROTATE);
	struct engine no = in(ENGINE_TRY, ENGINE_MODE_ROTATE);

	(void)state;
	assert_goes(yes, OK, PEEK);
	assert_goes(no, OK, GENERATE);
	assert_goes(yes, RESTING, GENERATE);
	assert_true(yes.vacant);
	yes.state = ENGINE_READBACK;
	assert_goes(yes, SAME, APPLY);
}

static void what_is_applied_again_is_looked_at_again(void **state)
{
	static const enum engine_event free_now[] = { ENGINE_ON_RESTING,
						      ENGINE_ON_CLEARABLE,
						      ENGINE_ON_CLEARED };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct engine e = pair_in(ENGINE_APPLY, ENGINE_MODE_ROTATE);
		struct engine used;

		e.have_version = e.staged = e.vacant = true;
		assert_goes(e, UNKNOWN, CLAIM);
		assert_false(e.vacant);
		assert_goes(e, OK, RESOLVE);
		assert_goes(e, PENDING_DEAD, STAGE);
		assert_goes(e, OK, READBACK);
		assert_goes(e, SAME, PEEK);
		used = e;
		assert_int_equal(step(&e, free_now[i]), ENGINE_APPLY);
		assert_goes(used, LOGS_IN, DELIVER);
		assert_true(used.deferred);
	}
}

static void a_member_in_use_is_changed_by_command_alone(void **state)
{
	const struct engine base = pair_in(ENGINE_PEEK, ENGINE_MODE_ROTATE);
	struct engine waits = base, forced = base, urgent = base;
	struct engine again = base, logs_in = base, retires = base;

	(void)state;
	forced.force = urgent.emergency = again.force = true;
	again.have_version = again.staged = true;
	logs_in.force = true; /* that is for sessions, not for a password */
	retires.mode = ENGINE_MODE_RETIRE;
	assert_goes(waits, IN_USE, DELIVER);
	assert_true(waits.deferred);
	assert_goes(forced, IN_USE, GENERATE);
	assert_goes(again, IN_USE, APPLY);
	assert_goes(urgent, LOGS_IN, GENERATE);
	assert_goes(logs_in, LOGS_IN, DELIVER);
	forced = retires;
	forced.force = true;
	assert_goes(retires, PINNED, DELIVER);
	assert_goes(forced, PINNED, WITHDRAW);
}

static void what_a_run_is_for_decides_about_the_old_member(void **state)
{
	const struct engine retire = pair_in(ENGINE_PEEK, ENGINE_MODE_RETIRE);
	const struct engine back = pair_in(ENGINE_PEEK, ENGINE_MODE_ROLLBACK);
	struct engine e = retire;

	(void)state;
	assert_goes(e, LOGS_IN, WITHDRAW);
	assert_goes(e, OK, TOMBSTONE);
	e.evict = true;
	assert_goes(e, OK, EVICT);
	e = retire;
	assert_goes(e, RESTING, DELIVER);
	e = retire;
	e.at_once = true;
	assert_goes(e, LOGS_IN, WITHDRAW);
	assert_goes(e, OK, TOMBSTONE);
	assert_goes(e, OK, PEEK);
	assert_goes(e, CLEARABLE, CLEAR);
	assert_goes(e, OK, PEEK);
	e.evict = true;
	assert_goes(e, CLEARABLE, EVICT);
	assert_goes(e, OK, CLEAR);
	assert_goes(e, OK, PEEK);
	assert_goes(e, REMOVED, REFUTE);
	e = retire;
	assert_goes(e, CLEARABLE, CLEAR);
	assert_goes(e, OK, PEEK);
	assert_goes(e, CLEARABLE, CLEAR);
	assert_goes(e, OK, PEEK);
	assert_goes(e, REMOVED, REFUTE);
	assert_goes(e, RIGHT, CLOSE);
	assert_int_equal(e.outcome, STATUS_ERROR);
	e = back;
	assert_goes(e, LOGS_IN, RECALL);
	assert_goes(e, RIGHT, REVERT);
	assert_true(e.reverting);
	e = back;
	assert_goes(e, CLEARED, CLOSE);
	assert_int_equal(e.outcome, STATUS_REFUSED);
}

/* What got out ends whole in one run: of one role, and of a pair. */
static void what_got_out_ends_and_is_refused(void **state)
{
	struct engine one = in(ENGINE_RESOLVE, ENGINE_MODE_RETIRE);
	struct engine pair = pair_in(ENGINE_RESOLVE, ENGINE_MODE_RETIRE);
	struct engine e;

	(void)state;
	one.compromised = pair.compromised = true;
	assert_goes(one, CURRENT_LIVE, TRY);
	assert_goes(one, OK, WITHDRAW);
	e = one;
	assert_goes(e, OK, REFUTE);
	one.evict = true;
	assert_goes(one, OK, EVICT);
	e = one;
	assert_goes(e, FAILED, REFUTE);
	assert_goes(one, OK, REFUTE);
	/* Who came in while something remembered the old password. */
	assert_goes(one, NO_EVIDENCE, REFUTE);
	assert_goes(one, OK, EVICT);
	e = one;
	assert_goes(e, FAILED, DELIVER);
	assert_goes(one, OK, DELIVER);

	assert_goes(pair, CURRENT_LIVE, TRY);
	assert_goes(pair, OK, PEEK);
	e = pair;
	assert_goes(e, LOGS_IN, WITHDRAW);
	assert_goes(pair, RESTING, WITHDRAW);
	assert_goes(pair, OK, TOMBSTONE);
	e = pair;
	e.evict = true;
	assert_goes(e, OK, PEEK);
	assert_goes(e, CLEARABLE, EVICT);
	assert_goes(e, OK, CLEAR);
	assert_goes(pair, OK, PEEK);
	assert_goes(pair, CLEARABLE, CLEAR);
	assert_goes(pair, OK, PEEK);
	e = pair;
	assert_goes(e, LOGS_IN, WITHDRAW);
	assert_goes(pair, REMOVED, REFUTE);
	assert_goes(pair, OK, DELIVER);
}

static void whoever_is_idle_is_replaced_when_a_password_got_out(void **state)
{
	struct engine yes = pair_in(ENGINE_PEEK, ENGINE_MODE_ROTATE);
	struct engine no = yes, again = yes, owner, one, stay;

	(void)state;
	yes.compromised = again.compromised = true;
	again.have_version = again.staged = true;
	assert_goes(yes, LOGS_IN, GENERATE);
	assert_goes(no, LOGS_IN, DELIVER);
	assert_goes(again, LOGS_IN, APPLY);
	owner = stay = again;
	owner.force = owner.evict = true;
	owner.state = ENGINE_PEEK;
	assert_goes(owner, PINNED, WITHDRAW);
	assert_goes(owner, OK, TOMBSTONE);
	assert_goes(owner, OK, PEEK);
	again.evict = true;
	one = again;
	one.pair = false;
	assert_goes(again, OK, EVICT);
	assert_true(again.applied);
	assert_goes(stay, OK, PROVE);
	assert_goes(one, OK, PROVE);
	yes = again;
	assert_goes(yes, FAILED, PROVE);
	yes = again;
	assert_goes(yes, OK, PROVE);
	for (int i = 0; i < ENGINE_RETRIES; i++) {
		yes = again;
		yes.retries[ENGINE_EVICT] = (unsigned)i;
		assert_goes(yes, CLUSTER_DOWN, CLAIM);
		assert_true(yes.open);
	}
	again.retries[ENGINE_EVICT] = ENGINE_RETRIES;
	assert_goes(again, CLUSTER_DOWN, CLOSE);
	assert_int_equal(again.outcome, STATUS_UNKNOWN);
}

static void current_logs_in_before_the_old_password_ends(void **state)
{
	struct engine e = pair_in(ENGINE_RESOLVE, ENGINE_MODE_RETIRE);

	(void)state;
	assert_goes(e, CURRENT_LIVE, TRY);
	assert_goes(e, WRONG, CLOSE);
	assert_int_equal(e.outcome, STATUS_REFUSED);
}

static void a_lost_reply_of_a_rollback_or_an_end_is_open(void **state)
{
	static const enum engine_state some[] = { ENGINE_REVERT,
						  ENGINE_TOMBSTONE,
						  ENGINE_CLEAR };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct engine e = pair_in(some[i], i ? ENGINE_MODE_RETIRE :
						       ENGINE_MODE_ROLLBACK);
		struct engine seen;

		e.reverting = i == 0;
		assert_goes(e, UNKNOWN, CLAIM);
		assert_true(e.open);
		seen = e;
		assert_goes(e, REFUSED, CLOSE);
		assert_int_equal(e.outcome, STATUS_UNKNOWN);
		seen.state = ENGINE_RESOLVE;
		step(&seen, ENGINE_ON_CURRENT_LIVE);
		assert_false(seen.open || seen.reverting);
	}
}

static void an_interrupted_rollback_is_finished_and_not_made_twice(void **state)
{
	struct engine back = pair_in(ENGINE_RESOLVE, ENGINE_MODE_ROLLBACK);
	struct engine other = pair_in(ENGINE_RESOLVE, ENGINE_MODE_RECOVER);
	struct engine own = back, second = other, lost;

	(void)state;
	assert_goes(back, REVERTED, PROVE);
	assert_true(back.finishing);
	assert_goes(back, RIGHT, PROMOTE);
	lost = back;
	assert_goes(back, OK, DELIVER);
	assert_goes(lost, UNKNOWN, CONFIRM);
	assert_goes(lost, OVERTAKEN, RESOLVE);
	assert_goes(other, REVERTED, PROVE);
	assert_goes(other, RIGHT, PROMOTE);
	assert_goes(other, OK, RESOLVE);
	own.reverting = own.open = true;
	assert_goes(own, REVERTED, PROVE);
	assert_false(own.finishing || own.open);
	second.finished = true;
	assert_goes(second, REVERTED, CLOSE);
	assert_int_equal(second.outcome, STATUS_BUSY);
}

/* ---- what the table does not say ---- */

static void a_run_that_ended_takes_no_event(void **state)
{
	(void)state;
	for (int ev = 0; ev < ENGINE_EVENT_COUNT; ev++) {
		struct engine e = in(ENGINE_ENDED, ENGINE_MODE_ROTATE);
		struct engine before;

		e.outcome = STATUS_OK;
		memcpy(&before, &e, sizeof(before));
		assert_int_equal(engine_step(&e, (enum engine_event)ev, NULL),
				 STATUS_ERROR);
		assert_memory_equal(&e, &before, sizeof(e));
	}
}

static void an_event_without_a_row_closes_the_run(void **state)
{
	const struct engine_row *row = NULL;
	struct engine e = in(ENGINE_GENERATE, ENGINE_MODE_ROTATE);
	struct engine closing = in(ENGINE_CLOSE, ENGINE_MODE_ROTATE);

	(void)state;
	assert_int_equal(engine_step(&e, ENGINE_ON_PROMOTED, &row),
			 STATUS_ERROR);
	assert_null(row);
	assert_int_equal(e.state, ENGINE_CLOSE);
	assert_int_equal(e.outcome, STATUS_ERROR);
	assert_int_equal(engine_step(&closing, ENGINE_ON_PROMOTED, NULL),
			 STATUS_ERROR);
	assert_int_equal(closing.state, ENGINE_ENDED);
}

static void an_event_without_a_row_leaves_an_open_outcome_unknown(void **state)
{
	struct engine open = in(ENGINE_CLAIM, ENGINE_MODE_ROTATE);
	struct engine applied = in(ENGINE_PROVE, ENGINE_MODE_ROTATE);
	struct engine finishing = applied;

	(void)state;
	open.open = true;
	applied.applied = true;
	finishing.finishing = true;
	engine_step(&open, ENGINE_ON_PROMOTED, NULL);
	engine_step(&applied, ENGINE_ON_PROMOTED, NULL);
	engine_step(&finishing, ENGINE_ON_PROMOTED, NULL);
	assert_int_equal(open.outcome, STATUS_UNKNOWN);
	assert_int_equal(applied.outcome, STATUS_UNKNOWN);
	assert_int_equal(finishing.outcome, STATUS_UNKNOWN);
}

/* ---- the table as a whole ---- */

static void every_pair_of_state_and_event_ends_in_a_row_without_guard(
	void **state)
{
	size_t n;
	const struct engine_row *rows = engine_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		size_t last = i;

		for (size_t j = 0; j < n; j++) {
			if (rows[j].from != rows[i].from ||
			    rows[j].event != rows[i].event)
				continue;
			/* Nothing stands behind a row that is always taken. */
			if (j > i && rows[i].guard == ENGINE_IF_ALWAYS)
				fail_msg("%s on %s: a row is never taken",
					 engine_state_name(rows[i].from),
					 engine_event_name(rows[i].event));
			last = j > last ? j : last;
		}
		assert_int_equal(rows[last].guard, ENGINE_IF_ALWAYS);
	}
}

static void every_row_that_tries_again_counts_and_is_limited(void **state)
{
	size_t n;
	const struct engine_row *rows = engine_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool limited = rows[i].guard == ENGINE_IF_MAY_RETRY ||
			       rows[i].guard == ENGINE_IF_MAY_RETRY_OPEN ||
			       rows[i].guard == ENGINE_IF_MAY_RETRY_BACK ||
			       rows[i].guard == ENGINE_IF_MAY_RETRY_END ||
			       rows[i].guard == ENGINE_IF_MAY_RETRY_GATEWAY;
		bool counts = rows[i].action == ENGINE_DO_RETRY ||
			      rows[i].action == ENGINE_DO_RECLAIM;

		/* A proof is limited by its deadline instead. */
		if (rows[i].from == ENGINE_PROVE ||
		    rows[i].from == ENGINE_OVERLAP ||
		    rows[i].from == ENGINE_REFUTE)
			continue;
		assert_int_equal(limited, counts);
	}
}

static void whatever_ends_a_run_says_how(void **state)
{
	size_t n;
	const struct engine_row *rows = engine_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool ends = rows[i].to == ENGINE_CLOSE ||
			    rows[i].to == ENGINE_FREEZE ||
			    rows[i].to == ENGINE_ENDED;
		bool framed = rows[i].from == ENGINE_CLOSE ||
			      rows[i].from == ENGINE_FREEZE;

		assert_int_equal(ends && !framed,
				 rows[i].action >= ENGINE_DO_END_OK);
		assert_true(strlen(rows[i].sentence) > 5);
	}
}

static void every_state_and_event_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < ENGINE_STATE_COUNT; i++) {
		enum engine_state s = (enum engine_state)i;

		assert_true(*engine_state_does(s));
		for (int j = 0; j < i; j++) {
			enum engine_state t = (enum engine_state)j;

			assert_string_not_equal(engine_state_name(s),
						engine_state_name(t));
			assert_string_not_equal(engine_state_audit(s),
						engine_state_audit(t));
		}
	}
	for (int i = 0; i < ENGINE_EVENT_COUNT; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
				engine_event_name((enum engine_event)i),
				engine_event_name((enum engine_event)j));
	assert_string_equal(engine_state_name(ENGINE_RESOLVE), "RESOLVE");
	assert_string_equal(engine_state_audit(ENGINE_RESOLVE), "resolve");
	assert_string_equal(engine_event_name(ENGINE_ON_BEGIN), "BEGIN");
	assert_string_equal(engine_event_name(ENGINE_ON_OTHER_LIVE),
			    "OTHER_LIVE");
	assert_string_equal(engine_event_name(ENGINE_ON_STORE_DOWN),
			    "STORE_DOWN");
	assert_string_equal(engine_state_name(ENGINE_STATE_COUNT), "?");
	assert_string_equal(engine_state_audit(ENGINE_STATE_COUNT), "?");
	assert_string_equal(engine_state_does(ENGINE_STATE_COUNT), "?");
	assert_string_equal(engine_event_name(ENGINE_EVENT_COUNT), "?");
}

/* As the audit has it: only what goes on as hoped is OK. */
static void an_event_is_recorded_with_its_status(void **state)
{
	static const struct {
		enum engine_event event;
		enum status status;
	} some[] = {
		{ ENGINE_ON_OK, STATUS_OK },
		{ ENGINE_ON_PENDING_DOUBTED, STATUS_OK },
		{ ENGINE_ON_OTHER_LIVE, STATUS_OK },
		{ ENGINE_ON_FAILED, STATUS_ERROR },
		{ ENGINE_ON_WRONG, STATUS_ERROR },
		{ ENGINE_ON_GONE, STATUS_REFUSED },
		{ ENGINE_ON_BRANCHED, STATUS_REFUSED },
		{ ENGINE_ON_LOST, STATUS_CONFLICT },
		{ ENGINE_ON_EXPIRED, STATUS_UNKNOWN },
		{ ENGINE_ON_DIFFERENT, STATUS_CORRUPT },
		{ ENGINE_ON_NO_EVIDENCE, STATUS_CLUSTER_UNAVAILABLE },
		{ ENGINE_ON_ABSENT, STATUS_STORE_UNAVAILABLE },
		{ ENGINE_ON_FOREIGN, STATUS_FROZEN },
		{ ENGINE_ON_NOT_ASKED, STATUS_FROZEN },
		{ ENGINE_EVENT_COUNT, STATUS_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		assert_int_equal(engine_event_status(some[i].event),
				 some[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rotation_goes_through_its_states_in_order),
		cmocka_unit_test(
			an_import_logs_in_before_it_stages_and_after_it_adopts),
		cmocka_unit_test(a_lost_reply_is_asked_about_under_a_new_claim),
		cmocka_unit_test(
			a_lost_reply_of_what_was_not_done_applies_the_same_again),
		cmocka_unit_test(
			the_interrupted_rotation_is_finished_before_the_one_asked_for),
		cmocka_unit_test(
			only_a_run_that_rotates_makes_the_first_password),
		cmocka_unit_test(only_an_import_adopts),
		cmocka_unit_test(only_an_emergency_replaces_a_wrong_password),
		cmocka_unit_test(what_fails_before_the_apply_ends_refused),
		cmocka_unit_test(an_emergency_replaces_once),
		cmocka_unit_test(
			a_new_password_is_made_once_and_only_when_wanted),
		cmocka_unit_test(
			a_new_one_follows_only_a_finished_one_and_when_asked),
		cmocka_unit_test(a_run_finishes_one_earlier_rotation),
		cmocka_unit_test(our_open_version_is_staged_again_and_no_other),
		cmocka_unit_test(
			an_open_outcome_is_never_closed_as_nothing_happened),
		cmocka_unit_test(a_state_is_retried_so_often_and_no_more),
		cmocka_unit_test(
			a_cluster_that_is_away_is_waited_for_only_if_it_matters),
		cmocka_unit_test(
			a_rejected_password_is_made_anew_so_often_and_no_more),
		cmocka_unit_test(a_pair_is_looked_at_before_a_password_is_made),
		cmocka_unit_test(what_is_applied_again_is_looked_at_again),
		cmocka_unit_test(a_member_in_use_is_changed_by_command_alone),
		cmocka_unit_test(
			what_a_run_is_for_decides_about_the_old_member),
		cmocka_unit_test(what_got_out_ends_and_is_refused),
		cmocka_unit_test(
			whoever_is_idle_is_replaced_when_a_password_got_out),
		cmocka_unit_test(current_logs_in_before_the_old_password_ends),
		cmocka_unit_test(a_lost_reply_of_a_rollback_or_an_end_is_open),
		cmocka_unit_test(
			an_interrupted_rollback_is_finished_and_not_made_twice),
		cmocka_unit_test(a_run_that_ended_takes_no_event),
		cmocka_unit_test(an_event_without_a_row_closes_the_run),
		cmocka_unit_test(
			an_event_without_a_row_leaves_an_open_outcome_unknown),
		cmocka_unit_test(
			every_pair_of_state_and_event_ends_in_a_row_without_guard),
		cmocka_unit_test(
			every_row_that_tries_again_counts_and_is_limited),
		cmocka_unit_test(whatever_ends_a_run_says_how),
		cmocka_unit_test(every_state_and_event_has_a_name_of_its_own),
		cmocka_unit_test(an_event_is_recorded_with_its_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
