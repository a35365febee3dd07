/* SPDX-License-Identifier: PostgreSQL */
/*
 * One SQLite file shared by many threads, with group commit.  Must never tell
 * a caller that its work is done before it is on the disk.
 */
#include "lite/lite.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lite/lite_ballast.h"
#include "lite/lite_conn.h"
#include "lite/lite_file.h"

#define GROUP_MAX	 256
#define IDLE_READERS_MAX 4
/* quick_check reads every page: 16 MiB of them cost about 20 ms. */
#define QUICK_CHECK_MAX (16 << 20)

struct job {
	lite_fn *fn;
	void *arg;
	struct reason *why;
	struct job *next;
	enum status st;
	bool reserved;
	bool done;
};

struct lite {
	char *path;
	bool read_only;
	size_t reserve;
	int ballast; /* -1: none */
	struct lite_file file, wal;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t finished;
	struct job *first, **last;
	bool leading;	   /* a thread uses the writer */
	bool ballast_gone; /* given back, not whole again */
	struct lite_tx *idle;
	unsigned n_idle;

	struct lite_tx *writer; /* the leader's */
};

/* --- opening ----------------------------------------------------------- */

static size_t count_schema(const char *const *schema)
{
	size_t n = 0;

	while (schema[n])
		n++;
	return n;
}

/* Inside a write transaction: run what this file has not seen yet. */
static enum status migrate(struct lite_tx *c, const struct lite_options *o,
			   struct reason *why)
{
	int64_t have = 0, n = (int64_t)count_schema(o->schema);
	char sql[64];
	enum status st;

	st = lite_conn_int(c, "PRAGMA user_version", &have, why);
	for (; st == STATUS_OK && have < n; have++)
		st = lite_conn_run(c, o->schema[have], why);
	if (st != STATUS_OK)
		return st;
	snprintf(sql, sizeof sql, "PRAGMA user_version=%" PRId64, n);
	return lite_conn_run(c, sql, why);
}

static enum status run_migrations(struct lite_tx *c,
				  const struct lite_options *o,
				  struct reason *why)
{
	enum status st = lite_conn_run(c, "BEGIN IMMEDIATE", why);

	if (st != STATUS_OK)
		return st;
	st = migrate(c, o, why);
	if (st == STATUS_OK)
		st = lite_conn_run(c, "COMMIT", why);
	if (st != STATUS_OK)
		lite_conn_run(c, "ROLLBACK", NULL);
	return st;
}

/* A complete database under a temporary name: whoever finds a file under the
 * real name may then take an empty one for a truncated one. */
static enum status create(const struct lite_options *o, struct reason *why)
{
	struct lite_tx *c = NULL;
	char *draft = NULL;
	char sql[64];
	enum status st;

	st = lite_file_draft(o->path, &draft, why);
	if (st != STATUS_OK)
		return st;
	st = lite_conn_open(draft, LITE_CONN_WRITER, &c, why);
	if (st != STATUS_OK)
		goto out;
	snprintf(sql, sizeof sql, "PRAGMA application_id=%" PRId32,
		 (int32_t)o->application_id);
	st = lite_conn_run(c, sql, why);
	if (st == STATUS_OK)
		st = run_migrations(c, o, why);
	if (st == STATUS_OK)
		st = lite_conn_run(c, "PRAGMA journal_mode=WAL", why);
	lite_conn_close(c);
	if (st == STATUS_OK)
		st = lite_file_publish(draft, o->path, why);
out:
	if (st != STATUS_OK)
		unlink(draft);
	free(draft);
	return st;
}

static enum status check_identity(struct lite_tx *c,
				  const struct lite_options *o,
				  struct reason *why)
{
	int64_t id = 0, have = 0, n = (int64_t)count_schema(o->schema);
	enum status st;

	st = lite_conn_int(c, "PRAGMA application_id", &id, why);
	if (st == STATUS_OK)
		st = lite_conn_int(c, "PRAGMA user_version", &have, why);
	if (st != STATUS_OK)
		return st;
	if ((uint32_t)id != o->application_id)
		return reason_set(why, STATUS_CONFIG,
				  "%s is a database of something else (its "
				  "application_id is %08" PRIx32 ", not "
				  "%08" PRIx32 "): name the right file",
				  o->path, (uint32_t)id, o->application_id);
	if (have > n)
		return reason_set(why, STATUS_CONFIG,
				  "%s was written by a newer keyturn (schema "
				  "%" PRId64 ", this one knows %" PRId64
				  "): upgrade keyturn",
				  o->path, have, n);
	if (have < n && o->read_only)
		return reason_set(why, STATUS_CONFIG,
				  "%s has the older schema %" PRId64 ": run "
				  "keyturn once with the right to write it",
				  o->path, have);
	return STATUS_OK;
}

static enum status check_content(struct lite_tx *c, const char *path,
				 struct reason *why)
{
	char verdict[256];
	struct stat sb;
	enum status st;

	if (lstat(path, &sb) != 0 || sb.st_size > QUICK_CHECK_MAX)
		return STATUS_OK;
	st = lite_conn_text(c, "PRAGMA quick_check(1)", verdict, sizeof verdict,
			    why);
	if (st == STATUS_OK && strcmp(verdict, "ok") != 0)
		st = reason_set(why, STATUS_CORRUPT,
				"%s is damaged (%s): restore it from a backup",
				path, verdict);
	return st;
}

static enum status check_wal(struct lite_tx *c, const char *path,
			     struct reason *why)
{
	char mode[16];
	enum status st;

	st = lite_conn_text(c, "PRAGMA journal_mode=WAL", mode, sizeof mode,
			    why);
	if (st == STATUS_OK && strcmp(mode, "wal") != 0)
		st = reason_set(why, STATUS_ERROR,
				"%s cannot use a write-ahead log here: put it "
				"on a local file system",
				path);
	return st;
}

/* What the first connection finds out about the file. */
static enum status examine(struct lite *db, const struct lite_options *o,
			   struct lite_tx *c, struct reason *why)
{
	int64_t have = 0;
	enum status st;

	st = check_identity(c, o, why);
	if (st == STATUS_OK && !o->read_only)
		st = check_wal(c, o->path, why);
	if (st == STATUS_OK)
		st = check_content(c, o->path, why);
	if (st == STATUS_OK)
		st = lite_conn_int(c, "PRAGMA user_version", &have, why);
	if (st == STATUS_OK && !o->read_only &&
	    have < (int64_t)count_schema(o->schema))
		st = run_migrations(c, o, why);
	if (st == STATUS_OK)
		st = lite_file_identify(o->path, "", &db->file, why);
	/* A log without its name would take every later commit with it. */
	if (st == STATUS_OK && !o->read_only)
		st = lite_file_identify(o->path, "-wal", &db->wal, why);
	return st;
}

static enum status open_connections(struct lite *db,
				    const struct lite_options *o,
				    struct reason *why)
{
	enum lite_conn_kind kind = o->read_only ? LITE_CONN_READ_ONLY :
						  LITE_CONN_WRITER;
	struct lite_tx *c = NULL;
	enum status st;

	st = lite_conn_open(o->path, kind, &c, why);
	if (st != STATUS_OK)
		return st;
	st = examine(db, o, c, why);
	if (st != STATUS_OK) {
		lite_conn_close(c);
		return st;
	}
	if (o->read_only) {
		db->idle = c;
		db->n_idle = 1;
	} else {
		db->writer = c;
	}
	return STATUS_OK;
}

static struct lite *alloc_lite(const struct lite_options *o)
{
	struct lite *db = calloc(1, sizeof *db);

	if (!db)
		return NULL;
	db->path = strdup(o->path);
	if (!db->path) {
		free(db);
		return NULL;
	}
	db->read_only = o->read_only;
	db->reserve = o->read_only ? 0 : o->reserve_bytes;
	db->ballast = -1;
	db->last = &db->first;
	pthread_mutex_init(&db->lock, NULL);
	pthread_cond_init(&db->finished, NULL);
	return db;
}

enum status lite_open(const struct lite_options *o, struct lite **ret_db,
		      struct reason *why)
{
	struct lite *db = NULL;
	enum status st;

	st = lite_file_check(o->path, o->read_only, why);
	if (st == STATUS_NOT_FOUND && o->create && !o->read_only) {
		st = create(o, why);
		if (st == STATUS_OK)
			st = lite_file_check(o->path, false, why);
	}
	if (st != STATUS_OK)
		return st;
	db = alloc_lite(o);
	if (!db)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	st = open_connections(db, o, why);
	if (st == STATUS_OK && db->reserve)
		st = lite_ballast_open(o->path, &db->ballast, why);
	if (st != STATUS_OK) {
		lite_close(db);
		return st;
	}
	*ret_db = db;
	return STATUS_OK;
}

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

/* --- group commit ------------------------------------------------------- */

static enum status still_there(const struct lite *db, struct reason *why)
{
	enum status st = lite_file_same(db->path, "", &db->file, why);

	if (st == STATUS_OK && !db->read_only)
		st = lite_file_same(db->path, "-wal", &db->wal, why);
	return st;
}

/* One job in its own savepoint.  Not STATUS_OK: the transaction is lost. */
static enum status run_job(struct lite_tx *c, struct job *j, struct reason *why)
{
	enum status st = lite_conn_run(c, "SAVEPOINT job", why);

	if (st != STATUS_OK)
		return st;
	j->st = j->fn(c, j->arg, j->why);
	lite_conn_reset(c);
	if (lite_conn_idle(c) || c->full) {
		/* SQLite took the whole transaction back for this job. */
		if (why && j->why)
			*why = *j->why;
		return j->st == STATUS_OK ? STATUS_ERROR : j->st;
	}
	if (j->st != STATUS_OK) {
		st = lite_conn_run(c, "ROLLBACK TO job", why);
		if (st != STATUS_OK)
			return st;
	}
	return lite_conn_run(c, "RELEASE job", why);
}

/*
 * A COMMIT that failed while it was made durable may still be found in the log
 * by whoever recovers it: nobody can say which.
 */
static enum status commit(struct lite_tx *c, struct reason *why)
{
	int rc = sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
	enum status st;

	if (rc == SQLITE_OK)
		return STATUS_OK;
	st = lite_conn_fail(c, rc, why);
	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
		return reason_set(why, STATUS_UNKNOWN,
				  "%s: the disk failed while a change was made "
				  "durable, so it is unknown whether it is "
				  "there: look at the kernel's log",
				  c->path);
	return st;
}

/* All jobs in one transaction.  STATUS_OK: each has its own result. */
static enum status try_group(struct lite *db, struct job *jobs,
			     struct reason *why)
{
	struct lite_tx *c = db->writer;
	bool any = false;
	struct job *j;
	enum status st;

	c->full = false;
	st = still_there(db, why);
	if (st == STATUS_OK)
		st = lite_conn_run(c, "BEGIN IMMEDIATE", why);
	if (st != STATUS_OK)
		return st;
	for (j = jobs; j && st == STATUS_OK; j = j->next) {
		st = run_job(c, j, why);
		any = any || j->st == STATUS_OK;
	}
	if (st == STATUS_OK && any)
		st = commit(c, why);
	else if (st == STATUS_OK)
		st = lite_conn_run(c, "ROLLBACK", why);
	if (!lite_conn_idle(c))
		lite_conn_run(c, "ROLLBACK", NULL);
	return st;
}

static void fail_jobs(struct job *jobs, enum status st,
		      const struct reason *why)
{
	struct job *j;

	for (j = jobs; j; j = j->next) {
		j->st = st;
		if (j->why)
			*j->why = *why;
	}
}

static void run_alone(struct lite *db, struct job *j)
{
	struct job *next = j->next;
	struct reason why = { "" };
	enum status st;

	j->next = NULL;
	st = try_group(db, j, &why);
	if (st != STATUS_OK && db->writer->full && j->reserved &&
	    db->ballast >= 0) {
		pthread_mutex_lock(&db->lock);
		db->ballast_gone = true;
		pthread_mutex_unlock(&db->lock);
		st = lite_ballast_release(db->path, db->ballast, &why);
		if (st == STATUS_OK)
			st = try_group(db, j, &why);
	}
	if (st != STATUS_OK)
		fail_jobs(j, st, &why);
	j->next = next;
}

/* A group that does not fit, or in which one job broke the transaction, is
 * tried job by job: nobody fails for another. */
static void run_group(struct lite *db, struct job *jobs)
{
	struct reason why = { "" };
	enum status st;
	struct job *j;

	if (!jobs->next) {
		run_alone(db, jobs);
		return;
	}
	for (j = jobs; j; j = j->next)
		j->st = STATUS_COUNT; /* not run yet */
	st = try_group(db, jobs, &why);
	if (st == STATUS_OK)
		return;
	if (!db->writer->full && jobs->st == STATUS_COUNT) {
		/* It failed before any job: it would for each of them. */
		fail_jobs(jobs, st, &why);
		return;
	}
	if (st == STATUS_UNKNOWN) {
		fail_jobs(jobs, st, &why);
		return;
	}
	for (j = jobs; j; j = j->next)
		run_alone(db, j);
}

/* Take up to GROUP_MAX jobs off the queue.  The lock is held. */
static struct job *take_jobs(struct lite *db)
{
	struct job *jobs = db->first, *j = jobs;
	unsigned n;

	for (n = 1; n < GROUP_MAX && j->next; n++)
		j = j->next;
	db->first = j->next;
	if (!db->first)
		db->last = &db->first;
	j->next = NULL;
	return jobs;
}

static void lead(struct lite *db)
{
	struct job *jobs = take_jobs(db), *j, *next;

	db->leading = true;
	pthread_mutex_unlock(&db->lock);
	run_group(db, jobs);
	pthread_mutex_lock(&db->lock);
	db->leading = false;
	for (j = jobs; j; j = next) {
		next = j->next; /* its owner may return as soon as it is done */
		j->done = true;
	}
	pthread_cond_broadcast(&db->finished);
}

static enum status submit(struct lite *db, struct job *j)
{
	pthread_mutex_lock(&db->lock);
	*db->last = j;
	db->last = &j->next;
	while (!j->done) {
		if (db->leading)
			pthread_cond_wait(&db->finished, &db->lock);
		else
			lead(db);
	}
	pthread_mutex_unlock(&db->lock);
	return j->st;
}

static enum status writable(const struct lite *db, struct reason *why)
{
	if (!db->read_only)
		return STATUS_OK;
	return reason_set(why, STATUS_DENIED, "%s was opened only for reading",
			  db->path);
}

enum status lite_write(struct lite *db, lite_fn *fn, void *arg,
		       struct reason *why)
{
	struct job j = { .fn = fn, .arg = arg, .why = why };
	enum status st = writable(db, why);
	bool gone;

	if (st != STATUS_OK)
		return st;
	/* The room that came free belongs to the reserved records. */
	pthread_mutex_lock(&db->lock);
	gone = db->ballast_gone;
	pthread_mutex_unlock(&db->lock);
	if (gone)
		st = lite_reserve(db, why);
	return st == STATUS_OK ? submit(db, &j) : st;
}

enum status lite_write_reserved(struct lite *db, lite_fn *fn, void *arg,
				struct reason *why)
{
	struct job j = { .fn = fn, .arg = arg, .why = why, .reserved = true };
	enum status st = writable(db, why);

	return st == STATUS_OK ? submit(db, &j) : st;
}

enum status lite_reserve(struct lite *db, struct reason *why)
{
	enum status st = writable(db, why);

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

	st = still_there(db, why);
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

static void bound(struct lite_stmt *s, int rc)
{
	if (s->failed == SQLITE_OK)
		s->failed = rc;
}

void lite_bind_text(struct lite_stmt *s, int i, const char *v)
{
	bound(s, v ? sqlite3_bind_text(s->raw, i, v, -1, SQLITE_TRANSIENT) :
		     sqlite3_bind_null(s->raw, i));
}

void lite_bind_int(struct lite_stmt *s, int i, int64_t v)
{
	bound(s, sqlite3_bind_int64(s->raw, i, v));
}

void lite_bind_blob(struct lite_stmt *s, int i, const void *p, size_t n)
{
	/* A NULL pointer would bind NULL, not an empty blob. */
	bound(s,
	      sqlite3_bind_blob64(s->raw, i, n ? p : "", n, SQLITE_TRANSIENT));
}

void lite_bind_null(struct lite_stmt *s, int i)
{
	bound(s, sqlite3_bind_null(s->raw, i));
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

bool lite_is_null(struct lite_stmt *s, int column)
{
	return sqlite3_column_type(s->raw, column) == SQLITE_NULL;
}
