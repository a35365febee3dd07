/* SPDX-License-Identifier: PostgreSQL */
/*
 * One SQLite file shared by many threads: writing, reading and statements.
 * Must never read or write another file than the one that was opened.
 */
#include "lite/lite.h"

#include <stdlib.h>
#include <unistd.h>

#include "lite/lite_alive.h"
#include "lite/lite_ballast.h"
#include "lite/lite_internal.h"

#define IDLE_READERS_MAX 4

void lite_close(struct lite *db)
{
	struct lite_tx *c;

	if (!db)
		return;
	while ((c = db->idle)) {
		db->idle = c->next;
		lite_conn_close(c);
	}
	/* Last, so that closing it checkpoints and removes the log. */
	lite_conn_close(db->writer);
	if (db->ballast >= 0)
		close(db->ballast);
	pthread_cond_destroy(&db->finished);
	pthread_mutex_destroy(&db->lock);
	free(db->path);
	free(db);
}

/* --- writing ------------------------------------------------------------ */

static enum status check_writable(const struct lite *db, struct reason *why)
{
	if (!db->read_only)
		return STATUS_OK;
	return reason_set(why, STATUS_DENIED, "%s was opened only for reading",
			  db->path);
}

enum status lite_write(struct lite *db, lite_fn *fn, void *arg,
		       struct reason *why)
{
	struct lite_job j = { .fn = fn, .arg = arg, .why = why };
	enum status st = check_writable(db, why);
	bool gone;

	if (st != STATUS_OK)
		return st;
	/* The room that came free belongs to the reserved records. */
	pthread_mutex_lock(&db->lock);
	gone = db->ballast_gone;
	pthread_mutex_unlock(&db->lock);
	if (gone)
		st = lite_reserve(db, why);
	return st == STATUS_OK ? lite_group_submit(db, &j) : st;
}

enum status lite_write_reserved(struct lite *db, lite_fn *fn, void *arg,
				struct reason *why)
{
	struct lite_job j = {
		.fn = fn, .arg = arg, .why = why, .reserved = true
	};
	enum status st = check_writable(db, why);

	return st == STATUS_OK ? lite_group_submit(db, &j) : st;
}

enum status lite_reserve(struct lite *db, struct reason *why)
{
	enum status st = check_writable(db, why);

	if (st != STATUS_OK || db->ballast < 0)
		return st;
	st = lite_ballast_fill(db->path, db->ballast, db->reserve, why);
	if (st == STATUS_OK) {
		pthread_mutex_lock(&db->lock);
		db->ballast_gone = false;
		pthread_mutex_unlock(&db->lock);
	}
	return st;
}

/* --- reading ------------------------------------------------------------ */

static enum status take_reader(struct lite *db, struct lite_tx **ret_conn,
			       struct reason *why)
{
	struct lite_tx *c;

	pthread_mutex_lock(&db->lock);
	c = db->idle;
	if (c) {
		db->idle = c->next;
		db->n_idle--;
	}
	pthread_mutex_unlock(&db->lock);
	if (c) {
		*ret_conn = c;
		return STATUS_OK;
	}
	/* Never wait for one: a reader's callback may read again. */
	return lite_conn_open(db->path,
			      db->read_only ? LITE_CONN_READ_ONLY :
					      LITE_CONN_READER,
			      ret_conn, why);
}

static void give_reader(struct lite *db, struct lite_tx *c)
{
	bool keep;

	pthread_mutex_lock(&db->lock);
	keep = db->n_idle < IDLE_READERS_MAX && lite_conn_idle(c);
	if (keep) {
		c->next = db->idle;
		db->idle = c;
		db->n_idle++;
	}
	pthread_mutex_unlock(&db->lock);
	if (!keep)
		lite_conn_close(c);
}

enum status lite_read(struct lite *db, lite_fn *fn, void *arg,
		      struct reason *why)
{
	struct lite_tx *c = NULL;
	enum status st;

	st = lite_alive_check(db, why);
	if (st == STATUS_OK)
		st = take_reader(db, &c, why);
	if (st != STATUS_OK)
		return st;
	st = lite_conn_run(c, "BEGIN", why);
	if (st == STATUS_OK) {
		st = fn(c, arg, why);
		lite_conn_reset(c);
		lite_conn_run(c, "ROLLBACK", NULL);
	}
	give_reader(db, c);
	return st;
}

/* --- statements --------------------------------------------------------- */

enum status lite_prepare(struct lite_tx *tx, const char *sql,
			 struct lite_stmt **ret, struct reason *why)
{
	return lite_conn_prepare(tx, sql, ret, why);
}

static void note_bound(struct lite_stmt *s, int rc)
{
	if (s->failed == SQLITE_OK)
		s->failed = rc;
}

void lite_bind_text(struct lite_stmt *s, int i, const char *v)
{
	note_bound(s,
		   v ? sqlite3_bind_text(s->raw, i, v, -1, SQLITE_TRANSIENT) :
		       sqlite3_bind_null(s->raw, i));
}

void lite_bind_int(struct lite_stmt *s, int i, int64_t v)
{
	note_bound(s, sqlite3_bind_int64(s->raw, i, v));
}

void lite_bind_blob(struct lite_stmt *s, int i, const void *p, size_t n)
{
	/* A NULL pointer would bind NULL, not an empty blob. */
	note_bound(s, sqlite3_bind_blob64(s->raw, i, n ? p : "", n,
					  SQLITE_TRANSIENT));
}

enum status lite_step(struct lite_stmt *s, struct reason *why)
{
	int rc = s->failed;
	enum status st;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s->raw);
	if (rc == SQLITE_ROW)
		return STATUS_OK;
	st = rc == SQLITE_DONE ? STATUS_NOT_FOUND :
				 lite_conn_fail(s->tx, rc, why);
	lite_done(s);
	return st;
}

void lite_done(struct lite_stmt *s)
{
	sqlite3_reset(s->raw);
	sqlite3_clear_bindings(s->raw);
	s->used = false;
}

enum status lite_exec(struct lite_stmt *s, int64_t *ret_changes,
		      struct reason *why)
{
	sqlite3 *db = s->tx->db;
	enum status st;

	do
		st = lite_step(s, why);
	while (st == STATUS_OK);
	if (st != STATUS_NOT_FOUND)
		return st;
	if (ret_changes)
		*ret_changes = sqlite3_changes64(db);
	return STATUS_OK;
}

const char *lite_text(struct lite_stmt *s, int column)
{
	const unsigned char *v = sqlite3_column_text(s->raw, column);

	return v ? (const char *)v : "";
}

int64_t lite_int(struct lite_stmt *s, int column)
{
	return sqlite3_column_int64(s->raw, column);
}

const void *lite_blob(struct lite_stmt *s, int column, size_t *ret_n)
{
	const void *p = sqlite3_column_blob(s->raw, column);

	*ret_n = (size_t)sqlite3_column_bytes(s->raw, column);
	return p;
}
