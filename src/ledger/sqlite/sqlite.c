/* SPDX-License-Identifier: PostgreSQL */
/*
 * The embedded ledger: schedule, history and audit in one SQLite file.  Must
 * never hold a secret, nor let a run begin that it could not close.
 */
#include "ledger/sqlite/sqlite.h"

#include <pthread.h>
#include <stdlib.h>

#include "ledger/sqlite/adoption.h"
#include "ledger/sqlite/audit.h"
#include "ledger/sqlite/begin.h"
#include "ledger/sqlite/close.h"
#include "ledger/sqlite/history.h"
#include "ledger/sqlite/memory.h"
#include "ledger/sqlite/record.h"
#include "ledger/sqlite/role.h"
#include "ledger/sqlite/trail.h"

#define APPLICATION_ID 0x4b544c47u /* "KTLG" */
/*
 * One commit of a run's records touches about 6 pages of 4 KiB in the log; 16
 * jobs that were begun before the disk filled up write up to three each, and
 * in the worst case none of them share a commit: 1.1 MiB.  Most of it is shared
 * in practice.
 */
#define RESERVE_BYTES ((size_t)1 << 20)

/* memory.until_us: forgotten then.  run.ended_us = 0: open. */
static const char tables[] = "CREATE TABLE role("
			     " role TEXT PRIMARY KEY NOT NULL,"
			     " version TEXT NOT NULL DEFAULT '',"
			     " rotated_us INTEGER NOT NULL DEFAULT 0,"
			     " epoch INTEGER NOT NULL DEFAULT 0,"
			     " frozen INTEGER NOT NULL DEFAULT 0,"
			     " frozen_us INTEGER NOT NULL DEFAULT 0,"
			     " frozen_reason TEXT NOT NULL DEFAULT '',"
			     " open_run TEXT NOT NULL DEFAULT '',"
			     " open_since_us INTEGER NOT NULL DEFAULT 0,"
			     " last_status TEXT NOT NULL DEFAULT '',"
			     " last_run_us INTEGER NOT NULL DEFAULT 0,"
			     " last_error TEXT NOT NULL DEFAULT '',"
			     " failures INTEGER NOT NULL DEFAULT 0"
			     ") STRICT, WITHOUT ROWID;"
			     "CREATE TABLE run("
			     " id INTEGER PRIMARY KEY,"
			     " run TEXT NOT NULL UNIQUE,"
			     " role TEXT NOT NULL,"
			     " mode TEXT NOT NULL,"
			     " actor TEXT NOT NULL,"
			     " reason TEXT NOT NULL,"
			     " version TEXT NOT NULL DEFAULT '',"
			     " status TEXT NOT NULL DEFAULT '',"
			     " error TEXT NOT NULL DEFAULT '',"
			     " begun_us INTEGER NOT NULL,"
			     " ended_us INTEGER NOT NULL DEFAULT 0,"
			     " steps TEXT NOT NULL DEFAULT ''"
			     ") STRICT;"
			     "CREATE INDEX run_of ON run(role, begun_us);"
			     "CREATE INDEX run_begun ON run(begun_us);"
			     "CREATE TABLE memory("
			     " key TEXT PRIMARY KEY NOT NULL,"
			     " value TEXT NOT NULL,"
			     " until_us INTEGER NOT NULL"
			     ") STRICT, WITHOUT ROWID;";

/* Since when a sink of the role has not what is current; 0: all have it. */
static const char undelivered[] = "ALTER TABLE role ADD COLUMN"
				  " undelivered_us INTEGER NOT NULL DEFAULT 0;";

/* What its sinks were told besides the password; '' for unknown. */
static const char delivered[] = "ALTER TABLE role ADD COLUMN"
				" delivered TEXT NOT NULL DEFAULT '';";

static const char *const schema[] = {
	tables,	   ledger_sqlite_trail_schema,	  undelivered,
	delivered, ledger_sqlite_adoption_schema, NULL
};

static void close_ledger(struct ledger *ledger)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct ledger_sqlite_record r;

	if (!l)
		return;
	if (l->pending.first) {
		ledger_sqlite_record_init(&r, l, NULL, NULL);
		ledger_sqlite_notes_join(&r.fresh, &l->pending);
		/* No one waits for them; without room they are lost. */
		ledger_sqlite_record_commit(&r, "", true, NULL);
	}
	lite_close(l->db);
	sign_key_free(l->keys.sign);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static const struct ledger_run_ops runs = {
	.begin = ledger_sqlite_begin,
	.close = ledger_sqlite_close,
	.history = ledger_sqlite_history,
};

static const struct ledger_ops ops = {
	.type = "sqlite",
	.runs = &runs,
	.roles = &ledger_sqlite_role_ops,
	.facts = &ledger_sqlite_memory_ops,
	.adoption = &ledger_sqlite_adoption_ops,
	.trail = &ledger_sqlite_audit_ops,
	.close = close_ledger,
};

static enum status load_keys(const struct ledger_sqlite_options *o,
			     struct audit_keys *keys, struct reason *why)
{
	enum status st = STATUS_OK;

	if (o->sign_key_path)
		st = sign_key_load(o->sign_key_path, &keys->sign, why);
	if (st != STATUS_OK)
		return st;
	if (o->sign_public_path)
		st = sign_public_load(o->sign_public_path, keys->public_key,
				      why);
	else if (keys->sign)
		sign_key_public(keys->sign, keys->public_key);
	keys->has_public = o->sign_public_path || keys->sign;
	return st;
}

enum status ledger_sqlite_open(const struct ledger_sqlite_options *o,
			       struct ledger **ret_ledger, struct reason *why)
{
	struct lite_options lo = {
		.path = o->path,
		.schema = schema,
		.application_id = APPLICATION_ID,
		.create = o->create,
		.read_only = o->read_only,
		.reserve_bytes = RESERVE_BYTES,
	};
	struct ledger_sqlite *l = calloc(1, sizeof *l);
	enum status st;

	if (!l)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	l->ledger.ops = &ops;
	l->now = o->now;
	pthread_mutex_init(&l->lock, NULL);
	ledger_sqlite_notes_init(&l->pending);
	st = load_keys(o, &l->keys, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_translate(lite_open(&lo, &l->db, why), why);
	if (st != STATUS_OK) {
		close_ledger(&l->ledger);
		return st;
	}
	*ret_ledger = &l->ledger;
	return STATUS_OK;
}
