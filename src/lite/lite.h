/* SPDX-License-Identifier: PostgreSQL */
/*
 * SQLite, as one durable file (WAL, synchronous=FULL): the only user of it.
 *
 * Work is submitted as a function that runs inside a transaction on the
 * writer's connection.  Concurrent submissions of one process are grouped into
 * one transaction, so N jobs pay for one fsync; each has its own savepoint and
 * its own result, and lite_write() returns only after the commit is durable.
 */
#ifndef KEYTURN_LITE_H
#define KEYTURN_LITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"

struct lite;	  /* one database file, used by many threads */
struct lite_tx;	  /* inside a transaction */
struct lite_stmt; /* one prepared statement being run */

/*
 * Open (create when `create`) a private database file: mode 0600, owned by the
 * effective user, no symbolic link; its folder must not be writable by others.
 * `schema` is an array of migrations; user_version counts how many ran.
 * `application_id` tells our files from others.
 *
 * STATUS_NOT_FOUND (no file and not create), STATUS_CONFIG (mode, owner, not
 * ours, newer schema), STATUS_CORRUPT (not a database, truncated, fails quick
 * checks), STATUS_DENIED (read-only folder or file), STATUS_LIMIT (disk full),
 * STATUS_BUSY (locked beyond 10 s), STATUS_ERROR (the disk failed).
 */
struct lite_options {
	const char *path;
	const char *const *schema; /* NULL-terminated migrations */
	uint32_t application_id;
	bool create;
	bool read_only;
	size_t reserve_bytes; /* ballast kept for lite_write_reserved(), or 0 */
};
enum status lite_open(const struct lite_options *o, struct lite **ret_db,
		      struct reason *why);
void lite_close(struct lite *db);

/*
 * Run fn in a transaction and commit durably.  fn returns a status; anything
 * but STATUS_OK rolls its part back and is what lite_write returns.  fn must
 * not block on anything but the database, runs on whichever thread commits for
 * the group, and may run again after a roll-back: only its last run counts.
 *
 * Of its own lite_write returns, nothing written: STATUS_LIMIT (full disk),
 * STATUS_BUSY (locked by another process beyond 10 s), STATUS_DENIED (may not
 * be written), STATUS_CORRUPT, STATUS_NO_MEMORY, STATUS_ERROR (the file was
 * deleted or replaced, the disk failed); and STATUS_UNKNOWN when the disk
 * failed inside the commit itself.
 */
typedef enum status lite_fn(struct lite_tx *tx, void *arg, struct reason *why);
enum status lite_write(struct lite *db, lite_fn *fn, void *arg,
		       struct reason *why);

/*
 * Like lite_write, for the record whose room was reserved beforehand: on a
 * full disk the ballast file ("<path>.reserve", posix_fallocate) is given back
 * to the file system and the transaction is tried again.  Until the ballast is
 * whole again, lite_write() of this process refuses with STATUS_LIMIT.
 */
enum status lite_write_reserved(struct lite *db, lite_fn *fn, void *arg,
				struct reason *why);

/* Make sure the ballast is whole again; STATUS_LIMIT when the disk has no room
 * for it: then nothing new may be started. */
enum status lite_reserve(struct lite *db, struct reason *why);

/* Run fn in a read transaction (a consistent snapshot), any thread. */
enum status lite_read(struct lite *db, lite_fn *fn, void *arg,
		      struct reason *why);

/* Prepare (cached per connection) a statement; bind indexes start at 1. */
enum status lite_prepare(struct lite_tx *tx, const char *sql,
			 struct lite_stmt **ret, struct reason *why);
void lite_bind_text(struct lite_stmt *s, int i, const char *v); /* NULL: NULL */
void lite_bind_int(struct lite_stmt *s, int i, int64_t v);
void lite_bind_blob(struct lite_stmt *s, int i, const void *p, size_t n);

/* Next row: STATUS_OK, STATUS_NOT_FOUND at the end, else a failure.  The end
 * and a failure reset the statement; lite_done() resets it early. */
enum status lite_step(struct lite_stmt *s, struct reason *why);
void lite_done(struct lite_stmt *s);

/* Run to the end, rows ignored; *ret_changes may be NULL. */
enum status lite_exec(struct lite_stmt *s, int64_t *ret_changes,
		      struct reason *why);

/* Columns start at 0; valid until the next step.  "" / 0 / NULL for NULL. */
const char *lite_text(struct lite_stmt *s, int column);
int64_t lite_int(struct lite_stmt *s, int column);
const void *lite_blob(struct lite_stmt *s, int column, size_t *ret_n);

#endif
