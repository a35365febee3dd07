/* SPDX-License-Identifier: PostgreSQL */
/* What an answer of a store changes; must never put an older version in the
 * place of a newer one. */
#include <string.h>

#include "agent/cache/cache_internal.h"
#include "base/text.h"

#define RETRY_MOST_US (60 * NOW_SECOND)

static void schedule_ask(struct agent_cache *c, struct agent_secret *s)
{
	int64_t wait = c->settings.refresh_us;

	s->hurried = false;
	if (s->failed) {
		unsigned turns = s->failures < 7 ? s->failures : 7;
		int64_t retry = AGENT_CACHE_RETRY_US << turns;

		if (retry > RETRY_MOST_US)
			retry = RETRY_MOST_US;
		if (retry < wait)
			wait = retry;
	} else {
		s->planned_us = wait;
	}
	s->next_us = now_boot(c->now) + agent_cache_spread(c, wait);
}

static bool is_newer(const struct agent_secret *s,
		     const struct store_state *state,
		     const struct store_version *current)
{
	const struct store_version *ours;

	if (!s->current.id[0])
		return true;
	if (!current)
		return false;
	if (strcmp(current->id, s->current.id) == 0)
		return true;
	ours = store_find_id(state, s->current.id);
	if (ours)
		return ours->label != STORE_LABEL_PENDING;
	return current->created_us > s->current.created_us;
}

/* An answer that looks older is believed when it stays, or was announced. */
static bool believe(const struct agent_cache *c, struct agent_secret *s,
		    const struct store_state *state,
		    const struct store_version *current)
{
	const struct store_version *ours = store_find_id(state, s->current.id);
	const char *id = current ? current->id : "";
	int64_t now = now_boot(c->now);

	/* Where ours is PENDING, the announced one is from before ours. */
	if (current && strcmp(s->pushed, id) == 0 &&
	    !(ours && ours->label == STORE_LABEL_PENDING))
		return true;
	if (!s->doubted_us || strcmp(s->doubted, id) != 0) {
		text_copy(s->doubted, sizeof(s->doubted), id);
		s->doubted_us = now;
		return false;
	}
	return now - s->doubted_us >= AGENT_CACHE_DOUBT_US;
}

static void digest(const struct agent_cache *c, const struct secret *password,
		   struct agent_version *v)
{
	v->has_mac = agent_cache_digest(c, secret_bytes(password),
					secret_len(password),
					v->mac) == STATUS_OK;
}

static void take_previous(const struct agent_cache *c, struct agent_secret *s,
			  struct agent_cache_ask *e,
			  const struct store_version *previous)
{
	struct agent_version v = { .id = "" };

	if (!previous || !s->want_previous) {
		s->previous = v;
		return;
	}
	if (strcmp(previous->id, s->previous.id) == 0)
		return;
	if (e->has_previous || e->previous_gone) {
		text_copy(v.id, sizeof(v.id), previous->id);
		v.created_us = previous->created_us;
	}
	if (e->has_previous) {
		text_copy(v.username, sizeof(v.username), e->previous.username);
		digest(c, e->previous.password, &v);
	}
	s->previous = v;
}

/* The content of the current version. */
static void take_content(const struct agent_cache *c, struct agent_secret *s,
			 struct agent_cache_ask *e)
{
	text_copy(s->current.username, sizeof(s->current.username),
		  e->current.username);
	text_copy(s->host, sizeof(s->host), e->current.host);
	text_copy(s->port, sizeof(s->port), e->current.port);
	text_copy(s->dbname, sizeof(s->dbname), e->current.dbname);
	digest(c, e->current.password, &s->current);
	if (s->want_clear) {
		secret_free(s->password);
		s->password = e->current.password;
		e->current.password = NULL;
	}
}

/* Another version is current.  It became so after the store last confirmed the
 * one before, and not before it was made. */
static void take_current(const struct agent_cache *c, struct agent_secret *s,
			 struct agent_cache_ask *e,
			 const struct store_version *current)
{
	struct agent_version v = { .created_us = current->created_us };

	s->since_us = s->current.id[0] && !e->token &&
				      s->seen_us > current->created_us ?
			      s->seen_us :
			      current->created_us;
	s->previous = s->current;
	text_copy(v.id, sizeof(v.id), current->id);
	secret_free(s->password);
	s->password = NULL;
	s->current = v;
	if (e->has_current)
		take_content(c, s, e);
}

/* What the store says is not taken. */
static void doubt(struct agent_secret *s, const struct store_version *current)
{
	struct reason why = { "" };

	reason_set(&why, STATUS_CONFLICT,
		   "store %s says that %s is current, which looks older than "
		   "%s; that one is kept for now",
		   s->store, current ? current->id : "no version",
		   s->current.id);
	s->news = s->news || strcmp(why.text, s->why.text) != 0;
	s->why = why;
}

static void say_none(struct agent_secret *s, const char *note)
{
	struct reason why = { "" };

	reason_set(&why, STATUS_NOT_FOUND,
		   "there is no current version in store %s%s%s", s->store,
		   note[0] ? ": " : "", note);
	s->news = s->news || strcmp(why.text, s->why.text) != 0;
	s->why = why;
}

static void take(struct agent_cache *c, struct agent_secret *s,
		 struct agent_cache_ask *e)
{
	const struct store_version *current =
		store_find_label(&e->state, STORE_LABEL_CURRENT);

	s->answered = true;
	s->changed = false;
	if (!e->token && !is_newer(s, &e->state, current) &&
	    !believe(c, s, &e->state, current)) {
		doubt(s, current);
		return;
	}
	s->doubted_us = 0;
	/* An announcement is good for one answer to a later question. */
	if (!s->again)
		s->pushed[0] = '\0';
	if (!current) {
		s->changed = s->current.id[0] != '\0';
		agent_cache_drop(s);
		say_none(s, e->state.note);
		return;
	}
	if (strcmp(current->id, s->current.id) != 0) {
		if (e->want_content && !e->has_current)
			return; /* asked for less than is wanted now */
		take_current(c, s, e, current);
		s->changed = true;
	} else if (e->has_current && agent_cache_lacks(s)) {
		take_content(c, s, e);
		s->changed = true; /* worth keeping */
	}
	take_previous(c, s, e,
		      store_find_label(&e->state, STORE_LABEL_PREVIOUS));
	s->news = s->news || s->why.text[0];
	s->why.text[0] = '\0';
	s->expires_us = e->expires_us;
	s->checked_us = now_boot(c->now);
	s->seen_us = now_wall(c->now);
}

void agent_cache_answer(struct agent_cache *c, struct agent_cache_ask *e)
{
	struct agent_secret *s = agent_cache_find(c, e->name, e->store);
	bool failing, outage;

	/* One that was dropped and wanted again is another. */
	if (!s || s->serial != e->serial)
		goto out;
	s->busy = false;
	if (e->cancelled) {
		agent_cache_send(c, s, true);
		goto out;
	}
	/* That a store is away is said once for all of its secrets, by whoever
	 * asks it. */
	outage = e->status == STATUS_STORE_UNAVAILABLE ||
		 e->status == STATUS_TIMEOUT;
	failing = e->status != STATUS_OK;
	s->news = failing && !outage && (!s->failed || s->outage);
	if (s->outage)
		s->why.text[0] = '\0';
	s->failed = failing;
	s->outage = outage;
	if (failing) {
		s->failures++;
		s->why = e->why;
		s->answered = true;
	} else {
		s->failures = 0;
		take(c, s, e);
	}
	schedule_ask(c, s);
	c->hooks.told(c->hooks.arg, s);
	if (s->again)
		agent_cache_send(c, s, true);
out:
	agent_cache_ask_free(e);
}
