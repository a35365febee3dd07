/* SPDX-License-Identifier: PostgreSQL */
/* Records how far a hand-off has come: in the trail first, then for the next look.
 * Must never record a state of which it is not said where that is known from. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/now.h"
#include "handoff/handoff.h"
#include "handoff/handoff_token.h"

static enum status remember(struct ledger *l, const struct handoff *h,
			    enum handoff_state what,
			    const struct handoff_mark *m, struct reason *why)
{
	char line[LEDGER_TEXT_SIZE], name[HANDOFF_FACT_SIZE];

	snprintf(line, sizeof(line), "%s %" PRId64 " %s %s", h->version,
		 m->at_us, m->source, m->actor);
	return ledger_fact_remember(l, LEDGER_FACT_HANDOFF,
				    handoff_fact(h, what, name), line, m->at_us,
				    why);
}

/* Is it known already, by another that looks? */
static bool is_known(const char *line, const struct handoff *h)
{
	char version[RANDOM_UUID_SIZE] = "";
	int64_t at_us = 0;

	return sscanf(line, "%36s %" SCNd64, version, &at_us) == 2 &&
	       strcmp(version, h->version) == 0 &&
	       at_us >= h->marks[HANDOFF_STATE_PREPARED].at_us;
}

/* The event and that it was recorded, both or neither, and by one of all that share
 * the ledger. */
static enum status record_once(struct ledger *l, const struct handoff *h,
			       enum handoff_state what,
			       const struct handoff_mark *m,
			       const struct audit_event *ev, struct reason *why)
{
	char was[LEDGER_TEXT_SIZE] = "", line[LEDGER_TEXT_SIZE];
	char name[HANDOFF_FACT_SIZE];
	enum status s;

	handoff_fact(h, what, name);
	s = ledger_fact_recall(l, LEDGER_FACT_HANDOFF, name,
			       now_wall(now_system()), was, why);
	if (s == STATUS_NOT_FOUND)
		was[0] = '\0';
	else if (s != STATUS_OK || is_known(was, h))
		return s;
	snprintf(line, sizeof(line), "%s %" PRId64 " %s %s", h->version,
		 m->at_us, m->source, m->actor);
	s = ledger_fact_change(l, LEDGER_FACT_HANDOFF, name, was, line, ev,
			       why);
	return s == STATUS_CONFLICT ? STATUS_OK : s;
}

static struct audit_event event_of(const struct handoff *h,
				   enum handoff_state s,
				   const struct handoff_mark *m,
				   const char *detail)
{
	struct audit_event ev =
		audit_event_make(AUDIT_HANDOFF, h->role, m->actor,
				 status_name(STATUS_OK), detail);

	ev.version = h->version;
	ev.state = handoff_state_word(s);
	ev.source = m->source;
	return ev;
}

static enum status record_mark(struct ledger *l, struct handoff *h,
			       enum handoff_state s, const char *actor,
			       struct reason *why)
{
	struct handoff_mark *m = &h->marks[s];
	char detail[AUDIT_TEXT_SIZE] = "";
	struct audit_event ev = event_of(h, s, m, detail);
	enum status st;

	/* Found out later than it came to pass. */
	ev.at_us = m->at_us;
	snprintf(detail, sizeof(detail), "found out by %s", actor);
	st = record_once(l, h, s, m, &ev, why);
	m->recorded = st == STATUS_OK;
	return st;
}

static enum status raise_alarm(struct ledger *l, struct handoff *h,
			       const char *actor, int64_t now_us,
			       struct reason *why)
{
	struct handoff_mark m = { .at_us = now_us, .source = "deadline" };
	struct text t = text_make(AUDIT_TEXT_SIZE);
	struct audit_event ev;
	enum status s;

	text_cut(m.actor, sizeof(m.actor), actor);
	text_printf(&t, "role %s: ", h->role);
	handoff_sentence(h, &t);
	text_add(&t, h->retires ? "; the old one is not kept for it any more" :
				  "; the old one stays as it is");
	ev = audit_event_make(AUDIT_ALARM, h->role, m.actor,
			      status_name(STATUS_TIMEOUT), text_str(&t));
	ev.version = h->version;
	ev.source = m.source;
	s = record_once(l, h, HANDOFF_STATES, &m, &ev, why);
	h->alarmed = s == STATUS_OK;
	text_free(&t);
	return s;
}

/* Each token that was opened has an event of its own; that of the first is the
 * state's. */
static enum status record_token(struct ledger *l, struct handoff *h, size_t i,
				const char *actor, struct reason *why)
{
	struct handoff_mark *fetched = &h->marks[HANDOFF_STATE_FETCHED];
	struct handoff_token *t = &h->tokens[i];
	struct handoff_mark m = { .at_us = t->known_us };
	char detail[AUDIT_TEXT_SIZE];
	struct audit_event ev;
	bool told = false;
	enum status s;

	text_cut(m.source, sizeof(m.source), HANDOFF_TOKEN_SOURCE);
	text_cut(m.actor, sizeof(m.actor), HANDOFF_TOKEN_ACTOR);
	snprintf(detail, sizeof(detail),
		 "the token of accessor %s is gone before its end; found out "
		 "by %s",
		 t->accessor, actor);
	ev = event_of(h, HANDOFF_STATE_FETCHED, &m, detail);
	ev.at_us = m.at_us;
	s = handoff_token_settle(l, h, i, &ev, &told, why);
	if (s == STATUS_OK && told && !fetched->recorded &&
	    fetched->at_us == m.at_us) {
		s = remember(l, h, HANDOFF_STATE_FETCHED, &m, why);
		fetched->recorded = s == STATUS_OK;
	}
	t->found = s != STATUS_OK;
	return s;
}

enum status handoff_record(struct ledger *l, struct handoff *h,
			   const char *actor, int64_t now_us,
			   struct reason *why)
{
	enum status s = STATUS_OK;

	for (size_t i = 0; i < HANDOFF_TOKENS && s == STATUS_OK; i++)
		if (h->tokens[i].found)
			s = record_token(l, h, i, actor, why);
	for (int i = 0; i < HANDOFF_STATES && s == STATUS_OK; i++)
		if (h->marks[i].at_us > 0 && !h->marks[i].recorded)
			s = record_mark(l, h, (enum handoff_state)i, actor,
					why);
	if (s == STATUS_OK && h->late && !h->alarmed)
		s = raise_alarm(l, h, actor, now_us, why);
	return s;
}

#define MORE_MAX 32

enum status handoff_record_act(struct ledger *l, struct handoff *h,
			       const struct handoff_act *a, int64_t now_us,
			       struct reason *why)
{
	struct handoff_mark m = { .at_us = now_us, .recorded = true };
	struct audit_event events[MORE_MAX + 1];
	enum status s;

	if (a->n_more > MORE_MAX)
		return reason_set(why, STATUS_LIMIT, "too many events at once");
	text_cut(m.source, sizeof(m.source), a->source);
	text_cut(m.actor, sizeof(m.actor), a->actor);
	for (size_t i = 0; i < a->n_more; i++) {
		events[i] = a->more[i];
		events[i].role = h->role;
		events[i].version = h->version;
	}
	events[a->n_more] = event_of(h, a->state, &m, a->detail);
	s = l->ops->trail->note(l, events, a->n_more + 1, true, why);
	if (s == STATUS_OK)
		s = remember(l, h, a->state, &m, why);
	if (s == STATUS_OK)
		h->marks[a->state] = m;
	return s;
}
