/* SPDX-License-Identifier: PostgreSQL */
/* Asks a store; must never take one version's content for another's. */
#include "agent/cache/ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct agent_cache_ask *agent_cache_ask_new(void)
{
	return calloc(1, sizeof(struct agent_cache_ask));
}

void agent_cache_ask_free(struct agent_cache_ask *e)
{
	if (!e)
		return;
	secret_free(e->current.password);
	secret_free(e->previous.password);
	free(e);
}

static bool plain(const char *s, size_t n)
{
	return text_is_utf8(s, n) && !text_has_control(s, n);
}

/* What the wire would refuse is found here, where it can be said. */
static enum status check(const struct agent_cache_ask *e,
			 const struct store_entry *entry, const char *id,
			 struct reason *why)
{
	const char *texts[] = { entry->host, entry->port, entry->dbname,
				entry->username };
	bool fine = plain(secret_bytes(entry->password),
			  secret_len(entry->password));

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		fine = fine && plain(texts[i], strlen(texts[i]));
	if (fine && secret_len(entry->password) > 0)
		return STATUS_OK;
	return reason_set(why, STATUS_CORRUPT,
			  "version %s of %s in store %s is empty or holds a "
			  "control character",
			  id, e->name, e->store);
}

static enum status fetch(struct agent_cache_ask *e, struct store *store,
			 const char *id, struct store_entry *ret)
{
	enum status s = store->ops->fetch(store, e->name, id, ret, &e->why);

	if (s == STATUS_OK)
		s = check(e, ret, id, &e->why);
	return s;
}

static bool worth_fetching(const struct store_version *v, const char *have)
{
	return v && strcmp(v->id, have) != 0;
}

void agent_cache_ask_run(struct agent_cache_ask *e, struct store *store)
{
	const struct store_version *v;
	enum status s;

	e->status = store->ops->describe(store, e->name, &e->state, &e->why);
	if (e->status != STATUS_OK || !e->want_content)
		return;
	v = store_find_label(&e->state, STORE_LABEL_CURRENT);
	if (worth_fetching(v, e->have_current)) {
		e->status = fetch(e, store, v->id, &e->current);
		e->has_current = e->status == STATUS_OK;
	}
	v = store_find_label(&e->state, STORE_LABEL_PREVIOUS);
	if (e->status != STATUS_OK || !e->want_previous ||
	    !worth_fetching(v, e->have_previous) ||
	    strcmp(v->id, e->have_current) == 0)
		return;
	s = fetch(e, store, v->id, &e->previous);
	e->has_previous = s == STATUS_OK;
	e->previous_gone = s == STATUS_NOT_FOUND || s == STATUS_CORRUPT;
}

void agent_cache_ask_run_token(struct agent_cache_ask *e,
			       struct token_cache *tokens)
{
	struct store_version *v = &e->state.versions[0];
	struct token t = { .secret = NULL };

	if (e->refuse[0])
		token_cache_refuse(tokens, e->refuse);
	e->status = token_cache_get(tokens, e->life_us, &t, &e->why);
	/* One who wants more life than there is does not take it from others. */
	if (e->status == STATUS_REFUSED && e->life_us > 0)
		e->status = token_cache_get(tokens, 0, &t, &e->why);
	if (e->status != STATUS_OK)
		return;
	text_copy(v->id, sizeof(v->id), t.id);
	v->label = STORE_LABEL_CURRENT;
	v->created_us = t.issued_us;
	e->state.n = 1;
	e->expires_us = t.expires_us;
	if (e->want_content && strcmp(t.id, e->have_current) != 0) {
		text_copy(e->current.username, sizeof(e->current.username),
			  t.user);
		e->current.password = t.secret;
		t.secret = NULL;
		e->status = check(e, &e->current, v->id, &e->why);
		e->has_current = e->status == STATUS_OK;
	}
	secret_free(t.secret);
}
