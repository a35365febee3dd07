/* SPDX-License-Identifier: PostgreSQL */
/* One connection to the database: how it is set up, its statements, and what
 * SQLite's result codes mean to a person.  Used by one thread at a time. */
#ifndef KEYTURN_LITE_CONN_H
#define KEYTURN_LITE_CONN_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"

#define LITE_CONN_BUSY_MS 10000

struct lite_stmt;

/* The connection is what lite.h calls the transaction: it has one at most. */
struct lite_tx {
	sqlite3 *db;
	char *path;
	struct lite_stmt *stmts; /* the cache: few, so a list */
	struct lite_tx *next;	 /* idle readers */
	bool full;		 /* a statement met a full disk */
};

struct lite_stmt {
	struct lite_tx *tx;
	sqlite3_stmt *raw;
	struct lite_stmt *next;
	int failed; /* first result of a bind that was not SQLITE_OK */
	bool used;
};

enum lite_conn_kind { LITE_CONN_WRITER, LITE_CONN_READER, LITE_CONN_READ_ONLY };

/* Open an existing file and set the connection up.  Reads nothing of it. */
enum status lite_conn_open(const char *path, enum lite_conn_kind kind,
			   struct lite_tx **ret_conn, struct reason *why);
void lite_conn_close(struct lite_tx *c);

/* Run SQL that gives no rows we want. */
enum status lite_conn_run(struct lite_tx *c, const char *sql,
			  struct reason *why);

/* The first column of the first row: 0 and "" when there is none. */
enum status lite_conn_int(struct lite_tx *c, const char *sql, int64_t *ret,
			  struct reason *why);
enum status lite_conn_text(struct lite_tx *c, const char *sql, char *ret,
			   size_t size, struct reason *why);

/* A statement from the cache, or prepared into it. */
enum status lite_conn_prepare(struct lite_tx *c, const char *sql,
			      struct lite_stmt **ret_stmt, struct reason *why);

/* Reset every statement, so that a transaction can end. */
void lite_conn_reset(struct lite_tx *c);

/* The status and sentence for rc, the last result on c. */
enum status lite_conn_fail(struct lite_tx *c, int rc, struct reason *why);

/* Is there no transaction (any more)? */
bool lite_conn_idle(const struct lite_tx *c);

#endif
