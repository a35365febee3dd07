/* SPDX-License-Identifier: PostgreSQL */
/* What the files of this folder share; no other folder includes it. */
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
