/* SPDX-License-Identifier: PostgreSQL */
/*
 * Statements that a session runs again are prepared there: parsing and planning
 * are almost half of what a rotation's statements take in the server.  Must never
 * prepare within a transaction, where a refusal would end it.
 */
#include "pg/pg_prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/pg_wait.h"

/* More different ones than a session has; later ones are sent unprepared. */
#define STATEMENTS_MAX 32

struct pg_prepared {
	struct {
		char *sql;
		enum { SEEN, READY, REFUSED } state;
	} all[STATEMENTS_MAX];
	size_t n;
	unsigned generation; /* a name is used once */
};

/* What the server can plan.  ALTER ROLE and its kind it only runs. */
static bool is_planned(const char *sql)
{
	static const char *const verbs[] = { "SELECT ", "WITH ", "INSERT ",
					     "UPDATE " };

	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (strncmp(sql, verbs[i], strlen(verbs[i])) == 0)
			return true;
	return false;
}

static void name_of(const struct pg_prepared *p, size_t i,
		    char ret_name[PG_PREPARED_SIZE])
{
	snprintf(ret_name, PG_PREPARED_SIZE, "keyturn_%u_%zu", p->generation,
		 i);
}

/* Its index, or p->n. */
static size_t find_statement(const struct pg_prepared *p, const char *sql)
{
	size_t i = 0;

	while (i < p->n && strcmp(p->all[i].sql, sql) != 0)
		i++;
	return i;
}

/* Without memory for a copy the statement is sent unprepared. */
static void note_statement(struct pg_prepared *p, const char *sql)
{
	char *copy = p->n < STATEMENTS_MAX ? strdup(sql) : NULL;

	if (copy == NULL)
		return;
	p->all[p->n].sql = copy;
	p->all[p->n].state = SEEN;
	p->n++;
}

void pg_prepare(struct pg *pg, const char *sql, int n_params, int64_t deadline)
{
	char name[PG_PREPARED_SIZE], sqlstate[PG_SQLSTATE_SIZE] = "";
	PGresult *kept = NULL;
	struct pg_prepared *p;
	size_t i;

	if (!is_planned(sql))
		return;
	if (pg->prepared == NULL)
		pg->prepared = calloc(1, sizeof(*pg->prepared));
	p = pg->prepared;
	if (p == NULL)
		return;
	i = find_statement(p, sql);
	if (i == p->n) {
		note_statement(p, sql);
		return;
	}
	if (p->all[i].state != SEEN ||
	    PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
		return;
	name_of(p, i, name);
	if (PQsendPrepare(pg->conn, name, sql, n_params, NULL) != 1 ||
	    !pg_wait_flush(pg, deadline) ||
	    !pg_wait_collect(pg, deadline, &kept, sqlstate) ||
	    PQstatus(pg->conn) != CONNECTION_OK)
		pg->dead = true;
	p->all[i].state = kept != NULL && sqlstate[0] == '\0' ? READY : REFUSED;
	PQclear(kept);
}

bool pg_prepare_name(const struct pg *pg, const char *sql,
		     char ret_name[PG_PREPARED_SIZE])
{
	const struct pg_prepared *p = pg->prepared;
	size_t i = p != NULL ? find_statement(p, sql) : 0;

	if (p == NULL || i == p->n || p->all[i].state != READY)
		return false;
	name_of(p, i, ret_name);
	return true;
}

void pg_prepare_judge(struct pg *pg, const char *sqlstate)
{
	struct pg_prepared *p = pg->prepared;

	/* The table has another shape now, or the statement was deallocated. */
	if (p == NULL ||
	    (strcmp(sqlstate, "0A000") != 0 && strcmp(sqlstate, "26000") != 0))
		return;
	p->generation++;
	for (size_t i = 0; i < p->n; i++)
		p->all[i].state = SEEN;
}

void pg_prepare_free(struct pg_prepared *p)
{
	for (size_t i = 0; p != NULL && i < p->n; i++)
		free(p->all[i].sql);
	free(p);
}
