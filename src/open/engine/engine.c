/* SPDX-License-Identifier: PostgreSQL */
/* Makes rotation jobs from settings; must never decide how a rotation goes. */
#include "open/engine/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/words.h"
#include "crypto/entropy.h"
#include "open/engine/cluster.h"
#include "open/open_schedule.h"

struct open_engine {
	struct opened *opened;
	const struct config *config;
	struct ledger *ledger;
	struct runner_env *env;
	struct open_engine_calendar *calendar;
	struct open_engine_clusters *clusters;
	struct open_engine_looks *looks;
};

enum status open_engine_new(struct opened *b, struct ledger *ledger,
			    const char *actor, struct open_engine **ret,
			    struct reason *why)
{
	struct open_engine *w = calloc(1, sizeof(*w));
	struct runner_env_options o = {
		.ledger = ledger,
		.now = now_system(),
		.random = entropy_openssl(),
		.actor = actor,
	};
	const struct config_group *g;

	if (!w)
		return reason_no_memory(why);
	w->opened = b;
	w->config = open_config(b);
	w->ledger = ledger;
	g = config_find(w->config, CONFIG_SECTION_keyturn, "");
	o.control_interval_us =
		config_duration_us(g, CONFIG_keyturn_control_interval);
	w->calendar = open_engine_calendar_new(w->config);
	w->clusters = open_engine_cluster_new(b, ledger);
	w->looks = open_engine_looks_new();
	if (!w->calendar || !w->clusters || !w->looks ||
	    (ledger && runner_env_new(&o, &w->env) != STATUS_OK)) {
		open_engine_free(w);
		return reason_no_memory(why);
	}
	*ret = w;
	return STATUS_OK;
}

void open_engine_free(struct open_engine *w)
{
	if (!w)
		return;
	open_engine_cluster_free(w->clusters);
	open_engine_calendar_free(w->calendar);
	open_engine_looks_free(w->looks);
	runner_env_free(w->env);
	free(w);
}

struct runner_env *open_engine_env(const struct open_engine *w)
{
	return w->env;
}

struct opened *open_engine_opened(const struct open_engine *w)
{
	return w->opened;
}

struct ledger *open_engine_ledger(const struct open_engine *w)
{
	return w->ledger;
}

struct open_engine_looks *open_engine_looks(const struct open_engine *w)
{
	return w->looks;
}

enum status open_engine_cluster(struct open_engine *w, const char *name,
				struct cluster **ret, struct reason *why)
{
	return open_engine_cluster_get(w->clusters, name, ret, why);
}

enum status open_engine_policy(const struct open_engine *w, const char *name,
			       struct policy *ret_policy, struct reason *why)
{
	struct policy p = policy_default();
	const struct config_group *g;
	const char *require;
	enum status s;

	if (!*name) {
		*ret_policy = p;
		return STATUS_OK;
	}
	g = config_find(w->config, CONFIG_SECTION_policy, name);
	if (!g)
		return reason_set(why, STATUS_CONFIG, "there is no [policy %s]",
				  name);
	p.length = (unsigned)config_int(g, CONFIG_policy_length);
	require = config_string(g, CONFIG_policy_require);
	p.upper = words_have(require, "upper", 5);
	p.lower = words_have(require, "lower", 5);
	p.digit = words_have(require, "digit", 5);
	p.symbol = words_have(require, "symbol", 6);
	s = text_copy(p.symbols, sizeof(p.symbols),
		      config_string(g, CONFIG_policy_symbols));
	if (s != STATUS_OK)
		s = reason_set(why, STATUS_CONFIG,
			       "too many symbols (at most %zu)",
			       sizeof(p.symbols) - 1);
	else
		s = policy_check(&p, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [policy %s]", config_where(g),
				   name);
	*ret_policy = p;
	return STATUS_OK;
}

/* PgBouncer knows a user before anybody is told of it.  A service file names the
 * user whose password is in another one: that comes first, so that no reader finds
 * a user without a password. */
static int turn_of(const struct sink *s)
{
	if (s->kind == SINK_PGBOUNCER || sink_has_database(s->kind))
		return 0;
	return s->kind == SINK_SERVICE ? 2 : 1;
}

/* In their order otherwise. */
static void put_in_turn(struct sink *sinks, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct sink s = sinks[i];
		size_t to = i;

		while (to > 0 && turn_of(&sinks[to - 1]) > turn_of(&s))
			to--;
		memmove(&sinks[to + 1], &sinks[to], (i - to) * sizeof(*sinks));
		sinks[to] = s;
	}
}

enum status open_engine_sinks(const struct config_group *role,
			      struct sink **ret_sinks, size_t *ret_n,
			      struct reason *why)
{
	size_t n = config_list_n(role, CONFIG_role_sink);
	struct sink *sinks = NULL;
	enum status s;

	if (n > 0 && !(sinks = calloc(n, sizeof(*sinks))))
		return reason_no_memory(why);
	for (size_t i = 0; i < n; i++) {
		s = sink_parse(config_list_at(role, CONFIG_role_sink, i),
			       &sinks[i], why);
		if (s == STATUS_OK)
			continue;
		free(sinks);
		return reason_wrap(why, s, "%s: [role %s] sink",
				   config_where(role), config_name(role));
	}
	put_in_turn(sinks, n);
	*ret_sinks = sinks;
	*ret_n = n;
	return STATUS_OK;
}

struct open_engine_calendar *open_engine_calendar(const struct open_engine *w)
{
	return w->calendar;
}

static const char *set_or_null(const struct config_group *g, enum config_key k)
{
	return config_is_set(g, k) ? config_string(g, k) : NULL;
}

enum status open_engine_schedule(struct open_engine *w,
				 const struct config_group *role,
				 struct schedule **ret, struct reason *why)
{
	const struct schedule_zone *zone = NULL;
	enum status s;

	if (!open_schedule_is_set(role)) {
		*ret = NULL;
		return STATUS_OK;
	}
	s = open_engine_calendar_zone(w->calendar, &zone, why);
	if (s != STATUS_OK)
		return s;
	s = open_schedule_parse(role, zone, ret, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [role %s]", config_where(role),
				   config_name(role));
	return STATUS_OK;
}

void open_engine_job_free(struct open_engine_job *j)
{
	free(j->sinks);
	j->sinks = NULL;
}

/* Consumers are told one port, which is that of every host. */
static enum status one_port(const struct config_group *role,
			    const struct open_engine_job *j, struct reason *why)
{
	if (!strchr(j->job.cluster->port, ','))
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "%s: [role %s] is for consumers who are told one "
			  "port, but the hosts in the conninfo of [cluster %s] "
			  "have several; set host and port there to those that "
			  "consumers connect to",
			  config_where(role), config_name(role),
			  j->job.cluster->name);
}

/* FNV-1a; the NUL at the end counts, so that no two lists look alike. */
static uint64_t hash_more(uint64_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001B3);
	while (*s++ != '\0');
	return h;
}

void open_engine_delivery(struct open_engine *w,
			  const struct config_group *role,
			  char ret[LEDGER_DELIVERED_SIZE])
{
	size_t n = config_list_n(role, CONFIG_role_sink);
	const char *dbname = set_or_null(role, CONFIG_role_dbname);
	uint64_t h = UINT64_C(0xCBF29CE484222325);
	struct cluster *t = NULL;

	ret[0] = '\0';
	if (n == 0 ||
	    open_engine_cluster(w, config_string(role, CONFIG_role_cluster), &t,
				NULL) != STATUS_OK)
		return;
	h = hash_more(h, t->host);
	h = hash_more(h, t->port);
	h = hash_more(h, dbname ? dbname : t->dbname);
	h = hash_more(h, t->sslmode ? t->sslmode : "");
	h = hash_more(h, t->sslrootcert ? t->sslrootcert : "");
	for (size_t i = 0; i < n; i++)
		h = hash_more(h, config_list_at(role, CONFIG_role_sink, i));
	snprintf(ret, LEDGER_DELIVERED_SIZE, "%016" PRIx64, h);
}

/* The configuration has seen to it that there are two, of usable length. */
void open_engine_members(const struct config_group *role,
			 char ret[CLUSTER_MEMBERS][CLUSTER_NAME_SIZE])
{
	const char *at = config_string(role, CONFIG_role_members), *word;
	size_t n;

	for (size_t i = 0; i < CLUSTER_MEMBERS; i++) {
		word = words_next(&at, &n);
		snprintf(ret[i], CLUSTER_NAME_SIZE, "%.*s", (int)n, word);
	}
}

static void take_members(const struct config_group *role,
			 struct open_engine_job *j)
{
	j->job.end_sessions = config_bool(role, CONFIG_role_end_sessions);
	if (!config_is_pair(role))
		return;
	open_engine_members(role, j->members);
	for (size_t i = 0; i < CLUSTER_MEMBERS; i++)
		j->pair.members[i] = j->members[i];
	j->job.pair = &j->pair;
	j->job.tombstone_us = config_duration_us(role, CONFIG_role_tombstone);
}

enum status open_engine_job(struct open_engine *w, const char *role,
			    struct open_engine_job *ret_job, struct reason *why)
{
	const struct config_group *g = NULL, *c;
	struct open_engine_job *j = ret_job;
	enum status s;

	memset(j, 0, sizeof(*j)); /* not secret */
	s = open_role(w->opened, role, &g, why);
	if (s != STATUS_OK)
		return s;
	j->job.role = config_name(g);
	j->job.rolname = open_rolname(g);
	j->job.dbname = set_or_null(g, CONFIG_role_dbname);
	j->job.prove_dbname = set_or_null(g, CONFIG_role_prove_dbname);
	j->job.reason = "";
	take_members(g, j);
	s = open_engine_cluster(w, config_string(g, CONFIG_role_cluster),
				&j->job.cluster, why);
	if (s == STATUS_OK)
		s = open_store(w->opened, config_string(g, CONFIG_role_store),
			       &j->job.store, why);
	if (s == STATUS_OK)
		s = open_engine_policy(w, config_string(g, CONFIG_role_policy),
				       &j->policy, why);
	if (s == STATUS_OK)
		s = open_engine_sinks(g, &j->sinks, &j->job.n_sinks, why);
	if (s == STATUS_OK)
		s = one_port(g, j, why);
	if (s != STATUS_OK) {
		open_engine_job_free(j);
		return s;
	}
	c = config_find(w->config, CONFIG_SECTION_cluster,
			config_string(g, CONFIG_role_cluster));
	j->job.prove_deadline_us =
		config_duration_us(c, CONFIG_cluster_prove_deadline);
	j->job.refusal_wait_us =
		config_duration_us(c, CONFIG_cluster_refusal_wait);
	j->job.grace_us = config_duration_us(g, CONFIG_role_grace);
	j->job.no_control = !config_bool(c, CONFIG_cluster_control);
	open_engine_delivery(w, g, j->delivery);
	j->job.delivery = j->delivery;
	j->job.policy = &j->policy;
	j->job.sinks = j->sinks;
	return STATUS_OK;
}
