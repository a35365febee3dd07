/* SPDX-License-Identifier: PostgreSQL */
/* Statements that a session runs again. */
#ifndef KEYTURN_PG_PREPARE_H
#define KEYTURN_PG_PREPARE_H

#include "pg/pg_internal.h"

#define PG_PREPARED_SIZE 32

/* Note that this idle session is about to run the statement, and prepare it when
 * it has run it before.  Sets pg->dead when the session is lost by that: nothing
 * of the statement was sent then. */
void pg_prepare(struct pg *pg, const char *sql, int n_params, int64_t deadline);

/* Is it prepared, and by which name? */
bool pg_prepare_name(const struct pg *pg, const char *sql,
		     char ret_name[PG_PREPARED_SIZE]);

/* After a refusal: forget prepared statements that no longer
 * fit, so that they are prepared again. */
void pg_prepare_judge(struct pg *pg, const char *sqlstate);

void pg_prepare_free(struct pg_prepared *p);

#endif
