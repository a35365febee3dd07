/* SPDX-License-Identifier: PostgreSQL */
/* Tells how far a hand-off has come; names and texts of others are shown, never
 * obeyed. */
#include "handoff/handoff_story.h"

#include <inttypes.h>
#include <string.h>

#include "base/now.h"
#include "handoff/handoff_refusal.h"
#include "handoff/handoff_token.h"

static const char *state_of(const struct handoff *h)
{
	enum handoff_state s = handoff_reached(h);

	return s < HANDOFF_STATES ? handoff_state_word(s) : NULL;
}

static void tell_tokens(const struct handoff *h, struct text *t)
{
	for (size_t i = 0; i < HANDOFF_TOKENS; i++) {
		if (!h->tokens[i].accessor[0])
			continue;
		text_printf(t, "    token      accessor %s: ",
			    h->tokens[i].accessor);
		handoff_token_sentence(&h->tokens[i], t);
		text_add(t, "\n");
	}
	if (h->not_told[0])
		text_printf(t, "    token      is not known now: %s\n",
			    h->not_told);
}

static void add_tokens(const struct handoff *h, struct text *t)
{
	char stamp[NOW_STAMP_SIZE];
	const char *comma = "";

	text_add_key(t, "tokens");
	text_add(t, "[");
	for (size_t i = 0; i < HANDOFF_TOKENS; i++) {
		const struct handoff_token *k = &h->tokens[i];

		if (!k->accessor[0])
			continue;
		text_printf(t, "%s{", comma);
		text_add_member(t, "accessor", k->accessor);
		text_add_member(t, "state", handoff_token_word(k->state));
		text_add_member(t, "known", now_stamp(k->known_us, stamp));
		text_add_member(t, "offered", now_stamp(k->made_us, stamp));
		text_add_member(t, "ends", now_stamp(k->ends_us, stamp));
		text_add(t, "}");
		comma = ",";
	}
	text_add(t, "]");
	text_add_member(t, "tokens_not_told",
			h->not_told[0] ? h->not_told : NULL);
}

static const char *password_words(const struct handoff_refusal *r)
{
	return strcmp(r->password, "previous") == 0 ?
		       ", the old one: a client that has not got the new one" :
	       strcmp(r->password, "current") == 0 ?
		       ", the right one under another user name" :
		       "";
}

static void tell_refusals(const struct handoff *h, struct text *t)
{
	static const char *const hosts[] = {
		[HANDOFF_HOST_UNKNOWN] = "",
		[HANDOFF_HOST_PARTNER] = " (the partner's)",
		[HANDOFF_HOST_OTHER] = " (not the partner's)"
	};
	char first[NOW_STAMP_SIZE], last[NOW_STAMP_SIZE];

	for (size_t i = 0; i < HANDOFF_REFUSALS; i++) {
		const struct handoff_refusal *r = &h->refusals[i];

		if (!r->address[0])
			continue;
		text_printf(t,
			    "    refused    %" PRId64 " wrong password%s from "
			    "%s%s, %s to %s, by %s%s\n",
			    r->count, r->count == 1 ? "" : "s", r->address,
			    hosts[r->host], now_stamp(r->first_us, first),
			    now_stamp(r->last_us, last), r->source,
			    password_words(r));
	}
}

static void add_refusals(const struct handoff *h, struct text *t)
{
	char stamp[NOW_STAMP_SIZE];
	int64_t since_us = handoff_refusal_since(h);
	const char *comma = "";

	text_add_member(t, "refused_since",
			since_us < INT64_MAX ? now_stamp(since_us, stamp) :
					       NULL);
	text_add_key(t, "refused");
	text_add(t, "[");
	for (size_t i = 0; i < HANDOFF_REFUSALS; i++) {
		const struct handoff_refusal *r = &h->refusals[i];

		if (!r->address[0])
			continue;
		text_printf(t, "%s{", comma);
		text_add_member(t, "address", r->address);
		text_add_member(t, "source", r->source);
		text_add_member(t, "password",
				r->password[0] ? r->password : NULL);
		text_printf(t, ",\"partner\":%s,\"count\":%" PRId64,
			    r->host == HANDOFF_HOST_UNKNOWN ? "null" :
			    r->host == HANDOFF_HOST_PARTNER ? "true" :
							      "false",
			    r->count);
		text_add_member(t, "first", now_stamp(r->first_us, stamp));
		text_add_member(t, "last", now_stamp(r->last_us, stamp));
		text_add(t, "}");
		comma = ",";
	}
	text_add(t, "]");
}

void handoff_story_text(const struct handoff *h, struct text *t)
{
	char stamp[NOW_STAMP_SIZE], actor[4 * HANDOFF_ACTOR_SIZE];
	struct reason why;

	if (!h->manual) {
		text_printf(t,
			    "%s: is not handed off by a person (handoff = "
			    "auto)\n",
			    h->role);
		return;
	}
	if (!h->version[0]) {
		text_printf(t, "%s: has no password yet\n", h->role);
		return;
	}
	text_printf(t, "%s: %s, version %s\n", h->role, state_of(h),
		    h->version);
	for (int i = 0; i < HANDOFF_STATES; i++) {
		const struct handoff_mark *m = &h->marks[i];

		text_printf(t, "    %-9s  ",
			    handoff_state_word((enum handoff_state)i));
		if (m->at_us == 0) {
			text_add(t, "-\n");
			continue;
		}
		text_escape(actor, sizeof(actor), m->actor, strlen(m->actor));
		text_printf(t, "%s  %s, by %s\n", now_stamp(m->at_us, stamp),
			    m->source, actor);
	}
	tell_tokens(h, t);
	tell_refusals(h, t);
	if (h->deadline_us > 0)
		text_printf(t, "    deadline   %s%s\n",
			    now_stamp(h->deadline_us, stamp),
			    h->late ? ", past" : "");
	if (handoff_held(h, &why) != STATUS_OK)
		text_printf(t, "    waits      %s\n", why.text);
}

void handoff_story_json(const struct handoff *h, struct text *t)
{
	char stamp[NOW_STAMP_SIZE];
	struct reason why;

	text_add(t, "{");
	text_add_member(t, "role", h->role);
	text_add_member(t, "handoff", h->manual ? "manual" : "auto");
	text_add_member(t, "version", h->version[0] ? h->version : NULL);
	text_add_member(t, "state", state_of(h));
	text_add_key(t, "states");
	text_add(t, "{");
	for (int i = 0; i < HANDOFF_STATES; i++) {
		const struct handoff_mark *m = &h->marks[i];

		text_add_key(t, handoff_state_word((enum handoff_state)i));
		if (m->at_us == 0) {
			text_add(t, "null");
			continue;
		}
		text_add(t, "{");
		text_add_member(t, "at", now_stamp(m->at_us, stamp));
		text_add_member(t, "source", m->source);
		text_add_member(t, "actor", m->actor);
		text_add(t, "}");
	}
	text_add(t, "}");
	add_tokens(h, t);
	add_refusals(h, t);
	text_printf(t, ",\"consumers_expected\":%zu,\"consumers_adopted\":%zu",
		    h->expected, h->adopted);
	text_printf(t, ",\"over\":%s,\"late\":%s",
		    h->version[0] && handoff_is_over(h) ? "true" : "false",
		    h->late ? "true" : "false");
	text_add_member(t, "deadline",
			h->deadline_us > 0 ? now_stamp(h->deadline_us, stamp) :
					     NULL);
	text_add_member(t, "deadline_action", h->retires ? "retire" : "alarm");
	text_add_member(t, "waits",
			handoff_held(h, &why) != STATUS_OK ? why.text : NULL);
	text_add(t, "}\n");
}
