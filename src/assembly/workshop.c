/* SPDX-License-Identifier: PostgreSQL */
/* Makes rotation jobs from settings; must never decide how a rotation goes. */
#include "assembly/workshop.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assembly/courier.h"
#include "assembly/turn.h"
#include "base/harden.h"
#include "base/text.h"
#include "store/store_key.h"
#include "target/target_postgres.h"
#include "token/token.h"

#define ENDPOINTS_MAX 16

struct cluster {
	char name[CONFIG_NAME_MAX + 1];
	struct target *target;
	struct ledger *ledger; /* NULL: nothing is remembered */
	struct backends *backends;
	const char *conninfo;
	char branch[128];
	const char *token; /* the admin's [token NAME], or NULL */
	pthread_mutex_t lock;
	char token_id[RANDOM_UUID_SIZE]; /* the last one that was used */
	struct cluster *next;
};

struct workshop {
	struct backends *backends;
	const struct config *config;
	struct ledger *ledger;
	struct runner_env *env;
	struct schedule_zone *zone; /* opened with the first schedule */
	pthread_mutex_t lock;	    /* over clusters and zone */
	struct cluster *clusters;
};

enum status workshop_new(struct backends *b, struct ledger *ledger,
			 const char *actor, struct workshop **ret,
			 struct reason *why)
{
	struct workshop *w = calloc(1, sizeof(*w));
	struct runner_env_options o = {
		.ledger = ledger,
		.now = now_system(),
		.random = store_key_random(),
		.actor = actor,
	};
	const struct config_group *g;

	if (!w)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	w->backends = b;
	w->ledger = ledger;
	w->config = backends_config(b);
	w->ledger = ledger;
	g = config_find(w->config, CONFIG_SECTION_keyturn, "");
	o.control_interval_us =
		config_duration_us(g, CONFIG_keyturn_control_interval);
	pthread_mutex_init(&w->lock, NULL);
	if (ledger && runner_env_new(&o, &w->env) != STATUS_OK) {
		workshop_free(w);
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	}
	*ret = w;
	return STATUS_OK;
}

void workshop_free(struct workshop *w)
{
	struct cluster *c;

	if (!w)
		return;
	while ((c = w->clusters) != NULL) {
		w->clusters = c->next;
		c->target->ops->close(c->target);
		pthread_mutex_destroy(&c->lock);
		free(c);
	}
	schedule_zone_free(w->zone);
	runner_env_free(w->env);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

struct runner_env *workshop_env(const struct workshop *w)
{
	return w->env;
}

struct backends *workshop_backends(const struct workshop *w)
{
	return w->backends;
}

struct ledger *workshop_ledger(const struct workshop *w)
{
	return w->ledger;
}

/* A setting that says what consumers are told, over what the target says. */
static void tell(const struct config_group *g, enum config_key k,
		 const char **told)
{
	if (config_is_set(g, k))
		*told = config_string(g, k);
}

/* ---- a token as the administrator's password ---- */

static enum status admin_password(void *arg, int64_t min_life_us,
				  char ret_user[TARGET_USER_SIZE],
				  struct secret **ret_password,
				  struct reason *why)
{
	struct cluster *c = arg;
	struct token_cache *cache = NULL;
	struct token t = { .secret = NULL };
	enum status s;

	s = backends_token(c->backends, c->token, &cache, why);
	if (s == STATUS_OK)
		s = token_cache_get(cache, min_life_us, &t, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "[token %s]", c->token);
	pthread_mutex_lock(&c->lock);
	text_copy(c->token_id, sizeof(c->token_id), t.id);
	pthread_mutex_unlock(&c->lock);
	text_copy(ret_user, TARGET_USER_SIZE, t.user);
	*ret_password = t.secret;
	return STATUS_OK;
}

static void admin_refused(void *arg)
{
	struct cluster *c = arg;
	struct token_cache *cache = NULL;
	char id[RANDOM_UUID_SIZE];

	pthread_mutex_lock(&c->lock);
	memcpy(id, c->token_id, sizeof(id));
	pthread_mutex_unlock(&c->lock);
	if (backends_token(c->backends, c->token, &cache, NULL) == STATUS_OK)
		token_cache_refuse(cache, id);
}

static enum target_admin admin_of(const char *word, struct cluster *c)
{
	if (strcmp(word, "self") == 0)
		return TARGET_ADMIN_SELF;
	if (strncmp(word, "token:", 6) != 0)
		return TARGET_ADMIN_PASSFILE;
	c->token = word + 6;
	return TARGET_ADMIN_TOKEN;
}

/* "projects/P/branches/B" of the token's "projects/P/branches/B/endpoints/E". */
static const char *branch_of(const struct config *config,
			     const struct config_group *g, struct cluster *c)
{
	const struct config_group *token;
	const char *path, *end;

	if (config_is_set(g, CONFIG_cluster_branch))
		return config_string(g, CONFIG_cluster_branch);
	token = c->token ? config_find(config, CONFIG_SECTION_token, c->token) :
			   NULL;
	path = token ? config_string(token, CONFIG_token_endpoint) : "";
	end = strstr(path, "/endpoints/");
	if (!end || (size_t)(end - path) >= sizeof(c->branch))
		return NULL;
	memcpy(c->branch, path, (size_t)(end - path));
	c->branch[end - path] = '\0';
	return c->branch;
}

static enum target_send send_of(const char *word)
{
	if (strcmp(word, "auto") == 0)
		return TARGET_SEND_AUTO;
	return strcmp(word, "plain") == 0 ? TARGET_SEND_PLAIN :
					    TARGET_SEND_SCRAM;
}

/* A server that learns verifiers is asked again after a while. */
#define PLAIN_LIFE_US (30 * 24 * 3600 * NOW_SECOND)
/* Of a cluster by its conninfo: another server is asked for itself. */
#define PLAIN_KEY (CONFIG_NAME_MAX + 1100)

static void plain_key(const struct cluster *c, char *key, size_t size)
{
	snprintf(key, size, "password_send:%s:%s", c->name, c->conninfo);
}

static bool wants_plain(void *arg)
{
	const struct cluster *c = arg;
	char key[PLAIN_KEY], value[LEDGER_TEXT_SIZE];

	plain_key(c, key, sizeof(key));
	return c->ledger &&
	       c->ledger->ops->recall(c->ledger, key, now_wall(now_system()),
				      value, NULL) == STATUS_OK;
}

static void note_plain(void *arg)
{
	const struct cluster *c = arg;
	char key[PLAIN_KEY];

	plain_key(c, key, sizeof(key));
	if (c->ledger)
		c->ledger->ops->remember(c->ledger, key, "plain",
					 now_wall(now_system()) + PLAIN_LIFE_US,
					 NULL);
}

static enum status open_cluster(const struct config_group *g, struct cluster *c,
				struct target **ret, struct reason *why)
{
	const char *endpoints[ENDPOINTS_MAX + 1] = { NULL };
	size_t n = config_list_n(g, CONFIG_cluster_endpoint);
	const char *passfile = config_string(g, CONFIG_cluster_admin_passfile);
	struct target_postgres_options o = {
		.name = config_name(g),
		.conninfo = config_string(g, CONFIG_cluster_conninfo),
		.admin_passfile = *passfile ? passfile : NULL,
		.endpoints = endpoints,
		.marker_schema = config_string(g, CONFIG_cluster_marker_schema),
		.send = send_of(config_string(g, CONFIG_cluster_password_send)),
		.wake_timeout_us =
			config_duration_us(g, CONFIG_cluster_wake_timeout),
		.insecure = config_bool(g, CONFIG_cluster_insecure),
		.scram_iterations = (unsigned)config_int(
			g, CONFIG_cluster_scram_iterations),
		.connect_timeout_us =
			config_duration_us(g, CONFIG_cluster_connect_timeout),
		.statement_timeout_us =
			config_duration_us(g, CONFIG_cluster_statement_timeout),
		.lock_timeout_us =
			config_duration_us(g, CONFIG_cluster_lock_timeout),
		.claim_max_us =
			config_duration_us(g, CONFIG_cluster_claim_timeout),
		.admin = admin_of(config_string(g, CONFIG_cluster_admin), c),
		.admin_password = admin_password,
		.admin_refused = admin_refused,
		.admin_arg = c,
		.marker = strcmp(config_string(g, CONFIG_cluster_marker),
				 "none") == 0 ?
				  TARGET_MARKER_NONE :
				  TARGET_MARKER_TABLE,
		.wants_plain = wants_plain,
		.note_plain = note_plain,
		.note_arg = c,
		.now = now_system(),
		.random = store_key_random(),
	};
	enum status s;

	if (n > ENDPOINTS_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "%s: more than %d endpoints", config_where(g),
				  ENDPOINTS_MAX);
	for (size_t i = 0; i < n; i++)
		endpoints[i] = config_list_at(g, CONFIG_cluster_endpoint, i);
	o.branch = branch_of(backends_config(c->backends), g, c);
	if (config_is_set(g, CONFIG_cluster_prove_dbname))
		o.prove_dbname = config_string(g, CONFIG_cluster_prove_dbname);
	s = target_postgres_open(&o, ret, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [cluster %s]", config_where(g),
				   config_name(g));
	tell(g, CONFIG_cluster_host, &(*ret)->host);
	tell(g, CONFIG_cluster_port, &(*ret)->port);
	tell(g, CONFIG_cluster_dbname, &(*ret)->dbname);
	tell(g, CONFIG_cluster_sslmode, &(*ret)->sslmode);
	return STATUS_OK;
}

enum status workshop_target(struct workshop *w, const char *name,
			    struct target **ret_target, struct reason *why)
{
	const struct config_group *g;
	struct cluster *c;
	enum status s = STATUS_OK;

	pthread_mutex_lock(&w->lock);
	for (c = w->clusters; c; c = c->next)
		if (strcmp(c->name, name) == 0)
			goto out;
	g = config_find(w->config, CONFIG_SECTION_cluster, name);
	if (!g) {
		s = reason_set(why, STATUS_CONFIG, "there is no [cluster %s]",
			       name);
		goto out;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		s = reason_set(why, STATUS_NO_MEMORY, "out of memory");
		goto out;
	}
	text_copy(c->name, sizeof(c->name), name);
	c->conninfo = config_string(g, CONFIG_cluster_conninfo);
	c->ledger = w->ledger;
	c->backends = w->backends;
	pthread_mutex_init(&c->lock, NULL);
	s = open_cluster(g, c, &c->target, why);
	if (s != STATUS_OK) {
		free(c);
		goto out;
	}
	c->next = w->clusters;
	w->clusters = c;
out:
	pthread_mutex_unlock(&w->lock);
	if (s == STATUS_OK)
		*ret_target = c->target;
	return s;
}

/* Is `word` one of the words of `list`? */
static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; (p = strstr(p, word)) != NULL; p += n)
		if ((p == list || p[-1] == ' ' || p[-1] == ',') &&
		    (p[n] == '\0' || p[n] == ' ' || p[n] == ','))
			return true;
	return false;
}

enum status workshop_policy(const struct workshop *w, const char *name,
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
	p.upper = has_word(require, "upper");
	p.lower = has_word(require, "lower");
	p.digit = has_word(require, "digit");
	p.symbol = has_word(require, "symbol");
	s = text_copy(p.symbols, sizeof(p.symbols),
		      config_string(g, CONFIG_policy_symbols));
	if (s != STATUS_OK)
		s = reason_set(why, STATUS_CONFIG, "symbols are too many");
	else
		s = policy_check(&p, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [policy %s]", config_where(g),
				   name);
	*ret_policy = p;
	return STATUS_OK;
}

enum status workshop_sinks(const struct config_group *role,
			   struct sink **ret_sinks, size_t *ret_n,
			   struct reason *why)
{
	size_t n = config_list_n(role, CONFIG_role_sink);
	struct sink *sinks = NULL;
	enum status s;

	if (n > 0 && !(sinks = calloc(n, sizeof(*sinks))))
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < n; i++) {
		s = sink_parse(config_list_at(role, CONFIG_role_sink, i),
			       &sinks[i], why);
		if (s == STATUS_OK)
			continue;
		free(sinks);
		return reason_wrap(why, s, "%s: [role %s] sink",
				   config_where(role), config_name(role));
	}
	*ret_sinks = sinks;
	*ret_n = n;
	return STATUS_OK;
}

static enum status open_zone(struct workshop *w, struct reason *why)
{
	const struct config_group *g =
		config_find(w->config, CONFIG_SECTION_keyturn, "");
	enum status s = STATUS_OK;

	pthread_mutex_lock(&w->lock);
	if (!w->zone) {
		s = schedule_zone_open(config_string(g,
						     CONFIG_keyturn_timezone),
				       &w->zone, why);
		if (s != STATUS_OK)
			reason_wrap(why, s, "%s: timezone",
				    config_origin(g, CONFIG_keyturn_timezone));
	}
	pthread_mutex_unlock(&w->lock);
	return s;
}

static const char *set_or_null(const struct config_group *g, enum config_key k)
{
	return config_is_set(g, k) ? config_string(g, k) : NULL;
}

enum status workshop_schedule(struct workshop *w,
			      const struct config_group *role,
			      struct schedule **ret, struct reason *why)
{
	struct schedule_spec spec = {
		.cron = set_or_null(role, CONFIG_role_schedule),
		.every = set_or_null(role, CONFIG_role_every),
		.window = set_or_null(role, CONFIG_role_window),
		.splay = set_or_null(role, CONFIG_role_splay),
		.name = config_name(role),
	};
	enum status s;

	if (!spec.cron && !spec.every) {
		*ret = NULL;
		return STATUS_OK;
	}
	s = open_zone(w, why);
	if (s != STATUS_OK)
		return s;
	s = schedule_parse(&spec, w->zone, ret, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [role %s]", config_where(role),
				   config_name(role));
	return STATUS_OK;
}

void workshop_job_free(struct workshop_job *j)
{
	free(j->sinks);
	j->sinks = NULL;
}

/* Consumers are told one port, which is that of every host. */
static enum status one_port(const struct config_group *role,
			    const struct workshop_job *j, struct reason *why)
{
	if (!strchr(j->job.target->port, ','))
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "%s: [role %s] is for consumers who are told one "
			  "port, but the hosts in the conninfo of [cluster %s] "
			  "have several; set host and port there to those that "
			  "consumers connect to",
			  config_where(role), config_name(role),
			  j->job.target->name);
}

/* FNV-1a; the NUL at the end counts, so that no two lists look alike. */
static uint64_t hash_more(uint64_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001B3);
	while (*s++ != '\0');
	return h;
}

void workshop_delivery(struct workshop *w, const struct config_group *role,
		       char ret[LEDGER_DELIVERED_SIZE])
{
	size_t n = config_list_n(role, CONFIG_role_sink);
	const char *dbname = set_or_null(role, CONFIG_role_dbname);
	uint64_t h = UINT64_C(0xCBF29CE484222325);
	struct target *t = NULL;

	ret[0] = '\0';
	if (n == 0 ||
	    workshop_target(w, config_string(role, CONFIG_role_cluster), &t,
			    NULL) != STATUS_OK)
		return;
	h = hash_more(h, t->host);
	h = hash_more(h, t->port);
	h = hash_more(h, dbname ? dbname : t->dbname);
	h = hash_more(h, t->sslmode ? t->sslmode : "");
	for (size_t i = 0; i < n; i++)
		h = hash_more(h, config_list_at(role, CONFIG_role_sink, i));
	snprintf(ret, LEDGER_DELIVERED_SIZE, "%016" PRIx64, h);
}

enum status workshop_job(struct workshop *w, const char *role,
			 struct workshop_job *ret_job, struct reason *why)
{
	const struct config_group *g = NULL, *c;
	struct workshop_job *j = ret_job;
	enum status s;

	memset(j, 0, sizeof(*j)); /* not secret */
	s = backends_role(w->backends, role, &g, why);
	if (s != STATUS_OK)
		return s;
	j->job.role = config_name(g);
	j->job.rolname = backends_rolname(g);
	j->job.dbname = set_or_null(g, CONFIG_role_dbname);
	j->job.prove_dbname = set_or_null(g, CONFIG_role_prove_dbname);
	j->job.reason = "";
	s = workshop_target(w, config_string(g, CONFIG_role_cluster),
			    &j->job.target, why);
	if (s == STATUS_OK)
		s = backends_store(w->backends,
				   config_string(g, CONFIG_role_store),
				   &j->job.store, why);
	if (s == STATUS_OK)
		s = workshop_policy(w, config_string(g, CONFIG_role_policy),
				    &j->policy, why);
	if (s == STATUS_OK)
		s = workshop_sinks(g, &j->sinks, &j->job.n_sinks, why);
	if (s == STATUS_OK)
		s = one_port(g, j, why);
	if (s != STATUS_OK) {
		workshop_job_free(j);
		return s;
	}
	c = config_find(w->config, CONFIG_SECTION_cluster,
			config_string(g, CONFIG_role_cluster));
	j->job.prove_deadline_us =
		config_duration_us(c, CONFIG_cluster_prove_deadline);
	j->job.refusal_wait_us =
		config_duration_us(c, CONFIG_cluster_refusal_wait);
	j->job.no_control = !config_bool(c, CONFIG_cluster_control);
	workshop_delivery(w, g, j->delivery);
	j->job.delivery = j->delivery;
	j->job.policy = &j->policy;
	j->job.sinks = j->sinks;
	return STATUS_OK;
}

static enum status check_role(struct workshop *w,
			      const struct config_group *role,
			      struct reason *why)
{
	struct schedule *schedule = NULL;
	struct sink *sinks = NULL;
	size_t n = 0;
	enum status s;

	s = workshop_schedule(w, role, &schedule, why);
	schedule_free(schedule);
	if (s == STATUS_OK)
		s = workshop_sinks(role, &sinks, &n, why);
	free(sinks);
	return s;
}

/* A file that a section names. */
struct named {
	const struct config_group *group;
	struct sink sink;
};

static enum status name_files(const struct config *c, struct named *all,
			      size_t *ret_n, struct reason *why)
{
	const struct config_group *g;
	enum status s = STATUS_OK;
	size_t n = 0;

	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_role); i++) {
		g = config_at(c, CONFIG_SECTION_role, i);
		for (size_t k = 0;
		     s == STATUS_OK && k < config_list_n(g, CONFIG_role_sink);
		     k++, n++) {
			all[n].group = g;
			s = sink_parse(config_list_at(g, CONFIG_role_sink, k),
				       &all[n].sink, why);
		}
	}
	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_sink);
	     i++, n++) {
		all[n].group = g = config_at(c, CONFIG_SECTION_sink, i);
		s = sink_parse(config_string(g, CONFIG_sink_file), &all[n].sink,
			       why);
		if (s != STATUS_OK)
			s = reason_wrap(why, s, "%s: [sink %s] file",
					config_where(g), config_name(g));
	}
	*ret_n = n;
	return s;
}

static int by_path(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->sink.path, y->sink.path);
}

/* An env file has one password, and a file is of one kind. */
static enum status check_files(const struct config *c, struct reason *why)
{
	size_t n = config_count(c, CONFIG_SECTION_sink);
	struct named *all;
	enum status s;

	for (size_t i = 0; i < config_count(c, CONFIG_SECTION_role); i++)
		n += config_list_n(config_at(c, CONFIG_SECTION_role, i),
				   CONFIG_role_sink);
	all = calloc(n + 1, sizeof(*all));
	if (!all)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	s = name_files(c, all, &n, why);
	if (s == STATUS_OK)
		qsort(all, n, sizeof(*all), by_path);
	for (size_t i = 1; s == STATUS_OK && i < n; i++) {
		const struct named *a = &all[i - 1], *b = &all[i];

		if (by_path(a, b) == 0 &&
		    (a->sink.kind != b->sink.kind ||
		     (a->sink.kind == SINK_ENV && a->group != b->group)))
			s = reason_set(why, STATUS_CONFIG,
				       "%s: %s is a sink of %s and, at %s, of "
				       "%s: a file is of one kind, and an env "
				       "file holds one password",
				       config_where(b->group), b->sink.path,
				       config_name(b->group),
				       config_where(a->group),
				       config_name(a->group));
	}
	free(all);
	return s;
}

enum status workshop_check(struct workshop *w, struct reason *why)
{
	const struct config *c = w->config;
	enum status s = open_zone(w, why);
	struct policy p;

	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_policy); i++)
		s = workshop_policy(
			w, config_name(config_at(c, CONFIG_SECTION_policy, i)),
			&p, why);
	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_role); i++)
		s = check_role(w, config_at(c, CONFIG_SECTION_role, i), why);
	if (s == STATUS_OK)
		s = check_files(c, why);
	if (s == STATUS_OK)
		s = courier_check(c, why);
	return s;
}

void workshop_run(struct workshop *w, const char *role,
		  const struct runner_job *like, runner_watch_fn *watch,
		  void *arg, struct runner_result *ret)
{
	struct workshop_job j;
	int turn = -1;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	/* Ours, or another's: who runs is not kept from it by that. */
	if (turn_take(w->backends, role, 0, &turn, NULL) != STATUS_OK)
		turn = -1;
	ret->status = workshop_job(w, role, &j, &ret->why);
	if (ret->status == STATUS_OK)
		ret->status = backends_store_away(w->backends,
						  j.job.store->name, &ret->why);
	if (ret->status == STATUS_OK) {
		j.job.mode = like->mode;
		j.job.fresh = like->fresh;
		j.job.takeover = like->takeover;
		j.job.emergency = like->emergency;
		j.job.reason = like->reason;
		j.job.password = like->password;
		runner_run(w->env, &j.job, watch, arg, ret);
		if (ret->status == STATUS_STORE_UNAVAILABLE)
			backends_store_failed(w->backends, j.job.store->name,
					      ret->took_us, &ret->why);
	}
	workshop_job_free(&j);
	turn_end(turn);
	harden_scrub_stack(); /* what libraries left below us */
}
