/* SPDX-License-Identifier: PostgreSQL */
/*
 * A run's last record, and what its role is from then on.  Must never undo an
 * operator's freeze, nor take an epoch back.
 */
#include "ledger/sqlite/sqlite_internal.h"

#include <string.h>

#include "base/text.h"

struct closed {
	const char *run;
	const struct ledger_role *role;
	const char *status, *version, *error, *steps;
	char actor[sizeof((struct ledger_run *)0)->actor];
	int64_t now_us, begun_us;
	bool keep_open;
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
	lite_bind_text(q, 1, c->run);
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
	lite_bind_text(q, 1, c->run);
	lite_bind_text(q, 2, c->role->role);
	ledger_sqlite_bind_cut(q, 3, c->version, RANDOM_UUID_SIZE);
	ledger_sqlite_bind_cut(q, 4, c->status,
			       sizeof((struct ledger_run *)0)->status);
	ledger_sqlite_bind_cut(q, 5, c->error, LEDGER_TEXT_SIZE);
	lite_bind_int(q, 6, c->now_us);
	ledger_sqlite_bind_cut(q, 7, c->steps, LEDGER_TEXT_SIZE);
	return lite_exec(q, NULL, why);
}

/* Does the role's open run stay open?  Not when it is ours, and not when it only
 * met another rotator and this run has settled what that one was about. */
#define STAYS_OPEN                                                              \
	"open_run NOT IN ('', ?12) AND NOT (?15 AND EXISTS (SELECT 1 FROM run " \
	"WHERE run.run = role.open_run AND run.status = 'BUSY'))"

/* Is the promotion that the run knows of the younger one?  By the epoch, which
 * no clock can turn; by time where both have the same or know the same version;
 * and never by a stamp that lies ahead (?17). */
#define IS_YOUNGER                                                      \
	"excluded.epoch >= epoch AND (rotated_us > ?17 OR "             \
	"excluded.rotated_us >= rotated_us OR (excluded.epoch > epoch " \
	"AND excluded.version <> version))"

/*
 * What the run learned replaces what was remembered, but for what may have
 * changed behind its back: an operator's freeze stays, the epoch never goes
 * back, a younger run's claim to be the open one stays, and so does the version
 * of a younger promotion.
 */
static const char role_after_run[] =
	"INSERT INTO role(role, version, rotated_us, epoch, frozen, "
	"frozen_us, frozen_reason, open_run, open_since_us, last_status, "
	"last_run_us, last_error, failures, undelivered_us, delivered) "
	"VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?13, ?12, ''), iif(?13, ?14, "
	"0), ?8, ?9, ?10, ?11, ?16, ?18) "
	"ON CONFLICT(role) DO UPDATE SET "
	"version = iif(" IS_YOUNGER ", excluded.version, version), "
	"rotated_us = iif(" IS_YOUNGER ", excluded.rotated_us, rotated_us), "
	"epoch = max(epoch, excluded.epoch), "
	"frozen = max(frozen, excluded.frozen), "
	"frozen_us = iif(frozen, frozen_us, excluded.frozen_us), "
	"frozen_reason = iif(frozen, frozen_reason, excluded.frozen_reason), "
	"open_run = iif(" STAYS_OPEN ", open_run, excluded.open_run), "
	"open_since_us = iif(" STAYS_OPEN ", open_since_us, "
	"excluded.open_since_us), "
	"last_status = excluded.last_status, "
	"last_run_us = excluded.last_run_us, "
	"last_error = excluded.last_error, failures = excluded.failures, "
	"undelivered_us = excluded.undelivered_us, "
	"delivered = excluded.delivered";

static enum status close_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct closed *c = arg;
	struct lite_stmt *q = NULL;
	enum status st = end_run(tx, c, why);

	if (st == STATUS_OK)
		st = lite_prepare(tx, role_after_run, &q, why);
	if (st != STATUS_OK)
		return st;
	ledger_sqlite_role_bind(q, c->role);
	lite_bind_text(q, 12, c->run);
	lite_bind_int(q, 13, c->keep_open);
	lite_bind_int(q, 14, c->begun_us);
	lite_bind_int(q, 15, !c->keep_open && strcmp(c->status, "OK") == 0);
	lite_bind_int(q, 16, c->role->undelivered_us);
	lite_bind_int(q, 17, c->now_us);
	lite_bind_text(q, 18, c->role->delivered);
	return lite_exec(q, NULL, why);
}

enum status ledger_sqlite_close(struct ledger *ledger, const char *run,
				const struct audit_event *events, size_t n,
				const struct ledger_role *role,
				const char *status, const char *version,
				const char *error, const char *steps,
				bool keep_open, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct closed c = { .run = run,
			    .role = role,
			    .status = status,
			    .version = version,
			    .error = error,
			    .steps = steps,
			    .now_us = now_wall(l->now),
			    .keep_open = keep_open };
	struct audit_event e = { .at_us = c.now_us,
				 .kind = "close",
				 .role = role->role,
				 .run = run,
				 .version = version,
				 .status = status,
				 .detail = error };
	struct ledger_sqlite_record r;
	enum status st;

	ledger_sqlite_record_init(&r, l, close_in, &c);
	st = ledger_sqlite_check_key("run id", run, RANDOM_UUID_SIZE, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_check_key("role name", role->role,
					     LEDGER_ROLE_SIZE, why);
	if (st != STATUS_OK)
		return st;
	c.begun_us = c.now_us;
	st = lite_read(l->db, load_begun, &c, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return ledger_sqlite_translate(st, why);
	e.actor = c.actor;
	e.took_us = st == STATUS_OK && c.now_us > c.begun_us ?
			    c.now_us - c.begun_us :
			    -1;
	st = ledger_sqlite_notes_write_all(l, &r.fresh, events, n, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_notes_write(l, &r.fresh, &e, why);
	if (st == STATUS_OK)
		return ledger_sqlite_record_commit(&r, run, true, why);
	ledger_sqlite_notes_free(&r.fresh);
	return ledger_sqlite_translate(st, why);
}
