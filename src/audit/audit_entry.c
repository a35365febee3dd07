/* SPDX-License-Identifier: PostgreSQL */
/* Reads events of the trail for reports; must never be used to verify it. */
#include "audit/audit_entry.h"

#include <string.h>

#include "audit/audit_words.h"
#include "base/now.h"
#include "base/text.h"
#include "json/json_doc.h"

static void copy_text(const struct json_doc *d, const char *key, char *dst,
		      size_t size)
{
	const char *s = json_doc_text(json_doc_get(d, key));

	/* The trail holds nothing that this changes, but for its length. */
	text_escape(dst, size, s ? s : "", s ? strlen(s) : 0);
}

static void read_members(const struct json_doc *d, struct audit_entry *e)
{
	copy_text(d, "role", e->role, sizeof(e->role));
	copy_text(d, "actor", e->actor, sizeof(e->actor));
	copy_text(d, "version", e->version, sizeof(e->version));
	copy_text(d, "status", e->status, sizeof(e->status));
	copy_text(d, "detail", e->detail, sizeof(e->detail));
	copy_text(d, "ended_by", e->ended_by, sizeof(e->ended_by));
	copy_text(d, "operation", e->operation, sizeof(e->operation));
	copy_text(d, "label", e->label, sizeof(e->label));
	copy_text(d, "host", e->host, sizeof(e->host));
	copy_text(d, "service", e->service, sizeof(e->service));
	copy_text(d, "due", e->due, sizeof(e->due));
	copy_text(d, "planned", e->planned, sizeof(e->planned));
	copy_text(d, "until", e->until, sizeof(e->until));
	copy_text(d, "local", e->local, sizeof(e->local));
	copy_text(d, "zone", e->zone, sizeof(e->zone));
	copy_text(d, "step", e->step, sizeof(e->step));
	copy_text(d, "state", e->state, sizeof(e->state));
	copy_text(d, "source", e->source, sizeof(e->source));
	copy_text(d, "recipient", e->recipient, sizeof(e->recipient));
	copy_text(d, "consumers", e->consumers, sizeof(e->consumers));
	copy_text(d, "last", e->last, sizeof(e->last));
	e->stale = json_doc_get(d, "stale") != NULL;
	json_doc_int(json_doc_get(d, "count"), &e->count);
	json_doc_int(json_doc_get(d, "pid"), &e->pid);
	if (!e->operation[0])
		audit_words_read(e);
}

enum status audit_entry_read(const char *line, struct audit_entry *ret,
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
		e.kind = audit_event_kind(kind);
		read_members(d, &e);
		*ret = e;
	}
	json_doc_free(d);
	return s;
}
