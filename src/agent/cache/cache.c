/* SPDX-License-Identifier: PostgreSQL */
/* Holds secrets and decides when to ask for them; must never put an older
 * version in the place of a newer one. */
#include "agent/cache/cache_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define BUCKETS 4096

enum status agent_cache_new(const struct now *now, struct secret *key,
			    uint64_t seed,
			    const struct agent_cache_hooks *hooks,
			    struct agent_cache **ret, struct reason *why)
{
	struct agent_cache *c = calloc(1, sizeof(*c));

	if (c)
		c->by_name = map_new(BUCKETS);
	if (!c || !c->by_name) {
		free(c);
		return reason_no_memory(why);
	}
	c->now = now;
	c->key = key;
	c->random = seed | 1;
	c->hooks = *hooks;
	*ret = c;
	return STATUS_OK;
}

static void free_secret(struct agent_secret *s)
{
	secret_free(s->password);
	free(s);
}

void agent_cache_free(struct agent_cache *c)
{
	struct agent_secret *s;

	if (!c)
		return;
	while ((s = c->first) != NULL) {
		c->first = s->next;
		free_secret(s);
	}
	map_free(c->by_name);
	secret_free(c->key);
	free(c);
}

int64_t agent_cache_spread(struct agent_cache *c, int64_t us)
{
	c->random ^= c->random << 13;
	c->random ^= c->random >> 7;
	c->random ^= c->random << 17;
	return us - us / 10 + (int64_t)(c->random % (uint64_t)(us / 5 + 1));
}

/* What was planned under a longer interval comes within the new one. */
void agent_cache_set(struct agent_cache *c,
		     const struct agent_cache_settings *settings)
{
	int64_t now = now_boot(c->now), at;

	c->settings = *settings;
	for (struct agent_secret *s = c->first; s; s = s->next) {
		at = now + agent_cache_spread(c, settings->refresh_us);
		if (s->next_us > at)
			s->next_us = at;
	}
}

const struct secret *agent_cache_key(const struct agent_cache *c)
{
	return c->key;
}

struct agent_secret *agent_cache_first(const struct agent_cache *c)
{
	return c->first;
}

enum status agent_cache_digest(const struct agent_cache *c, const void *p,
			       size_t n, unsigned char ret[DIGEST_SIZE])
{
	return digest_hmac(c->key, p, n, ret);
}

void agent_cache_drop(struct agent_secret *s)
{
	secret_free(s->password);
	s->password = NULL;
	s->current = s->previous = (struct agent_version){ .id = "" };
	s->since_us = s->checked_us = s->seen_us = s->expires_us = 0;
	s->doubted_us = 0;
}

void agent_cache_rekey(struct agent_cache *c, struct secret *key)
{
	for (struct agent_secret *s = c->first; s; s = s->next)
		agent_cache_drop(s);
	secret_free(c->key);
	c->key = key;
}

/* ---- When to ask --------------------------------------------------------- */

void agent_cache_send(struct agent_cache *c, struct agent_secret *s,
		      bool urgent)
{
	struct agent_cache_ask *q;

	if (s->busy) {
		s->again = s->again || urgent;
		return;
	}
	q = agent_cache_ask_new();
	if (!q) { /* later, then */
		s->next_us = now_boot(c->now) + AGENT_CACHE_RETRY_US;
		return;
	}
	q->serial = s->serial;
	text_copy(q->name, sizeof(q->name), s->name);
	text_copy(q->store, sizeof(q->store), s->store);
	if (!agent_cache_lacks(s))
		text_copy(q->have_current, sizeof(q->have_current),
			  s->current.id);
	text_copy(q->have_previous, sizeof(q->have_previous), s->previous.id);
	q->want_content = s->want_content;
	q->want_previous = s->want_previous;
	q->token = s->token;
	q->life_us = s->life_us;
	text_copy(q->refuse, sizeof(q->refuse), s->refused);
	s->life_us = 0;
	s->refused[0] = '\0';
	s->busy = true;
	s->again = false;
	c->hooks.send(c->hooks.arg, q, urgent);
}

bool agent_cache_press(struct agent_cache *c, struct agent_secret *s,
		       int64_t least_us)
{
	int64_t now = now_boot(c->now);

	if (least_us > 0 && s->failed && (s->busy || now < s->next_us))
		return s->busy;
	if (s->pressed_us > 0 && now - s->pressed_us < least_us) {
		/* Soon enough, by itself. */
		if (s->next_us > s->pressed_us + least_us) {
			s->next_us = s->pressed_us + least_us;
			s->hurried = true;
		}
		return s->busy;
	}
	s->pressed_us = now;
	agent_cache_send(c, s, true);
	return true;
}

void agent_cache_soon(struct agent_cache *c, struct agent_secret *s, int64_t us)
{
	int64_t at = now_boot(c->now) + us;

	if (!s->failed && s->next_us > at)
		s->next_us = at;
}

void agent_cache_push(struct agent_cache *c, struct agent_secret *s,
		      const char *version)
{
	text_copy(s->pushed, sizeof(s->pushed), version);
	agent_cache_send(c, s, true);
}

void agent_cache_tick(struct agent_cache *c)
{
	int64_t now = now_boot(c->now), stale_s;

	for (struct agent_secret *s = c->first; s; s = s->next) {
		if (s->current.id[0] &&
		    agent_cache_look(c, s, &stale_s) == AGENT_CACHE_NOTHING) {
			agent_cache_drop(s);
			c->hooks.told(c->hooks.arg, s);
		}
		if (s->busy || now < s->next_us)
			continue;
		if (s->hurried)
			s->pressed_us = now;
		agent_cache_send(c, s, false);
	}
}

void agent_cache_slept(struct agent_cache *c)
{
	for (struct agent_secret *s = c->first; s; s = s->next) {
		if (s->token)
			continue; /* it ends when it ends */
		s->answered = false;
		agent_cache_send(c, s, true);
	}
}

/* ---- What is wanted ------------------------------------------------------ */

void agent_cache_want_begin(struct agent_cache *c)
{
	for (struct agent_secret *s = c->first; s; s = s->next)
		s->wanted = false;
}

static uint32_t hash_of(const char *name, const char *store)
{
	return map_hash_text(map_hash_text(MAP_HASH, name), store);
}

struct key {
	const char *name, *store;
};

static bool is_key(const void *thing, const void *key)
{
	const struct agent_secret *s = thing;
	const struct key *k = key;

	return strcmp(s->name, k->name) == 0 && strcmp(s->store, k->store) == 0;
}

struct agent_secret *agent_cache_find(const struct agent_cache *c,
				      const char *name, const char *store)
{
	const struct key k = { name, store };

	return map_find(c->by_name, hash_of(name, store), is_key, &k);
}

/* A query that is under way was asked for less than is wanted now. */
static void ask_again(struct agent_secret *s)
{
	s->next_us = 0;
	s->again = s->busy;
}

bool agent_cache_lacks(const struct agent_secret *s)
{
	return s->current.id[0] && ((s->want_clear && !s->password) ||
				    (s->want_content && !s->current.has_mac));
}

enum status agent_cache_want(struct agent_cache *c,
			     const struct agent_secret *wish,
			     struct agent_secret **ret, struct reason *why)
{
	struct agent_secret *s = agent_cache_find(c, wish->name, wish->store);

	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return reason_no_memory(why);
		text_copy(s->name, sizeof(s->name), wish->name);
		text_copy(s->store, sizeof(s->store), wish->store);
		s->token = wish->token;
		s->serial = ++c->serial;
		s->next = c->first;
		c->first = s;
		map_put(c->by_name, s, hash_of(s->name, s->store));
	}
	if (wish->want_previous && !s->previous.has_mac) {
		s->previous.id[0] = '\0';
		ask_again(s);
	}
	if (!wish->want_clear) {
		secret_free(s->password);
		s->password = NULL;
	}
	s->wanted = true;
	s->want_content = wish->want_content;
	s->want_clear = wish->want_clear;
	s->want_previous = wish->want_previous;
	/* What is held is not enough any more, and still is the newest. */
	if (agent_cache_lacks(s))
		ask_again(s);
	*ret = s;
	return STATUS_OK;
}

bool agent_cache_restore(struct agent_cache *c, struct agent_secret *kept)
{
	struct agent_secret *s = agent_cache_find(c, kept->name, kept->store);

	if (!s || !kept->current.id[0] || kept->checked_us <= 0 ||
	    kept->checked_us > now_boot(c->now) ||
	    (s->want_clear && !kept->password) ||
	    (s->want_content && !kept->current.has_mac))
		return false;
	agent_cache_drop(s);
	s->current = kept->current;
	if (s->want_previous)
		s->previous = kept->previous;
	text_copy(s->host, sizeof(s->host), kept->host);
	text_copy(s->port, sizeof(s->port), kept->port);
	text_copy(s->dbname, sizeof(s->dbname), kept->dbname);
	s->since_us = kept->since_us;
	s->expires_us = kept->expires_us;
	s->checked_us = kept->checked_us;
	s->seen_us = kept->seen_us;
	if (s->want_clear) {
		s->password = kept->password;
		kept->password = NULL;
	}
	return true;
}

void agent_cache_want_end(struct agent_cache *c)
{
	struct agent_secret **at = &c->first, *s;

	while ((s = *at) != NULL) {
		if (s->wanted) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		map_remove(c->by_name, s);
		free_secret(s);
	}
}

enum agent_cache_has agent_cache_look(const struct agent_cache *c,
				      const struct agent_secret *s,
				      int64_t *ret_stale_s)
{
	int64_t age = now_boot(c->now) - s->checked_us;
	/* What was to be looked at later was not refused by a store. */
	int64_t planned_us = s->planned_us > c->settings.refresh_us ?
				     s->planned_us :
				     c->settings.refresh_us;

	*ret_stale_s = 0;
	if (!s->current.id[0] ||
	    (s->expires_us > 0 && now_wall(c->now) >= s->expires_us))
		return s->answered ? AGENT_CACHE_NOTHING : AGENT_CACHE_COMING;
	if (!s->failed && !s->doubted_us && s->answered &&
	    age <= 2 * planned_us)
		return AGENT_CACHE_FRESH;
	*ret_stale_s = age / NOW_SECOND > 0 ? age / NOW_SECOND : 1;
	return age <= c->settings.max_stale_us ? AGENT_CACHE_STALE :
						 AGENT_CACHE_NOTHING;
}
