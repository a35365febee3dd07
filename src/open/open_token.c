/* SPDX-License-Identifier: PostgreSQL */
/* Opens token sources from settings; must never mint by itself. */
#include "open/open_token.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/entropy.h"
#include "token/databricks/databricks.h"
#include "token/token_aws_rds.h"
#include "token/token_azure.h"
#include "token/token_gcp.h"

struct open_token {
	char name[CONFIG_NAME_MAX + 1];
	struct token_cache *cache;
	struct open_token *next;
};

struct open_token_set {
	const struct config *config;
	pthread_mutex_t lock; /* over the list */
	struct open_token *list;
};

enum status open_token_new(const struct config *config,
			   struct open_token_set **ret, struct reason *why)
{
	struct open_token_set *t = calloc(1, sizeof(*t));

	if (!t)
		return reason_no_memory(why);
	t->config = config;
	pthread_mutex_init(&t->lock, NULL);
	*ret = t;
	return STATUS_OK;
}

void open_token_free(struct open_token_set *t)
{
	struct open_token *o;

	if (!t)
		return;
	while ((o = t->list) != NULL) {
		t->list = o->next;
		token_cache_free(o->cache);
		free(o);
	}
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static enum status open_databricks(const struct config_group *g,
				   struct token_source **ret,
				   struct reason *why)
{
	struct token_databricks_options o = {
		.name = config_name(g),
		.workspace = config_string(g, CONFIG_token_workspace),
		.workspace_id = config_string(g, CONFIG_token_workspace_id),
		.endpoint = config_string(g, CONFIG_token_endpoint),
		.n_instances = config_list_n(g, CONFIG_token_instance),
		.auth = config_string(g, CONFIG_token_auth),
		.client_id = config_string(g, CONFIG_token_client_id),
		.client_secret_from =
			config_string(g, CONFIG_token_client_secret_file),
		.token_from = config_string(g, CONFIG_token_token_file),
		.profile = config_string(g, CONFIG_token_profile),
		.audience = config_string(g, CONFIG_token_audience),
		.user = config_string(g, CONFIG_token_user),
		.host = config_string(g, CONFIG_token_host),
		.ca_file = config_string(g, CONFIG_token_ca_file),
		.timeout_us = config_duration_us(g, CONFIG_token_timeout),
		.ttl_us = config_duration_us(g, CONFIG_token_ttl),
		.now = now_system(),
		.random = entropy_openssl(),
	};

	if (o.n_instances > TOKEN_DATABRICKS_INSTANCES_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "[token %s]: %d instances at most", o.name,
				  TOKEN_DATABRICKS_INSTANCES_MAX);
	for (size_t i = 0; i < o.n_instances; i++)
		o.instances[i] = config_list_at(g, CONFIG_token_instance, i);
	return token_databricks_open(&o, ret, why);
}

static enum status open_aws_rds(const struct config_group *g,
				struct token_source **ret, struct reason *why)
{
	const struct token_aws_rds_options o = {
		.name = config_name(g),
		.host = config_string(g, CONFIG_token_host),
		.port = config_string(g, CONFIG_token_port),
		.user = config_string(g, CONFIG_token_user),
		.region = config_string(g, CONFIG_token_region),
		.profile = config_string(g, CONFIG_token_profile),
		.ca_file = config_string(g, CONFIG_token_ca_file),
		.now = now_system(),
		.random = entropy_openssl(),
	};

	return token_aws_rds_open(&o, ret, why);
}

static enum status open_azure(const struct config_group *g,
			      struct token_source **ret, struct reason *why)
{
	const struct token_azure_options o = {
		.name = config_name(g),
		.auth = config_string(g, CONFIG_token_auth),
		.tenant = config_string(g, CONFIG_token_tenant),
		.client_id = config_string(g, CONFIG_token_client_id),
		.client_secret_from =
			config_string(g, CONFIG_token_client_secret_file),
		.resource = config_string(g, CONFIG_token_resource),
		.user = config_string(g, CONFIG_token_user),
		.ca_file = config_string(g, CONFIG_token_ca_file),
		.timeout_us = config_duration_us(g, CONFIG_token_timeout),
		.now = now_system(),
		.random = entropy_openssl(),
	};

	return token_azure_open(&o, ret, why);
}

static enum status open_gcp(const struct config_group *g,
			    struct token_source **ret, struct reason *why)
{
	const struct token_gcp_options o = {
		.name = config_name(g),
		.auth = config_string(g, CONFIG_token_auth),
		.key_file = config_string(g, CONFIG_token_key_file),
		.user = config_string(g, CONFIG_token_user),
		.ca_file = config_string(g, CONFIG_token_ca_file),
		.timeout_us = config_duration_us(g, CONFIG_token_timeout),
		.now = now_system(),
		.random = entropy_openssl(),
	};

	return token_gcp_open(&o, ret, why);
}

static enum status open_source(const struct config_group *g,
			       struct token_source **ret, struct reason *why)
{
	const char *type = config_string(g, CONFIG_token_type);

	if (strcmp(type, "databricks") == 0)
		return open_databricks(g, ret, why);
	if (strcmp(type, "aws-rds") == 0)
		return open_aws_rds(g, ret, why);
	if (strcmp(type, "azure") == 0)
		return open_azure(g, ret, why);
	if (strcmp(type, "gcp") == 0)
		return open_gcp(g, ret, why);
	return reason_set(why, STATUS_CONFIG,
			  "[token %s]: the type %s is not known",
			  config_name(g), type);
}

static enum status open_cache(const struct config_group *g,
			      struct token_cache **ret, struct reason *why)
{
	struct token_source *source = NULL;
	enum status s = open_source(g, &source, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s", config_where(g));
	return token_cache_new(source, now_system(), entropy_openssl(), ret,
			       why);
}

enum status open_token_get(struct open_token_set *t, const char *name,
			   struct token_cache **ret_cache, struct reason *why)
{
	const struct config_group *g =
		config_find(t->config, CONFIG_SECTION_token, name);
	enum status s = STATUS_OK;
	struct open_token *o;

	if (!g)
		return reason_set(why, STATUS_CONFIG, "there is no [token %s]",
				  name);
	pthread_mutex_lock(&t->lock);
	for (o = t->list; o; o = o->next)
		if (strcmp(o->name, name) == 0)
			goto out;
	o = calloc(1, sizeof(*o));
	if (!o) {
		s = reason_no_memory(why);
		goto out;
	}
	text_copy(o->name, sizeof(o->name), name);
	s = open_cache(g, &o->cache, why);
	if (s != STATUS_OK) {
		free(o);
		goto out;
	}
	o->next = t->list;
	t->list = o;
out:
	pthread_mutex_unlock(&t->lock);
	if (s == STATUS_OK)
		*ret_cache = o->cache;
	return s;
}
