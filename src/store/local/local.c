/* SPDX-License-Identifier: PostgreSQL */
/*
 * The embedded store: a SQLite file of sealed versions.  Must never give
 * SQLite a plain secret, nor drop a version that carries a label.
 */
#include "store/local/local.h"

#include <stdlib.h>
#include <string.h>

#include "store/local/common.h"
#include "store/store_refuse.h"

#define APPLICATION_ID 0x4b545354u /* "KTST" */
/* Room for promote and retire of a few rotations: some 5 pages of 4 KiB each
 * in the log. */
#define RESERVE_BYTES ((size_t)256 * 1024)

/*
 * label: enum store_label.  seq grows with every staging and promotion of the
 * secret: the ring forgets first what was never live, then what has been out of
 * use for longest.
 */
static const char *const schema[] = {
	"CREATE TABLE secret("
	" name TEXT PRIMARY KEY NOT NULL,"
	" revision INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE version("
	" id TEXT PRIMARY KEY NOT NULL,"
	" name TEXT NOT NULL REFERENCES secret(name),"
	" label INTEGER NOT NULL CHECK(label BETWEEN 0 AND 3),"
	" seq INTEGER NOT NULL,"
	" created_us INTEGER NOT NULL,"
	" sealed BLOB NOT NULL"
	") STRICT;"
	"CREATE INDEX version_of ON version(name, seq);"
	"CREATE UNIQUE INDEX version_label ON version(name, label)"
	" WHERE label <> 0;"
	"CREATE TABLE seal_check("
	" id INTEGER PRIMARY KEY CHECK(id = 1),"
	" sealed BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE canary("
	" id TEXT PRIMARY KEY NOT NULL,"
	" sealed BLOB NOT NULL"
	") STRICT;",
	/* Was it ever CURRENT?  Unknown of those from before: then it may
	 * have been. */
	"ALTER TABLE version ADD COLUMN lived INTEGER NOT NULL DEFAULT 1;", NULL
};

/* Who may write one secret may write all: the canary has told. */
static enum status check_ready(struct store *store, const char *name,
			       struct reason *why)
{
	(void)store;
	return store_refuse_name(name, why);
}

static void close_store(struct store *store)
{
	struct store_local *s = (struct store_local *)store;

	if (!s)
		return;
	lite_close(s->db);
	secret_free(s->key);
	free(s->name);
	free(s);
}

static const struct store_ops ops = {
	.type = "local",
	.canary = store_local_canary,
	.ready = check_ready,
	.describe = store_local_read_describe,
	.fetch = store_local_read_fetch,
	.stage = store_local_stage,
	.promote = store_local_label_promote,
	.retire = store_local_label_retire,
	.withdraw = store_local_label_withdraw,
	.close = close_store,
};

static enum status open_parts(struct store_local *s,
			      const struct store_local_options *o,
			      struct reason *why)
{
	struct lite_options lo = {
		.path = o->path,
		.schema = schema,
		.application_id = APPLICATION_ID,
		.create = o->create,
		.reserve_bytes = RESERVE_BYTES,
	};
	enum status st;

	st = seal_key_load(o->key_path, &s->key, why);
	if (st != STATUS_OK)
		return st;
	st = lite_open(&lo, &s->db, why);
	if (st == STATUS_OK)
		st = store_local_key_check(s, o->path, o->key_path, why);
	return store_local_translate(s, st, why);
}

enum status store_local_open(const struct store_local_options *o,
			     struct store **ret_store, struct reason *why)
{
	struct store_local *s = NULL;
	enum status st;

	st = store_refuse_ring(o->name, o->ring, why);
	if (st != STATUS_OK)
		return st;
	s = calloc(1, sizeof *s);
	if (!s || !(s->name = strdup(o->name))) {
		free(s);
		return reason_no_memory(why);
	}
	s->store.ops = &ops;
	s->store.name = s->name;
	s->ring = o->ring;
	s->now = o->now;
	s->random = o->random;
	st = open_parts(s, o, why);
	if (st != STATUS_OK) {
		close_store(&s->store);
		return st;
	}
	*ret_store = &s->store;
	return STATUS_OK;
}
