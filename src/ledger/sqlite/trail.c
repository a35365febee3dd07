/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit trail's tables: all SQL of it, and none of its rules.  Must never
 * change an event that is there.
 */
#include "ledger/sqlite/trail.h"

#include <string.h>

/* The blob, not the text: bytes behind a NUL would escape the hash. */
#define EVENTS	    "seq, CAST(body AS BLOB), hash"
#define CHECKPOINTS "seq, at_us, hash, signature"

const char ledger_sqlite_trail_schema[] =
	"CREATE TABLE event("
	" seq INTEGER PRIMARY KEY,"
	" body TEXT NOT NULL,"
	" hash BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE checkpoint("
	" seq INTEGER PRIMARY KEY,"
	" at_us INTEGER NOT NULL,"
	" hash BLOB NOT NULL,"
	" signature BLOB NOT NULL"
	") STRICT;"
	/* These stop mistakes, not attackers: who can write the file can drop
	 * them, and is found by audit_verify(). */
	"CREATE TRIGGER event_grows BEFORE INSERT ON event"
	" WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event) BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail only grows at its end'); END;"
	"CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail is append-only'); END;"
	"CREATE TRIGGER event_kept BEFORE DELETE ON event BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail is append-only'); END;"
	"CREATE TRIGGER checkpoint_grows BEFORE INSERT ON checkpoint"
	" WHEN NEW.seq <= (SELECT max(seq) FROM checkpoint) BEGIN"
	" SELECT RAISE(ABORT, 'checkpoints only grow at their end'); END;"
	"CREATE TRIGGER checkpoint_stays BEFORE UPDATE ON checkpoint BEGIN"
	" SELECT RAISE(ABORT, 'checkpoints are append-only'); END;"
	"CREATE TRIGGER checkpoint_kept BEFORE DELETE ON checkpoint BEGIN"
	" SELECT RAISE(ABORT, 'checkpoints are append-only'); END;";

/* Of another size it fits nothing: false. */
static bool read_blob(struct lite_stmt *q, int column, void *ret, size_t size)
{
	size_t n = 0;
	const void *p = lite_blob(q, column, &n);

	if (n == size)
		memcpy(ret, p, n);
	return n == size;
}

/* --- one event ------------------------------------------------------------ */

static enum status read_link(struct lite_stmt *q, struct audit_link *ret,
			     struct reason *why)
{
	struct audit_link link = { .seq = 0 };
	enum status st = lite_step(q, why);
	bool whole;

	if (st != STATUS_OK)
		return st;
	link.seq = lite_int(q, 0);
	whole = read_blob(q, 1, link.hash, sizeof link.hash);
	lite_done(q);
	if (!whole)
		return audit_chain_broken(why, link.seq, "it has no hash");
	*ret = link;
	return STATUS_OK;
}

enum status ledger_sqlite_trail_end(struct lite_tx *tx, struct audit_link *ret,
				    struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = lite_prepare(tx,
				      "SELECT seq, hash FROM event "
				      "ORDER BY seq DESC LIMIT 1",
				      &q, why);

	if (st == STATUS_OK)
		st = read_link(q, ret, why);
	if (st != STATUS_NOT_FOUND)
		return st;
	*ret = (struct audit_link){ .seq = 0 };
	return STATUS_OK;
}

enum status ledger_sqlite_trail_at(struct lite_tx *tx, int64_t seq,
				   struct audit_link *ret, struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = lite_prepare(
		tx, "SELECT seq, hash FROM event WHERE seq = ?1", &q, why);

	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, seq);
	return read_link(q, ret, why);
}

enum status ledger_sqlite_trail_append(struct lite_tx *tx, const char *body,
				       struct reason *why)
{
	struct lite_stmt *q = NULL;
	struct audit_link link;
	enum status st = ledger_sqlite_trail_end(tx, &link, why);

	if (st == STATUS_OK)
		st = audit_chain_add(&link, body, strlen(body), why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "INSERT INTO event(seq, body, hash) "
				  "VALUES(?1, ?2, ?3)",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, link.seq);
	lite_bind_text(q, 2, body);
	lite_bind_blob(q, 3, link.hash, sizeof link.hash);
	return lite_exec(q, NULL, why);
}

enum status ledger_sqlite_trail_checkpoint(struct lite_tx *tx,
					   const struct audit_checkpoint *cp,
					   struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO checkpoint(" CHECKPOINTS ") "
			  "VALUES(?1, ?2, ?3, ?4)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, cp->seq);
	lite_bind_int(q, 2, cp->at_us);
	lite_bind_blob(q, 3, cp->hash, sizeof cp->hash);
	lite_bind_blob(q, 4, cp->signature, sizeof cp->signature);
	return lite_exec(q, NULL, why);
}

/* --- the walk ------------------------------------------------------------- */

static enum status seek_event(void *arg, int64_t seq, struct reason *why)
{
	struct ledger_sqlite_trail *t = arg;
	enum status st;

	if (t->events)
		lite_done(t->events);
	t->events = NULL;
	st = lite_prepare(t->tx,
			  "SELECT " EVENTS
			  " FROM event WHERE seq >= ?1 ORDER BY seq",
			  &t->events, why);
	if (st == STATUS_OK)
		lite_bind_int(t->events, 1, seq);
	return st;
}

static enum status read_event(void *arg, struct audit_row *ret,
			      struct reason *why)
{
	struct ledger_sqlite_trail *t = arg;
	struct lite_stmt *q = t->events;
	struct audit_row row = { .seq = 0 };
	enum status st = q ? lite_step(q, why) : STATUS_NOT_FOUND;

	if (st != STATUS_OK) {
		t->events = NULL; /* the end resets a statement */
		return st;
	}
	row.seq = lite_int(q, 0);
	row.has_hash = read_blob(q, 2, row.hash, sizeof row.hash);
	row.body = lite_blob(q, 1, &row.n);
	*ret = row;
	return STATUS_OK;
}

static enum status step_checkpoint(struct lite_stmt *q,
				   struct audit_checkpoint *ret,
				   struct reason *why)
{
	struct audit_checkpoint cp = { .seq = 0 };
	enum status st = lite_step(q, why);

	if (st != STATUS_OK)
		return st;
	/* With parts of another size it is reported as forged. */
	if (!read_blob(q, 2, cp.hash, sizeof cp.hash) ||
	    !read_blob(q, 3, cp.signature, sizeof cp.signature))
		cp = (struct audit_checkpoint){ .seq = 0 };
	cp.seq = lite_int(q, 0);
	cp.at_us = lite_int(q, 1);
	*ret = cp;
	return STATUS_OK;
}

static enum status read_checkpoint(void *arg, struct audit_checkpoint *ret,
				   struct reason *why)
{
	struct ledger_sqlite_trail *t = arg;
	enum status st = STATUS_OK;

	if (!t->checkpoints)
		st = lite_prepare(t->tx,
				  "SELECT " CHECKPOINTS
				  " FROM checkpoint ORDER BY seq",
				  &t->checkpoints, why);
	return st == STATUS_OK ? step_checkpoint(t->checkpoints, ret, why) : st;
}

static enum status last_checkpoint(void *arg, struct audit_checkpoint *ret,
				   struct reason *why)
{
	struct ledger_sqlite_trail *t = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(t->tx,
			  "SELECT " CHECKPOINTS
			  " FROM checkpoint ORDER BY seq DESC LIMIT 1",
			  &q, why);
	if (st == STATUS_OK)
		st = step_checkpoint(q, ret, why);
	if (st == STATUS_OK)
		lite_done(q);
	return st;
}

void ledger_sqlite_trail_init(struct ledger_sqlite_trail *t, struct lite_tx *tx)
{
	*t = (struct ledger_sqlite_trail){
		.walk = { .arg = t,
			  .seek = seek_event,
			  .event = read_event,
			  .checkpoint = read_checkpoint,
			  .last = last_checkpoint },
		.tx = tx,
	};
}
