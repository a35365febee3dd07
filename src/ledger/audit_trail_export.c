/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writes the chain out, line by line.  Must never leave a line out because it
 * does not fit: whoever reads them verifies it.
 */
#include "ledger/audit_trail_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/encode.h"
#include "base/now.h"
#include "base/text.h"

struct export
{
	ledger_export_fn *fn;
	void *arg;
	struct text line;
	char prev[AUDIT_TRAIL_HEX_SIZE];
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

static void add_hex(char hex[AUDIT_TRAIL_HEX_SIZE], struct lite_stmt *q,
		    int column)
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
	char hex[AUDIT_TRAIL_HEX_SIZE];
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
				     const struct audit_trail_checkpoint *cp,
				     struct reason *why)
{
	char stamp[NOW_STAMP_SIZE], hex[AUDIT_TRAIL_HEX_SIZE];
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
				struct audit_trail_checkpoint *cp,
				enum status *more, struct reason *why)
{
	enum status st = STATUS_OK;

	while (st == STATUS_OK && *more == STATUS_OK && cp->seq <= seq) {
		st = export_checkpoint(x, cp, why);
		*more = audit_trail_checkpoint_next(checkpoints, cp, why);
	}
	if (st == STATUS_OK && *more != STATUS_OK && *more != STATUS_NOT_FOUND)
		st = *more;
	return st;
}

static enum status export_all(struct export *x, struct lite_stmt *events,
			      struct lite_stmt *checkpoints, struct reason *why)
{
	struct audit_trail_checkpoint cp;
	enum status more, st;

	more = audit_trail_checkpoint_next(checkpoints, &cp, why);
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
	x.line = text_make(AUDIT_TRAIL_BODY_MAX + 512);
	st = lite_prepare(tx,
			  "SELECT " AUDIT_TRAIL_EVENTS
			  " FROM event ORDER BY seq",
			  &events, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "SELECT " AUDIT_TRAIL_CHECKPOINTS
				  " FROM checkpoint ORDER BY seq",
				  &checkpoints, why);
	if (st == STATUS_OK)
		st = export_all(&x, events, checkpoints, why);
	text_free(&x.line);
	return st;
}

/* The hash of event `after`, which the next one names. */
static enum status begin_behind(struct lite_tx *tx, struct export *x,
				int64_t after, struct reason *why)
{
	static const unsigned char none[DIGEST_SIZE];
	struct lite_stmt *q = NULL;
	enum status st;

	encode_hex(none, sizeof none, x->prev);
	if (after == 0)
		return STATUS_OK;
	st = lite_prepare(tx,
			  "SELECT " AUDIT_TRAIL_EVENTS
			  " FROM event WHERE seq = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, after);
	st = lite_step(q, why);
	if (st == STATUS_OK) {
		add_hex(x->prev, q, 2);
		lite_done(q);
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

enum status audit_trail_export_after(struct lite_tx *tx, int64_t after,
				     size_t most, ledger_export_fn *fn,
				     void *arg, int64_t *ret_last,
				     struct reason *why)
{
	struct export x = { .fn = fn, .arg = arg };
	struct audit_trail_walk end;
	struct lite_stmt *q = NULL;
	int64_t last = after;
	enum status st;

	if (after < 0) {
		st = audit_trail_walk_last(tx, &end, why);
		if (st == STATUS_OK)
			*ret_last = end.seq;
		return st;
	}
	st = begin_behind(tx, &x, after, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "SELECT " AUDIT_TRAIL_EVENTS
				  " FROM event WHERE seq > ?1 "
				  "ORDER BY seq LIMIT ?2",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, after);
	lite_bind_int(q, 2, (int64_t)most);
	x.line = text_make(AUDIT_TRAIL_BODY_MAX + 512);
	while ((st = lite_step(q, why)) == STATUS_OK) {
		last = lite_int(q, 0);
		st = export_event(&x, q, why);
		if (st != STATUS_OK)
			break;
	}
	text_free(&x.line);
	if (st != STATUS_NOT_FOUND)
		return st;
	*ret_last = last;
	return STATUS_OK;
}
