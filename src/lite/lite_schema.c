/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whose file it is, and its schema.  Must never let a half-made file be seen
 * under its real name.
 */
#include "lite/lite_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

size_t lite_schema_count(const char *const *schema)
{
	size_t n = 0;

	while (schema[n])
		n++;
	return n;
}

/* Inside a write transaction: run what this file has not seen yet. */
static enum status migrate_in(struct lite_tx *c, const struct lite_options *o,
			      struct reason *why)
{
	int64_t have = 0, n = (int64_t)lite_schema_count(o->schema);
	char sql[64];
	enum status st;

	st = lite_conn_int(c, "PRAGMA user_version", &have, why);
	for (; st == STATUS_OK && have < n; have++)
		st = lite_conn_run(c, o->schema[have], why);
	if (st != STATUS_OK)
		return st;
	snprintf(sql, sizeof sql, "PRAGMA user_version=%" PRId64, n);
	return lite_conn_run(c, sql, why);
}

enum status lite_schema_migrate(struct lite_tx *c, const struct lite_options *o,
				struct reason *why)
{
	enum status st = lite_conn_run(c, "BEGIN IMMEDIATE", why);

	if (st != STATUS_OK)
		return st;
	st = migrate_in(c, o, why);
	if (st == STATUS_OK)
		st = lite_conn_run(c, "COMMIT", why);
	if (st != STATUS_OK)
		lite_conn_run(c, "ROLLBACK", NULL);
	return st;
}

enum status lite_schema_create(const struct lite_options *o, struct reason *why)
{
	struct lite_tx *c = NULL;
	char *draft = NULL;
	char sql[64];
	enum status st;

	st = lite_file_draft(o->path, &draft, why);
	if (st != STATUS_OK)
		return st;
	st = lite_conn_open(draft, LITE_CONN_WRITER, &c, why);
	if (st != STATUS_OK)
		goto out;
	snprintf(sql, sizeof sql, "PRAGMA application_id=%" PRId32,
		 (int32_t)o->application_id);
	st = lite_conn_run(c, sql, why);
	if (st == STATUS_OK)
		st = lite_schema_migrate(c, o, why);
	if (st == STATUS_OK)
		st = lite_conn_run(c, "PRAGMA journal_mode=WAL", why);
	lite_conn_close(c);
	if (st == STATUS_OK)
		st = lite_file_publish(draft, o->path, why);
out:
	if (st != STATUS_OK)
		unlink(draft);
	free(draft);
	return st;
}

enum status lite_schema_check(struct lite_tx *c, const struct lite_options *o,
			      struct reason *why)
{
	int64_t id = 0, have = 0, n = (int64_t)lite_schema_count(o->schema);
	enum status st;

	st = lite_conn_int(c, "PRAGMA application_id", &id, why);
	if (st == STATUS_OK)
		st = lite_conn_int(c, "PRAGMA user_version", &have, why);
	if (st != STATUS_OK)
		return st;
	if ((uint32_t)id != o->application_id)
		return reason_set(why, STATUS_CONFIG,
				  "%s is a database of something else (its "
				  "application_id is %08" PRIx32 ", not "
				  "%08" PRIx32 "): name the right file",
				  o->path, (uint32_t)id, o->application_id);
	if (have > n)
		return reason_set(why, STATUS_CONFIG,
				  "%s was written by a newer keyturn (schema "
				  "%" PRId64 ", this one knows %" PRId64
				  "): upgrade keyturn",
				  o->path, have, n);
	if (have < n && o->read_only)
		return reason_set(why, STATUS_CONFIG,
				  "%s has the older schema %" PRId64 ": run "
				  "keyturn once with the right to write it",
				  o->path, have);
	return STATUS_OK;
}
