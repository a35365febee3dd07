/* SPDX-License-Identifier: PostgreSQL */
/* Writes an event down as the bytes that are chained; must never write the same
 * event in two ways. */
#include "audit/audit_event.h"

#include <inttypes.h>
#include <string.h>

#include "base/now.h"
#include "base/text.h"

static void add_string(struct text *t, const char *key, const char *value)
{
	char cut[AUDIT_TEXT_SIZE];

	if (!value || !value[0])
		return;
	text_cut(cut, sizeof cut, value);
	text_add_member(t, key, cut);
}

static void add_number(struct text *t, const char *key, int64_t value,
		       bool known)
{
	if (!known)
		return;
	text_add_key(t, key);
	text_printf(t, "%" PRId64, value);
}

static const char *const names[] = {
	"",
#define EVENT(name, kind, writer, members, sentence, hook) kind,
#include "audit/events.def"
#undef EVENT
};

const char *audit_event_name(enum audit_kind kind)
{
	return names[kind];
}

enum audit_kind audit_event_kind(const char *name)
{
	int k = AUDIT_KINDS - 1;

	while (k > AUDIT_NONE && strcmp(names[k], name) != 0)
		k--;
	return (enum audit_kind)k;
}

struct audit_event audit_event_make(enum audit_kind kind, const char *role,
				    const char *actor, const char *status,
				    const char *detail)
{
	return (struct audit_event){ .kind = kind,
				     .role = role,
				     .actor = actor,
				     .status = status,
				     .detail = detail,
				     .took_us = -1 };
}

enum status audit_event_body(const struct audit_event *e, int64_t at_us,
			     char **ret_body, struct reason *why)
{
	struct text t = text_make(AUDIT_BODY_MAX);
	char stamp[NOW_STAMP_SIZE];
	enum status st;

	if (e->kind == AUDIT_NONE)
		return reason_set(why, STATUS_ERROR,
				  "an audit event has no kind");
	text_add_char(&t, '{');
	add_string(&t, "actor", e->actor);
	add_string(&t, "at", now_stamp(at_us, stamp));
	add_string(&t, "consumers", e->consumers);
	add_number(&t, "count", e->count, e->count > 0);
	add_string(&t, "detail", e->detail);
	add_string(&t, "due", e->due);
	add_string(&t, "ended_by", e->ended_by);
	add_number(&t, "epoch", e->epoch, e->epoch != 0);
	add_string(&t, "host", e->host);
	add_string(&t, "kind", audit_event_name(e->kind));
	add_string(&t, "label", e->label);
	add_string(&t, "last", e->last);
	add_string(&t, "local", e->local);
	add_string(&t, "operation", e->operation);
	add_number(&t, "pid", e->pid, e->pid > 0);
	add_string(&t, "planned", e->planned);
	add_string(&t, "recipient", e->recipient);
	add_string(&t, "role", e->role);
	add_string(&t, "run", e->run);
	add_string(&t, "service", e->service);
	add_string(&t, "source", e->source);
	if (e->stale)
		text_add(&t, ",\"stale\":true"); /* never the first */
	add_string(&t, "state", e->state);
	add_string(&t, "status", e->status);
	add_string(&t, "step", e->step);
	add_number(&t, "took_us", e->took_us, e->took_us >= 0);
	add_string(&t, "until", e->until);
	add_string(&t, "version", e->version);
	add_string(&t, "zone", e->zone);
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
