/* SPDX-License-Identifier: PostgreSQL */
/*
 * A run's last record, and what its role is from then on.  Must never write one
 * without the other.
 */
#include "ledger/sqlite/close.h"

#include <string.h>

#include "base/text.h"
#include "ledger/ledger_merge.h"
#include "ledger/sqlite/record.h"
#include "ledger/sqlite/role.h"

struct closed {
	const struct ledger_close *end;
	char actor[sizeof((struct ledger_run *)0)->actor];
	int64_t now_us, begun_us;
};

static enum status load_begun(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct closed *c = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "SELECT actor, begun_us FROM run WHERE run = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->end->run);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	text_cut(c->actor, sizeof c->actor, lite_text(q, 0));
	c->begun_us = lite_int(q, 1);
	lite_done(q);
	return STATUS_OK;
}

static enum status end_run(struct lite_tx *tx, const struct closed *c,
			   struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	/* Also when the ledger was lost since it began: history has it. */
	st = lite_prepare(tx,
			  "INSERT INTO run(run, role, mode, actor, reason, "
			  "version, status, error, begun_us, ended_us, steps) "
			  "VALUES(?1, ?2, '', '', '', ?3, ?4, ?5, ?6, ?6, ?7) "
			  "ON CONFLICT(run) DO UPDATE SET "
			  "version = excluded.version, "
			  "status = excluded.status, error = excluded.error, "
			  "ended_us = excluded.ended_us, "
			  "steps = excluded.steps",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->end->run);
	lite_bind_text(q, 2, c->end->role->role);
	ledger_sqlite_bind_cut(q, 3, c->end->version, RANDOM_UUID_SIZE);
	ledger_sqlite_bind_cut(q, 4, c->end->status,
			       sizeof((struct ledger_run *)0)->status);
	ledger_sqlite_bind_cut(q, 5, c->end->error, LEDGER_TEXT_SIZE);
	lite_bind_int(q, 6, c->now_us);
	ledger_sqlite_bind_cut(q, 7, c->end->steps, LEDGER_TEXT_SIZE);
	return lite_exec(q, NULL, why);
}

/* Did the run end with STATUS_BUSY? */
static enum status was_busy(struct lite_tx *tx, const char *run, bool *ret,
			    struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT 1 FROM run WHERE run = ?1 AND "
			  "status = 'BUSY'",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, run);
	st = lite_step(q, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	*ret = st == STATUS_OK;
	if (*ret)
		lite_done(q);
	return STATUS_OK;
}

static enum status close_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct closed *c = arg;
	struct ledger_merge_run run = { .begun_us = c->begun_us,
					.now_us = c->now_us };
	struct ledger_role r;
	enum status st = end_run(tx, c, why);

	if (st == STATUS_OK)
		st = ledger_sqlite_role_load(tx, c->end->role->role, &r, why);
	if (st == STATUS_OK)
		st = was_busy(tx, r.open_run, &run.open_was_busy, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	ledger_merge_close(&r, c->end, &run);
	return ledger_sqlite_role_store(tx, &r, why);
}

enum status ledger_sqlite_close(struct ledger *ledger,
				const struct ledger_close *end,
				struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct closed c = { .end = end, .now_us = now_wall(l->now) };
	struct audit_event e = audit_event_make(
		AUDIT_CLOSE, end->role->role, c.actor, end->status, end->error);
	struct ledger_sqlite_record r;
	enum status st;

	ledger_sqlite_record_init(&r, l, close_in, &c);
	st = ledger_sqlite_check_key("run id", end->run, RANDOM_UUID_SIZE, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_check_key("role name", end->role->role,
					     LEDGER_ROLE_SIZE, why);
	if (st != STATUS_OK)
		return st;
	c.begun_us = c.now_us;
	st = lite_read(l->db, load_begun, &c, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return ledger_sqlite_translate(st, why);
	e.at_us = c.now_us;
	e.run = end->run;
	e.version = end->version;
	e.took_us = st == STATUS_OK && c.now_us > c.begun_us ?
			    c.now_us - c.begun_us :
			    -1;
	st = ledger_sqlite_notes_write_all(l, &r.fresh, end->events, end->n,
					   why);
	if (st == STATUS_OK)
		st = ledger_sqlite_notes_write(l, &r.fresh, &e, why);
	if (st == STATUS_OK)
		return ledger_sqlite_record_commit(&r, end->run, true, why);
	ledger_sqlite_notes_free(&r.fresh);
	return ledger_sqlite_translate(st, why);
}
