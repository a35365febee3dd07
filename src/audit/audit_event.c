/* SPDX-License-Identifier: PostgreSQL */
/* Writes an event down as the bytes that are chained, and reads it for reports;
 * must never write the same event in two ways. */
#include "audit/audit_event.h"

#include <inttypes.h>
#include <string.h>

#include "base/now.h"
#include "base/text.h"
#include "json/json_doc.h"

static void add_key(struct text *t, const char *key)
{
	text_add(t, t->len > 1 ? ",\"" : "\"");
	text_add(t, key);
	text_add(t, "\":");
}

static void add_string(struct text *t, const char *key, const char *value)
{
	char cut[AUDIT_TEXT_SIZE];

	if (!value || !value[0])
		return;
	text_cut(cut, sizeof cut, value);
	add_key(t, key);
	text_add_json(t, cut);
}

static void add_number(struct text *t, const char *key, int64_t value)
{
	add_key(t, key);
	text_printf(t, "%" PRId64, value);
}

enum status audit_event_body(const struct audit_event *e, int64_t at_us,
			     char **ret_body, struct reason *why)
{
	struct text t = text_make(AUDIT_BODY_MAX);
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

static void copy_text(const struct json_doc *d, const char *key, char *dst,
		      size_t size)
{
	const char *s = json_doc_text(json_doc_get(d, key));

	/* The trail holds nothing that this changes, but for its length. */
	text_escape(dst, size, s ? s : "", s ? strlen(s) : 0);
}

enum status audit_event_read(const char *line, struct audit_entry *ret,
			     struct reason *why)
{
	struct audit_entry e = { 0 };
	const char *at, *kind;
	struct json_doc *d = NULL;
	enum status s;

	s = json_doc_parse(line, strlen(line), "an event of the audit", &d,
			   why);
	if (s != STATUS_OK)
		return s == STATUS_NO_MEMORY ? s : STATUS_CORRUPT;
	at = json_doc_text(json_doc_get(d, "at"));
	kind = json_doc_text(json_doc_get(d, "kind"));
	if (kind == NULL && json_doc_get(d, "checkpoint") != NULL) {
		s = STATUS_NOT_FOUND;
	} else if (kind == NULL || at == NULL || now_parse(at, &e.at_us) != 0) {
		s = reason_set(why, STATUS_CORRUPT,
			       "an event of the audit has no kind or no time");
	} else {
		copy_text(d, "kind", e.kind, sizeof(e.kind));
		copy_text(d, "role", e.role, sizeof(e.role));
		copy_text(d, "actor", e.actor, sizeof(e.actor));
		copy_text(d, "version", e.version, sizeof(e.version));
		copy_text(d, "status", e.status, sizeof(e.status));
		copy_text(d, "detail", e.detail, sizeof(e.detail));
		*ret = e;
	}
	json_doc_free(d);
	return s;
}
