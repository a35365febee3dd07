/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writes the chain out, line by line.  Must never leave a line out because it
 * does not fit: whoever reads them verifies it.
 */
#include <inttypes.h>
#include <string.h>

#include "audit/audit_walk.h"
#include "base/encode.h"
#include "base/now.h"
#include "base/text.h"

struct export
{
	const struct audit_walk *walk;
	audit_line_fn *fn;
	void *arg;
	struct text line;
	char prev[AUDIT_HASH_SIZE];
};

static void begin_export(struct export *x)
{
	static const unsigned char none[DIGEST_SIZE];

	encode_hex(none, sizeof none, x->prev);
	x->line = text_make(AUDIT_BODY_MAX + 512);
}

static enum status put_line(struct export *x, struct reason *why)
{
	enum status st = text_status(&x->line);

	if (st != STATUS_OK)
		return reason_set(why, st, "an audit event is too long");
	st = x->fn(x->arg, text_str(&x->line));
	text_reset(&x->line);
	return st;
}

static void hash_of(const struct audit_row *row, char ret[AUDIT_HASH_SIZE])
{
	ret[0] = '\0';
	if (row->has_hash)
		encode_hex(row->hash, sizeof row->hash, ret);
}

static enum status export_event(struct export *x, const struct audit_row *row,
				struct reason *why)
{
	char hex[AUDIT_HASH_SIZE];

	hash_of(row, hex);
	/* What was hashed is the line up to the last ,"seq": and a brace. */
	text_add_bytes(&x->line, row->body, row->n > 0 ? row->n - 1 : 0);
	text_printf(&x->line,
		    ",\"seq\":%" PRId64 ",\"prev\":\"%s\",\"hash\":\"%s\"}",
		    row->seq, x->prev, hex);
	memcpy(x->prev, hex, sizeof hex);
	return put_line(x, why);
}

static enum status export_checkpoint(struct export *x,
				     const struct audit_checkpoint *cp,
				     struct reason *why)
{
	char stamp[NOW_STAMP_SIZE], hex[AUDIT_HASH_SIZE];
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
				struct audit_checkpoint *cp, enum status *more,
				struct reason *why)
{
	enum status st = STATUS_OK;

	while (st == STATUS_OK && *more == STATUS_OK && cp->seq <= seq) {
		st = export_checkpoint(x, cp, why);
		*more = x->walk->checkpoint(x->walk->arg, cp, why);
	}
	if (st == STATUS_OK && *more != STATUS_OK && *more != STATUS_NOT_FOUND)
		st = *more;
	return st;
}

static enum status export_all(struct export *x, struct reason *why)
{
	const struct audit_walk *w = x->walk;
	struct audit_checkpoint cp;
	struct audit_row row;
	enum status more, st;

	more = w->checkpoint(w->arg, &cp, why);
	while ((st = w->event(w->arg, &row, why)) == STATUS_OK) {
		st = export_event(x, &row, why);
		if (st == STATUS_OK)
			st = export_up_to(x, row.seq, &cp, &more, why);
		if (st != STATUS_OK)
			return st;
	}
	if (st != STATUS_NOT_FOUND)
		return st;
	/* Those that name an event that is gone. */
	return export_up_to(x, INT64_MAX, &cp, &more, why);
}

enum status audit_export(const struct audit_walk *w, audit_line_fn *fn,
			 void *arg, struct reason *why)
{
	struct export x = { .walk = w, .fn = fn, .arg = arg };
	enum status st = w->seek(w->arg, 1, why);

	begin_export(&x);
	if (st == STATUS_OK)
		st = export_all(&x, why);
	text_free(&x.line);
	return st;
}

enum status audit_export_after(const struct audit_walk *w, int64_t after,
			       size_t most, audit_line_fn *fn, void *arg,
			       int64_t *ret_last, struct reason *why)
{
	struct export x = { .walk = w, .fn = fn, .arg = arg };
	enum status st = w->seek(w->arg, after, why);
	int64_t last = after;
	struct audit_row row;
	size_t n = 0;

	begin_export(&x);
	while (st == STATUS_OK && n < most) {
		st = w->event(w->arg, &row, why);
		if (st == STATUS_OK && row.seq == after) {
			hash_of(&row, x.prev);
		} else if (st == STATUS_OK) {
			last = row.seq;
			n++;
			st = export_event(&x, &row, why);
		}
	}
	text_free(&x.line);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	*ret_last = last;
	return STATUS_OK;
}
