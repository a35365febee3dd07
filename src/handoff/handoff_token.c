/* SPDX-License-Identifier: PostgreSQL */
/* Follows tokens that open a password once.  Must never hold one: an accessor tells
 * whether its token is there, and opens nothing. */
#include "handoff/handoff_token.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/now.h"

/* A clock may be set meanwhile: so shortly before its end a token is not called
 * opened. */
#define END_MARGIN_US (2 * NOW_SECOND)

static const char *const state_words[] = {
	[HANDOFF_TOKEN_OUT] = "out",
	[HANDOFF_TOKEN_OPENED] = "opened",
	[HANDOFF_TOKEN_ENDED] = "ended",
};

#define N_STATES (sizeof(state_words) / sizeof(*state_words))

const char *handoff_token_word(enum handoff_token_state s)
{
	return state_words[s];
}

/* ---- facts --------------------------------------------------------------------- */

static void name_fact(const struct handoff *h, size_t i,
		      char ret[HANDOFF_FACT_SIZE])
{
	snprintf(ret, HANDOFF_FACT_SIZE, "%s %zu", h->role, i);
}

static void write_fact(const struct handoff *h, const struct handoff_token *t,
		       char ret[LEDGER_TEXT_SIZE])
{
	snprintf(ret, LEDGER_TEXT_SIZE,
		 "%s %" PRId64 " %" PRId64 " %s %" PRId64 " %s", h->version,
		 t->made_us, t->ends_us, state_words[t->state], t->known_us,
		 t->accessor);
}

static bool read_fact(const char *line, const struct handoff *h,
		      struct handoff_token *ret)
{
	struct handoff_token t = { .found = false };
	char version[RANDOM_UUID_SIZE] = "", word[16] = "";
	size_t state = 0;

	if (sscanf(line, "%36s %" SCNd64 " %" SCNd64 " %15s %" SCNd64 " %127s",
		   version, &t.made_us, &t.ends_us, word, &t.known_us,
		   t.accessor) != 6 ||
	    strcmp(version, h->version) != 0)
		return false;
	while (state < N_STATES && strcmp(state_words[state], word) != 0)
		state++;
	if (state == N_STATES)
		return false;
	t.state = (enum handoff_token_state)state;
	*ret = t;
	return true;
}

static void set_fetched(struct handoff *h, int64_t at_us)
{
	struct handoff_mark *m = &h->marks[HANDOFF_STATE_FETCHED];

	if (m->at_us > 0 && (m->recorded || m->at_us <= at_us))
		return;
	m->at_us = at_us;
	m->recorded = false;
	text_cut(m->source, sizeof(m->source), HANDOFF_TOKEN_SOURCE);
	text_cut(m->actor, sizeof(m->actor), HANDOFF_TOKEN_ACTOR);
}

enum status handoff_token_load(struct ledger *l, struct handoff *h,
			       int64_t since_us, int64_t now_us,
			       struct reason *why)
{
	char line[LEDGER_TEXT_SIZE], name[HANDOFF_FACT_SIZE];
	enum status s = STATUS_OK;

	for (size_t i = 0; i < HANDOFF_TOKENS && s == STATUS_OK; i++) {
		struct handoff_token t;

		name_fact(h, i, name);
		s = ledger_fact_recall(l, LEDGER_FACT_WRAPPED, name, now_us,
				       line, why);
		if (s == STATUS_NOT_FOUND) {
			s = STATUS_OK;
			continue;
		}
		if (s != STATUS_OK || !read_fact(line, h, &t) ||
		    t.made_us < since_us)
			continue;
		h->tokens[i] = t;
		if (t.state == HANDOFF_TOKEN_OPENED)
			set_fetched(h, t.known_us);
	}
	return s;
}

/* ---- looking ------------------------------------------------------------------- */

static bool is_out(const struct handoff_token *t)
{
	return t->accessor[0] && t->state == HANDOFF_TOKEN_OUT;
}

bool handoff_token_is_out(const struct handoff *h)
{
	for (size_t i = 0; i < HANDOFF_TOKENS; i++)
		if (is_out(&h->tokens[i]))
			return true;
	return false;
}

static enum status look_at(struct store *store, struct handoff *h,
			   struct handoff_token *t, struct reason *why)
{
	bool there = true;
	enum status s = store_wrap_look(store, t->accessor, &there, why);
	int64_t now_us = now_wall(now_system());

	if (s != STATUS_OK)
		return s;
	t->found = true;
	if (there) {
		t->known_us = now_us;
	} else if (now_us < t->ends_us - END_MARGIN_US) {
		t->state = HANDOFF_TOKEN_OPENED;
		t->known_us = now_us;
		set_fetched(h, now_us);
	} else {
		t->state = HANDOFF_TOKEN_ENDED;
	}
	return STATUS_OK;
}

void handoff_token_look(struct opened *b, const struct config_group *role,
			struct handoff *h)
{
	struct store *store = NULL;
	struct reason why;
	enum status s;

	if (!handoff_token_is_out(h))
		return;
	s = open_store(b, config_string(role, CONFIG_role_store), &store, &why);
	for (size_t i = 0; i < HANDOFF_TOKENS && s == STATUS_OK; i++)
		if (is_out(&h->tokens[i]))
			s = look_at(store, h, &h->tokens[i], &why);
	if (s != STATUS_OK)
		text_cut(h->not_told, sizeof(h->not_told), why.text);
}

void handoff_token_take(struct handoff *h, const struct handoff *of)
{
	text_cut(h->not_told, sizeof(h->not_told), of->not_told);
	for (size_t i = 0; i < HANDOFF_TOKENS; i++) {
		struct handoff_token *t = &h->tokens[i];

		if (!of->tokens[i].found || !is_out(t) ||
		    strcmp(t->accessor, of->tokens[i].accessor) != 0)
			continue;
		*t = of->tokens[i];
		if (t->state == HANDOFF_TOKEN_OPENED)
			set_fetched(h, t->known_us);
	}
}

/* ---- recording ------------------------------------------------------------------- */

static enum status keep_at(struct ledger *l, const struct handoff *h, size_t i,
			   struct reason *why)
{
	char line[LEDGER_TEXT_SIZE], name[HANDOFF_FACT_SIZE];

	name_fact(h, i, name);
	write_fact(h, &h->tokens[i], line);
	return ledger_fact_remember(l, LEDGER_FACT_WRAPPED, name, line,
				    now_wall(now_system()), why);
}

enum status handoff_token_settle(struct ledger *l, const struct handoff *h,
				 size_t i, const struct audit_event *opened,
				 bool *ret_told, struct reason *why)
{
	const struct handoff_token *t = &h->tokens[i];
	char was[LEDGER_TEXT_SIZE], line[LEDGER_TEXT_SIZE];
	char name[HANDOFF_FACT_SIZE];
	struct handoff_token kept;
	enum status s;

	*ret_told = false;
	if (t->state != HANDOFF_TOKEN_OPENED)
		return keep_at(l, h, i, why);
	name_fact(h, i, name);
	write_fact(h, t, line);
	s = ledger_fact_recall(l, LEDGER_FACT_WRAPPED, name,
			       now_wall(now_system()), was, why);
	if (s != STATUS_OK)
		return s == STATUS_NOT_FOUND ? STATUS_OK : s;
	if (!read_fact(was, h, &kept) || !is_out(&kept) ||
	    strcmp(kept.accessor, t->accessor) != 0)
		return STATUS_OK;
	s = ledger_fact_change(l, LEDGER_FACT_WRAPPED, name, was, line, opened,
			       why);
	*ret_told = s == STATUS_OK;
	return s == STATUS_CONFLICT ? STATUS_OK : s;
}

/* One that tells least is given up first: ended, then the oldest opened. */
static size_t find_room(const struct handoff *h)
{
	size_t found = HANDOFF_TOKENS;

	for (size_t i = 0; i < HANDOFF_TOKENS; i++) {
		const struct handoff_token *t = &h->tokens[i];

		if (!t->accessor[0] || t->state == HANDOFF_TOKEN_ENDED)
			return i;
		if (t->state == HANDOFF_TOKEN_OPENED &&
		    (found == HANDOFF_TOKENS ||
		     t->known_us < h->tokens[found].known_us))
			found = i;
	}
	return found;
}

enum status handoff_token_room(const struct handoff *h, struct reason *why)
{
	char stamp[NOW_STAMP_SIZE];
	int64_t first_us = INT64_MAX;

	if (find_room(h) < HANDOFF_TOKENS)
		return STATUS_OK;
	for (size_t i = 0; i < HANDOFF_TOKENS; i++)
		if (h->tokens[i].ends_us < first_us)
			first_us = h->tokens[i].ends_us;
	return reason_set(why, STATUS_REFUSED,
			  "role %s: %d tokens that open its password are out "
			  "already; the first of them ends at %s",
			  h->role, HANDOFF_TOKENS, now_stamp(first_us, stamp));
}

enum status handoff_token_keep(struct ledger *l, struct handoff *h,
			       const struct handoff_token *t,
			       struct reason *why)
{
	size_t i = find_room(h);
	enum status s = i < HANDOFF_TOKENS ? STATUS_OK :
					     handoff_token_room(h, why);

	if (s != STATUS_OK)
		return s;
	h->tokens[i] = *t;
	return keep_at(l, h, i, why);
}

/* ---- for people ------------------------------------------------------------------ */

void handoff_token_sentence(const struct handoff_token *t, struct text *out)
{
	char ends[NOW_STAMP_SIZE], known[NOW_STAMP_SIZE];

	now_stamp(t->ends_us, ends);
	now_stamp(t->known_us, known);
	if (t->state == HANDOFF_TOKEN_OPENED)
		text_printf(out, "opened, which was found out at %s", known);
	else if (t->state == HANDOFF_TOKEN_OUT)
		text_printf(out, "not opened at %s; it ends at %s", known,
			    ends);
	else
		text_printf(out, "ended at %s; not opened at %s", ends, known);
}
