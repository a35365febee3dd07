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

void agent_cache_ask_free(struct agent_cache_ask *q)
{
	if (!q)
		return;
	secret_free(q->current.password);
	secret_free(q->previous.password);
	free(q);
}

static bool is_plain(const char *s, size_t n)
{
	return text_is_utf8(s, n) && !text_has_control(s, n);
}

/* What the wire would refuse is found here, where it can be said. */
static enum status check_entry(const struct agent_cache_ask *q,
			       const struct store_entry *entry, const char *id,
			       struct reason *why)
{
	const char *texts[] = { entry->host, entry->port, entry->dbname,
				entry->username };
	bool fine = is_plain(secret_bytes(entry->password),
			     secret_len(entry->password));

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		fine = fine && is_plain(texts[i], strlen(texts[i]));
	if (fine && secret_len(entry->password) > 0)
		return STATUS_OK;
	return reason_set(why, STATUS_CORRUPT,
			  "version %s of %s in store %s is empty or holds a "
			  "control character",
			  id, q->name, q->store);
}

static enum status fetch_version(struct agent_cache_ask *q, struct store *store,
				 const char *id, struct store_entry *ret)
{
	enum status s = store->ops->fetch(store, q->name, id, ret, &q->why);

	if (s == STATUS_OK)
		s = check_entry(q, ret, id, &q->why);
	return s;
}

static bool worth_fetching(const struct store_version *v, const char *have)
{
	return v && strcmp(v->id, have) != 0;
}

void agent_cache_ask_run(struct agent_cache_ask *q, struct store *store)
{
	const struct store_version *v;
	enum status s;

	q->status = store->ops->describe(store, q->name, &q->state, &q->why);
	if (q->status != STATUS_OK || !q->want_content)
		return;
	v = store_find_label(&q->state, STORE_LABEL_CURRENT);
	if (worth_fetching(v, q->have_current)) {
		q->status = fetch_version(q, store, v->id, &q->current);
		q->has_current = q->status == STATUS_OK;
	}
	v = store_find_label(&q->state, STORE_LABEL_PREVIOUS);
	if (q->status != STATUS_OK || !q->want_previous ||
	    !worth_fetching(v, q->have_previous) ||
	    strcmp(v->id, q->have_current) == 0)
		return;
	s = fetch_version(q, store, v->id, &q->previous);
	q->has_previous = s == STATUS_OK;
	q->previous_gone = s == STATUS_NOT_FOUND || s == STATUS_CORRUPT;
}

void agent_cache_ask_run_token(struct agent_cache_ask *q,
			       struct token_cache *tokens)
{
	struct store_version *v = &q->state.versions[0];
	struct token t = { .secret = NULL };

	if (q->refuse[0])
		token_cache_refuse(tokens, q->refuse);
	q->status = token_cache_get(tokens, q->life_us, &t, &q->why);
	/* One who wants more life than there is does not take it from others. */
	if (q->status == STATUS_REFUSED && q->life_us > 0)
		q->status = token_cache_get(tokens, 0, &t, &q->why);
	if (q->status != STATUS_OK)
		return;
	text_copy(v->id, sizeof(v->id), t.id);
	v->label = STORE_LABEL_CURRENT;
	v->created_us = t.issued_us;
	q->state.n = 1;
	q->expires_us = t.expires_us;
	if (q->want_content && strcmp(t.id, q->have_current) != 0) {
		text_copy(q->current.username, sizeof(q->current.username),
			  t.user);
		q->current.password = t.secret;
		t.secret = NULL;
		q->status = check_entry(q, &q->current, v->id, &q->why);
		q->has_current = q->status == STATUS_OK;
	}
	secret_free(t.secret);
}
