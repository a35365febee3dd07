/* SPDX-License-Identifier: PostgreSQL */
/*
 * What every ledger does, whatever it is kept in: written against ledger.h alone,
 * and run over each driver of the table below.  What only one of them does is in
 * that driver's own test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lite/scratch.h"
#include "base/now.h"
#include "base/text.h"
#include "crypto/sign.h"
#include "ledger/sqlite/sqlite.h"
#include "rig.h"

/* How one is made in a folder of its own, or opened again. */
struct driver {
	const char *name;
	enum status (*open)(const char *folder, struct ledger **ret,
			    struct reason *why);
};

static enum status open_sqlite(const char *folder, struct ledger **ret,
			       struct reason *why)
{
	const struct ledger_sqlite_options o = {
		.path = scratch_path(folder, "ledger.db"),
		.sign_key_path = scratch_path(folder, "sign"),
		.create = true,
		.now = now_system(),
	};

	return ledger_sqlite_open(&o, ret, why);
}

static const struct driver drivers[] = {
	{ "sqlite", open_sqlite },
};

static const struct driver *driver; /* whose turn it is */

static struct ledger *must_open(const char *folder)
{
	struct reason why = { "" };
	struct ledger *l = NULL;

	if (driver->open(folder, &l, &why) != STATUS_OK) {
		fprintf(stderr, "%s: %s\n", driver->name, why.text);
		abort();
	}
	return l;
}

static int make_folder(void **state)
{
	struct reason why = { "" };

	*state = scratch_make();
	return sign_key_create(scratch_path(*state, "sign"), &why) != STATUS_OK;
}

static int remove_folder(void **state)
{
	scratch_remove(*state);
	return 0;
}

static void a_run_is_open_from_its_begin_to_its_close(void **state)
{
	struct ledger *l = must_open(*state);
	struct reason why = { "" };
	struct runs runs = { .n = 0 };
	struct ledger_role r;

	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(r.rotated_us, 0);
	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	l->ops->close(l);
	l = must_open(*state);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.open_run, id_of(1).s);
	assert_true(r.open_since_us > 0);
	assert_int_equal(finish(l, 1, "sap", "OK", false, &why), STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.open_run, "");
	assert_int_equal(r.open_since_us, 0);
	assert_string_equal(r.version, "v");
	assert_int_equal(r.epoch, 3);
	assert_int_equal(l->ops->runs->history(l, "sap", 0, keep_run, &runs,
					       &why),
			 STATUS_OK);
	assert_int_equal(runs.n, 1);
	assert_string_equal(runs.r[0].mode, "rotate");
	assert_string_equal(runs.r[0].reason, "due");
	assert_string_equal(runs.r[0].actor, "uid 1000 (alice)");
	assert_string_equal(runs.r[0].status, "OK");
	assert_string_equal(runs.r[0].steps, "claim=10 stage=20");
	assert_true(runs.r[0].ended_us >= runs.r[0].begun_us);
	assert_int_equal(verdict(l, STATUS_OK).events, 3);
	l->ops->close(l);
}

static void an_unknown_outcome_keeps_the_run_open(void **state)
{
	struct ledger *l = must_open(*state);
	struct reason why = { "" };
	struct ledger_role r;

	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(finish(l, 1, "sap", "UNKNOWN", true, &why), STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.open_run, id_of(1).s);
	assert_true(r.open_since_us > 0);
	l->ops->close(l);
}

static void a_second_run_leaves_the_first_in_history(void **state)
{
	struct ledger *l = must_open(*state);
	struct reason why = { "" };
	struct runs runs = { .n = 0 };
	struct ledger_role r;

	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(begin(l, 2, "sap", &why), STATUS_OK);
	assert_int_equal(begin(l, 3, "erp", &why), STATUS_OK);
	/* Nobody closed the first; history does not show it as going on. */
	assert_int_equal(l->ops->runs->history(l, "sap", 0, keep_run, &runs,
					       &why),
			 STATUS_OK);
	assert_string_equal(runs.r[1].status, "INTERRUPTED");
	assert_string_equal(runs.r[0].status, "");
	runs.n = 0;
	/* But it ends late: the second is still the open one. */
	assert_int_equal(finish(l, 1, "sap", "CONFLICT", false, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.open_run, id_of(2).s);
	assert_int_equal(l->ops->runs->history(l, NULL, 0, keep_run, &runs,
					       &why),
			 STATUS_OK);
	assert_int_equal(runs.n, 3);
	assert_string_equal(runs.r[0].run, id_of(3).s);
	assert_string_equal(runs.r[1].run, id_of(2).s);
	assert_int_equal(runs.r[1].ended_us, 0);
	assert_string_equal(runs.r[1].status, "");
	assert_string_equal(runs.r[2].status, "CONFLICT");
	runs.n = 0;
	assert_int_equal(l->ops->runs->history(l, NULL, INT64_MAX, keep_run,
					       &runs, &why),
			 STATUS_OK);
	assert_int_equal(runs.n, 0);
	l->ops->close(l);
}

static void a_run_that_met_another_is_closed_by_the_other(void **state)
{
	struct ledger *l = must_open(*state);
	struct reason why = { "" };
	struct ledger_role r;

	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(begin(l, 2, "sap", &why), STATUS_OK);
	assert_int_equal(finish(l, 2, "sap", "BUSY", true, &why), STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.open_run, id_of(2).s);
	assert_int_equal(finish(l, 1, "sap", "OK", false, &why), STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.open_run, "");
	/* What is unknown of one run is not settled by another. */
	assert_int_equal(begin(l, 3, "sap", &why), STATUS_OK);
	assert_int_equal(begin(l, 4, "sap", &why), STATUS_OK);
	assert_int_equal(finish(l, 4, "sap", "UNKNOWN", true, &why), STATUS_OK);
	assert_int_equal(finish(l, 3, "sap", "OK", false, &why), STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.open_run, id_of(4).s);
	l->ops->close(l);
}

static void a_slower_run_does_not_take_the_version_back(void **state)
{
	struct ledger *l = must_open(*state);
	struct ledger_role r = { .role = "sap", .version = "new", .epoch = 4 };
	struct id id = id_of(2);
	struct reason why = { "" };

	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(begin(l, 2, "sap", &why), STATUS_OK);
	r.rotated_us = 1000;
	id = id_of(2);
	assert_int_equal(
		l->ops->runs->close(l,
				    &(struct ledger_close){ .run = id.s,
							    .role = &r,
							    .status = "OK",
							    .version = "new",
							    .error = "",
							    .steps = "" },
				    &why),
		STATUS_OK);
	/* finish() remembers version "v" of time 77 and epoch 3. */
	assert_int_equal(finish(l, 1, "sap", "BUSY", false, &why), STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.version, "new");
	assert_int_equal(r.rotated_us, 1000);
	l->ops->close(l);
}

static void a_freeze_during_a_run_survives_its_close(void **state)
{
	struct ledger *l = must_open(*state);
	struct reason why = { "" };
	struct ledger_role r;

	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(l->ops->roles->freeze(l, "sap", "uid 0",
					       "partner audit", &why),
			 STATUS_OK);
	assert_int_equal(finish(l, 1, "sap", "OK", false, &why), STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_true(r.frozen);
	assert_true(r.frozen_us > 0);
	assert_string_equal(r.frozen_reason, "partner audit");
	assert_int_equal(l->ops->roles->thaw(l, "sap", "uid 0", &why),
			 STATUS_OK);
	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_false(r.frozen);
	assert_int_equal(l->ops->roles->thaw(l, "erp", "uid 0", &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(verdict(l, STATUS_OK).events, 5);
	l->ops->close(l);
}

/* A run that promoted `version` at that time closes. */
static void promoted(struct ledger *l, unsigned n, const char *version,
		     int64_t at_us, int64_t epoch)
{
	struct ledger_role r = { .role = "sap",
				 .rotated_us = at_us,
				 .epoch = epoch };
	struct id id = id_of(n);
	struct reason why = { "" };

	snprintf(r.version, sizeof r.version, "%s", version);
	assert_int_equal(begin(l, n, "sap", &why), STATUS_OK);
	assert_int_equal(
		l->ops->runs->close(l,
				    &(struct ledger_close){ .run = id.s,
							    .role = &r,
							    .status = "OK",
							    .version = version,
							    .error = "",
							    .steps = "" },
				    &why),
		STATUS_OK);
}

static void expect_live(struct ledger *l, const char *version, int64_t at_us)
{
	struct ledger_role r;
	struct reason why = { "" };

	assert_int_equal(l->ops->roles->get(l, "sap", &r, &why), STATUS_OK);
	assert_string_equal(r.version, version);
	assert_int_equal(r.rotated_us, at_us);
}

static void promotions_are_ordered_by_epoch_not_by_a_clock(void **state)
{
	struct ledger *l = must_open(*state);
	int64_t now = now_wall(now_system()), year = 365 * 86400 * NOW_SECOND;

	promoted(l, 1, "ahead", now + 10 * year, 5);
	expect_live(l, "ahead", now + 10 * year);
	promoted(l, 2, "right", now, 6);
	expect_live(l, "right", now);
	/* The clock goes back a little. */
	promoted(l, 3, "next", now - 1000, 7);
	expect_live(l, "next", now - 1000);
	/* A slow run of an older claim, and one that moved nothing. */
	promoted(l, 4, "old", now - 500, 6);
	expect_live(l, "next", now - 1000);
	promoted(l, 5, "next", now - 2000, 8);
	expect_live(l, "next", now - 1000);
	l->ops->close(l);
}

static void no_fact_outlives_the_longest_life_whatever_the_clock(void **state)
{
	struct ledger *l = must_open(*state);
	int64_t now = now_wall(now_system()), year = 365 * 86400 * NOW_SECOND;
	char value[LEDGER_TEXT_SIZE];
	struct reason why = { "" };

	assert_int_equal(l->ops->facts->remember(l, "k", "v", now + year, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->facts->recall(l, "k", now, value, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->facts->recall(l, "k",
					       now + LEDGER_LIFE_US + year / 12,
					       value, &why),
			 STATUS_NOT_FOUND);
	/* Remembered by a clock that is a year ahead of the one that asks. */
	assert_int_equal(l->ops->facts->recall(l, "k", now - year, value, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(l->ops->facts->remember(l, "k", "v", LEDGER_FOREVER,
						 &why),
			 STATUS_OK);
	assert_int_equal(l->ops->facts->recall(l, "k", now + 9 * year, value,
					       &why),
			 STATUS_OK);
	l->ops->close(l);
}

static void a_trail_is_known_by_any_of_its_events(void **state)
{
	struct ledger *l = must_open(*state);
	char last[LEDGER_HASH_SIZE] = "", again[LEDGER_HASH_SIZE] = "";
	struct reason why = { "" };
	int64_t seq = -1;

	assert_int_equal(l->ops->trail->head(l, -1, &seq, last, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(begin(l, 1, "sap", &why), STATUS_OK);
	assert_int_equal(l->ops->trail->head(l, -1, &seq, last, &why),
			 STATUS_OK);
	assert_int_equal(seq, 1);
	assert_string_equal(verdict(l, STATUS_OK).head, last);
	assert_int_equal(finish(l, 1, "sap", "OK", false, &why), STATUS_OK);
	assert_int_equal(l->ops->trail->head(l, 1, &seq, again, &why),
			 STATUS_OK);
	assert_string_equal(again, last);
	assert_int_equal(l->ops->trail->head(l, 99, &seq, again, &why),
			 STATUS_NOT_FOUND);
	l->ops->close(l);
}

static bool is_kept(void *arg, const char *key)
{
	return strcmp(key, arg) == 0;
}

static void facts_that_nobody_wants_are_forgotten(void **state)
{
	struct ledger *l = must_open(*state);
	const char *keys[] = { "hook.a", "hook.b", "hook.c", "hooked", "x" };
	char value[LEDGER_TEXT_SIZE], kept[] = "hook.b";
	struct reason why = { "" };
	int64_t now = now_wall(now_system());

	for (size_t i = 0; i < 5; i++)
		assert_int_equal(l->ops->facts->remember(l, keys[i], "v",
							 LEDGER_FOREVER, &why),
				 STATUS_OK);
	assert_int_equal(l->ops->facts->forget(l, "hook.", is_kept, kept, &why),
			 STATUS_OK);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(
			l->ops->facts->recall(l, keys[i], now, value, &why),
			i == 0 || i == 2 ? STATUS_NOT_FOUND : STATUS_OK);
	l->ops->close(l);
}

static void a_fact_is_remembered_until_its_time(void **state)
{
	struct ledger *l = must_open(*state);
	int64_t now = now_wall(now_system());
	char value[LEDGER_TEXT_SIZE];
	struct reason why = { "" };

	assert_int_equal(l->ops->facts->recall(l, "k", now, value, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(l->ops->facts->remember(l, "k", "v1",
						 now + 60 * NOW_SECOND, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->facts->remember(l, "k", "v2",
						 now + 60 * NOW_SECOND, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->facts->recall(l, "k", now, value, &why),
			 STATUS_OK);
	assert_string_equal(value, "v2");
	assert_int_equal(l->ops->facts->recall(l, "k", now + 60 * NOW_SECOND,
					       value, &why),
			 STATUS_NOT_FOUND);
	l->ops->close(l);
}

struct counted {
	const char *kind;
	size_t n;
};

static enum status count_kind(void *arg, const char *line)
{
	struct counted *c = arg;

	c->n += strstr(line, c->kind) != NULL;
	return STATUS_OK;
}

static size_t events_of(struct ledger *l, const char *kind)
{
	struct counted c = { .kind = kind };
	struct reason why = { "" };

	assert_int_equal(l->ops->trail->export(l, count_kind, &c, &why),
			 STATUS_OK);
	return c.n;
}

static void a_fact_and_its_event_are_one_for_the_first(void **state)
{
	struct ledger *l = must_open(*state);
	const struct audit_event e = audit_event_make(
		AUDIT_ALARM, "sap", "keyturnd", "", "a sentence");
	char value[LEDGER_TEXT_SIZE], longer[LEDGER_TEXT_SIZE + 1];
	int64_t now = now_wall(now_system());
	struct reason why = { "" };

	assert_int_equal(l->ops->facts->change(l, "k", "", "v1", &e, &why),
			 STATUS_OK);
	/* Who comes second knows what was before. */
	assert_int_equal(l->ops->facts->change(l, "k", "", "v2", &e, &why),
			 STATUS_CONFLICT);
	assert_int_equal(l->ops->facts->change(l, "k", "v0", "v2", &e, &why),
			 STATUS_CONFLICT);
	assert_int_equal(events_of(l, "\"alarm\""), 1);
	l->ops->close(l);
	l = must_open(*state);
	assert_int_equal(l->ops->facts->recall(l, "k", now + LEDGER_LIFE_US * 9,
					       value, &why),
			 STATUS_OK);
	assert_string_equal(value, "v1");
	assert_int_equal(l->ops->facts->change(l, "k", "v1", "v2", &e, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->facts->change(l, "k", "v2", "", &e, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->facts->recall(l, "k", now, value, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(l->ops->facts->change(l, "k", "", "v3", &e, &why),
			 STATUS_OK);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(l->ops->facts->change(l, "k", "v3", longer, &e, &why),
			 STATUS_LEDGER_UNAVAILABLE);
	assert_int_equal(events_of(l, "\"alarm\""), 4);
	l->ops->close(l);
}

static void a_note_waits_for_the_next_durable_one_of_its_run(void **state)
{
	struct ledger *l = must_open(*state);
	struct lines x = { .f = NULL };
	struct reason why = { "" };
	struct id a = id_of(1), b = id_of(2);
	struct audit_event ea = step(AUDIT_CLAIM, &a),
			   eb = step(AUDIT_CLAIM, &b);

	assert_int_equal(l->ops->trail->note(l, &ea, 1, false, &why),
			 STATUS_OK);
	assert_int_equal(l->ops->trail->note(l, &eb, 1, false, &why),
			 STATUS_OK);
	assert_int_equal(lines_of(l, &x), 0);
	ea = step(AUDIT_APPLY, &a);
	assert_int_equal(l->ops->trail->note(l, &ea, 1, true, &why), STATUS_OK);
	assert_int_equal(lines_of(l, &x), 2);
	assert_non_null(strstr(x.last, "\"kind\":\"apply\""));
	assert_non_null(strstr(x.last, "\"seq\":2"));
	assert_int_equal(finish(l, 2, "sap", "OK", false, &why), STATUS_OK);
	assert_int_equal(lines_of(l, &x), 5);
	verdict(l, STATUS_OK);
	l->ops->close(l);
}

static void a_note_nobody_followed_up_is_written_at_the_end(void **state)
{
	struct ledger *l = must_open(*state);
	struct id a = id_of(1);
	struct audit_event e = step(AUDIT_CLAIM, &a);
	struct reason why = { "" };

	assert_int_equal(l->ops->trail->note(l, &e, 1, false, &why), STATUS_OK);
	l->ops->close(l);
	l = must_open(*state);
	assert_int_equal(verdict(l, STATUS_OK).events, 1);
	l->ops->close(l);
}

static void the_body_of_an_event_is_canonical(void **state)
{
	static const char want[] =
		"{\"actor\":\"uid 1000 (alice)\",\"at\":\"2026-11-21T03:00:00."
		"123456Z\",\"detail\":\"say \\\"hi\\\"\",\"epoch\":7,"
		"\"kind\":\"claim\",\"role\":\"sap\",\"run\":\"00000000-0000-"
		"4000-8000-000000000001\",\"status\":\"OK\",\"took_us\":0,"
		"\"version\":\"v\",\"seq\":1,\"prev\":\"";
	struct ledger *l = must_open(*state);
	struct lines x = { .f = NULL };
	struct id a = id_of(1);
	struct audit_event e = step(AUDIT_CLAIM, &a);
	struct reason why = { "" };

	assert_int_equal(now_parse("2026-11-21T03:00:00.123456Z", &e.at_us), 0);
	e.detail = "say \"hi\"";
	e.epoch = 7;
	e.status = "OK";
	e.took_us = 0;
	e.version = "v";
	assert_int_equal(l->ops->trail->note(l, &e, 1, true, &why), STATUS_OK);
	lines_of(l, &x);
	assert_memory_equal(x.last, want, strlen(want));
	l->ops->close(l);
}

static void a_long_detail_is_cut_between_characters(void **state)
{
	struct ledger *l = must_open(*state);
	struct lines x = { .f = NULL };
	struct id a = id_of(1);
	struct audit_event e = step(AUDIT_CLAIM, &a);
	struct reason why = { "" };
	char detail[2048] = "";
	int i;

	for (i = 0; i < 600; i++)
		strncat(detail, "\xc3\xa9", 3); /* e acute: two bytes */
	e.detail = detail;
	assert_int_equal(l->ops->trail->note(l, &e, 1, true, &why), STATUS_OK);
	lines_of(l, &x);
	assert_non_null(strstr(x.last, "\xc3\xa9...\",\"kind\""));
	assert_true(strlen(x.last) < 900);
	verdict(l, STATUS_OK);
	l->ops->close(l);
}

static void the_trail_is_followed_from_any_event(void **state)
{
	struct ledger *l = must_open(*state);
	struct lines x = { .f = NULL }, whole = { .f = NULL };
	struct reason why = { "" };
	struct id a = id_of(1);
	struct audit_event e = step(AUDIT_CLAIM, &a);
	int64_t last = -7;

	assert_int_equal(l->ops->trail->follow(l, -1, 9, keep_line, &x, &last,
					       &why),
			 STATUS_OK);
	assert_int_equal(last, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(l->ops->trail->note(l, &e, 1, true, &why),
				 STATUS_OK);
	assert_int_equal(l->ops->trail->checkpoint(l, &why), STATUS_OK);
	e.kind = AUDIT_APPLY;
	assert_int_equal(l->ops->trail->note(l, &e, 1, true, &why), STATUS_OK);
	assert_int_equal(lines_of(l, &whole), 11 + 1);
	assert_int_equal(l->ops->trail->follow(l, 0, 4, keep_line, &x, &last,
					       &why),
			 STATUS_OK);
	assert_int_equal(x.n, 4);
	assert_int_equal(last, 4);
	assert_non_null(strstr(x.last, "\"seq\":4,"));
	assert_int_equal(l->ops->trail->follow(l, 10, 4, keep_line, &x, &last,
					       &why),
			 STATUS_OK);
	assert_int_equal(x.n, 5);
	assert_int_equal(last, 11);
	assert_string_equal(x.last, whole.last);
	assert_int_equal(l->ops->trail->follow(l, 11, 4, keep_line, &x, &last,
					       &why),
			 STATUS_OK);
	assert_int_equal(x.n, 5);
	assert_int_equal(last, 11);
	assert_int_equal(l->ops->trail->follow(l, -1, 4, keep_line, &x, &last,
					       &why),
			 STATUS_OK);
	assert_int_equal(x.n, 5);
	assert_int_equal(last, 11);
	l->ops->close(l);
}

static void a_checkpoint_is_only_made_when_the_trail_grew(void **state)
{
	struct ledger *l = must_open(*state);
	struct id a = id_of(1);
	struct audit_event e = step(AUDIT_CLAIM, &a);
	struct reason why = { "" };

	assert_int_equal(l->ops->trail->checkpoint(l, &why), STATUS_OK);
	assert_int_equal(verdict(l, STATUS_OK).checkpoints, 0);
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(l->ops->trail->note(l, &e, 1, true, &why),
				 STATUS_OK);
		assert_int_equal(verdict(l, STATUS_OK).unsigned_tail, 1);
		assert_int_equal(l->ops->trail->checkpoint(l, &why), STATUS_OK);
		assert_int_equal(l->ops->trail->checkpoint(l, &why), STATUS_OK);
		assert_int_equal(verdict(l, STATUS_OK).checkpoints, i);
		assert_int_equal(verdict(l, STATUS_OK).unsigned_tail, 0);
	}
	l->ops->close(l);
}

/* ---- adoption ---- */

struct sightings {
	struct ledger_sighting s[8];
	unsigned n;
};

static enum status keep_sighting(void *arg, const struct ledger_sighting *s)
{
	struct sightings *x = arg;

	if (x->n < 8)
		x->s[x->n] = *s;
	x->n++;
	return STATUS_OK;
}

static struct ledger_sighting seen(const char *consumer, const char *version,
				   int64_t at)
{
	struct ledger_sighting s = { .role = "sap",
				     .login = "sap",
				     .source = LEDGER_SOURCE_SESSION,
				     .first_us = at,
				     .last_us = at,
				     .count = 1 };

	text_copy(s.consumer, sizeof(s.consumer), consumer);
	text_copy(s.version, sizeof(s.version), version);
	return s;
}

static void who_was_seen_again_is_one_sighting(void **state)
{
	struct ledger *l = must_open(*state);
	struct ledger_sighting s[3] = { seen("host:a", "v1", 20),
					seen("host:a", "v1", 10),
					seen("host:a", "v2", 30) };
	struct sightings got = { .n = 0 };
	struct reason why = { "" };

	assert_int_equal(l->ops->adoption->see(l, s, 3, &why), STATUS_OK);
	s[0].source = LEDGER_SOURCE_LOGIN;
	s[1].login[0] = '\0';
	s[2].role[0] = 'z';
	assert_int_equal(l->ops->adoption->see(l, s, 3, &why), STATUS_OK);
	assert_int_equal(l->ops->adoption->see(l, s, 0, &why), STATUS_OK);
	l->ops->close(l);
	l = must_open(*state);
	assert_int_equal(l->ops->adoption->each(l, "sap", keep_sighting, &got,
						&why),
			 STATUS_OK);
	assert_int_equal(got.n, 4);
	assert_string_equal(got.s[0].login, "");
	assert_string_equal(got.s[1].version, "v1");
	assert_int_equal(got.s[1].source, LEDGER_SOURCE_LOGIN);
	assert_int_equal(got.s[2].source, LEDGER_SOURCE_SESSION);
	assert_int_equal(got.s[2].first_us, 10);
	assert_int_equal(got.s[2].last_us, 20);
	assert_int_equal(got.s[2].count, 2);
	assert_string_equal(got.s[3].version, "v2");
	got.n = 0;
	assert_int_equal(l->ops->adoption->each(l, NULL, keep_sighting, &got,
						&why),
			 STATUS_OK);
	assert_int_equal(got.n, 5);
	assert_string_equal(got.s[4].role, "zap");
	l->ops->close(l);
}

static enum status stop_at_once(void *arg, const struct ledger_sighting *s)
{
	(void)s;
	++*(unsigned *)arg;
	return STATUS_LIMIT;
}

static void sightings_of_a_role_are_bounded(void **state)
{
	struct ledger *l = must_open(*state);
	struct ledger_sighting *all;
	struct sightings got = { .n = 0 };
	struct reason why = { "" };
	unsigned n = LEDGER_SIGHTINGS_MAX + 3, stopped = 0;
	char name[32];

	all = calloc(n, sizeof(*all));
	assert_non_null(all);
	for (unsigned i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "app:%05u", n - i);
		all[i] = seen(name, "v1", 1000 + i);
	}
	assert_int_equal(l->ops->adoption->see(l, all, n, &why), STATUS_OK);
	assert_int_equal(l->ops->adoption->each(l, "sap", keep_sighting, &got,
						&why),
			 STATUS_OK);
	assert_int_equal(got.n, LEDGER_SIGHTINGS_MAX);
	assert_string_equal(got.s[0].consumer, "app:00001"); /* the last seen */
	assert_int_equal(l->ops->adoption->each(l, "sap", stop_at_once,
						&stopped, &why),
			 STATUS_LIMIT);
	assert_int_equal(stopped, 1);
	free(all);
	l->ops->close(l);
}

#define WITH_FOLDER(test) \
	cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FOLDER(a_run_is_open_from_its_begin_to_its_close),
		WITH_FOLDER(an_unknown_outcome_keeps_the_run_open),
		WITH_FOLDER(a_second_run_leaves_the_first_in_history),
		WITH_FOLDER(a_run_that_met_another_is_closed_by_the_other),
		WITH_FOLDER(a_slower_run_does_not_take_the_version_back),
		WITH_FOLDER(a_freeze_during_a_run_survives_its_close),
		WITH_FOLDER(promotions_are_ordered_by_epoch_not_by_a_clock),
		WITH_FOLDER(
			no_fact_outlives_the_longest_life_whatever_the_clock),
		WITH_FOLDER(a_trail_is_known_by_any_of_its_events),
		WITH_FOLDER(facts_that_nobody_wants_are_forgotten),
		WITH_FOLDER(a_fact_and_its_event_are_one_for_the_first),
		WITH_FOLDER(a_fact_is_remembered_until_its_time),
		WITH_FOLDER(a_note_waits_for_the_next_durable_one_of_its_run),
		WITH_FOLDER(a_note_nobody_followed_up_is_written_at_the_end),
		WITH_FOLDER(the_body_of_an_event_is_canonical),
		WITH_FOLDER(a_long_detail_is_cut_between_characters),
		WITH_FOLDER(the_trail_is_followed_from_any_event),
		WITH_FOLDER(a_checkpoint_is_only_made_when_the_trail_grew),
		WITH_FOLDER(who_was_seen_again_is_one_sighting),
		WITH_FOLDER(sightings_of_a_role_are_bounded),
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
		driver = &drivers[i];
		failed += cmocka_run_group_tests_name(driver->name, tests, NULL,
						      NULL);
	}
	return failed;
}
