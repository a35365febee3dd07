/* SPDX-License-Identifier: PostgreSQL */
/*
 * Opens the file and finds out about it.  Must never give out one that is
 * damaged, or whose log is not where its name says.
 */
#include "lite/lite_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lite/lite_ballast.h"

/* quick_check reads every page: 16 MiB of them cost about 20 ms. */
#define QUICK_CHECK_MAX (16 << 20)

static enum status check_content(struct lite_tx *c, const char *path,
				 struct reason *why)
{
	char verdict[256];
	struct stat sb;
	enum status st;

	if (lstat(path, &sb) != 0 || sb.st_size > QUICK_CHECK_MAX)
		return STATUS_OK;
	st = lite_conn_text(c, "PRAGMA quick_check(1)", verdict, sizeof verdict,
			    why);
	if (st == STATUS_OK && strcmp(verdict, "ok") != 0)
		st = reason_set(why, STATUS_CORRUPT,
				"%s is damaged (%s): " LITE_RESTORE, path,
				verdict);
	return st;
}

static enum status check_wal(struct lite_tx *c, const char *path,
			     struct reason *why)
{
	char mode[16];
	enum status st;

	st = lite_conn_text(c, "PRAGMA journal_mode=WAL", mode, sizeof mode,
			    why);
	if (st == STATUS_OK && strcmp(mode, "wal") != 0)
		st = reason_set(why, STATUS_ERROR,
				"%s cannot use a write-ahead log here: put it "
				"on a local file system",
				path);
	return st;
}

/* What the first connection finds out about the file. */
static enum status examine_file(struct lite *db, const struct lite_options *o,
				struct lite_tx *c, struct reason *why)
{
	int64_t have = 0;
	enum status st;

	st = lite_schema_check(c, o, why);
	if (st == STATUS_OK && !o->read_only)
		st = check_wal(c, o->path, why);
	if (st == STATUS_OK)
		st = check_content(c, o->path, why);
	if (st == STATUS_OK)
		st = lite_conn_int(c, "PRAGMA user_version", &have, why);
	if (st == STATUS_OK && !o->read_only &&
	    have < (int64_t)lite_schema_count(o->schema))
		st = lite_schema_migrate(c, o, why);
	if (st == STATUS_OK)
		st = lite_file_identify(o->path, "", &db->file, why);
	/* A log without its name would take every later commit with it. */
	if (st == STATUS_OK && !o->read_only)
		st = lite_file_identify(o->path, "-wal", &db->wal, why);
	return st;
}

static enum status open_connections(struct lite *db,
				    const struct lite_options *o,
				    struct reason *why)
{
	enum lite_conn_kind kind = o->read_only ? LITE_CONN_READ_ONLY :
						  LITE_CONN_WRITER;
	struct lite_tx *c = NULL;
	enum status st;

	st = lite_conn_open(o->path, kind, &c, why);
	if (st != STATUS_OK)
		return st;
	st = examine_file(db, o, c, why);
	if (st != STATUS_OK) {
		lite_conn_close(c);
		return st;
	}
	if (o->read_only) {
		db->idle = c;
		db->n_idle = 1;
	} else {
		db->writer = c;
	}
	return STATUS_OK;
}

static struct lite *alloc_lite(const struct lite_options *o)
{
	struct lite *db = calloc(1, sizeof *db);

	if (!db)
		return NULL;
	db->path = strdup(o->path);
	if (!db->path) {
		free(db);
		return NULL;
	}
	db->read_only = o->read_only;
	db->reserve = o->read_only ? 0 : o->reserve_bytes;
	db->ballast = -1;
	db->last = &db->first;
	pthread_mutex_init(&db->lock, NULL);
	pthread_cond_init(&db->finished, NULL);
	return db;
}

enum status lite_open(const struct lite_options *o, struct lite **ret_db,
		      struct reason *why)
{
	struct lite *db = NULL;
	enum status st;

	st = lite_file_check(o->path, o->read_only, why);
	if (st == STATUS_NOT_FOUND && o->create && !o->read_only) {
		st = lite_schema_create(o, why);
		if (st == STATUS_OK)
			st = lite_file_check(o->path, false, why);
	}
	if (st != STATUS_OK)
		return st;
	db = alloc_lite(o);
	if (!db)
		return reason_no_memory(why);
	st = open_connections(db, o, why);
	if (st == STATUS_OK && db->reserve)
		st = lite_ballast_open(o->path, &db->ballast, why);
	if (st != STATUS_OK) {
		lite_close(db);
		return st;
	}
	*ret_db = db;
	return STATUS_OK;
}
