/* SPDX-License-Identifier: PostgreSQL */
/* Opens token sources from settings; must never mint by itself. */
#include "open/open_token.h"

#include <string.h>

#include "base/now.h"
#include "crypto/entropy.h"
#include "token/databricks/databricks.h"
#include "token/token_aws_rds.h"
#include "token/token_azure.h"
#include "token/token_gcp.h"

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

/* The words of `type` in settings.def. */
static const struct type {
	const char *name;
	enum status (*open)(const struct config_group *g,
			    struct token_source **ret, struct reason *why);
} types[] = {
	{ "databricks", open_databricks },
	{ "aws-rds", open_aws_rds },
	{ "azure", open_azure },
	{ "gcp", open_gcp },
};

static enum status open_source(const struct config_group *g,
			       struct token_source **ret, struct reason *why)
{
	const char *type = config_string(g, CONFIG_token_type);

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].name, type) == 0)
			return types[i].open(g, ret, why);
	return reason_set(why, STATUS_CONFIG,
			  "[token %s]: the type %s is not known",
			  config_name(g), type);
}

static enum status open_cache(void *arg, const struct config_group *g,
			      void **ret, struct reason *why)
{
	struct token_source *source = NULL;
	struct token_cache *cache = NULL;
	enum status s = open_source(g, &source, why);

	(void)arg;
	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s", config_where(g));
	s = token_cache_new(source, now_system(), entropy_openssl(), &cache,
			    why);
	*ret = cache;
	return s;
}

static void close_cache(void *thing)
{
	token_cache_free(thing);
}

const struct open_list_kind open_token_kind = {
	.section = CONFIG_SECTION_token,
	.word = "token",
	.open = open_cache,
	.close = close_cache,
};
