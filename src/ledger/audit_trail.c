/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writes and re-derives the chain of audit events.  Must never change an event
 * that is there, nor sign a chain that it has not re-derived.
 */
#include "ledger/audit_trail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/now.h"
#include "base/text.h"
#include "crypto/digest.h"

#define BODY_MAX    16384
#define MESSAGE_MAX 256
#define HEX_SIZE    (2 * DIGEST_SIZE + 1)

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

/* The blob, not the text: bytes behind a NUL would escape the hash. */
#define EVENT_COLUMNS "seq, CAST(body AS BLOB), hash"

/* --- writing -------------------------------------------------------------- */

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
	struct text t = text_make(BODY_MAX);
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

/* Where the chain has got to. */
struct walk {
	int64_t seq;
	unsigned char hash[DIGEST_SIZE];
};

static enum status broken(struct reason *why, int64_t seq, const char *what)
{
	return reason_set(why, STATUS_AUDIT_BROKEN,
			  "the audit trail is broken at event %" PRId64 ": %s; "
			  "keep the file as evidence, see keyturn audit verify",
			  seq, what);
}

/* STATUS_OK and the beginning of all chains when there is no event. */
static enum status last_event(struct lite_tx *tx, struct walk *ret_walk,
			      struct reason *why)
{
	struct walk w = { .seq = 0 };
	struct lite_stmt *q = NULL;
	const void *hash;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx,
			  "SELECT seq, hash FROM event "
			  "ORDER BY seq DESC LIMIT 1",
			  &q, why);
	if (st == STATUS_OK)
		st = lite_step(q, why);
	if (st == STATUS_OK) {
		w.seq = lite_int(q, 0);
		hash = lite_blob(q, 1, &n);
		if (n == DIGEST_SIZE)
			memcpy(w.hash, hash, n);
		lite_done(q);
		if (n != DIGEST_SIZE)
			return broken(why, w.seq, "it has no hash");
	} else if (st != STATUS_NOT_FOUND) {
		return st;
	}
	*ret_walk = w;
	return STATUS_OK;
}

enum status audit_trail_append(struct lite_tx *tx, const char *body,
			       struct reason *why)
{
	unsigned char hash[DIGEST_SIZE];
	struct lite_stmt *q = NULL;
	struct walk w;
	enum status st;

	st = last_event(tx, &w, why);
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

/* --- re-deriving ----------------------------------------------------------- */

/*
 * Step to the next event of `events` (EVENT_COLUMNS in order) and check that
 * it follows.  STATUS_NOT_FOUND at the end; STATUS_AUDIT_BROKEN: *ret_bad.
 */
static enum status next_event(struct lite_stmt *events, struct walk *w,
			      int64_t *ret_bad, struct reason *why)
{
	unsigned char hash[DIGEST_SIZE];
	const void *body, *stored;
	size_t body_n = 0, n = 0;
	enum status st;

	st = lite_step(events, why);
	if (st != STATUS_OK)
		return st;
	if (lite_int(events, 0) != w->seq + 1) {
		*ret_bad = w->seq + 1;
		return broken(why, *ret_bad, "it is missing");
	}
	body = lite_blob(events, 1, &body_n);
	stored = lite_blob(events, 2, &n);
	st = digest_chain(w->hash, body, body_n, hash);
	if (st != STATUS_OK)
		return reason_set(why, st, "SHA-256 is not available");
	if (n != DIGEST_SIZE || memcmp(hash, stored, n) != 0) {
		*ret_bad = w->seq + 1;
		return broken(why, *ret_bad, "it was altered");
	}
	w->seq++;
	memcpy(w->hash, hash, sizeof hash);
	return STATUS_OK;
}

struct checkpoint {
	int64_t seq;
	int64_t at_us;
	unsigned char hash[DIGEST_SIZE];
	unsigned char signature[SIGN_SIZE];
};

static size_t checkpoint_message(const struct checkpoint *cp,
				 char message[MESSAGE_MAX])
{
	char stamp[NOW_STAMP_SIZE], hex[HEX_SIZE];

	encode_hex(cp->hash, sizeof cp->hash, hex);
	return (size_t)snprintf(message, MESSAGE_MAX,
				"keyturn audit checkpoint 1\n%" PRId64
				"\n%s\n%s\n",
				cp->seq, hex, now_stamp(cp->at_us, stamp));
}

#define CHECKPOINT_COLUMNS "seq, at_us, hash, signature"

/* Step a statement of CHECKPOINT_COLUMNS.  STATUS_NOT_FOUND at the end. */
static enum status next_checkpoint(struct lite_stmt *q,
				   struct checkpoint *ret_cp,
				   struct reason *why)
{
	const void *hash, *signature;
	struct checkpoint cp = { .seq = 0 };
	size_t n = 0, m = 0;
	enum status st = lite_step(q, why);

	if (st != STATUS_OK)
		return st;
	cp.seq = lite_int(q, 0);
	cp.at_us = lite_int(q, 1);
	hash = lite_blob(q, 2, &n);
	signature = lite_blob(q, 3, &m);
	/* Of another size no signature fits: it is reported as forged. */
	if (n == sizeof cp.hash && m == sizeof cp.signature) {
		memcpy(cp.hash, hash, n);
		memcpy(cp.signature, signature, m);
	}
	*ret_cp = cp;
	return STATUS_OK;
}

static enum status last_checkpoint(struct lite_tx *tx,
				   struct checkpoint *ret_cp,
				   struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT " CHECKPOINT_COLUMNS " FROM checkpoint "
			  "ORDER BY seq DESC LIMIT 1",
			  &q, why);
	if (st == STATUS_OK)
		st = next_checkpoint(q, ret_cp, why);
	if (st == STATUS_OK)
		lite_done(q);
	return st;
}

/* Is the event that the checkpoint names there, with that hash? */
static enum status anchored(struct lite_tx *tx, const struct checkpoint *cp,
			    struct reason *why)
{
	struct lite_stmt *q = NULL;
	const void *hash;
	enum status st;
	size_t n = 0;
	bool same;

	st = lite_prepare(tx, "SELECT hash FROM event WHERE seq = ?1", &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, cp->seq);
	st = lite_step(q, why);
	if (st == STATUS_NOT_FOUND)
		return broken(why, cp->seq,
			      "a checkpoint names it, but it is gone");
	if (st != STATUS_OK)
		return st;
	hash = lite_blob(q, 0, &n);
	same = n == sizeof cp->hash && memcmp(hash, cp->hash, n) == 0;
	lite_done(q);
	return same ? STATUS_OK :
		      broken(why, cp->seq,
			     "it is not the one that a checkpoint names");
}

static enum status last_follows(struct lite_tx *tx, struct reason *why)
{
	struct lite_stmt *q = NULL;
	struct walk w = { .seq = 0 }, first;
	int64_t bad = 0;
	enum status st;

	st = last_event(tx, &first, why);
	if (st != STATUS_OK || first.seq == 0)
		return st;
	st = lite_prepare(tx,
			  "SELECT " EVENT_COLUMNS " FROM event "
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
			return broken(why, w.seq, "it is missing");
		}
		memcpy(w.hash, hash, n);
	}
	st = next_event(q, &w, &bad, why);
	if (st == STATUS_OK || st == STATUS_AUDIT_BROKEN)
		lite_done(q);
	return st;
}

enum status audit_trail_intact(struct lite_tx *tx, struct reason *why)
{
	struct checkpoint cp;
	enum status st = last_follows(tx, why);

	if (st != STATUS_OK)
		return st;
	st = last_checkpoint(tx, &cp, why);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	return st == STATUS_OK ? anchored(tx, &cp, why) : st;
}

static enum status check_signature(const struct audit_trail_keys *keys,
				   const struct checkpoint *cp,
				   struct reason *why)
{
	char message[MESSAGE_MAX];
	size_t n = checkpoint_message(cp, message);

	if (sign_verify(keys->public_key, message, n, cp->signature) ==
	    STATUS_OK)
		return STATUS_OK;
	return broken(why, cp->seq,
		      "its checkpoint is not signed by our key, so it is "
		      "forged or the key was changed");
}

/* --- checkpoints ----------------------------------------------------------- */

/* From the last checkpoint (or the beginning) to the last event. */
static enum status derive_since(struct lite_tx *tx,
				const struct audit_trail_keys *keys,
				struct walk *w, struct reason *why)
{
	struct lite_stmt *q = NULL;
	struct checkpoint cp;
	int64_t bad = 0;
	enum status st;

	st = last_checkpoint(tx, &cp, why);
	if (st == STATUS_OK) {
		st = check_signature(keys, &cp, why);
		if (st == STATUS_OK)
			st = anchored(tx, &cp, why);
		if (st != STATUS_OK)
			return st;
		w->seq = cp.seq;
		memcpy(w->hash, cp.hash, sizeof w->hash);
	} else if (st != STATUS_NOT_FOUND) {
		return st;
	}
	st = lite_prepare(tx,
			  "SELECT " EVENT_COLUMNS " FROM event "
			  "WHERE seq > ?1 ORDER BY seq",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, w->seq);
	while ((st = next_event(q, w, &bad, why)) == STATUS_OK)
		;
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK;
	lite_done(q);
	return st;
}

static enum status insert_checkpoint(struct lite_tx *tx,
				     const struct checkpoint *cp,
				     struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO checkpoint(" CHECKPOINT_COLUMNS ") "
			  "VALUES(?1, ?2, ?3, ?4)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, cp->seq);
	lite_bind_int(q, 2, cp->at_us);
	lite_bind_blob(q, 3, cp->hash, sizeof cp->hash);
	lite_bind_blob(q, 4, cp->signature, sizeof cp->signature);
	return lite_exec(q, NULL, why);
}

enum status audit_trail_sign(struct lite_tx *tx,
			     const struct audit_trail_keys *keys,
			     int64_t now_us, struct reason *why)
{
	struct checkpoint cp = { .at_us = now_us };
	struct walk w = { .seq = 0 };
	char message[MESSAGE_MAX];
	struct checkpoint last;
	enum status st;

	st = derive_since(tx, keys, &w, why);
	if (st != STATUS_OK || w.seq == 0)
		return st;
	st = last_checkpoint(tx, &last, why);
	if (st == STATUS_OK && last.seq == w.seq)
		return STATUS_OK; /* it did not grow */
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	cp.seq = w.seq;
	memcpy(cp.hash, w.hash, sizeof cp.hash);
	st = sign_make(keys->sign, message, checkpoint_message(&cp, message),
		       cp.signature);
	if (st != STATUS_OK)
		return reason_set(why, st, "a checkpoint cannot be signed");
	return insert_checkpoint(tx, &cp, why);
}

/* --- verify ---------------------------------------------------------------- */

struct verify {
	const struct audit_trail_keys *keys;
	struct walk w;
	struct ledger_verdict v;
	int64_t trusted; /* seq of the last good checkpoint */
};

static enum status verify_checkpoint(struct verify *f,
				     const struct checkpoint *cp,
				     struct reason *why)
{
	enum status st = STATUS_OK;

	if (f->keys->has_public)
		st = check_signature(f->keys, cp, why);
	if (st != STATUS_OK) {
		f->v.bad_event = cp->seq;
		return st;
	}
	if (memcmp(f->w.hash, cp->hash, sizeof cp->hash) != 0) {
		/* The chain fits in itself, but is not what was signed. */
		f->v.bad_event = f->trusted + 1;
		return reason_set(why, STATUS_AUDIT_BROKEN,
				  "the audit trail is broken at event %" PRId64
				  ": the events from there to %" PRId64
				  " were rewritten, for they do not lead to "
				  "the checkpoint; keep the file as evidence",
				  f->v.bad_event, cp->seq);
	}
	if (f->keys->has_public) {
		f->v.checkpoints++;
		f->trusted = cp->seq;
	}
	return STATUS_OK;
}

/* Events up to seq.  Not all there: the first missing one is bad. */
static enum status verify_to(struct verify *f, struct lite_stmt *events,
			     int64_t seq, struct reason *why)
{
	enum status st = STATUS_OK;

	while (f->w.seq < seq && st == STATUS_OK) {
		st = next_event(events, &f->w, &f->v.bad_event, why);
		if (st == STATUS_OK)
			f->v.events++;
	}
	return st;
}

static enum status verify_all(struct verify *f, struct lite_stmt *events,
			      struct lite_stmt *checkpoints, struct reason *why)
{
	struct checkpoint cp;
	enum status st;

	while ((st = next_checkpoint(checkpoints, &cp, why)) == STATUS_OK) {
		st = verify_to(f, events, cp.seq, why);
		if (st == STATUS_NOT_FOUND ||
		    (st == STATUS_OK && cp.seq != f->w.seq)) {
			f->v.bad_event = f->w.seq + 1;
			return broken(why, f->v.bad_event,
				      "it is missing, though a later "
				      "checkpoint counts it");
		}
		if (st == STATUS_OK)
			st = verify_checkpoint(f, &cp, why);
		if (st != STATUS_OK)
			return st;
	}
	if (st == STATUS_NOT_FOUND)
		st = verify_to(f, events, INT64_MAX, why);
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

enum status audit_trail_verify(struct lite_tx *tx,
			       const struct audit_trail_keys *keys,
			       struct ledger_verdict *ret_verdict,
			       struct reason *why)
{
	struct verify f = { .keys = keys };
	struct lite_stmt *events = NULL, *checkpoints = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT " EVENT_COLUMNS " FROM event ORDER BY seq",
			  &events, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "SELECT " CHECKPOINT_COLUMNS
				  " FROM checkpoint ORDER BY seq",
				  &checkpoints, why);
	if (st == STATUS_OK)
		st = verify_all(&f, events, checkpoints, why);
	if (st != STATUS_OK && st != STATUS_AUDIT_BROKEN)
		return st;
	f.v.unsigned_tail = f.w.seq - f.trusted;
	encode_hex(f.w.hash, sizeof f.w.hash, f.v.head);
	*ret_verdict = f.v;
	return st;
}

/* --- export ---------------------------------------------------------------- */

struct export
{
	ledger_export_fn *fn;
	void *arg;
	struct text line;
	char prev[HEX_SIZE];
};

static enum status put_line(struct export *x, struct reason *why)
{
	enum status st = text_status(&x->line);

	if (st != STATUS_OK)
		return reason_set(why, st, "an audit event is too long");
	st = x->fn(x->arg, text_str(&x->line));
	text_reset(&x->line);
	return st;
}

static void add_hex(char hex[HEX_SIZE], struct lite_stmt *q, int column)
{
	size_t n = 0;
	const void *p = lite_blob(q, column, &n);

	hex[0] = '\0';
	if (n == DIGEST_SIZE)
		encode_hex(p, n, hex);
}

static enum status export_event(struct export *x, struct lite_stmt *q,
				struct reason *why)
{
	char hex[HEX_SIZE];
	const char *body;
	size_t n = 0;

	add_hex(hex, q, 2);
	body = lite_blob(q, 1, &n);
	/* What was hashed is the line up to the last ,"seq": and a brace. */
	text_add_bytes(&x->line, body, n > 0 ? n - 1 : 0);
	text_printf(&x->line,
		    ",\"seq\":%" PRId64 ",\"prev\":\"%s\",\"hash\":\"%s\"}",
		    lite_int(q, 0), x->prev, hex);
	memcpy(x->prev, hex, sizeof hex);
	return put_line(x, why);
}

static enum status export_checkpoint(struct export *x,
				     const struct checkpoint *cp,
				     struct reason *why)
{
	char stamp[NOW_STAMP_SIZE], hex[HEX_SIZE];
	char signature[ENCODE_BASE64_SIZE(SIGN_SIZE)];

	encode_hex(cp->hash, sizeof cp->hash, hex);
	encode_base64(cp->signature, sizeof cp->signature, signature);
	text_printf(&x->line,
		    "{\"at\":\"%s\",\"checkpoint\":%" PRId64
		    ",\"hash\":\"%s\",\"signature\":\"%s\"}",
		    now_stamp(cp->at_us, stamp), cp->seq, hex, signature);
	return put_line(x, why);
}

/* The checkpoints up to event seq; *cp is the next one while *more is OK. */
static enum status export_up_to(struct export *x, int64_t seq,
				struct lite_stmt *checkpoints,
				struct checkpoint *cp, enum status *more,
				struct reason *why)
{
	enum status st = STATUS_OK;

	while (st == STATUS_OK && *more == STATUS_OK && cp->seq <= seq) {
		st = export_checkpoint(x, cp, why);
		*more = next_checkpoint(checkpoints, cp, why);
	}
	if (st == STATUS_OK && *more != STATUS_OK && *more != STATUS_NOT_FOUND)
		st = *more;
	return st;
}

static enum status export_all(struct export *x, struct lite_stmt *events,
			      struct lite_stmt *checkpoints, struct reason *why)
{
	struct checkpoint cp;
	enum status more, st;

	more = next_checkpoint(checkpoints, &cp, why);
	while ((st = lite_step(events, why)) == STATUS_OK) {
		int64_t seq = lite_int(events, 0);

		st = export_event(x, events, why);
		if (st == STATUS_OK)
			st = export_up_to(x, seq, checkpoints, &cp, &more, why);
		if (st != STATUS_OK)
			return st;
	}
	if (st != STATUS_NOT_FOUND)
		return st;
	/* Those that name an event that is gone. */
	return export_up_to(x, INT64_MAX, checkpoints, &cp, &more, why);
}

enum status audit_trail_export(struct lite_tx *tx, ledger_export_fn *fn,
			       void *arg, struct reason *why)
{
	static const unsigned char none[DIGEST_SIZE];
	struct export x = { .fn = fn, .arg = arg };
	struct lite_stmt *events = NULL, *checkpoints = NULL;
	enum status st;

	encode_hex(none, sizeof none, x.prev);
	x.line = text_make(BODY_MAX + 512);
	st = lite_prepare(tx,
			  "SELECT " EVENT_COLUMNS " FROM event ORDER BY seq",
			  &events, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "SELECT " CHECKPOINT_COLUMNS
				  " FROM checkpoint ORDER BY seq",
				  &checkpoints, why);
	if (st == STATUS_OK)
		st = export_all(&x, events, checkpoints, why);
	text_free(&x.line);
	return st;
}
