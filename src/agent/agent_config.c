/* SPDX-License-Identifier: PostgreSQL */
/* The configuration in use and how another takes its place; must never free
 * what a query under way still looks at. */
#include "agent/agent_config.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "agent/access/groups.h"
#include "agent/agent.h"
#include "agent/agent_internal.h"
#include "agent/agent_wake.h"
#include "agent/cache/workers.h"
#include "agent/serve/client.h"
#include "agent/trail/trail.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/thread.h"
#include "crypto/sign.h"

/* A configuration that was replaced, while queries of it are under way. */
struct agent_retired {
	struct agent_retired *next;
	struct config *config;
	struct agent_cache_workers *workers;
};

/* The soft limit is the hard one (agent_new()). */
static size_t count_descriptors(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)limit.rlim_cur :
						       1024;
}

static void read_settings(const struct config *c, struct agent_settings *ret)
{
	const struct config_group *g = config_find(c, CONFIG_SECTION_agent, "");

	*ret = (struct agent_settings){
		.cache.refresh_us = config_duration_us(g, CONFIG_agent_refresh),
		.cache.max_stale_us =
			config_duration_us(g, CONFIG_agent_max_stale),
		.clients = (unsigned)config_int(g, CONFIG_agent_clients),
		.clients_per_user =
			(unsigned)config_int(g, CONFIG_agent_clients_per_user),
		.wrong_passwords =
			(unsigned)config_int(g, CONFIG_agent_wrong_passwords),
	};
}

/* After how long names are looked up again. */
#define NAMES_AWAY_US	 (10 * NOW_SECOND)
#define NAMES_UNKNOWN_US (60 * NOW_SECOND)

/* What the process needs for itself: its own files, and for each store the
 * connections of its workers, twice while one configuration replaces another. */
#define OWN_FDS	  64
#define STORE_FDS (4 * AGENT_CACHE_WORKERS_THREADS)
#define LEAST	  8

/* Clients must not take the descriptors of the stores and of the other sockets.
 * Where the limit is lower than `clients` asks for, every user's share is. */
static enum status fit_settings(const struct config *c,
				struct agent_settings *s, struct reason *why)
{
	size_t own = OWN_FDS + AGENT_SERVE_CLIENT_RESERVED +
		     STORE_FDS * (config_count(c, CONFIG_SECTION_store) +
				  config_count(c, CONFIG_SECTION_token));
	size_t have = count_descriptors(), room;

	room = have > own ? have - own : 0;
	if (room >= s->clients)
		return STATUS_OK;
	if (room < LEAST)
		return reason_set(why, STATUS_CONFIG,
				  "%zu open files are allowed, and %zu are "
				  "needed before a client is served; raise "
				  "LimitNOFILE= of the unit, or ulimit -n",
				  have, own + LEAST);
	log_line(LOG_LEVEL_WARN,
		 "%zu open files are allowed, which leaves room for %zu "
		 "connections and not for clients = %u; raise LimitNOFILE= of "
		 "the unit, or ulimit -n",
		 have, room, s->clients);
	s->clients_per_user =
		(unsigned)(s->clients_per_user * room / s->clients);
	if (s->clients_per_user < LEAST / 2)
		s->clients_per_user = LEAST / 2;
	if (s->clients_per_user > room / 2)
		s->clients_per_user = (unsigned)room / 2;
	s->clients = (unsigned)room;
	return STATUS_OK;
}

struct made {
	struct agent_settings settings;
	struct config *config;
	struct agent_access_groups *groups;
	struct agent_cache_workers *workers;
};

static void free_made(struct made *m)
{
	agent_access_groups_free(m->groups);
	agent_cache_workers_free(m->workers);
	config_free(m->config);
}

static enum status make_config(struct agent *a, struct made *ret,
			       struct reason *why)
{
	struct made m = { 0 };
	struct opened *b = NULL;
	enum status s;

	s = config_load(a->config_path, &m.config, why);
	if (s == STATUS_OK) {
		read_settings(m.config, &m.settings);
		s = fit_settings(m.config, &m.settings, why);
	}
	if (s == STATUS_OK)
		s = agent_access_groups_new(m.config, false, &m.groups, why);
	if (s == STATUS_OK)
		s = open_new(m.config, &b, why);
	if (s == STATUS_OK)
		s = agent_cache_workers_new(b, agent_wake_answered, a,
					    &m.workers, why);
	if (s != STATUS_OK) {
		if (!m.workers)
			open_free(b);
		free_made(&m);
		return s;
	}
	*ret = m;
	return STATUS_OK;
}

/* What was asked for and not taken stays asked for. */
static void carry_over(const struct agent_access_groups *from,
		       struct agent_access_groups *to)
{
	for (size_t i = 0; from && i < agent_access_groups_count(from); i++) {
		const struct agent_role *was = agent_access_groups_at(from, i);
		struct agent_role *is = agent_access_groups_find(to, was->name);

		if (!is)
			continue;
		is->asked = was->asked;
		is->asked_us = was->asked_us;
	}
}

/* Queries that are under way may end in the store that they were sent to. */
static enum status retire_workers(struct agent *a, struct reason *why)
{
	struct agent_retired *r;

	if (!a->workers)
		return STATUS_OK;
	r = calloc(1, sizeof(*r));
	if (!r)
		return reason_no_memory(why);
	r->config = a->config;
	r->workers = a->workers;
	r->next = a->retired;
	a->retired = r;
	agent_cache_workers_retire(r->workers);
	return STATUS_OK;
}

bool agent_config_idle(const struct agent *a)
{
	for (const struct agent_retired *r = a->retired; r; r = r->next)
		if (!agent_cache_workers_idle(r->workers))
			return false;
	return true;
}

void agent_config_reap(struct agent *a, bool wait)
{
	struct agent_retired **at = &a->retired, *r;

	while ((r = *at) != NULL) {
		if (!wait && !agent_cache_workers_idle(r->workers)) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		agent_cache_workers_free(r->workers);
		config_free(r->config);
		free(r);
	}
}

/* A name that is not known now may be known later, when the directory service
 * answers again or has a new entry. */
static void plan_names(struct agent *a)
{
	bool away;

	a->names_us = 0;
	if (agent_access_groups_unknown(a->groups, &away) > 0)
		a->names_us = now_boot(a->now) +
			      (away ? NAMES_AWAY_US : NAMES_UNKNOWN_US);
}

static enum status use_groups(struct agent *a,
			      struct agent_access_groups *groups,
			      struct reason *why)
{
	carry_over(a->groups, groups);
	agent_access_groups_free(a->groups);
	a->groups = groups;
	plan_names(a);
	return agent_access_groups_fill(a->groups, a->cache, why);
}

static enum status use_config(struct agent *a, struct made *m,
			      struct reason *why)
{
	struct agent_access_groups *groups = m->groups;
	enum status s = retire_workers(a, why);

	if (s != STATUS_OK)
		return s;
	a->config = m->config;
	a->workers = m->workers;
	a->settings = m->settings;
	*m = (struct made){ 0 };
	agent_cache_set(a->cache, &a->settings.cache);
	return use_groups(a, groups, why);
}

enum status agent_config_load(struct agent *a, struct reason *why)
{
	struct made m = { 0 };
	enum status s = make_config(a, &m, why);

	if (s == STATUS_OK)
		s = use_config(a, &m, why);
	free_made(&m);
	return s;
}

static bool any_of_type(const struct config *c, enum config_section section,
			enum config_key key, const char *type)
{
	for (size_t i = 0; i < config_count(c, section); i++)
		if (strcmp(config_string(config_at(c, section, i), key),
			   type) == 0)
			return true;
	return false;
}

/* AWS's standard chain of credentials has a step that does. */
bool agent_config_programs(const struct config *c)
{
	return any_of_type(c, CONFIG_SECTION_store, CONFIG_store_type, "aws") ||
	       any_of_type(c, CONFIG_SECTION_token, CONFIG_token_type,
			   "aws-rds");
}

/* ---- Reading it again ---------------------------------------------------- */

/* In a thread, because names are looked up, maybe in a directory far away. */
struct agent_reload {
	struct agent *a;
	pthread_t thread;
	atomic_bool done;
	bool names; /* of the same configuration, and nothing else */
	enum status status;
	struct reason why;
	struct made made;
};

static void *read_again(void *arg)
{
	struct agent_reload *r = arg;

	r->status = r->names ?
			    agent_access_groups_new(r->a->config, true,
						    &r->made.groups, &r->why) :
			    make_config(r->a, &r->made, &r->why);
	atomic_store(&r->done, true);
	agent_wake(r->a);
	return NULL;
}

static void begin_reload(struct agent *a, bool names)
{
	struct agent_reload *r = calloc(1, sizeof(*r));

	if (!r)
		return;
	r->a = a;
	r->names = names;
	if (!names)
		notify_reloading();
	if (thread_start(&r->thread, read_again, r) != 0) {
		log_line(LOG_LEVEL_ERROR, "cannot start a thread to read %s",
			 a->config_path);
		if (!names)
			notify_send("READY=1");
		free(r);
		return;
	}
	a->reloading = r;
}

void agent_config_reload(struct agent *a)
{
	a->reload = false;
	begin_reload(a, false);
}

void agent_config_names(struct agent *a)
{
	if (a->names_us == 0 || now_boot(a->now) < a->names_us || a->reloading)
		return;
	a->names_us = now_boot(a->now) + NAMES_UNKNOWN_US;
	begin_reload(a, true);
}

/* A directory service that has gone away since takes no rights away. */
static void take_names(struct agent *a, struct agent_reload *r)
{
	bool away;
	size_t before = agent_access_groups_unknown(a->groups, &away),
	       now = before;

	if (r->status == STATUS_OK)
		now = agent_access_groups_unknown(r->made.groups, &away);
	if (now >= before) {
		plan_names(a);
		return;
	}
	r->status = use_groups(a, r->made.groups, &r->why);
	r->made.groups = NULL;
	agent_serve_client_told_all(a);
	log_line(LOG_LEVEL_INFO,
		 "%zu users or groups that were not known have been found",
		 before - now);
	if (r->status != STATUS_OK)
		log_line(LOG_LEVEL_ERROR, "%s", r->why.text);
}

static void take_config(struct agent *a, struct agent_reload *r)
{
	enum status s = r->status;

	if (s == STATUS_OK && !a->programs &&
	    agent_config_programs(r->made.config))
		log_line(LOG_LEVEL_WARN,
			 "a store of type aws, or a token of type aws-rds, may "
			 "have to start a program for its credentials, which "
			 "needs a restart of the agent");
	if (s == STATUS_OK)
		s = use_config(a, &r->made, &r->why);
	agent_trail_flush(a->trail);
	/* The new rules apply to requests that wait. */
	agent_serve_client_told_all(a);
	if (s == STATUS_OK)
		log_line(LOG_LEVEL_INFO, "read %s again", a->config_path);
	else
		log_line(LOG_LEVEL_ERROR,
			 "the configuration stays as it was: %s", r->why.text);
	notify_send("READY=1");
}

void agent_config_take(struct agent *a)
{
	struct agent_reload *r = a->reloading;

	if (!r || !atomic_load(&r->done))
		return;
	pthread_join(r->thread, NULL);
	a->reloading = NULL;
	if (r->names)
		take_names(a, r);
	else
		take_config(a, r);
	free_made(&r->made);
	free(r);
}

void agent_config_stop(struct agent *a)
{
	struct agent_reload *r = a->reloading;

	if (!r)
		return;
	pthread_join(r->thread, NULL);
	free_made(&r->made);
	free(r);
	a->reloading = NULL;
}

/* ---- Without serving ----------------------------------------------------- */

enum status agent_config_check(const char *config_path, struct reason *why)
{
	struct agent_access_groups *groups = NULL;
	struct config *config = NULL;
	enum status s;

	s = config_load(config_path, &config, why);
	if (s == STATUS_OK)
		s = agent_access_groups_new(config, false, &groups, why);
	agent_access_groups_free(groups);
	config_free(config);
	return s;
}

enum status agent_config_init(const char *config_path, struct reason *why)
{
	struct config *config = NULL;
	enum status s;

	s = config_load(config_path, &config, why);
	if (s == STATUS_OK)
		s = sign_key_create(
			config_string(config_find(config,
						  CONFIG_SECTION_keyturn, ""),
				      CONFIG_keyturn_audit_key),
			why);
	config_free(config);
	return s;
}
