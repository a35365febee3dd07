/* SPDX-License-Identifier: PostgreSQL */
/*
 * Runs statements with a deadline.  Must never use a session again after an
 * answer went missing: what it would say next belongs to the lost statement.
 */
#include "pg/pg_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/now.h"
#include "base/thread.h"

/* PQcancel() has no deadline of its own, so it gets a thread that may be left
 * behind, and the caller waits this long for it. */
#define CANCEL_WAIT_US NOW_SECOND

struct canceller {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	PGcancel *cancel;
	bool done;
	bool abandoned; /* the waiter is gone: the thread frees it all */
};

static void canceller_free(struct canceller *c)
{
	PQfreeCancel(c->cancel);
	pthread_cond_destroy(&c->ended);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void *cancel_thread(void *arg)
{
	struct canceller *c = arg;
	char text[256];
	bool last;

	(void)PQcancel(c->cancel, text, sizeof(text));
	pthread_mutex_lock(&c->lock);
	c->done = true;
	last = c->abandoned;
	pthread_cond_signal(&c->ended);
	pthread_mutex_unlock(&c->lock);
	if (last)
		canceller_free(c);
	return NULL;
}

static void cancel_wait(struct canceller *c)
{
	const struct timespec until = thread_after(CANCEL_WAIT_US);
	bool done;

	pthread_mutex_lock(&c->lock);
	while (!c->done && thread_wait(&c->ended, &c->lock, &until))
		;
	done = c->done;
	c->abandoned = true;
	pthread_mutex_unlock(&c->lock);
	if (done)
		canceller_free(c);
}

/* Ask the server to stop; a courtesy, since the fence decides anyway. */
static void cancel(struct pg *pg)
{
	struct canceller *c = calloc(1, sizeof(*c));
	bool started;

	if (c == NULL)
		return;
	pthread_mutex_init(&c->lock, NULL);
	thread_cond_init(&c->ended);
	c->cancel = PQgetCancel(pg->conn);
	started = c->cancel != NULL &&
		  thread_start(NULL, cancel_thread, c) == 0;
	if (started)
		cancel_wait(c);
	else
		canceller_free(c);
}

bool pg_run_flush(struct pg *pg, int64_t deadline)
{
	int left;

	while ((left = PQflush(pg->conn)) == 1) {
		if (pg_connect_wait(PQsocket(pg->conn), true, deadline) <= 0)
			return false;
		/* The server may be stuck writing to us: read as well. */
		if (PQconsumeInput(pg->conn) == 0)
			return false;
	}
	return left == 0;
}

/* The next result of libpq (NULL is an end mark), or false when lost. */
static bool next_result(struct pg *pg, int64_t deadline, PGresult **ret)
{
	while (PQisBusy(pg->conn) == 1) {
		if (pg_connect_wait(PQsocket(pg->conn), false, deadline) <= 0)
			return false;
		if (PQconsumeInput(pg->conn) == 0 &&
		    PQstatus(pg->conn) == CONNECTION_BAD &&
		    PQisBusy(pg->conn) == 1)
			return false;
	}
	*ret = PQgetResult(pg->conn);
	return true;
}

static bool is_success(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);

	return s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK;
}

/* Read the reply of a pg_run_post() to its end; false when it was not a yes. */
static bool drain(struct pg *pg, int64_t deadline)
{
	PGresult *r = NULL;
	bool good = true;

	do {
		if (!next_result(pg, deadline, &r))
			return false;
		good &= r == NULL || is_success(r);
		PQclear(r);
	} while (r != NULL);
	return good;
}

static enum status lost(struct pg *pg, bool timed_out, struct reason *why)
{
	if (timed_out)
		cancel(pg);
	pg->dead = true;
	return reason_set(why, STATUS_UNKNOWN,
			  "%s port %s: the connection was lost before the "
			  "answer came",
			  pg->host, pg->port);
}

/* A session that these may be sent to: alive, and nothing left to read. */
static enum status ready(struct pg *pg, const struct pg_statement *s, size_t n,
			 int64_t deadline, struct reason *why)
{
	if (pg_alive(pg) && pg->posted) {
		pg->posted = false;
		if (!pg_run_flush(pg, deadline) || !drain(pg, deadline))
			pg->dead = true;
	}
	for (size_t i = 0; i < n && pg_alive(pg); i++)
		pg_prepare(pg, s[i].sql, s[i].n_params, deadline);
	if (pg_alive(pg))
		return STATUS_OK;
	pg->dead = true;
	return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			  "the session with %s port %s has ended; nothing was "
			  "sent",
			  pg->host, pg->port);
}

static enum status explain(struct pg *pg, const char *sqlstate,
			   struct reason *why)
{
	bool transient = pg_classify(sqlstate) == PG_CLASS_TRANSIENT;
	const char *what = "its log says why";

	pg_prepare_judge(pg, sqlstate);
	if (strcmp(sqlstate, "55P03") == 0)
		what = "a lock was not free in time; see pg_locks";
	else if (strcmp(sqlstate, "57014") == 0)
		what = "it took longer than statement_timeout";
	else if (strcmp(sqlstate, "42501") == 0)
		what = "keyturn's admin lacks the right";
	else if (strcmp(sqlstate, "25006") == 0)
		what = "the server is read-only";
	return reason_set(
		why, transient ? STATUS_CLUSTER_UNAVAILABLE : STATUS_REFUSED,
		"%s port %s refused a statement (SQLSTATE %s): %s", pg->host,
		pg->port, sqlstate, what);
}

/* A server's "no" copied into sqlstate; "" when the text is libpq's own. */
static void note_error(struct pg *pg, const PGresult *r,
		       char sqlstate[PG_SQLSTATE_SIZE])
{
	const char *code = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	if (code == NULL || strlen(code) != PG_SQLSTATE_SIZE - 1)
		return;
	memcpy(sqlstate, code, PG_SQLSTATE_SIZE);
	pg->hint = pg_hint_of(code, text != NULL ? text : "");
}

bool pg_run_collect(struct pg *pg, int64_t deadline, PGresult **ret_kept,
		    char sqlstate[PG_SQLSTATE_SIZE])
{
	PGresult *r;

	for (;;) {
		if (!next_result(pg, deadline, &r))
			return false;
		if (r == NULL)
			return true;
		if (is_success(r) && *ret_kept == NULL) {
			*ret_kept = r;
			continue;
		}
		if (sqlstate[0] == '\0')
			note_error(pg, r, sqlstate);
		PQclear(r);
	}
}

static bool send_one(struct pg *pg, const struct pg_statement *s)
{
	char name[PG_PREPARED_SIZE];

	if (pg_prepare_name(pg, s->sql, name))
		return PQsendQueryPrepared(pg->conn, name, s->n_params,
					   s->params, NULL, NULL, 0) == 1;
	return PQsendQueryParams(pg->conn, s->sql, s->n_params, NULL, s->params,
				 NULL, NULL, 0) == 1;
}

enum status pg_run(struct pg *pg, const char *sql, int n_params,
		   const char *const *params, int64_t timeout_us,
		   struct pg_result **ret_result,
		   char ret_sqlstate[PG_SQLSTATE_SIZE], struct reason *why)
{
	const struct pg_statement one = { sql, n_params, params, NULL };
	int64_t deadline = now_boot(now_system()) + timeout_us;
	char sqlstate[PG_SQLSTATE_SIZE] = "";
	PGresult *kept = NULL;
	enum status st;

	ret_sqlstate[0] = '\0';
	pg->hint = PG_HINT_NONE;
	st = ready(pg, &one, 1, deadline, why);
	if (st != STATUS_OK)
		return st;
	if (!send_one(pg, &one) || !pg_run_flush(pg, deadline) ||
	    !pg_run_collect(pg, deadline, &kept, sqlstate)) {
		st = lost(pg, now_boot(now_system()) >= deadline, why);
		goto out;
	}
	memcpy(ret_sqlstate, sqlstate, sizeof(sqlstate));
	/* A FATAL that ended the session does not say whether an earlier part
	 * of the work was already committed. */
	if (PQstatus(pg->conn) != CONNECTION_OK ||
	    (kept == NULL && sqlstate[0] == '\0'))
		st = lost(pg, false, why);
	else if (sqlstate[0] != '\0')
		st = explain(pg, sqlstate, why);
	if (st == STATUS_OK && ret_result != NULL) {
		*ret_result = (struct pg_result *)kept;
		kept = NULL;
	}
out:
	PQclear(kept);
	return st;
}

static bool send_all(struct pg *pg, const struct pg_statement *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!send_one(pg, &s[i]))
			return false;
	return PQpipelineSync(pg->conn) == 1;
}

/* The Sync's own result closes the batch: only then is it all known. */
static bool read_sync(struct pg *pg, int64_t deadline,
		      char sqlstate[PG_SQLSTATE_SIZE])
{
	PGresult *r = NULL;
	bool synced = false;

	do {
		if (!next_result(pg, deadline, &r))
			return false;
		synced = r != NULL && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
		/* The implicit transaction's commit fails here, if it does. */
		if (r != NULL && !synced && sqlstate[0] == '\0')
			note_error(pg, r, sqlstate);
		PQclear(r);
	} while (!synced && PQstatus(pg->conn) == CONNECTION_OK);
	return synced;
}

static bool read_all(struct pg *pg, int64_t deadline, struct pg_statement *s,
		     size_t n, size_t *ret_done,
		     char sqlstate[PG_SQLSTATE_SIZE])
{
	PGresult *kept;
	bool failed = false;
	size_t i;

	for (i = 0; i < n; i++) {
		kept = NULL;
		if (!pg_run_collect(pg, deadline, &kept, sqlstate)) {
			PQclear(kept);
			return false;
		}
		if (kept == NULL || sqlstate[0] != '\0') {
			PQclear(kept);
			failed = true;
			if (PQstatus(pg->conn) != CONNECTION_OK)
				return false;
			continue;
		}
		s[i].result = (struct pg_result *)kept;
		if (!failed)
			++*ret_done;
	}
	return read_sync(pg, deadline, sqlstate);
}

static void drop_results(struct pg_statement *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		pg_result_free(s[i].result);
		s[i].result = NULL;
	}
}

enum status pg_run_many(struct pg *pg, struct pg_statement *statements,
			size_t n, int64_t timeout_us, size_t *ret_done,
			char ret_sqlstate[PG_SQLSTATE_SIZE], struct reason *why)
{
	int64_t deadline = now_boot(now_system()) + timeout_us;
	size_t i;
	enum status st;

	*ret_done = 0;
	ret_sqlstate[0] = '\0';
	pg->hint = PG_HINT_NONE;
	for (i = 0; i < n; i++)
		statements[i].result = NULL;
	/* One that begins a transaction is sent at once and as it is: a fence
	 * has to hold against the change, not against a preparation. */
	st = ready(pg, statements,
		   strncmp(statements[0].sql, "BEGIN", 5) == 0 ? 0 : n,
		   deadline, why);
	if (st != STATUS_OK)
		return st;
	if (PQenterPipelineMode(pg->conn) != 1 ||
	    !send_all(pg, statements, n) || !pg_run_flush(pg, deadline) ||
	    !read_all(pg, deadline, statements, n, ret_done, ret_sqlstate) ||
	    PQexitPipelineMode(pg->conn) != 1) {
		drop_results(statements, n);
		return lost(pg, now_boot(now_system()) >= deadline, why);
	}
	if (ret_sqlstate[0] != '\0')
		return explain(pg, ret_sqlstate, why);
	/* Fewer answers than statements and no error: not to be trusted. */
	if (*ret_done != n) {
		drop_results(statements, n);
		return lost(pg, false, why);
	}
	return STATUS_OK;
}

enum status pg_run_secret(struct pg *pg, const struct secret *sql,
			  int64_t timeout_us,
			  char ret_sqlstate[PG_SQLSTATE_SIZE],
			  struct reason *why)
{
	return pg_run(pg, secret_bytes(sql), 0, NULL, timeout_us, NULL,
		      ret_sqlstate, why);
}

enum status pg_run_post(struct pg *pg, const char *sql, int n_params,
			const char *const *params, struct reason *why)
{
	enum status st =
		ready(pg, NULL, 0, now_boot(now_system()) + NOW_SECOND, why);

	if (st != STATUS_OK)
		return st;
	if (PQsendQueryParams(pg->conn, sql, n_params, NULL, params, NULL, NULL,
			      0) != 1 ||
	    PQflush(pg->conn) < 0)
		return lost(pg, false, why);
	pg->posted = true;
	return STATUS_OK;
}

bool pg_run_refresh(struct pg *pg)
{
	if (!pg_alive(pg))
		return false;
	if (PQconsumeInput(pg->conn) == 0)
		pg->dead = true;
	while (pg_alive(pg) && pg->posted && PQisBusy(pg->conn) == 0) {
		PGresult *r = PQgetResult(pg->conn);

		pg->posted = r != NULL;
		if (r != NULL && !is_success(r))
			pg->dead = true;
		PQclear(r);
	}
	return pg_alive(pg);
}
