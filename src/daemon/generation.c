/* SPDX-License-Identifier: PostgreSQL */
/* Opens and closes what a configuration names; must never be freed under a run. */
#include "daemon/generation.h"

#include "base/now.h"
#include "jobs/check_settings.h"

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
	struct generation generation; /* first: what everybody holds */
	struct loaded *loaded;
	atomic_uint holders;
};

static void release_generation(struct loaded *l)
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
static enum status make_generation(struct loaded *l, struct generation **ret,
				   struct reason *why)
{
	struct shop_inside *in = calloc(1, sizeof(*in));
	size_t n = config_count(l->config, CONFIG_SECTION_role);
	struct generation *s;
	enum status st;

	if (!in) {
		release_generation(l);
		return reason_no_memory(why);
	}
	s = &in->generation;
	in->loaded = l;
	s->config = l->config;
	s->n_roles = n;
	s->roles = calloc(n + 1, sizeof(*s->roles));
	s->store_asked = calloc(n + 1, sizeof(*s->store_asked));
	s->lives = calloc(n + 1, sizeof(*s->lives));
	s->store_away =
		calloc(config_count(l->config, CONFIG_SECTION_store) + 1,
		       sizeof(*s->store_away));
	st = s->roles && s->store_asked && s->lives && s->store_away ?
		     open_new(l->config, &s->opened, why) :
		     reason_no_memory(why);
	if (st != STATUS_OK) {
		generation_free(s);
		return st;
	}
	for (size_t i = 0; i < n; i++)
		s->roles[i] = config_at(l->config, CONFIG_SECTION_role, i);
	qsort(s->roles, n, sizeof(*s->roles), by_name);
	*ret = s;
	return STATUS_OK;
}

static enum status check_generation(struct generation *s, struct reason *why)
{
	struct open_engine *w = NULL;
	enum status st = open_engine_new(s->opened, NULL, "", &w, why);

	if (st == STATUS_OK)
		st = check_settings(w, why);
	open_engine_free(w);
	return st;
}

enum status generation_load(const char *path, struct generation **ret,
			    struct reason *why)
{
	struct loaded *l = calloc(1, sizeof(*l));
	struct generation *s = NULL;
	enum status st;

	if (!l)
		return reason_no_memory(why);
	atomic_init(&l->users, 1);
	st = config_load(path, &l->config, why);
	if (st != STATUS_OK) {
		free(l);
		return st;
	}
	st = make_generation(l, &s, why);
	if (st == STATUS_OK)
		st = check_generation(s, why);
	if (st != STATUS_OK) {
		generation_free(s);
		return st;
	}
	*ret = s;
	return STATUS_OK;
}

static bool is_mistake(enum status st)
{
	return st == STATUS_CONFIG || st == STATUS_DENIED;
}

/* A password file that is not there lets no one in. */
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

static enum status judge_all(const struct generation *s, struct open_engine *w,
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
		struct open_engine_job j;

		st = open_engine_job(w, config_name(s->roles[i]), &j, why);
		if (st == STATUS_OK)
			open_engine_job_free(&j);
	}
	for (size_t i = 0;
	     i < config_count(c, CONFIG_SECTION_token) && !is_mistake(st);
	     i++) {
		const struct config_group *g =
			config_at(c, CONFIG_SECTION_token, i);
		struct token_cache *cache;

		st = open_token(s->opened, config_name(g), &cache, why);
	}
	return is_mistake(st) ? st : STATUS_OK;
}

enum status generation_judge(struct generation *s, struct reason *why)
{
	struct open_engine *w = NULL;
	enum status st = open_engine_new(s->opened, NULL, "", &w, why);

	if (st == STATUS_OK)
		st = judge_all(s, w, why);
	open_engine_free(w);
	return st;
}

enum status generation_again(struct generation *s, struct generation **ret,
			     struct reason *why)
{
	struct loaded *l = ((struct shop_inside *)s)->loaded;

	atomic_fetch_add(&l->users, 1);
	return make_generation(l, ret, why);
}

/* Once, since it takes time; a year's look ahead need not follow the day. */
static void find_lives(struct generation *s)
{
	int64_t now = now_wall(now_system());
	struct schedule *schedule = NULL;

	for (size_t i = 0; i < s->n_roles; i++) {
		if (open_engine_schedule(s->engine, s->roles[i], &schedule,
					 NULL) != STATUS_OK)
			continue;
		s->lives[i] = open_schedule_life(s->config, s->roles[i],
						 schedule, now);
		schedule_free(schedule);
	}
}

enum status generation_open(struct generation *s, bool make_it,
			    const char *actor, hook_dispatch_tell_fn *tell,
			    bool *ret_lost, struct reason *why)
{
	struct ledger *ledger = NULL;
	enum status st;

	st = open_ledger(s->opened,
			 make_it ? OPEN_LEDGER_WRITE : OPEN_LEDGER_AGAIN,
			 &ledger, ret_lost, why);
	if (st == STATUS_OK)
		st = open_engine_new(s->opened, ledger, actor, &s->engine, why);
	if (st == STATUS_OK)
		st = hook_dispatch_start(s->config, ledger, tell, NULL,
					 &s->dispatch, why);
	if (st == STATUS_OK) {
		find_lives(s);
		s->ledger = ledger;
		s->opened_us = now_boot(now_system());
	}
	return st;
}

void generation_hold(struct generation *s)
{
	atomic_fetch_add(&((struct shop_inside *)s)->holders, 1);
}

void generation_drop(struct generation *s)
{
	atomic_fetch_sub(&((struct shop_inside *)s)->holders, 1);
}

bool generation_idle(struct generation *s)
{
	return atomic_load(&((struct shop_inside *)s)->holders) == 0 &&
	       (!s->dispatch || hook_dispatch_stopped(s->dispatch));
}

void generation_free(struct generation *s)
{
	if (!s)
		return;
	hook_dispatch_free(s->dispatch);
	open_engine_free(s->engine);
	open_free(s->opened);
	free(s->roles);
	free(s->store_asked);
	free(s->lives);
	free(s->store_away);
	release_generation(((struct shop_inside *)s)->loaded);
	free(s);
}

int64_t *generation_store_away(const struct generation *s,
			       const struct config_group *role)
{
	const char *name = config_string(role, CONFIG_role_store);
	size_t i = 0, n = config_count(s->config, CONFIG_SECTION_store);

	while (i < n && strcmp(config_name(config_at(s->config,
						     CONFIG_SECTION_store, i)),
			       name) != 0)
		i++;
	return &s->store_away[i];
}

int64_t generation_duration_us(const struct generation *s, enum config_key k)
{
	return config_duration_us(
		config_find(s->config, CONFIG_SECTION_keyturn, ""), k);
}

const char *generation_string(const struct generation *s, enum config_key k)
{
	return config_string(config_find(s->config, CONFIG_SECTION_keyturn, ""),
			     k);
}
