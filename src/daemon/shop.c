/* SPDX-License-Identifier: PostgreSQL */
/* Opens and closes what a configuration names; must never be freed under a run. */
#include "daemon/shop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Shared by the shops that were opened by it. */
struct loaded {
	struct config *config;
	atomic_uint users;
};

struct shop_inside {
	struct shop shop; /* first: what everybody holds */
	struct loaded *loaded;
	atomic_uint holders;
};

static void release(struct loaded *l)
{
	if (!l || atomic_fetch_sub(&l->users, 1) > 1)
		return;
	config_free(l->config);
	free(l);
}

static int by_name(const void *a, const void *b)
{
	const struct config_group *const *x = a, *const *y = b;

	return strcmp(config_name(*x), config_name(*y));
}

/* Takes over the caller's use of `l`. */
static enum status make(struct loaded *l, struct shop **ret, struct reason *why)
{
	struct shop_inside *in = calloc(1, sizeof(*in));
	size_t n = config_count(l->config, CONFIG_SECTION_role);
	struct shop *s;
	enum status st;

	if (!in) {
		release(l);
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	}
	s = &in->shop;
	in->loaded = l;
	s->config = l->config;
	s->n_roles = n;
	s->roles = calloc(n + 1, sizeof(*s->roles));
	s->store_asked = calloc(n + 1, sizeof(*s->store_asked));
	s->store_away =
		calloc(config_count(l->config, CONFIG_SECTION_store) + 1,
		       sizeof(*s->store_away));
	st = s->roles && s->store_asked && s->store_away ?
		     backends_new(l->config, &s->backends, why) :
		     reason_set(why, STATUS_NO_MEMORY, "out of memory");
	if (st != STATUS_OK) {
		shop_free(s);
		return st;
	}
	for (size_t i = 0; i < n; i++)
		s->roles[i] = config_at(l->config, CONFIG_SECTION_role, i);
	qsort(s->roles, n, sizeof(*s->roles), by_name);
	*ret = s;
	return STATUS_OK;
}

static enum status check(struct shop *s, struct reason *why)
{
	struct workshop *w = NULL;
	enum status st = workshop_new(s->backends, NULL, "", &w, why);

	if (st == STATUS_OK)
		st = workshop_check(w, why);
	workshop_free(w);
	return st;
}

enum status shop_load(const char *path, struct shop **ret, struct reason *why)
{
	struct loaded *l = calloc(1, sizeof(*l));
	struct shop *s = NULL;
	enum status st;

	if (!l)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	atomic_init(&l->users, 1);
	st = config_load(path, &l->config, why);
	if (st != STATUS_OK) {
		free(l);
		return st;
	}
	st = make(l, &s, why);
	if (st == STATUS_OK)
		st = check(s, why);
	if (st != STATUS_OK) {
		shop_free(s);
		return st;
	}
	*ret = s;
	return STATUS_OK;
}

static bool is_mistake(enum status st)
{
	return st == STATUS_CONFIG || st == STATUS_DENIED;
}

/* A password file that is not there lets nobody in. */
static enum status judge_cluster(const struct config_group *g,
				 struct reason *why)
{
	const char *file = config_string(g, CONFIG_cluster_admin_passfile);

	if (!*file || access(file, R_OK) == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "%s: [cluster %s] admin_passfile: %s cannot be read: "
			  "%s",
			  config_where(g), config_name(g), file,
			  strerror(errno));
}

static enum status judge_all(const struct shop *s, struct workshop *w,
			     struct reason *why)
{
	const struct config *c = s->config;
	enum status st = STATUS_OK;

	for (size_t i = 0;
	     i < config_count(c, CONFIG_SECTION_cluster) && !is_mistake(st);
	     i++)
		st = judge_cluster(config_at(c, CONFIG_SECTION_cluster, i),
				   why);
	for (size_t i = 0; i < s->n_roles && !is_mistake(st); i++) {
		struct workshop_job j;

		st = workshop_job(w, config_name(s->roles[i]), &j, why);
		if (st == STATUS_OK)
			workshop_job_free(&j);
	}
	for (size_t i = 0;
	     i < config_count(c, CONFIG_SECTION_token) && !is_mistake(st);
	     i++) {
		const struct config_group *g =
			config_at(c, CONFIG_SECTION_token, i);
		struct token_cache *cache;

		st = backends_token(s->backends, config_name(g), &cache, why);
	}
	return is_mistake(st) ? st : STATUS_OK;
}

enum status shop_judge(struct shop *s, struct reason *why)
{
	struct workshop *w = NULL;
	enum status st = workshop_new(s->backends, NULL, "", &w, why);

	if (st == STATUS_OK)
		st = judge_all(s, w, why);
	workshop_free(w);
	return st;
}

enum status shop_again(struct shop *s, struct shop **ret, struct reason *why)
{
	struct loaded *l = ((struct shop_inside *)s)->loaded;

	atomic_fetch_add(&l->users, 1);
	return make(l, ret, why);
}

enum status shop_open(struct shop *s, bool make_it, const char *actor,
		      courier_tell_fn *tell, bool *ret_lost, struct reason *why)
{
	struct ledger *ledger = NULL;
	enum status st;

	st = backends_ledger(s->backends,
			     make_it ? BACKENDS_LEDGER_WRITE :
				       BACKENDS_LEDGER_AGAIN,
			     &ledger, ret_lost, why);
	if (st == STATUS_OK)
		st = workshop_new(s->backends, ledger, actor, &s->workshop,
				  why);
	if (st == STATUS_OK)
		st = courier_start(s->config, ledger, tell, NULL, &s->courier,
				   why);
	if (st == STATUS_OK)
		s->ledger = ledger;
	return st;
}

void shop_hold(struct shop *s)
{
	atomic_fetch_add(&((struct shop_inside *)s)->holders, 1);
}

void shop_drop(struct shop *s)
{
	atomic_fetch_sub(&((struct shop_inside *)s)->holders, 1);
}

bool shop_idle(struct shop *s)
{
	return atomic_load(&((struct shop_inside *)s)->holders) == 0 &&
	       (!s->courier || courier_stopped(s->courier));
}

void shop_free(struct shop *s)
{
	if (!s)
		return;
	courier_free(s->courier);
	workshop_free(s->workshop);
	backends_free(s->backends);
	free(s->roles);
	free(s->store_asked);
	free(s->store_away);
	release(((struct shop_inside *)s)->loaded);
	free(s);
}

int64_t *shop_store_away(const struct shop *s, const struct config_group *role)
{
	const char *name = config_string(role, CONFIG_role_store);
	size_t i = 0, n = config_count(s->config, CONFIG_SECTION_store);

	while (i < n && strcmp(config_name(config_at(s->config,
						     CONFIG_SECTION_store, i)),
			       name) != 0)
		i++;
	return &s->store_away[i];
}

int64_t shop_duration_us(const struct shop *s, enum config_key k)
{
	return config_duration_us(
		config_find(s->config, CONFIG_SECTION_keyturn, ""), k);
}

const char *shop_string(const struct shop *s, enum config_key k)
{
	return config_string(config_find(s->config, CONFIG_SECTION_keyturn, ""),
			     k);
}
