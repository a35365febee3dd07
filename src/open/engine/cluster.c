/* SPDX-License-Identifier: PostgreSQL */
/* Opens clusters from settings; must never connect to one by itself. */
#include "open/engine/cluster.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cluster/gateway/gateway.h"
#include "cluster/postgres/postgres.h"
#include "crypto/entropy.h"
#include "open/open_list.h"
#include "token/token.h"

#define ENDPOINTS_MAX 16

struct open_cluster {
	const char *name;
	struct cluster *cluster;
	struct ledger *ledger; /* NULL: nothing is remembered */
	struct opened *opened;
	const char *conninfo;
	char branch[128];
	const char *token; /* the admin's [token NAME], or NULL */
	pthread_mutex_t lock;
	char token_id[RANDOM_UUID_SIZE]; /* the last one that was used */
};

struct open_engine_clusters {
	struct opened *opened;
	struct ledger *ledger;
	struct open_list *all;
};

/* A setting that says what consumers are told, over what the cluster says. */
static void set_told(const struct config_group *g, enum config_key k,
		     const char **told)
{
	if (config_is_set(g, k))
		*told = config_string(g, k);
}

/* ---- a token as the administrator's password ---- */

static enum status admin_password(void *arg, int64_t min_life_us,
				  char ret_user[CLUSTER_USER_SIZE],
				  struct secret **ret_password,
				  struct reason *why)
{
	struct open_cluster *c = arg;
	struct token_cache *cache = NULL;
	struct token t = { .secret = NULL };
	enum status s;

	s = open_token(c->opened, c->token, &cache, why);
	if (s == STATUS_OK)
		s = token_cache_get(cache, min_life_us, &t, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "[token %s]", c->token);
	pthread_mutex_lock(&c->lock);
	text_copy(c->token_id, sizeof(c->token_id), t.id);
	pthread_mutex_unlock(&c->lock);
	text_copy(ret_user, CLUSTER_USER_SIZE, t.user);
	*ret_password = t.secret;
	return STATUS_OK;
}

static void admin_refused(void *arg)
{
	struct open_cluster *c = arg;
	struct token_cache *cache = NULL;
	char id[RANDOM_UUID_SIZE];

	pthread_mutex_lock(&c->lock);
	memcpy(id, c->token_id, sizeof(id));
	pthread_mutex_unlock(&c->lock);
	if (open_token(c->opened, c->token, &cache, NULL) == STATUS_OK)
		token_cache_refuse(cache, id);
}

static enum cluster_admin admin_of(const char *word, struct open_cluster *c)
{
	if (strcmp(word, "self") == 0)
		return CLUSTER_ADMIN_SELF;
	if (strncmp(word, "token:", 6) != 0)
		return CLUSTER_ADMIN_PASSFILE;
	c->token = word + 6;
	return CLUSTER_ADMIN_TOKEN;
}

/* "projects/P/branches/B" of the token's "projects/P/branches/B/endpoints/E". */
static const char *branch_of(const struct config *config,
			     const struct config_group *g,
			     struct open_cluster *c)
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

static enum cluster_send send_of(const char *word)
{
	if (strcmp(word, "auto") == 0)
		return CLUSTER_SEND_AUTO;
	return strcmp(word, "plain") == 0 ? CLUSTER_SEND_PLAIN :
					    CLUSTER_SEND_SCRAM;
}

/* A server that learns verifiers is asked again after a while; a cluster is
 * known by its conninfo: another server is asked for itself. */
#define PLAIN_NAME (CONFIG_NAME_MAX + 1100 - sizeof("password_send:") + 1)

static void plain_name(const struct open_cluster *c, char name[PLAIN_NAME])
{
	snprintf(name, PLAIN_NAME, "%s:%s", c->name, c->conninfo);
}

static bool wants_plain(void *arg)
{
	const struct open_cluster *c = arg;
	char name[PLAIN_NAME], value[LEDGER_TEXT_SIZE];

	plain_name(c, name);
	return c->ledger && ledger_fact_recall(c->ledger, LEDGER_FACT_PLAIN,
					       name, now_wall(now_system()),
					       value, NULL) == STATUS_OK;
}

static void note_plain(void *arg)
{
	const struct open_cluster *c = arg;
	char name[PLAIN_NAME];

	plain_name(c, name);
	if (c->ledger)
		ledger_fact_remember(c->ledger, LEDGER_FACT_PLAIN, name,
				     "plain", now_wall(now_system()), NULL);
}

static enum status open_cluster(const struct config_group *g,
				struct open_cluster *c, struct cluster **ret,
				struct reason *why)
{
	const char *endpoints[ENDPOINTS_MAX + 1] = { NULL };
	size_t n = config_list_n(g, CONFIG_cluster_endpoint);
	const char *passfile = config_string(g, CONFIG_cluster_admin_passfile);
	struct cluster_postgres_options o = {
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
				  CLUSTER_MARKER_NONE :
				  CLUSTER_MARKER_TABLE,
		.wants_plain = wants_plain,
		.note_plain = note_plain,
		.note_arg = c,
		.now = now_system(),
		.random = entropy_openssl(),
	};
	enum status s;

	if (n > ENDPOINTS_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "%s: more than %d endpoints", config_where(g),
				  ENDPOINTS_MAX);
	for (size_t i = 0; i < n; i++)
		endpoints[i] = config_list_at(g, CONFIG_cluster_endpoint, i);
	o.branch = branch_of(open_config(c->opened), g, c);
	if (config_is_set(g, CONFIG_cluster_prove_dbname))
		o.prove_dbname = config_string(g, CONFIG_cluster_prove_dbname);
	s = cluster_postgres_open(&o, ret, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [cluster %s]", config_where(g),
				   config_name(g));
	return STATUS_OK;
}

/* How long a token is good, where it is known: of Lakebase what it is asked for, or
 * its own hour; IAM's 15 minutes; elsewhere an hour. */
static int64_t life_of(const struct config *c, const char *name)
{
	const struct config_group *t =
		config_find(c, CONFIG_SECTION_token, name);
	int64_t ttl;

	if (!t)
		return 0;
	ttl = config_duration_us(t, CONFIG_token_ttl) / NOW_SECOND;
	if (strcmp(config_string(t, CONFIG_token_type), "aws-rds") == 0)
		return 900;
	return ttl > 0 ? ttl : 3600;
}

/* Of the tokens that this host brings into [databases] of a PgBouncer, the least. */
static int64_t token_seconds(const struct config *c)
{
	static const char kind[] = "pgbouncer_databases ";
	int64_t least = 0, life;

	for (size_t i = 0; i < config_count(c, CONFIG_SECTION_sink); i++) {
		const struct config_group *s =
			config_at(c, CONFIG_SECTION_sink, i);

		if (strncmp(config_string(s, CONFIG_sink_file), kind,
			    sizeof(kind) - 1) != 0)
			continue;
		life = life_of(c, config_string(s, CONFIG_sink_token));
		if (life > 0 && (least == 0 || life < least))
			least = life;
	}
	return least;
}

static enum status open_gateway(const struct config *config,
				const struct config_group *g,
				struct cluster **ret, struct reason *why)
{
	const char *endpoints[ENDPOINTS_MAX + 1] = { NULL };
	const char *agents[ENDPOINTS_MAX + 1] = { NULL };
	struct cluster_gateway_options o = {
		.name = config_name(g),
		.endpoints = endpoints,
		.agents = agents,
		.token_seconds = token_seconds(config),
		.connect_timeout_us =
			config_duration_us(g, CONFIG_cluster_connect_timeout),
		.now = now_system(),
	};
	enum status s;

	/* Their number was checked with the settings. */
	for (size_t i = 0; i < config_list_n(g, CONFIG_cluster_endpoint); i++)
		endpoints[i] = config_list_at(g, CONFIG_cluster_endpoint, i);
	for (size_t i = 0; i < config_list_n(g, CONFIG_cluster_agent); i++)
		agents[i] = config_list_at(g, CONFIG_cluster_agent, i);
	if (config_is_set(g, CONFIG_cluster_prove_dbname))
		o.prove_dbname = config_string(g, CONFIG_cluster_prove_dbname);
	if (config_is_set(g, CONFIG_cluster_console_user))
		o.console_user = config_string(g, CONFIG_cluster_console_user);
	if (config_is_set(g, CONFIG_cluster_console_passfile))
		o.console_passfile =
			config_string(g, CONFIG_cluster_console_passfile);
	s = cluster_gateway_open(&o, ret, why);
	return s == STATUS_OK ? s :
				reason_wrap(why, s, "%s: [cluster %s]",
					    config_where(g), config_name(g));
}

static void tell_consumers(const struct config_group *g, struct cluster *c)
{
	set_told(g, CONFIG_cluster_host, &c->host);
	set_told(g, CONFIG_cluster_port, &c->port);
	set_told(g, CONFIG_cluster_dbname, &c->dbname);
	set_told(g, CONFIG_cluster_sslmode, &c->sslmode);
	set_told(g, CONFIG_cluster_sslrootcert, &c->sslrootcert);
}

static enum status open_one(void *arg, const struct config_group *g, void **ret,
			    struct reason *why)
{
	const struct open_engine_clusters *cs = arg;
	struct open_cluster *c = calloc(1, sizeof(*c));
	enum status s;

	if (!c)
		return reason_no_memory(why);
	c->name = config_name(g);
	c->conninfo = config_string(g, CONFIG_cluster_conninfo);
	c->ledger = cs->ledger;
	c->opened = cs->opened;
	s = config_is_gateway(g) ?
		    open_gateway(open_config(cs->opened), g, &c->cluster, why) :
		    open_cluster(g, c, &c->cluster, why);
	if (s == STATUS_OK)
		tell_consumers(g, c->cluster);
	if (s != STATUS_OK) {
		free(c);
		return s;
	}
	pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return STATUS_OK;
}

static void close_one(void *thing)
{
	struct open_cluster *c = thing;

	c->cluster->ops->close(c->cluster);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static const struct open_list_kind kind = {
	.section = CONFIG_SECTION_cluster,
	.word = "cluster",
	.open = open_one,
	.close = close_one,
};

struct open_engine_clusters *open_engine_cluster_new(struct opened *opened,
						     struct ledger *ledger)
{
	struct open_engine_clusters *cs = calloc(1, sizeof(*cs));

	if (!cs)
		return NULL;
	cs->opened = opened;
	cs->ledger = ledger;
	cs->all = open_list_new(open_config(opened), &kind, cs);
	if (!cs->all) {
		free(cs);
		return NULL;
	}
	return cs;
}

void open_engine_cluster_free(struct open_engine_clusters *cs)
{
	if (!cs)
		return;
	open_list_free(cs->all);
	free(cs);
}

enum status open_engine_cluster_get(struct open_engine_clusters *cs,
				    const char *name, struct cluster **ret,
				    struct reason *why)
{
	void *found = NULL;
	enum status s = open_list_get(cs->all, name, &found, why);

	if (s == STATUS_OK)
		*ret = ((struct open_cluster *)found)->cluster;
	return s;
}
