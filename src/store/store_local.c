/* SPDX-License-Identifier: PostgreSQL */
/*
 * The embedded store: a SQLite file of sealed versions.  Must never give
 * SQLite a plain secret, nor drop a version that carries a label.
 */
#include "store/store_local.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "crypto/seal.h"
#include "lite/lite.h"
#include "store/store_entry.h"

#define APPLICATION_ID 0x4b545354u /* "KTST" */
/* Room for promote and retire of a few rotations: some 5 pages of 4 KiB each
 * in the log. */
#define RESERVE_BYTES ((size_t)256 * 1024)

#define BLOB_MAX (STORE_ENTRY_MAX + SEAL_OVERHEAD)

#define AAD_VERSION "keyturn store 1"
#define AAD_CHECK   "keyturn store check 1"
#define AAD_CANARY  "keyturn store canary 1"
#define AAD_MAX	    (sizeof AAD_VERSION + 1 + STORE_NAME_SIZE + RANDOM_UUID_SIZE)
static const char check_text[] = "this key opens this store";

/*
 * label: enum store_label.  seq grows with every staging and promotion of the
 * secret: the ring forgets what has been out of use for longest.
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
	NULL
};

struct store_local {
	struct store store; /* first: what the caller holds */
	struct lite *db;
	struct secret *key;
	char *name;
	unsigned ring;
	const struct now *now;
	const struct random *random;
};

/* A write on its way through the transaction. */
struct change {
	struct store_local *s;
	const char *name;
	const char *revision;
	const char *id;
	const unsigned char *blob; /* stage: the sealed entry */
	size_t blob_n;
	const struct secret *plain; /* stage: the encoded entry */
	int64_t now_us;
	struct store_state *ret_state; /* never NULL */
};

/* --- sealing ----------------------------------------------------------- */

static size_t make_aad(char aad[AAD_MAX], const char *kind, const char *name,
		       const char *id)
{
	size_t k = strlen(kind), n = strlen(name), i = strlen(id);

	memcpy(aad, kind, k + 1);
	memcpy(aad + k + 1, name, n + 1);
	memcpy(aad + k + 1 + n + 1, id, i);
	return k + 1 + n + 1 + i;
}

static enum status open_version(struct store_local *s, const char *name,
				const char *id, const void *blob, size_t n,
				struct secret **ret_plain, struct reason *why)
{
	char aad[AAD_MAX];
	size_t aad_n = make_aad(aad, AAD_VERSION, name, id);
	enum status st;

	st = seal_open(s->key, aad, aad_n, blob, n, ret_plain, why);
	if (st == STATUS_CORRUPT)
		reason_set(why, st,
			   "store %s: version %s of %s does not open: the row "
			   "was damaged or swapped; restore the store from a "
			   "backup",
			   s->name, id, name);
	return st;
}

/* --- statements ---------------------------------------------------------- */

/* Lite's results in the words of store.h. */
static enum status translate(struct store_local *s, enum status st,
			     struct reason *why)
{
	switch (st) {
	case STATUS_OK:
	case STATUS_CONFLICT:
	case STATUS_REFUSED:
	case STATUS_NOT_FOUND:
	case STATUS_UNKNOWN:
	case STATUS_CONFIG:
	case STATUS_CORRUPT:
	case STATUS_NO_MEMORY:
		return st;
	case STATUS_LIMIT:
	case STATUS_DENIED:
		return reason_wrap(why, STATUS_REFUSED, "store %s", s->name);
	default:
		return reason_wrap(why, STATUS_STORE_UNAVAILABLE, "store %s",
				   s->name);
	}
}

static enum status check_name(const char *name, struct reason *why)
{
	size_t n = strnlen(name, STORE_NAME_SIZE);

	if (n == 0 || n == STORE_NAME_SIZE)
		return reason_set(why, STATUS_REFUSED,
				  "the name of a secret has 1 to %d bytes",
				  STORE_NAME_SIZE - 1);
	return STATUS_OK;
}

static enum status check_id(const char *id, struct reason *why)
{
	if (strnlen(id, RANDOM_UUID_SIZE) >= RANDOM_UUID_SIZE ||
	    !encode_is_uuid(id))
		return reason_set(why, STATUS_REFUSED,
				  "a version id must be a lower-case UUID");
	return STATUS_OK;
}

static enum status load_revision(struct lite_tx *tx, const char *name,
				 char revision[STORE_REVISION_SIZE],
				 struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	revision[0] = '\0';
	st = lite_prepare(tx, "SELECT revision FROM secret WHERE name = ?1", &q,
			  why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, name);
	st = lite_step(q, why);
	if (st == STATUS_OK) {
		snprintf(revision, STORE_REVISION_SIZE, "%" PRId64,
			 lite_int(q, 0));
		lite_done(q);
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

static enum status load_state(struct lite_tx *tx, const char *name,
			      struct store_state *ret_state, struct reason *why)
{
	struct store_state state = { .n = 0 };
	struct lite_stmt *q = NULL;
	struct store_version *v;
	enum status st;

	st = load_revision(tx, name, state.revision, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "SELECT id, label, created_us FROM version "
				  "WHERE name = ?1 ORDER BY seq DESC",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, name);
	while ((st = lite_step(q, why)) == STATUS_OK) {
		if (state.n == STORE_VERSIONS_MAX) {
			lite_done(q);
			return reason_set(why, STATUS_CORRUPT,
					  "the secret %s has more than %d "
					  "versions: the store was altered",
					  name, STORE_VERSIONS_MAX);
		}
		v = &state.versions[state.n++];
		if (text_copy(v->id, sizeof v->id, lite_text(q, 0)) !=
		    STATUS_OK) {
			lite_done(q);
			return reason_set(why, STATUS_CORRUPT,
					  "the secret %s has a malformed "
					  "version id: the store was altered",
					  name);
		}
		v->label = (enum store_label)lite_int(q, 1);
		v->created_us = lite_int(q, 2);
	}
	if (st != STATUS_NOT_FOUND)
		return st;
	*ret_state = state;
	return STATUS_OK;
}

/* The caller saw `revision`: is it still that? */
static enum status compare(const struct change *c,
			   const struct store_state *state, struct reason *why)
{
	if (strcmp(state->revision, c->revision) == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFLICT,
			  "store %s: %s is at revision %s, not %s: somebody "
			  "else changed it",
			  c->s->name, c->name,
			  state->revision[0] ? state->revision : "(none)",
			  c->revision[0] ? c->revision : "(none)");
}

static enum status bump(struct lite_tx *tx, const struct change *c,
			struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO secret(name, revision) VALUES(?1, 1) "
			  "ON CONFLICT(name) DO UPDATE SET "
			  "revision = revision + 1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	return lite_exec(q, NULL, why);
}

/* Every version of the secret with label `from` gets label `to`. */
static enum status relabel(struct lite_tx *tx, const struct change *c,
			   enum store_label from, enum store_label to,
			   struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "UPDATE version SET label = ?3 "
			  "WHERE name = ?1 AND label = ?2",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	lite_bind_int(q, 2, from);
	lite_bind_int(q, 3, to);
	return lite_exec(q, NULL, why);
}

static enum status insert_version(struct lite_tx *tx, const struct change *c,
				  struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO version"
			  "(id, name, label, seq, created_us, sealed) "
			  "SELECT ?1, ?2, ?3, coalesce(max(seq), 0) + 1, ?4, "
			  "?5 FROM version WHERE name = ?2",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->id);
	lite_bind_text(q, 2, c->name);
	lite_bind_int(q, 3, STORE_LABEL_PENDING);
	lite_bind_int(q, 4, c->now_us);
	lite_bind_blob(q, 5, c->blob, c->blob_n);
	return lite_exec(q, NULL, why);
}

static enum status make_current(struct lite_tx *tx, const struct change *c,
				struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "UPDATE version SET label = ?3, seq = 1 + "
			  "(SELECT max(seq) FROM version WHERE name = ?1) "
			  "WHERE id = ?2 AND name = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	lite_bind_text(q, 2, c->id);
	lite_bind_int(q, 3, STORE_LABEL_CURRENT);
	return lite_exec(q, NULL, why);
}

/* Only unlabelled versions, and of these the oldest beyond the ring. */
static enum status prune(struct lite_tx *tx, const struct change *c,
			 struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "DELETE FROM version WHERE name = ?1 AND label = 0 "
			  "AND id NOT IN (SELECT id FROM version "
			  "WHERE name = ?1 AND label = 0 "
			  "ORDER BY seq DESC LIMIT ?2)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	lite_bind_int(q, 2, c->s->ring);
	return lite_exec(q, NULL, why);
}

/* A change is over: the ring goes back to its size, and the state after. */
static enum status finish(struct lite_tx *tx, struct change *c,
			  struct reason *why)
{
	enum status st = prune(tx, c, why);

	return st == STATUS_OK ? load_state(tx, c->name, c->ret_state, why) :
				 st;
}

/* --- stage --------------------------------------------------------------- */

/* The id is there already: the same content makes it a repeat. */
static enum status compare_content(struct change *c, const char *name,
				   const void *blob, size_t n,
				   struct reason *why)
{
	struct secret *plain = NULL;
	enum status st;

	if (strcmp(name, c->name) != 0)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: version id %s belongs to another "
				  "secret: make a new one",
				  c->s->name, c->id);
	st = open_version(c->s, name, c->id, blob, n, &plain, why);
	if (st != STATUS_OK)
		return st;
	if (!secret_equal(plain, c->plain))
		st = reason_set(why, STATUS_REFUSED,
				"store %s: version %s of %s exists with "
				"another content: make a new version",
				c->s->name, c->id, name);
	secret_free(plain);
	return st;
}

/* STATUS_NOT_FOUND: the id is new. */
static enum status find_repeat(struct lite_tx *tx, struct change *c,
			       struct reason *why)
{
	struct lite_stmt *q = NULL;
	const void *blob;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx, "SELECT name, sealed FROM version WHERE id = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->id);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	blob = lite_blob(q, 1, &n);
	st = compare_content(c, lite_text(q, 0), blob, n, why);
	lite_done(q);
	return st;
}

/* The content stands there already.  A PENDING that is staged again under the
 * present revision moves it: whoever read it before shall not stage over what
 * is about to be applied again. */
static enum status stage_again(struct lite_tx *tx, struct change *c,
			       struct reason *why)
{
	const struct store_version *pending;
	enum status st = load_state(tx, c->name, c->ret_state, why);

	if (st != STATUS_OK)
		return st;
	pending = store_find_label(c->ret_state, STORE_LABEL_PENDING);
	if (!pending || strcmp(pending->id, c->id) != 0 ||
	    strcmp(c->revision, c->ret_state->revision) != 0)
		return STATUS_OK;
	st = bump(tx, c, why);
	return st == STATUS_OK ? load_state(tx, c->name, c->ret_state, why) :
				 st;
}

static enum status stage_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct change *c = arg;
	enum status st;

	st = find_repeat(tx, c, why);
	if (st == STATUS_OK)
		return stage_again(tx, c, why);
	if (st != STATUS_NOT_FOUND)
		return st;
	st = load_state(tx, c->name, c->ret_state, why);
	if (st == STATUS_OK)
		st = compare(c, c->ret_state, why);
	if (st == STATUS_OK)
		st = relabel(tx, c, STORE_LABEL_PENDING, STORE_LABEL_RING, why);
	if (st == STATUS_OK)
		st = bump(tx, c, why);
	if (st == STATUS_OK)
		st = insert_version(tx, c, why);
	return st == STATUS_OK ? finish(tx, c, why) : st;
}

static enum status stage(struct store *store, const char *name,
			 const char *revision, const char *id,
			 const struct store_entry *entry,
			 struct store_state *ret_state, struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	unsigned char blob[BLOB_MAX];
	struct secret *plain = NULL;
	struct store_state after;
	char aad[AAD_MAX];
	struct change c = {
		.s = s, .name = name, .revision = revision, .id = id
	};
	enum status st;

	st = check_name(name, why);
	if (st == STATUS_OK)
		st = check_id(id, why);
	if (st == STATUS_OK)
		st = store_entry_encode(entry, &plain, why);
	if (st == STATUS_OK)
		st = seal_close(s->key, s->random, aad,
				make_aad(aad, AAD_VERSION, name, id), plain,
				blob, &c.blob_n, why);
	if (st != STATUS_OK)
		goto out;
	c.blob = blob;
	c.plain = plain;
	c.now_us = now_wall(s->now);
	c.ret_state = &after;
	st = lite_write(s->db, stage_in, &c, why);
	if (st == STATUS_OK && ret_state)
		*ret_state = after;
out:
	secret_free(plain);
	return translate(s, st, why);
}

/* --- promote and retire --------------------------------------------------- */

static enum status unknown_version(const struct change *c, struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "store %s has no version %s of %s", c->s->name, c->id,
			  c->name);
}

static enum status promote_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct change *c = arg;
	const struct store_version *v;
	enum status st;

	st = load_state(tx, c->name, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	v = store_find_id(c->ret_state, c->id);
	if (v && v->label == STORE_LABEL_CURRENT)
		return STATUS_OK;
	st = compare(c, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	if (!v)
		return unknown_version(c, why);
	/* In this order no two versions ever share a label, and a PREVIOUS that
	 * is promoted itself just passes through the ring. */
	st = relabel(tx, c, STORE_LABEL_PREVIOUS, STORE_LABEL_RING, why);
	if (st == STATUS_OK)
		st = relabel(tx, c, STORE_LABEL_CURRENT, STORE_LABEL_PREVIOUS,
			     why);
	if (st == STATUS_OK)
		st = make_current(tx, c, why);
	if (st == STATUS_OK)
		st = bump(tx, c, why);
	return st == STATUS_OK ? finish(tx, c, why) : st;
}

static enum status retire_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct change *c = arg;
	const struct store_version *v;
	enum status st;

	st = load_state(tx, c->name, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	v = store_find_id(c->ret_state, c->id);
	if (v && v->label == STORE_LABEL_RING)
		return STATUS_OK;
	st = compare(c, c->ret_state, why);
	if (st != STATUS_OK)
		return st;
	if (!v)
		return unknown_version(c, why);
	if (v->label != STORE_LABEL_PENDING)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: version %s of %s is %s and cannot "
				  "be retired",
				  c->s->name, c->id, c->name,
				  store_label_name(v->label));
	st = relabel(tx, c, STORE_LABEL_PENDING, STORE_LABEL_RING, why);
	if (st == STATUS_OK)
		st = bump(tx, c, why);
	return st == STATUS_OK ? finish(tx, c, why) : st;
}

/* These follow a staging: their room was reserved before it. */
static enum status move_label(struct store *store, lite_fn *fn,
			      const char *name, const char *revision,
			      const char *id, struct store_state *ret_state,
			      struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	struct store_state after;
	struct change c = { .s = s,
			    .name = name,
			    .revision = revision,
			    .id = id,
			    .ret_state = &after };
	enum status st;

	st = check_name(name, why);
	if (st == STATUS_OK)
		st = lite_write_reserved(s->db, fn, &c, why);
	if (st == STATUS_OK && ret_state)
		*ret_state = after;
	return translate(s, st, why);
}

static enum status promote(struct store *store, const char *name,
			   const char *revision, const char *id,
			   struct store_state *ret_state, struct reason *why)
{
	return move_label(store, promote_in, name, revision, id, ret_state,
			  why);
}

static enum status retire(struct store *store, const char *name,
			  const char *revision, const char *id,
			  struct store_state *ret_state, struct reason *why)
{
	return move_label(store, retire_in, name, revision, id, ret_state, why);
}

/* --- describe and fetch --------------------------------------------------- */

static enum status describe_in(struct lite_tx *tx, void *arg,
			       struct reason *why)
{
	struct change *c = arg;

	return load_state(tx, c->name, c->ret_state, why);
}

static enum status describe(struct store *store, const char *name,
			    struct store_state *ret_state, struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	struct change c = { .s = s, .name = name, .ret_state = ret_state };
	enum status st;

	st = check_name(name, why);
	if (st == STATUS_OK)
		st = lite_read(s->db, describe_in, &c, why);
	return translate(s, st, why);
}

struct lookup {
	struct store_local *s;
	const char *name;
	const char *id;
	struct store_entry *ret_entry;
};

static enum status fetch_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct lookup *l = arg;
	struct lite_stmt *q = NULL;
	struct secret *plain = NULL;
	const void *blob;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx,
			  "SELECT sealed FROM version "
			  "WHERE id = ?1 AND name = ?2",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, l->id);
	lite_bind_text(q, 2, l->name);
	st = lite_step(q, why);
	if (st == STATUS_NOT_FOUND)
		return reason_set(why, st, "store %s has no version %s of %s",
				  l->s->name, l->id, l->name);
	if (st != STATUS_OK)
		return st;
	blob = lite_blob(q, 0, &n);
	st = open_version(l->s, l->name, l->id, blob, n, &plain, why);
	if (st == STATUS_OK)
		st = store_entry_decode(plain, l->ret_entry, why);
	secret_free(plain);
	lite_done(q);
	return st;
}

static enum status fetch(struct store *store, const char *name, const char *id,
			 struct store_entry *ret_entry, struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	struct lookup l = { s, name, id, ret_entry };
	enum status st;

	st = check_name(name, why);
	if (st == STATUS_OK)
		st = check_id(id, why);
	if (st == STATUS_OK)
		st = lite_read(s->db, fetch_in, &l, why);
	return translate(s, st, why);
}

/* --- canary --------------------------------------------------------------- */

struct canary {
	struct store_local *s;
	char id[RANDOM_UUID_SIZE];
	const unsigned char *blob;
	size_t n;
};

static enum status canary_write(struct lite_tx *tx, const struct canary *c,
				struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "INSERT INTO canary(id, sealed) VALUES(?1, ?2)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->id);
	lite_bind_blob(q, 2, c->blob, c->n);
	return lite_exec(q, NULL, why);
}

static enum status canary_read(struct lite_tx *tx, const struct canary *c,
			       struct reason *why)
{
	struct lite_stmt *q = NULL;
	const void *blob;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx, "SELECT sealed FROM canary WHERE id = ?1", &q,
			  why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->id);
	st = lite_step(q, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	blob = st == STATUS_OK ? lite_blob(q, 0, &n) : NULL;
	if (!blob || n != c->n || memcmp(blob, c->blob, n) != 0)
		st = reason_set(why, STATUS_CORRUPT,
				"store %s does not give back what was written "
				"to it",
				c->s->name);
	lite_done(q);
	return st;
}

static enum status canary_delete(struct lite_tx *tx, const struct canary *c,
				 struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "DELETE FROM canary WHERE id = ?1", &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->id);
	return lite_exec(q, NULL, why);
}

/* One transaction: its commit writes and syncs the pages that were touched,
 * and a rotation pays for one fsync, not for three. */
static enum status canary_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	enum status st = canary_write(tx, arg, why);

	if (st == STATUS_OK)
		st = canary_read(tx, arg, why);
	return st == STATUS_OK ? canary_delete(tx, arg, why) : st;
}

static enum status seal_text(struct store_local *s, const char *aad,
			     const char *text, unsigned char *ret_blob,
			     size_t *ret_n, struct reason *why)
{
	struct secret *plain = NULL;
	enum status st = secret_new(strlen(text), &plain);

	if (st == STATUS_OK)
		st = secret_set(plain, text, strlen(text));
	if (st == STATUS_OK)
		st = seal_close(s->key, s->random, aad, strlen(aad), plain,
				ret_blob, ret_n, why);
	else
		reason_set(why, st, "no locked memory for a secret");
	secret_free(plain);
	return st;
}

static enum status canary(struct store *store, struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	unsigned char blob[RANDOM_UUID_SIZE + SEAL_OVERHEAD];
	struct canary c = { .s = s, .blob = blob };
	enum status st;

	st = lite_reserve(s->db, why);
	if (st == STATUS_OK) {
		st = random_uuid(s->random, c.id);
		if (st != STATUS_OK)
			reason_set(why, st, "no randomness");
	}
	if (st == STATUS_OK)
		st = seal_text(s, AAD_CANARY, c.id, blob, &c.n, why);
	if (st == STATUS_OK)
		st = lite_write(s->db, canary_in, &c, why);
	return translate(s, st, why);
}

/* --- opening -------------------------------------------------------------- */

static enum status test_check(struct store_local *s, const void *blob, size_t n,
			      struct reason *why)
{
	struct secret *plain = NULL;
	enum status st;

	st = seal_open(s->key, AAD_CHECK, strlen(AAD_CHECK), blob, n, &plain,
		       why);
	if (st == STATUS_OK &&
	    (secret_len(plain) != strlen(check_text) ||
	     memcmp(secret_bytes(plain), check_text, strlen(check_text)) != 0))
		st = STATUS_CORRUPT;
	secret_free(plain);
	return st;
}

/* STATUS_NOT_FOUND: the file is new and belongs to no key yet. */
static enum status read_check(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct store_local *s = arg;
	struct lite_stmt *q = NULL;
	const void *blob;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx, "SELECT sealed FROM seal_check", &q, why);
	if (st == STATUS_OK)
		st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	blob = lite_blob(q, 0, &n);
	st = test_check(s, blob, n, why);
	lite_done(q);
	return st;
}

struct new_check {
	struct store_local *s;
	unsigned char blob[sizeof check_text + SEAL_OVERHEAD];
	size_t n;
};

static enum status refuse_used(struct lite_tx *tx, const char *store,
			       struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "SELECT 1 FROM secret LIMIT 1", &q, why);
	if (st == STATUS_OK)
		st = lite_step(q, why);
	if (st != STATUS_OK)
		return st == STATUS_NOT_FOUND ? STATUS_OK : st;
	lite_done(q);
	return reason_set(why, STATUS_CORRUPT,
			  "store %s: the row that tells its key is gone: "
			  "restore the store from a backup",
			  store);
}

static enum status write_check(struct lite_tx *tx, void *arg,
			       struct reason *why)
{
	struct new_check *c = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = read_check(tx, c->s, why); /* another process was faster */
	if (st != STATUS_NOT_FOUND)
		return st;
	st = refuse_used(tx, c->s->name, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx, "INSERT INTO seal_check VALUES(1, ?1)",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_blob(q, 1, c->blob, c->n);
	return lite_exec(q, NULL, why);
}

static enum status check_key(struct store_local *s, const char *path,
			     const char *key_path, struct reason *why)
{
	struct new_check c = { .s = s };
	enum status st;

	st = lite_read(s->db, read_check, s, why);
	if (st == STATUS_NOT_FOUND) {
		st = seal_text(s, AAD_CHECK, check_text, c.blob, &c.n, why);
		if (st == STATUS_OK)
			st = lite_write(s->db, write_check, &c, why);
		if (st != STATUS_CORRUPT)
			return st;
		return reason_wrap(why, st, "%s", path);
	}
	if (st == STATUS_CORRUPT)
		reason_set(why, st,
			   "%s was not sealed with the key in %s: put the "
			   "right key there, or restore the store that belongs "
			   "to it",
			   path, key_path);
	return st;
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
	.canary = canary,
	.describe = describe,
	.fetch = fetch,
	.stage = stage,
	.promote = promote,
	.retire = retire,
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
		st = check_key(s, o->path, o->key_path, why);
	return translate(s, st, why);
}

enum status store_local_open(const struct store_local_options *o,
			     struct store **ret_store, struct reason *why)
{
	struct store_local *s = NULL;
	enum status st;

	if (o->ring < STORE_RING_MIN || o->ring > STORE_RING_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "store %s: the ring must keep %d to %d "
				  "versions, not %u",
				  o->name, STORE_RING_MIN, STORE_RING_MAX,
				  o->ring);
	s = calloc(1, sizeof *s);
	if (!s || !(s->name = strdup(o->name))) {
		free(s);
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
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
