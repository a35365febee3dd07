/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writes the chain of audit events.  Must never change an event that is there.
 */
#include "ledger/audit_trail.h"

#include <inttypes.h>
#include <string.h>

#include "base/now.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "ledger/audit_trail_internal.h"

const char audit_trail_schema[] =
	"CREATE TABLE event("
	" seq INTEGER PRIMARY KEY,"
	" body TEXT NOT NULL,"
	" hash BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE checkpoint("
	" seq INTEGER PRIMARY KEY,"
	" at_us INTEGER NOT NULL,"
	" hash BLOB NOT NULL,"
	" signature BLOB NOT NULL"
	") STRICT;"
	/* These stop mistakes, not attackers: who can write the file can drop
	 * them, and is found by audit_trail_verify(). */
	"CREATE TRIGGER event_grows BEFORE INSERT ON event"
	" WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM event) BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail only grows at its end'); END;"
	"CREATE TRIGGER event_stays BEFORE UPDATE ON event BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail is append-only'); END;"
	"CREATE TRIGGER event_kept BEFORE DELETE ON event BEGIN"
	" SELECT RAISE(ABORT, 'the audit trail is append-only'); END;"
	"CREATE TRIGGER checkpoint_grows BEFORE INSERT ON checkpoint"
	" WHEN NEW.seq <= (SELECT max(seq) FROM checkpoint) BEGIN"
	" SELECT RAISE(ABORT, 'checkpoints only grow at their end'); END;"
	"CREATE TRIGGER checkpoint_stays BEFORE UPDATE ON checkpoint BEGIN"
	" SELECT RAISE(ABORT, 'checkpoints are append-only'); END;"
	"CREATE TRIGGER checkpoint_kept BEFORE DELETE ON checkpoint BEGIN"
	" SELECT RAISE(ABORT, 'checkpoints are append-only'); END;";

void audit_trail_cut(char *dst, size_t size, const char *src)
{
	size_t n = strlen(src);

	if (n < size) {
		memcpy(dst, src, n + 1);
		return;
	}
	n = size - 4;
	/* Not inside a UTF-8 character: back over its continuation bytes. */
	while (n > 0 && ((unsigned char)src[n] & 0xc0) == 0x80)
		n--;
	memcpy(dst, src, n);
	memcpy(dst + n, "...", 4);
}

static void add_key(struct text *t, const char *key)
{
	text_add(t, t->len > 1 ? ",\"" : "\"");
	text_add(t, key);
	text_add(t, "\":");
}

static void add_string(struct text *t, const char *key, const char *value)
{
	char cut[LEDGER_TEXT_SIZE];

	if (!value || !value[0])
		return;
	audit_trail_cut(cut, sizeof cut, value);
	add_key(t, key);
	text_add_json(t, cut);
}

static void add_number(struct text *t, const char *key, int64_t value)
{
	add_key(t, key);
	text_printf(t, "%" PRId64, value);
}

enum status audit_trail_body(const struct ledger_event *e, int64_t at_us,
			     char **ret_body, struct reason *why)
{
	struct text t = text_make(AUDIT_TRAIL_BODY_MAX);
	char stamp[NOW_STAMP_SIZE];
	enum status st;

	text_add_char(&t, '{');
	add_string(&t, "actor", e->actor);
	add_string(&t, "at", now_stamp(at_us, stamp));
	add_string(&t, "detail", e->detail);
	if (e->epoch != 0)
		add_number(&t, "epoch", e->epoch);
	add_string(&t, "kind", e->kind);
	add_string(&t, "role", e->role);
	add_string(&t, "run", e->run);
	add_string(&t, "status", e->status);
	if (e->took_us >= 0)
		add_number(&t, "took_us", e->took_us);
	add_string(&t, "version", e->version);
	text_add_char(&t, '}');
	st = text_status(&t);
	if (st == STATUS_OK)
		st = text_dup(text_str(&t), ret_body);
	text_free(&t);
	if (st != STATUS_OK)
		reason_set(why, st, "an audit event cannot be written down: %s",
			   status_sentence(st));
	return st;
}

enum status audit_trail_append(struct lite_tx *tx, const char *body,
			       struct reason *why)
{
	unsigned char hash[DIGEST_SIZE];
	struct lite_stmt *q = NULL;
	struct audit_trail_walk w;
	enum status st;

	st = audit_trail_walk_last(tx, &w, why);
	if (st != STATUS_OK)
		return st;
	st = digest_chain(w.hash, body, strlen(body), hash);
	if (st != STATUS_OK)
		return reason_set(why, st, "SHA-256 is not available");
	st = lite_prepare(tx,
			  "INSERT INTO event(seq, body, hash) "
			  "VALUES(?1, ?2, ?3)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, w.seq + 1);
	lite_bind_text(q, 2, body);
	lite_bind_blob(q, 3, hash, sizeof hash);
	return lite_exec(q, NULL, why);
}

static enum status last_follows(struct lite_tx *tx, struct reason *why)
{
	struct lite_stmt *q = NULL;
	struct audit_trail_walk w = { .seq = 0 }, first;
	int64_t bad = 0;
	enum status st;

	st = audit_trail_walk_last(tx, &first, why);
	if (st != STATUS_OK || first.seq == 0)
		return st;
	st = lite_prepare(tx,
			  "SELECT " AUDIT_TRAIL_EVENTS " FROM event "
			  "WHERE seq >= ?1 ORDER BY seq",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, first.seq - 1);
	if (first.seq > 1) {
		const void *hash;
		size_t n = 0;

		st = lite_step(q, why);
		if (st != STATUS_OK)
			return st;
		w.seq = first.seq - 1;
		hash = lite_blob(q, 2, &n);
		if (lite_int(q, 0) != w.seq || n != sizeof w.hash) {
			lite_done(q);
			return audit_trail_walk_broken(why, w.seq,
						       "it is missing");
		}
		memcpy(w.hash, hash, n);
	}
	st = audit_trail_walk_next(q, &w, &bad, why);
	if (st == STATUS_OK || st == STATUS_AUDIT_BROKEN)
		lite_done(q);
	return st;
}

enum status audit_trail_intact(struct lite_tx *tx,
			       const struct audit_trail_keys *keys,
			       struct reason *why)
{
	struct audit_trail_checkpoint cp;
	enum status st = last_follows(tx, why);

	if (st != STATUS_OK)
		return st;
	st = audit_trail_checkpoint_last(tx, &cp, why);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	/* Another key, or another ledger: they do not belong together. */
	if (st == STATUS_OK && keys->has_public)
		st = audit_trail_checkpoint_signed(keys, &cp, why);
	return st == STATUS_OK ? audit_trail_checkpoint_anchored(tx, &cp, why) :
				 st;
}
