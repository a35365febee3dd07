/* SPDX-License-Identifier: PostgreSQL */
/* A line of the audit trail as what hooks are told; must never pass on a field
 * that it does not know. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "hook/hook.h"
#include "json/json_doc.h"

static const struct {
	const char *kind;
	int event; /* -1: nothing for hooks */
} kinds[] = {
#define EVENT(name, kind, writer, members, sentence, hook) { kind, hook },
#define HOOK(name, help)				   HOOK_##name
#define NO_HOOK						   -1
#include "audit/events.def"
#undef EVENT
#undef HOOK
#undef NO_HOOK
};

/* Who met another rotator, or a user of the other login role, lost nothing, and a
 * freeze has its own event. */
static bool is_failure(const char *status)
{
	static const char *const calm[] = { "OK", "BUSY", "CONFLICT", "FROZEN",
					    "DEFERRED" };

	for (size_t i = 0; i < sizeof(calm) / sizeof(calm[0]); i++)
		if (strcmp(status, calm[i]) == 0)
			return false;
	return true;
}

static bool find_event(const struct json_doc *d, enum hook_event *ret)
{
	const char *kind = json_doc_text(json_doc_get(d, "kind"));
	const char *status = json_doc_text(json_doc_get(d, "status"));

	for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].event < 0 || strcmp(kind, kinds[i].kind) != 0)
			continue;
		*ret = (enum hook_event)kinds[i].event;
		return kinds[i].event != HOOK_failed ||
		       is_failure(status ? status : "");
	}
	return false;
}

/* In this order, those that the event has. */
static enum status write_body(const struct json_doc *d, struct hook_notice *n)
{
	static const char *const texts[] = {
		"at",	 "role",  "version", "status",	  "detail",    "actor",
		"run",	 "due",	  "planned", "local",	  "zone",      "step",
		"until", "state", "source",  "recipient", "consumers", "last"
	};
	struct text t = text_make(sizeof(n->body) - 1);
	char host[256] = "";
	const char *value;
	int64_t epoch;
	enum status s;

	gethostname(host, sizeof(host) - 1);
	text_printf(&t, "{\"event\":\"%s\",\"id\":\"%s\",\"seq\":%lld",
		    hook_event_name(n->event), n->id, (long long)n->seq);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		value = json_doc_text(json_doc_get(d, texts[i]));
		if (value)
			text_add_member(&t, texts[i], value);
	}
	if (json_doc_int(json_doc_get(d, "epoch"), &epoch))
		text_printf(&t, ",\"epoch\":%lld", (long long)epoch);
	text_add_member(&t, "host", host);
	text_add(&t, "}\n");
	s = text_status(&t);
	if (s == STATUS_OK) {
		memcpy(n->body, text_str(&t), t.len + 1);
		n->n = t.len;
	}
	text_free(&t);
	return s;
}

enum status hook_notice_read(const char *line, struct hook_notice *ret,
			     struct reason *why)
{
	struct json_doc *d = NULL;
	enum status s;

	s = json_doc_parse(line, strlen(line), "an event of the audit trail",
			   &d, why);
	if (s != STATUS_OK)
		return reason_wrap(why, STATUS_CORRUPT, "a hook's event");
	if (!find_event(d, &ret->event)) {
		s = STATUS_NOT_FOUND;
		goto out;
	}
	if (!json_doc_int(json_doc_get(d, "seq"), &ret->seq) ||
	    json_doc_copy(json_doc_get(d, "hash"), ret->id, sizeof(ret->id)) !=
		    STATUS_OK) {
		s = reason_set(why, STATUS_CORRUPT,
			       "an event of the audit trail has no number or "
			       "no hash");
		goto out;
	}
	s = write_body(d, ret);
	if (s != STATUS_OK)
		reason_set(why, s, "event %lld is too long for a hook",
			   (long long)ret->seq);
out:
	json_doc_free(d);
	return s;
}
