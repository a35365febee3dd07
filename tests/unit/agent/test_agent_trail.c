/* SPDX-License-Identifier: PostgreSQL */
/* agent_trail: the first hand-out is durable before it is one, the others are
 * counted, and nothing passes that cannot be recorded.  The ledger is a fake
 * that can refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/trail/trail.h"
#include "base/text.h"

#define ID   "0f8fad5b-d9cb-469f-a165-70867728950e"
#define ID_2 "1f8fad5b-d9cb-469f-a165-70867728950e"

struct world {
	struct ledger ledger;
	struct agent_trail *trail;
	struct now now;
	int64_t us;
	sem_t woken;
	pthread_mutex_t lock; /* over all below */
	bool refuse;
	unsigned commits, checkpoints;
	size_t most_refused; /* events in one commit */
	struct text events;  /* a line each */
};

static void add_event(struct text *t, const struct audit_event *e)
{
	text_printf(t, "%s %s %s %s %s (%s, %s", audit_event_name(e->kind),
		    e->actor, e->role, e->version, e->status, e->operation,
		    e->stale ? "stale" : "fresh");
	if (*e->detail)
		text_printf(t, ", %s", e->detail);
	if (*e->host)
		text_printf(t, ", from %s", e->host);
	if (e->count > 0)
		text_printf(t, ", %d more", (int)e->count);
	if (e->pid > 0)
		text_printf(t, ", pid %d", (int)e->pid);
	text_add(t, ")\n");
}

static enum status note(struct ledger *l, const struct audit_event *events,
			size_t n, bool durable, struct reason *why)
{
	struct world *w =
		(struct world *)((char *)l - offsetof(struct world, ledger));
	enum status s = STATUS_OK;

	pthread_mutex_lock(&w->lock);
	assert_true(durable);
	if (w->refuse && n > w->most_refused)
		w->most_refused = n;
	if (w->refuse)
		s = reason_set(why, STATUS_LEDGER_UNAVAILABLE, "disk full");
	else
		w->commits++;
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		add_event(&w->events, &events[i]);
	pthread_mutex_unlock(&w->lock);
	return s;
}

static enum status checkpoint(struct ledger *l, struct reason *why)
{
	struct world *w =
		(struct world *)((char *)l - offsetof(struct world, ledger));

	(void)why;
	pthread_mutex_lock(&w->lock);
	w->checkpoints++;
	pthread_mutex_unlock(&w->lock);
	return STATUS_OK;
}

static const struct ledger_trail_ops trail_ops = { .note = note,
						   .checkpoint = checkpoint };
static const struct ledger_ops ops = { .type = "fake", .trail = &trail_ops };

static int64_t clock_of(void *self)
{
	return ((struct world *)self)->us;
}

static void wake(void *arg)
{
	sem_post(&((struct world *)arg)->woken);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->ledger.ops = &ops;
	w->us = 1000 * NOW_SECOND;
	w->now = (struct now){ clock_of, clock_of, NULL, w };
	w->events = text_make(1 << 20);
	sem_init(&w->woken, 0, 0);
	pthread_mutex_init(&w->lock, NULL);
	assert_int_equal(agent_trail_new(&w->ledger, &w->now, wake, w,
					 &w->trail, NULL),
			 STATUS_OK);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	agent_trail_free(w->trail);
	text_free(&w->events);
	free(w);
	return 0;
}

static void refuse(struct world *w, bool refuse)
{
	pthread_mutex_lock(&w->lock);
	w->refuse = refuse;
	pthread_mutex_unlock(&w->lock);
}

/* Wait until the writer has done something, and take it in. */
static bool collect(struct world *w)
{
	sem_wait(&w->woken);
	return agent_trail_collect(w->trail);
}

static void assert_events(struct world *w, const char *want)
{
	pthread_mutex_lock(&w->lock);
	assert_string_equal(text_str(&w->events), want);
	pthread_mutex_unlock(&w->lock);
}

static const struct agent_act get = { .kind = AUDIT_HANDOUT,
				      .operation = "GET",
				      .status = "OK",
				      .uid = 1000,
				      .pid = 42,
				      .role = "sap",
				      .version = ID };

static enum agent_trail_may hand_out(struct world *w,
				     const struct agent_act *act,
				     uint64_t *ticket)
{
	return agent_trail_hand_out(w->trail, act, ticket);
}

/* The whole way of a first hand-out. */
static void hand_out_first(struct world *w, const struct agent_act *act)
{
	uint64_t ticket = 0;

	assert_int_equal(hand_out(w, act, &ticket), AGENT_TRAIL_WAIT);
	assert_true(collect(w));
	assert_int_equal(hand_out(w, act, &ticket), AGENT_TRAIL_GO);
}

static void hand_out_again(struct world *w, const struct agent_act *act)
{
	uint64_t ticket = 0;

	assert_int_equal(hand_out(w, act, &ticket), AGENT_TRAIL_GO);
}

#define FIRST "handout uid 1000 sap " ID " OK (GET, fresh, pid 42)\n"

static void the_first_hand_out_waits_until_it_is_durable(void **state)
{
	struct world *w = *state;

	hand_out_first(w, &get);
	assert_events(w, FIRST);
}

static void the_same_again_is_counted_and_written_after_a_minute(void **state)
{
	struct world *w = *state;

	hand_out_first(w, &get);
	for (int i = 0; i < 1000; i++)
		hand_out_again(w, &get);
	w->us += AGENT_TRAIL_WINDOW_US - 1;
	agent_trail_tick(w->trail);
	assert_events(w, FIRST);
	w->us += 1;
	agent_trail_tick(w->trail);
	collect(w);
	assert_events(w, FIRST "handout uid 1000 sap " ID
			       " OK (GET, fresh, 1000 more)\n");
	/* Then it is a first one again. */
	hand_out_first(w, &get);
}

static void another_user_version_operation_or_staleness_is_not_the_same(
	void **state)
{
	struct world *w = *state;
	struct agent_act act[5];
	unsigned before;

	for (int i = 0; i < 5; i++)
		act[i] = get;
	act[0].uid = 1001;
	act[1].version = ID_2;
	act[2].operation = "CREDENTIAL";
	act[3].stale = true;
	act[4].role = "other";
	hand_out_first(w, &get);
	for (int i = 0; i < 5; i++) {
		before = w->commits;
		hand_out_first(w, &act[i]);
		assert_int_equal(w->commits, before + 1);
	}
	/* The process is told, and makes no difference. */
	act[0] = get;
	act[0].pid = 43;
	hand_out_again(w, &act[0]);
}

static void who_comes_while_it_is_written_waits_and_is_counted(void **state)
{
	struct world *w = *state;
	uint64_t one = 0, other = 0;

	assert_int_equal(hand_out(w, &get, &one), AGENT_TRAIL_WAIT);
	assert_int_equal(hand_out(w, &get, &other), AGENT_TRAIL_WAIT);
	assert_true(collect(w));
	assert_int_equal(hand_out(w, &get, &other), AGENT_TRAIL_GO);
	assert_int_equal(hand_out(w, &get, &one), AGENT_TRAIL_GO);
	agent_trail_flush(w->trail);
	collect(w);
	assert_events(w, FIRST "handout uid 1000 sap " ID
			       " OK (GET, fresh, 1 more)\n");
}

static void what_cannot_be_recorded_is_not_handed_out(void **state)
{
	struct world *w = *state;
	uint64_t ticket = 0;

	refuse(w, true);
	assert_int_equal(hand_out(w, &get, &ticket), AGENT_TRAIL_WAIT);
	assert_true(collect(w));
	assert_int_equal(hand_out(w, &get, &ticket), AGENT_TRAIL_BROKEN);
	assert_string_equal(agent_trail_trouble(w->trail), "disk full");
	/* Not tried again for each request, but after a second. */
	assert_int_equal(hand_out(w, &get, &ticket), AGENT_TRAIL_BROKEN);
	refuse(w, false);
	w->us += NOW_SECOND;
	agent_trail_tick(w->trail);
	hand_out_first(w, &get);
	assert_string_equal(agent_trail_trouble(w->trail), "");
	assert_events(w, FIRST);
}

static void a_count_that_cannot_be_written_stops_everything(void **state)
{
	struct world *w = *state;
	struct agent_act other = get;
	uint64_t ticket = 0;

	other.role = "other";
	hand_out_first(w, &get);
	hand_out_first(w, &other);
	hand_out_again(w, &get);
	refuse(w, true);
	w->us += AGENT_TRAIL_WINDOW_US;
	agent_trail_tick(w->trail);
	collect(w);
	assert_int_equal(hand_out(w, &get, &ticket), AGENT_TRAIL_BROKEN);
	assert_int_equal(hand_out(w, &other, &ticket), AGENT_TRAIL_BROKEN);
	/* The count is not lost. */
	refuse(w, false);
	w->us += NOW_SECOND;
	agent_trail_tick(w->trail);
	collect(w);
	hand_out_first(w, &get);
	pthread_mutex_lock(&w->lock);
	assert_non_null(strstr(text_str(&w->events), "1 more"));
	pthread_mutex_unlock(&w->lock);
}

static void a_note_is_written_and_not_waited_for(void **state)
{
	struct world *w = *state;
	struct agent_act verify = get;

	verify.kind = AUDIT_VERIFY;
	verify.operation = "VERIFY";
	verify.detail = "previous password";
	verify.host = "10.0.0.7\x1b[2J";
	agent_trail_note(w->trail, &verify);
	agent_trail_note(w->trail, &verify);
	agent_trail_note(w->trail, &verify);
	assert_false(collect(w)); /* nobody waits */
	agent_trail_flush(w->trail);
	collect(w);
	assert_events(w, "verify uid 1000 sap " ID " OK (VERIFY, fresh, "
			 "previous password, from 10.0.0.7\\x1b[2J, pid 42)\n"
			 "verify uid 1000 sap " ID " OK (VERIFY, fresh, "
			 "previous password, from 10.0.0.7\\x1b[2J, 2 more)\n");
}

/* Checking goes on while the audit cannot be written. */
/* Whoever has passwords checked chooses what is noted of it. */
static void notes_leave_room_for_hand_outs(void **state)
{
	struct world *w = *state;
	struct agent_act act = { .kind = AUDIT_VERIFY,
				 .operation = "VERIFY",
				 .status = "REJECTED",
				 .uid = 1001,
				 .role = "sap" };
	char host[32];
	uint64_t ticket = 0;

	act.host = host;
	for (int i = 0; i < 40000; i++) {
		snprintf(host, sizeof(host), "%d", i);
		agent_trail_note(w->trail, &act);
	}
	assert_int_equal(agent_trail_hand_out(w->trail, &get, &ticket),
			 AGENT_TRAIL_WAIT);
}

static void what_is_counted_meanwhile_is_one_count(void **state)
{
	struct world *w = *state;
	struct agent_act verify = get;
	uint64_t ticket = 0;

	verify.kind = AUDIT_VERIFY;
	verify.operation = "VERIFY";
	agent_trail_note(w->trail, &verify);
	agent_trail_note(w->trail, &verify);
	collect(w);
	refuse(w, true);
	w->us += AGENT_TRAIL_WINDOW_US;
	agent_trail_tick(w->trail); /* the first count fails */
	collect(w);
	agent_trail_note(w->trail, &verify);
	collect(w);
	for (int i = 0; i < 50; i++) {
		agent_trail_note(w->trail, &verify);
		w->us += AGENT_TRAIL_WINDOW_US;
		agent_trail_tick(w->trail);
		collect(w);
		assert_int_equal(hand_out(w, &get, &ticket),
				 AGENT_TRAIL_BROKEN);
	}
	assert_int_equal(w->most_refused, 1);
	refuse(w, false);
	w->us += NOW_SECOND;
	agent_trail_tick(w->trail);
	collect(w);
	agent_trail_tick(w->trail);
	collect(w);
	pthread_mutex_lock(&w->lock);
	assert_non_null(strstr(text_str(&w->events), ", 1 more)"));
	assert_non_null(strstr(text_str(&w->events), ", 50 more)"));
	pthread_mutex_unlock(&w->lock);
}

static void the_end_tries_what_is_owed_once_more(void **state)
{
	struct world *w = *state;
	struct agent_act other = get;

	other.role = "other";
	hand_out_first(w, &get);
	hand_out_again(w, &get);
	w->us += AGENT_TRAIL_WINDOW_US / 2;
	hand_out_first(w, &other);
	hand_out_again(w, &other);
	hand_out_again(w, &other);
	refuse(w, true);
	w->us += AGENT_TRAIL_WINDOW_US / 2;
	agent_trail_tick(w->trail); /* the count of one of them */
	collect(w);
	refuse(w, false);
	agent_trail_free(w->trail);
	w->trail = NULL;
	assert_non_null(strstr(text_str(&w->events), ", 1 more)"));
	assert_non_null(strstr(text_str(&w->events), ", 2 more)"));
}

static void the_end_writes_what_is_left_and_signs(void **state)
{
	struct world *w = *state;

	hand_out_first(w, &get);
	hand_out_again(w, &get);
	agent_trail_free(w->trail);
	w->trail = NULL;
	assert_events(w, FIRST "handout uid 1000 sap " ID
			       " OK (GET, fresh, 1 more)\n");
	assert_int_equal(w->checkpoints, 1);
}

static void an_hour_later_a_checkpoint_is_signed(void **state)
{
	struct world *w = *state;
	struct agent_act other = get;

	hand_out_first(w, &get);
	w->us += 3601 * NOW_SECOND;
	other.role = "other";
	hand_out_first(w, &other);
	agent_trail_free(w->trail);
	w->trail = NULL;
	assert_int_equal(w->checkpoints, 2);
}

static void many_at_once_share_commits(void **state)
{
	struct world *w = *state;
	struct agent_act act = get;
	char role[16];
	unsigned n = 0;

	for (int i = 0; i < 2000; i++) {
		uint64_t ticket = 0;

		snprintf(role, sizeof(role), "r%d", i);
		act.role = role;
		assert_int_equal(hand_out(w, &act, &ticket), AGENT_TRAIL_WAIT);
	}
	agent_trail_free(w->trail);
	w->trail = NULL;
	for (const char *p = text_str(&w->events); *p; p++)
		n += *p == '\n';
	assert_int_equal(n, 2000);
	assert_true(w->commits < 2000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_hand_out_waits_until_it_is_durable),
		TEST(the_same_again_is_counted_and_written_after_a_minute),
		TEST(another_user_version_operation_or_staleness_is_not_the_same),
		TEST(who_comes_while_it_is_written_waits_and_is_counted),
		TEST(what_cannot_be_recorded_is_not_handed_out),
		TEST(a_count_that_cannot_be_written_stops_everything),
		TEST(a_note_is_written_and_not_waited_for),
		TEST(notes_leave_room_for_hand_outs),
		TEST(what_is_counted_meanwhile_is_one_count),
		TEST(the_end_tries_what_is_owed_once_more),
		TEST(the_end_writes_what_is_left_and_signs),
		TEST(an_hour_later_a_checkpoint_is_signed),
		TEST(many_at_once_share_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
