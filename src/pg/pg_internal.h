/* SPDX-License-Identifier: PostgreSQL */
/* What the files of this folder share; nobody else includes it. */
#ifndef KEYTURN_PG_INTERNAL_H
#define KEYTURN_PG_INTERNAL_H

#include <libpq-fe.h>

#include "pg/pg.h"

/* A path at which nothing can be: libpq takes "" for "use the default in the
 * home folder", and complains on stderr about a passfile that is a device. */
#define PG_NOWHERE "/dev/null/none"

struct pg_info {
	PQconninfoOption *options; /* as PQconninfoParse() left them */
	char sslmode[16];	   /* what will be used, never "" */
	char sslrootcert[512];	   /* likewise */
	bool multiple_hosts;
};

struct pg {
	PGconn *conn;
	unsigned notices;
	bool dead; /* an answer is missing: nothing may be sent again */
	enum pg_hint hint;
	bool posted; /* the reply of a pg_run_post() is still to be read */
	struct pg_prepared *prepared; /* pg_prepare.c; NULL: none yet */
	char host[256];
	char port[16];
};

#define PG_PREPARED_SIZE 32

/* Note that this idle session is about to run the statement, and prepare it when
 * it has run it before.  Sets pg->dead when the session is lost by that: nothing
 * of the statement was sent then. */
void pg_prepare(struct pg *pg, const char *sql, int n_params, int64_t deadline);

/* Is it prepared, and by which name? */
bool pg_prepare_name(const struct pg *pg, const char *sql,
		     char ret_name[PG_PREPARED_SIZE]);

/* After a refusal: what a prepared statement can no longer do is prepared anew. */
void pg_prepare_judge(struct pg *pg, const char *sqlstate);

void pg_prepare_free(struct pg_prepared *p);

/* Push out what libpq has buffered; false when lost. */
bool pg_run_flush(struct pg *pg, int64_t deadline);

/* Read the results of one statement; *ret_kept is the successful one.  False when
 * lost. */
bool pg_run_collect(struct pg *pg, int64_t deadline, PGresult **ret_kept,
		    char ret_sqlstate[PG_SQLSTATE_SIZE]);

/* Wait until fd is ready or the boot clock reaches deadline: 1, 0 or -1. */
int pg_connect_wait(int fd, bool write, int64_t deadline);

/*
 * The SQLSTATE, the refusing function and what the text means, from libpq's text
 * of a failed connection (PQERRORS_VERBOSE; there is nothing but the text).
 * Labels are translated, so only their shape is looked at.
 */
void pg_hint_read(const char *message, struct pg_login_report *ret_report);

/* In the order of PQconninfoOption: value of keyword or NULL. */
const char *pg_info_option(const PQconninfoOption *options,
			   const char *keyword);

#endif
