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
#include "pg/pg_prepare.h"
#include "pg/pg_wait.h"

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
static void cancel_statement(struct pg *pg)
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

/* Read the reply of a pg_run_post() to its end; false when it was not a yes. */
static bool drain_reply(struct pg *pg, int64_t deadline)
{
	PGresult *r = NULL;
	bool good = true;

	do {
		if (!pg_wait_result(pg, deadline, &r))
			return false;
		good &= r == NULL || pg_wait_succeeded(r);
		PQclear(r);
	} while (r != NULL);
	return good;
}

static enum status lose_session(struct pg *pg, bool timed_out,
				struct reason *why)
{
	if (timed_out)
		cancel_statement(pg);
	pg->dead = true;
	return reason_set(why, STATUS_UNKNOWN,
			  "%s port %s: the connection was lost before the "
			  "answer came",
			  pg->host, pg->port);
}

/* A session that these may be sent to: alive, and nothing left to read. */
static enum status make_ready(struct pg *pg, const struct pg_statement *s,
			      size_t n, int64_t deadline, struct reason *why)
{
	if (pg_alive(pg) && pg->posted) {
		pg->posted = false;
		if (!pg_wait_flush(pg, deadline) || !drain_reply(pg, deadline))
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

static enum status explain_refusal(struct pg *pg, const char *sqlstate,
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

static bool send_one(struct pg *pg, const struct pg_statement *s)
{
	char name[PG_PREPARED_SIZE];

	if (pg_prepare_name(pg, s->sql, name))
		return PQsendQueryPrepared(pg->conn, name, s->n_params,
					   s->params, NULL, NULL, 0) == 1;
	return PQsendQueryParams(pg->conn, s->sql, s->n_params, NULL, s->params,
				 NULL, NULL, 0) == 1;
}

static bool send_query(struct pg *pg, const struct pg_query *q,
		       const struct pg_statement *as_one)
{
	return q->simple ? PQsendQuery(pg->conn, q->sql) == 1 :
			   send_one(pg, as_one);
}

enum status pg_run(struct pg *pg, struct pg_query *q, struct reason *why)
{
	const struct pg_statement one = { q->sql, q->n_params, q->params,
					  NULL };
	int64_t deadline = now_boot(now_system()) + q->timeout_us;
	PGresult *kept = NULL;
	enum status st;

	q->result = NULL;
	q->sqlstate[0] = '\0';
	pg->hint = PG_HINT_NONE;
	st = make_ready(pg, &one, q->simple ? 0 : 1, deadline, why);
	if (st != STATUS_OK)
		return st;
	if (!send_query(pg, q, &one) || !pg_wait_flush(pg, deadline) ||
	    !pg_wait_collect(pg, deadline, &kept, q->sqlstate)) {
		q->sqlstate[0] = '\0';
		st = lose_session(pg, now_boot(now_system()) >= deadline, why);
		goto out;
	}
	/* A FATAL that ended the session does not say whether an earlier part
	 * of the work was already committed. */
	if (PQstatus(pg->conn) != CONNECTION_OK ||
	    (kept == NULL && q->sqlstate[0] == '\0'))
		st = lose_session(pg, false, why);
	else if (q->sqlstate[0] != '\0')
		st = explain_refusal(pg, q->sqlstate, why);
	if (st == STATUS_OK) {
		q->result = (struct pg_result *)kept;
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
		if (!pg_wait_result(pg, deadline, &r))
			return false;
		synced = r != NULL && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
		/* The implicit transaction's commit fails here, if it does. */
		if (r != NULL && !synced && sqlstate[0] == '\0')
			pg_wait_note_error(pg, r, sqlstate);
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
		if (!pg_wait_collect(pg, deadline, &kept, sqlstate)) {
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
	st = make_ready(pg, statements,
			strncmp(statements[0].sql, "BEGIN", 5) == 0 ? 0 : n,
			deadline, why);
	if (st != STATUS_OK)
		return st;
	if (PQenterPipelineMode(pg->conn) != 1 ||
	    !send_all(pg, statements, n) || !pg_wait_flush(pg, deadline) ||
	    !read_all(pg, deadline, statements, n, ret_done, ret_sqlstate) ||
	    PQexitPipelineMode(pg->conn) != 1) {
		drop_results(statements, n);
		return lose_session(pg, now_boot(now_system()) >= deadline,
				    why);
	}
	if (ret_sqlstate[0] != '\0')
		return explain_refusal(pg, ret_sqlstate, why);
	/* Fewer answers than statements and no error: not to be trusted. */
	if (*ret_done != n) {
		drop_results(statements, n);
		return lose_session(pg, false, why);
	}
	return STATUS_OK;
}

enum status pg_run_post(struct pg *pg, const char *sql, int n_params,
			const char *const *params, struct reason *why)
{
	enum status st = make_ready(pg, NULL, 0,
				    now_boot(now_system()) + NOW_SECOND, why);

	if (st != STATUS_OK)
		return st;
	if (PQsendQueryParams(pg->conn, sql, n_params, NULL, params, NULL, NULL,
			      0) != 1 ||
	    PQflush(pg->conn) < 0)
		return lose_session(pg, false, why);
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
		if (r != NULL && !pg_wait_succeeded(r))
			pg->dead = true;
		PQclear(r);
	}
	return pg_alive(pg);
}
