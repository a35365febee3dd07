/* SPDX-License-Identifier: PostgreSQL */
/*
 * A run's first record.  Must never let a run begin that could not be closed.
 */
#include "ledger/sqlite/begin.h"

#include <stdio.h>

#include "ledger/ledger_merge.h"
#include "ledger/sqlite/record.h"
#include "ledger/sqlite/role.h"

struct begun {
	const char *run, *role, *mode, *actor, *reason;
	int64_t now_us;
};

static enum status insert_run(struct lite_tx *tx, const struct begun *b,
			      struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO run(run, role, mode, actor, reason, "
			  "begun_us) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, b->run);
	lite_bind_text(q, 2, b->role);
	ledger_sqlite_bind_cut(q, 3, b->mode,
			       sizeof((struct ledger_run *)0)->mode);
	ledger_sqlite_bind_cut(q, 4, b->actor,
			       sizeof((struct ledger_run *)0)->actor);
	ledger_sqlite_bind_cut(q, 5, b->reason, LEDGER_TEXT_SIZE);
	lite_bind_int(q, 6, b->now_us);
	return lite_exec(q, NULL, why);
}

/* A run that no one closed is not shown as going on for ever.  One that does
 * live in another process writes its own outcome over this when it ends. */
static enum status close_interrupted(struct lite_tx *tx, const struct begun *b,
				     struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "UPDATE run SET status = 'INTERRUPTED' "
			  "WHERE run = (SELECT open_run FROM role "
			  "WHERE role = ?1) AND status = ''",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, b->role);
	return lite_exec(q, NULL, why);
}

static enum status begin_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct begun *b = arg;
	struct ledger_role r;
	enum status st = close_interrupted(tx, b, why);

	if (st == STATUS_OK)
		st = insert_run(tx, b, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_role_load(tx, b->role, &r, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	ledger_merge_begin(&r, b->run, b->now_us);
	return ledger_sqlite_role_store(tx, &r, why);
}

enum status ledger_sqlite_begin(struct ledger *ledger, const char *run,
				const char *role, const char *mode,
				const char *actor, const char *reason,
				struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct begun b = { run, role, mode, actor, reason, now_wall(l->now) };
	bool said = reason && reason[0];
	char detail[LEDGER_TEXT_SIZE * 2];
	struct audit_event e =
		audit_event_make(AUDIT_INTENT, role, actor, "", detail);
	struct ledger_sqlite_record r;
	enum status st;

	e.at_us = b.now_us;
	e.run = run;
	ledger_sqlite_record_init(&r, l, begin_in, &b);
	r.intact = true;
	st = ledger_sqlite_check_key("run id", run, RANDOM_UUID_SIZE, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_check_key("role name", role,
					     LEDGER_ROLE_SIZE, why);
	if (st != STATUS_OK)
		return st;
	st = ledger_sqlite_translate(lite_reserve(l->db, why), why);
	if (st != STATUS_OK)
		return reason_wrap(why, st, "nothing was rotated");
	snprintf(detail, sizeof detail, "%s%s%s", mode ? mode : "",
		 said ? ": " : "", said ? reason : "");
	st = ledger_sqlite_notes_write(l, &r.fresh, &e, why);
	if (st != STATUS_OK)
		return ledger_sqlite_translate(st, why);
	st = ledger_sqlite_record_commit(&r, run, false, why);
	if (st == STATUS_LEDGER_UNAVAILABLE || st == STATUS_AUDIT_BROKEN)
		reason_wrap(why, st, "nothing was rotated");
	return st;
}
