/* SPDX-License-Identifier: PostgreSQL */
/* Waiting for a session's peer; everything ends at a deadline. */
#ifndef KEYTURN_PG_WAIT_H
#define KEYTURN_PG_WAIT_H

#include "pg/pg_internal.h"

/* Wait until fd is ready or the boot clock reaches deadline: 1, 0 or -1. */
int pg_wait(int fd, bool write, int64_t deadline);

/* Push out what libpq has buffered; false when the session is lost. */
bool pg_wait_flush(struct pg *pg, int64_t deadline);

/* The next result of libpq (NULL is an end mark); false when lost. */
bool pg_wait_result(struct pg *pg, int64_t deadline, PGresult **ret);

/* Read the results of one statement; *ret_kept is the successful one.  False when
 * lost. */
bool pg_wait_collect(struct pg *pg, int64_t deadline, PGresult **ret_kept,
		     char ret_sqlstate[PG_SQLSTATE_SIZE]);

/* Is the result the server's yes? */
bool pg_wait_succeeded(const PGresult *r);

/* Copy a server's "no" into sqlstate, which stays "" when the text is libpq's
 * own. */
void pg_wait_note_error(struct pg *pg, const PGresult *r,
			char sqlstate[PG_SQLSTATE_SIZE]);

#endif
