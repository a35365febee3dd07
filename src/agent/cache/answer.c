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
static bool is_believed(const struct agent_cache *c, struct agent_secret *s,
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

static void digest_password(const struct agent_cache *c,
			    const struct secret *password,
			    struct agent_version *v)
{
	v->has_mac = agent_cache_digest(c, secret_bytes(password),
					secret_len(password),
					v->mac) == STATUS_OK;
}

static void take_previous(const struct agent_cache *c, struct agent_secret *s,
			  struct agent_cache_ask *q,
			  const struct store_version *previous)
{
	struct agent_version v = { .id = "" };

	if (!previous || !s->want_previous) {
		s->previous = v;
		return;
	}
	if (strcmp(previous->id, s->previous.id) == 0)
		return;
	if (q->has_previous || q->previous_gone) {
		text_copy(v.id, sizeof(v.id), previous->id);
		v.created_us = previous->created_us;
	}
	if (q->has_previous) {
		text_copy(v.username, sizeof(v.username), q->previous.username);
		digest_password(c, q->previous.password, &v);
	}
	s->previous = v;
}

/* The content of the current version. */
static void take_content(const struct agent_cache *c, struct agent_secret *s,
			 struct agent_cache_ask *q)
{
	text_copy(s->current.username, sizeof(s->current.username),
		  q->current.username);
	text_copy(s->host, sizeof(s->host), q->current.host);
	text_copy(s->port, sizeof(s->port), q->current.port);
	text_copy(s->dbname, sizeof(s->dbname), q->current.dbname);
	digest_password(c, q->current.password, &s->current);
	if (s->want_clear) {
		secret_free(s->password);
		s->password = q->current.password;
		q->current.password = NULL;
	}
}

/* Another version is current.  It became so after the store last confirmed the
 * one before, and not before it was made. */
static void take_current(const struct agent_cache *c, struct agent_secret *s,
			 struct agent_cache_ask *q,
			 const struct store_version *current)
{
	struct agent_version v = { .created_us = current->created_us };

	s->since_us = s->current.id[0] && !q->token &&
				      s->seen_us > current->created_us ?
			      s->seen_us :
			      current->created_us;
	s->previous = s->current;
	text_copy(v.id, sizeof(v.id), current->id);
	secret_free(s->password);
	s->password = NULL;
	s->current = v;
	if (q->has_current)
		take_content(c, s, q);
}

/* What the store says is not taken. */
static void note_doubt(struct agent_secret *s,
		       const struct store_version *current)
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

static void note_none(struct agent_secret *s, const char *note)
{
	struct reason why = { "" };

	reason_set(&why, STATUS_NOT_FOUND,
		   "there is no current version in store %s%s%s", s->store,
		   note[0] ? ": " : "", note);
	s->news = s->news || strcmp(why.text, s->why.text) != 0;
	s->why = why;
}

static void take_answer(struct agent_cache *c, struct agent_secret *s,
			struct agent_cache_ask *q)
{
	const struct store_version *current =
		store_find_label(&q->state, STORE_LABEL_CURRENT);

	s->answered = true;
	s->changed = false;
	if (!q->token && !is_newer(s, &q->state, current) &&
	    !is_believed(c, s, &q->state, current)) {
		note_doubt(s, current);
		return;
	}
	s->doubted_us = 0;
	/* An announcement is good for one answer to a later question. */
	if (!s->again)
		s->pushed[0] = '\0';
	if (!current) {
		s->changed = s->current.id[0] != '\0';
		agent_cache_drop(s);
		note_none(s, q->state.note);
		return;
	}
	if (strcmp(current->id, s->current.id) != 0) {
		if (q->want_content && !q->has_current)
			return; /* asked for less than is wanted now */
		take_current(c, s, q, current);
		s->changed = true;
	} else if (q->has_current && agent_cache_lacks(s)) {
		take_content(c, s, q);
		s->changed = true; /* worth keeping */
	}
	take_previous(c, s, q,
		      store_find_label(&q->state, STORE_LABEL_PREVIOUS));
	s->news = s->news || s->why.text[0];
	s->why.text[0] = '\0';
	s->expires_us = q->expires_us;
	s->checked_us = now_boot(c->now);
	s->seen_us = now_wall(c->now);
}

void agent_cache_answer(struct agent_cache *c, struct agent_cache_ask *q)
{
	struct agent_secret *s = agent_cache_find(c, q->name, q->store);
	bool failing, outage;

	/* One that was dropped and wanted again is another. */
	if (!s || s->serial != q->serial)
		goto out;
	s->busy = false;
	if (q->cancelled) {
		agent_cache_send(c, s, true);
		goto out;
	}
	/* The store's worker logs that the store is away, once for all of its
	 * secrets. */
	outage = q->status == STATUS_STORE_UNAVAILABLE ||
		 q->status == STATUS_TIMEOUT;
	failing = q->status != STATUS_OK;
	s->news = failing && !outage && (!s->failed || s->outage);
	if (s->outage)
		s->why.text[0] = '\0';
	s->failed = failing;
	s->outage = outage;
	if (failing) {
		s->failures++;
		s->why = q->why;
		s->answered = true;
	} else {
		s->failures = 0;
		take_answer(c, s, q);
	}
	schedule_ask(c, s);
	c->hooks.told(c->hooks.arg, s);
	if (s->again)
		agent_cache_send(c, s, true);
out:
	agent_cache_ask_free(q);
}
