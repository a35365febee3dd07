/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sets a SQLite connection up and translates what it says.  Must never let a
 * value of a row into a reason.
 */
#include "lite/lite_conn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lite/lite_file.h"

static const char setup_all[] = "PRAGMA trusted_schema=OFF;"
				"PRAGMA cell_size_check=ON;"
				"PRAGMA temp_store=MEMORY;"
				"PRAGMA mmap_size=0;"
				"PRAGMA foreign_keys=ON;";

static const char setup_writer[] = "PRAGMA synchronous=FULL;"
				   "PRAGMA secure_delete=ON;";

/* What no statement of ours needs, and a forged file could want. */
static void set_limits(sqlite3 *db)
{
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
	sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 1 << 16);
	sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 64);
	sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 64);
	sqlite3_limit(db, SQLITE_LIMIT_COMPOUND_SELECT, 8);
	sqlite3_limit(db, SQLITE_LIMIT_FUNCTION_ARG, 16);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256);
	sqlite3_limit(db, SQLITE_LIMIT_VARIABLE_NUMBER, 64);
	sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 8);
	sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
}

enum status lite_conn_open(const char *path, enum lite_conn_kind kind,
			   struct lite_tx **ret_conn, struct reason *why)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
		    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
	struct lite_tx *c = calloc(1, sizeof *c);
	enum status st;
	int rc;

	if (!c || !(c->path = strdup(path))) {
		free(c);
		return reason_no_memory(why);
	}
	flags |= kind == LITE_CONN_READ_ONLY ? SQLITE_OPEN_READONLY :
					       SQLITE_OPEN_READWRITE;
	rc = sqlite3_open_v2(path, &c->db, flags, NULL);
	if (rc != SQLITE_OK) {
		st = lite_conn_fail(c, rc, why);
		goto out;
	}
	set_limits(c->db);
	sqlite3_busy_timeout(c->db, LITE_CONN_BUSY_MS);
	st = lite_conn_run(c, setup_all, why);
	if (st == STATUS_OK && kind == LITE_CONN_WRITER)
		st = lite_conn_run(c, setup_writer, why);
	if (st == STATUS_OK && kind != LITE_CONN_WRITER)
		st = lite_conn_run(c, "PRAGMA query_only=ON", why);
	if (st == STATUS_OK && kind == LITE_CONN_WRITER &&
	    sqlite3_db_readonly(c->db, "main"))
		st = reason_set(why, STATUS_DENIED,
				"%s is read-only: mend its mode or the mount",
				path);
out:
	if (st != STATUS_OK)
		lite_conn_close(c);
	else
		*ret_conn = c;
	return st;
}

void lite_conn_close(struct lite_tx *c)
{
	struct lite_stmt *s, *next;

	if (!c)
		return;
	for (s = c->stmts; s; s = next) {
		next = s->next;
		sqlite3_finalize(s->raw);
		free(s);
	}
	sqlite3_close(c->db);
	free(c->path);
	free(c);
}

enum status lite_conn_run(struct lite_tx *c, const char *sql,
			  struct reason *why)
{
	int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? STATUS_OK : lite_conn_fail(c, rc, why);
}

static enum status first_row(struct lite_tx *c, const char *sql,
			     sqlite3_stmt **ret_raw, struct reason *why)
{
	sqlite3_stmt *raw = NULL;
	int rc = sqlite3_prepare_v3(c->db, sql, -1, 0, &raw, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(raw);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
		*ret_raw = raw;
		return STATUS_OK;
	}
	sqlite3_finalize(raw);
	return lite_conn_fail(c, rc, why);
}

enum status lite_conn_int(struct lite_tx *c, const char *sql, int64_t *ret,
			  struct reason *why)
{
	sqlite3_stmt *raw = NULL;
	enum status st = first_row(c, sql, &raw, why);

	if (st == STATUS_OK)
		*ret = sqlite3_data_count(raw) ? sqlite3_column_int64(raw, 0) :
						 0;
	sqlite3_finalize(raw);
	return st;
}

enum status lite_conn_text(struct lite_tx *c, const char *sql, char *ret,
			   size_t size, struct reason *why)
{
	sqlite3_stmt *raw = NULL;
	enum status st = first_row(c, sql, &raw, why);
	const char *v = NULL;

	if (st == STATUS_OK) {
		if (sqlite3_data_count(raw))
			v = (const char *)sqlite3_column_text(raw, 0);
		snprintf(ret, size, "%s", v ? v : "");
	}
	sqlite3_finalize(raw);
	return st;
}

enum status lite_conn_prepare(struct lite_tx *c, const char *sql,
			      struct lite_stmt **ret_stmt, struct reason *why)
{
	struct lite_stmt *s;
	int rc;

	for (s = c->stmts; s; s = s->next)
		if (!s->used && strcmp(sqlite3_sql(s->raw), sql) == 0)
			break;
	if (!s) {
		s = calloc(1, sizeof *s);
		if (!s)
			return reason_no_memory(why);
		rc = sqlite3_prepare_v3(c->db, sql, -1,
					SQLITE_PREPARE_PERSISTENT, &s->raw,
					NULL);
		if (rc != SQLITE_OK) {
			free(s);
			return lite_conn_fail(c, rc, why);
		}
		s->tx = c;
		s->next = c->stmts;
		c->stmts = s;
	}
	s->used = true;
	s->failed = SQLITE_OK;
	*ret_stmt = s;
	return STATUS_OK;
}

void lite_conn_reset(struct lite_tx *c)
{
	struct lite_stmt *s;

	for (s = c->stmts; s; s = s->next) {
		if (!s->used)
			continue;
		sqlite3_reset(s->raw);
		sqlite3_clear_bindings(s->raw);
		s->used = false;
	}
}

bool lite_conn_idle(const struct lite_tx *c)
{
	return sqlite3_get_autocommit(c->db) != 0;
}

static enum status fail_full(struct lite_tx *c, struct reason *why)
{
	c->full = true;
	return reason_set(why, STATUS_LIMIT,
			  "no room left on the disk of %s: free some space and "
			  "try again",
			  c->path);
}

static enum status fail_io(struct lite_tx *c, int rc, struct reason *why)
{
	int e = c->db ? sqlite3_system_errno(c->db) : 0;

	if (e == ENOSPC || e == EDQUOT || rc == SQLITE_IOERR_SHMSIZE)
		return fail_full(c, why);
	if (rc == SQLITE_IOERR_SHORT_READ)
		return reason_set(why, STATUS_CORRUPT,
				  "%s is shorter than it says: it was "
				  "truncated; " LITE_RESTORE,
				  c->path);
	return reason_set(why, STATUS_ERROR,
			  "reading or writing %s failed (%s): look at the disk "
			  "and the kernel's log",
			  c->path, e ? strerror(e) : sqlite3_errstr(rc));
}

static enum status fail_open(struct lite_tx *c, int rc, struct reason *why)
{
	int e = c->db ? sqlite3_system_errno(c->db) : 0;
	enum status st = STATUS_ERROR;

	if (rc == SQLITE_CANTOPEN_SYMLINK)
		return reason_set(why, STATUS_CONFIG,
				  "%s is reached through a symbolic link: name "
				  "the file itself",
				  c->path);
	if (e == ENOSPC || e == EDQUOT)
		return fail_full(c, why);
	if (e == EACCES || e == EPERM || e == EROFS)
		st = STATUS_DENIED;
	return reason_set(why, st,
			  "%s (or its -wal and -shm beside it) cannot be "
			  "opened: %s",
			  c->path, e ? strerror(e) : sqlite3_errstr(rc));
}

enum status lite_conn_fail(struct lite_tx *c, int rc, struct reason *why)
{
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return fail_full(c, why);
	case SQLITE_NOMEM:
		return reason_no_memory(why);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return reason_set(
			why, STATUS_BUSY,
			"%s is locked by another process for more "
			"than %d s: find it with fuser, let it finish "
			"and try again",
			c->path, LITE_CONN_BUSY_MS / 1000);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return reason_set(why, STATUS_DENIED,
				  "%s cannot be written (%s): mend the modes "
				  "of the file and its folder, or the mount",
				  c->path, sqlite3_errstr(rc));
	case SQLITE_NOTADB:
		return reason_set(why, STATUS_CORRUPT,
				  "%s is not a database: it is another file or "
				  "damaged; " LITE_RESTORE,
				  c->path);
	case SQLITE_CORRUPT:
		return reason_set(why, STATUS_CORRUPT,
				  "%s is damaged (%s): " LITE_RESTORE, c->path,
				  sqlite3_errstr(rc));
	case SQLITE_TOOBIG:
		return reason_set(why, STATUS_LIMIT,
				  "a value is too long for %s", c->path);
	case SQLITE_CANTOPEN:
		return fail_open(c, rc, why);
	case SQLITE_IOERR:
		return fail_io(c, rc, why);
	default:
		/* Names of tables and our triggers' sentences: SQLite puts no
		 * value of a row into these. */
		return reason_set(why, STATUS_ERROR, "%s: %s", c->path,
				  c->db ? sqlite3_errmsg(c->db) :
					  sqlite3_errstr(rc));
	}
}
