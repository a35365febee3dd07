/* SPDX-License-Identifier: PostgreSQL */
/*
 * Group commit: what many threads write in one transaction.  Must never tell a
 * caller that its work is done before it is on the disk.
 */
#include "lite/lite_internal.h"

#include "lite/lite_alive.h"
#include "lite/lite_ballast.h"

#define GROUP_MAX 256

/* One job in its own savepoint.  Not STATUS_OK: the transaction is lost. */
static enum status run_job(struct lite_tx *c, struct lite_job *j,
			   struct reason *why)
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
 * when the file is recovered: it is unknown which.
 */
static enum status commit_group(struct lite_tx *c, struct reason *why)
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
static enum status try_group(struct lite *db, struct lite_job *jobs,
			     struct reason *why)
{
	struct lite_tx *c = db->writer;
	bool any = false;
	struct lite_job *j;
	enum status st;

	c->full = false;
	st = lite_alive_check(db, why);
	if (st == STATUS_OK)
		st = lite_conn_run(c, "BEGIN IMMEDIATE", why);
	if (st != STATUS_OK)
		return st;
	for (j = jobs; j && st == STATUS_OK; j = j->next) {
		st = run_job(c, j, why);
		any = any || j->st == STATUS_OK;
	}
	if (st == STATUS_OK && any)
		st = commit_group(c, why);
	else if (st == STATUS_OK)
		st = lite_conn_run(c, "ROLLBACK", why);
	if (!lite_conn_idle(c))
		lite_conn_run(c, "ROLLBACK", NULL);
	return st;
}

static void fail_jobs(struct lite_job *jobs, enum status st,
		      const struct reason *why)
{
	struct lite_job *j;

	for (j = jobs; j; j = j->next) {
		j->st = st;
		if (j->why)
			*j->why = *why;
	}
}

static void run_alone(struct lite *db, struct lite_job *j)
{
	struct lite_job *next = j->next;
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
 * tried job by job: no job fails because of another. */
static void run_group(struct lite *db, struct lite_job *jobs)
{
	struct reason why = { "" };
	enum status st;
	struct lite_job *j;

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
static struct lite_job *take_jobs(struct lite *db)
{
	struct lite_job *jobs = db->first, *j = jobs;
	unsigned n;

	for (n = 1; n < GROUP_MAX && j->next; n++)
		j = j->next;
	db->first = j->next;
	if (!db->first)
		db->last = &db->first;
	j->next = NULL;
	return jobs;
}

static void lead_group(struct lite *db)
{
	struct lite_job *jobs = take_jobs(db), *j, *next;

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

enum status lite_group_submit(struct lite *db, struct lite_job *j)
{
	pthread_mutex_lock(&db->lock);
	*db->last = j;
	db->last = &j->next;
	while (!j->done) {
		if (db->leading)
			pthread_cond_wait(&db->finished, &db->lock);
		else
			lead_group(db);
	}
	pthread_mutex_unlock(&db->lock);
	return j->st;
}
