/* SPDX-License-Identifier: PostgreSQL */
/* Reads events of the trail for reports; must never be used to verify it. */
#include "ledger/audit_event.h"

#include <string.h>

#include "base/now.h"
#include "base/text.h"
#include "json/json_doc.h"

static void copy(const struct json_doc *d, const char *key, char *dst,
		 size_t size)
{
	const char *s = json_doc_text(json_doc_get(d, key));

	/* The trail holds nothing that this changes, but for its length. */
	text_escape(dst, size, s ? s : "", s ? strlen(s) : 0);
}

enum status audit_event_read(const char *line, struct audit_event *ret,
			     struct reason *why)
{
	struct audit_event e = { 0 };
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
		copy(d, "kind", e.kind, sizeof(e.kind));
		copy(d, "role", e.role, sizeof(e.role));
		copy(d, "actor", e.actor, sizeof(e.actor));
		copy(d, "version", e.version, sizeof(e.version));
		copy(d, "status", e.status, sizeof(e.status));
		copy(d, "detail", e.detail, sizeof(e.detail));
		*ret = e;
	}
	json_doc_free(d);
	return s;
}
