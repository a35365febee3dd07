/* SPDX-License-Identifier: PostgreSQL */
/* Opens stores and the ledger from settings; must never connect to a cluster. */
#include "open/open.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/entropy.h"
#include "open/open_list.h"
#include "open/open_store.h"
#include "open/open_token.h"

struct opened_store {
	struct store *store;
	bool away;		/* it was waited for in vain */
	struct reason why_away; /* in whose words */
};

struct opened {
	const struct config *config;
	struct ledger *ledger;
	bool wait_once;
	pthread_mutex_t lock; /* over what is away */
	struct open_list *stores, *tokens;
};

/* What takes less is asked for each role: it costs no wait. */
#define WAITED (1 * NOW_SECOND)

static enum status open_one_store(void *arg, const struct config_group *g,
				  void **ret, struct reason *why)
{
	struct opened_store *o = calloc(1, sizeof(*o));
	struct opened *b = arg;
	enum status s;

	if (!o)
		return reason_no_memory(why);
	s = open_store_open(b->config, g, &o->store, why);
	if (s != STATUS_OK) {
		free(o);
		return s;
	}
	*ret = o;
	return STATUS_OK;
}

static void close_one_store(void *thing)
{
	struct opened_store *o = thing;

	o->store->ops->close(o->store);
	free(o);
}

static const struct open_list_kind store_kind = {
	.section = CONFIG_SECTION_store,
	.word = "store",
	.open = open_one_store,
	.close = close_one_store,
};

enum status open_new(const struct config *config, struct opened **ret,
		     struct reason *why)
{
	struct opened *b = calloc(1, sizeof(*b));

	if (!b)
		return reason_no_memory(why);
	b->config = config;
	pthread_mutex_init(&b->lock, NULL);
	b->stores = open_list_new(config, &store_kind, b);
	b->tokens = open_list_new(config, &open_token_kind, NULL);
	if (!b->stores || !b->tokens) {
		open_free(b);
		return reason_no_memory(why);
	}
	*ret = b;
	return STATUS_OK;
}

void open_free(struct opened *b)
{
	if (!b)
		return;
	open_list_free(b->stores);
	open_list_free(b->tokens);
	if (b->ledger)
		b->ledger->ops->close(b->ledger);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

const struct config *open_config(const struct opened *b)
{
	return b->config;
}

const struct random *open_random(void)
{
	return entropy_openssl();
}

enum status open_ledger(struct opened *b, enum open_ledger mode,
			struct ledger **ret_ledger, bool *ret_lost,
			struct reason *why)
{
	bool lost = false;
	enum status s = STATUS_OK;

	if (!b->ledger)
		s = open_ledger_open(b->config, mode, NULL, &lost, &b->ledger,
				     why);
	if (s != STATUS_OK)
		return s;
	if (ret_lost)
		*ret_lost = lost;
	*ret_ledger = b->ledger;
	return STATUS_OK;
}

enum status open_ledger_verify(struct opened *b, const char *public_key,
			       struct ledger **ret_ledger, struct reason *why)
{
	bool lost;
	enum status s;

	s = open_ledger_open(b->config, OPEN_LEDGER_READ, public_key, &lost,
			     &b->ledger, why);
	if (s == STATUS_OK)
		*ret_ledger = b->ledger;
	return s;
}

static enum status find_store(struct opened *b, const char *name,
			      struct opened_store **ret, struct reason *why)
{
	void *found = NULL;
	enum status s = open_list_get(b->stores, name, &found, why);

	*ret = found;
	return s;
}

enum status open_store(struct opened *b, const char *name,
		       struct store **ret_store, struct reason *why)
{
	struct opened_store *o;
	enum status s = find_store(b, name, &o, why);

	if (s == STATUS_OK)
		*ret_store = o->store;
	return s;
}

void open_wait_once(struct opened *b)
{
	b->wait_once = true;
}

enum status open_store_away(struct opened *b, const char *name,
			    struct reason *why)
{
	struct opened_store *o;
	enum status s = find_store(b, name, &o, why);

	if (s != STATUS_OK)
		return s;
	pthread_mutex_lock(&b->lock);
	if (o->away)
		s = reason_set(why, STATUS_STORE_UNAVAILABLE, "%s",
			       o->why_away.text);
	pthread_mutex_unlock(&b->lock);
	return s;
}

void open_store_failed(struct opened *b, const char *name, int64_t waited_us,
		       const struct reason *why)
{
	struct opened_store *o;

	if (!b->wait_once || waited_us < WAITED ||
	    find_store(b, name, &o, NULL) != STATUS_OK)
		return;
	pthread_mutex_lock(&b->lock);
	if (!o->away) {
		o->away = true;
		o->why_away = *why;
	}
	pthread_mutex_unlock(&b->lock);
}

/* describe_secret(), of a store that has not been waited for yet. */
static enum status describe_secret(struct opened *b, const char *store_name,
				   const char *role,
				   struct store_state *ret_state,
				   struct reason *why)
{
	struct store *store = NULL;
	struct reason said = { "" };
	int64_t begun;
	enum status s = open_store(b, store_name, &store, why);

	if (s == STATUS_OK)
		s = open_store_away(b, store_name, why);
	if (s != STATUS_OK)
		return s;
	begun = now_boot(now_system());
	s = store->ops->describe(store, role, ret_state, &said);
	if (s == STATUS_STORE_UNAVAILABLE)
		open_store_failed(b, store_name, now_boot(now_system()) - begun,
				  &said);
	return s == STATUS_OK ? s : reason_set(why, s, "%s", said.text);
}

enum status open_token(struct opened *b, const char *name,
		       struct token_cache **ret_cache, struct reason *why)
{
	void *found = NULL;
	enum status s = open_list_get(b->tokens, name, &found, why);

	if (s == STATUS_OK)
		*ret_cache = found;
	return s;
}

enum status open_role(const struct opened *b, const char *name,
		      const struct config_group **ret_role, struct reason *why)
{
	const struct config_group *g =
		config_find(b->config, CONFIG_SECTION_role, name);

	if (!g)
		return reason_set(why, STATUS_CONFIG,
				  "there is no [role %s] in the configuration",
				  name);
	*ret_role = g;
	return STATUS_OK;
}

const char *open_rolname(const struct config_group *role)
{
	return config_rolname(role);
}

enum status open_remembered(struct opened *b, struct ledger *ledger,
			    const struct config_group *role,
			    struct ledger_role *ret, struct reason *why)
{
	const struct store_version *current;
	struct store_state state;
	enum status s;

	s = ledger->ops->roles->get(ledger, config_name(role), ret, why);
	/* A role whose first run failed is known, and still new. */
	if (s != STATUS_NOT_FOUND && (s != STATUS_OK || ret->rotated_us > 0))
		return s;
	if (s == STATUS_NOT_FOUND) {
		memset(ret, 0, sizeof(*ret)); /* not secret */
		text_copy(ret->role, sizeof(ret->role), config_name(role));
	}
	s = describe_secret(b, config_string(role, CONFIG_role_store),
			    config_name(role), &state, why);
	if (s != STATUS_OK)
		return s;
	current = store_find_label(&state, STORE_LABEL_CURRENT);
	if (!current)
		return STATUS_NOT_FOUND;
	text_copy(ret->version, sizeof(ret->version), current->id);
	ret->rotated_us = current->created_us;
	ret->learnt = true;
	return STATUS_OK;
}
