/* SPDX-License-Identifier: PostgreSQL */
/* Opens stores from settings. */
#include "open/open_store.h"

#include <string.h>

#include "base/now.h"
#include "crypto/entropy.h"
#include "open/open_file.h"
#include "open/open_schedule.h"
#include "store/aws/aws.h"
#include "store/local/local.h"
#include "store/vault/vault.h"

/* For the tags and metadata of a secret. */
static int64_t next_due(const void *arg, const char *name, int64_t at_us)
{
	const struct config_group *role =
		config_find(arg, CONFIG_SECTION_role, name);

	return role ? open_schedule_next(arg, role, at_us) : INT64_MAX;
}

static enum status open_aws(const struct config *c,
			    const struct config_group *g, struct store **ret,
			    struct reason *why)
{
	const char *tags[STORE_AWS_TAGS_MAX];
	struct store_aws_options o = {
		.name = config_name(g),
		.region = config_string(g, CONFIG_store_region),
		.endpoint = config_string(g, CONFIG_store_endpoint),
		.profile = config_string(g, CONFIG_store_profile),
		.prefix = config_string(g, CONFIG_store_prefix),
		.kms_key = config_string(g, CONFIG_store_kms_key),
		.ca_file = config_string(g, CONFIG_store_ca_file),
		.create = config_bool(g, CONFIG_store_create),
		.tags = tags,
		.n_tags = config_list_n(g, CONFIG_store_tag),
		.announce = config_bool(g, CONFIG_store_announce),
		.next_due = next_due,
		.next_due_arg = c,
		.fips = config_bool(g, CONFIG_store_fips),
		.dualstack = config_bool(g, CONFIG_store_dualstack),
		.timeout_us = config_duration_us(g, CONFIG_store_timeout),
		.now = now_system(),
		.random = entropy_openssl(),
	};

	if (o.n_tags > STORE_AWS_TAGS_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "[store %s]: a secret has %d tags at most",
				  o.name, STORE_AWS_TAGS_MAX);
	for (size_t i = 0; i < o.n_tags; i++)
		tags[i] = config_list_at(g, CONFIG_store_tag, i);
	return store_aws_open(&o, ret, why);
}

static enum status open_vault(const struct config *c,
			      const struct config_group *g, struct store **ret,
			      struct reason *why)
{
	struct store_vault_options o = {
		.name = config_name(g),
		.n_addresses = config_list_n(g, CONFIG_store_address),
		.mount = config_string(g, CONFIG_store_mount),
		.prefix = config_string(g, CONFIG_store_prefix),
		.namespace = config_string(g, CONFIG_store_namespace),
		.auth_namespace = config_string(g, CONFIG_store_auth_namespace),
		.auth = config_string(g, CONFIG_store_auth),
		.auth_mount = config_string(g, CONFIG_store_auth_mount),
		.token_from = config_string(g, CONFIG_store_token_file),
		.secret_id_from = config_string(g, CONFIG_store_secret_id_file),
		.jwt_from = config_string(g, CONFIG_store_jwt_file),
		.role_id = config_string(g, CONFIG_store_role_id),
		.auth_role = config_string(g, CONFIG_store_auth_role),
		.secret_id_wrapped =
			config_bool(g, CONFIG_store_secret_id_wrapped),
		.ca_file = config_string(g, CONFIG_store_ca_file),
		.ca_dir = config_string(g, CONFIG_store_ca_dir),
		.client_cert = config_string(g, CONFIG_store_client_cert),
		.client_key = config_string(g, CONFIG_store_client_key),
		.proxy = config_string(g, CONFIG_store_proxy),
		.timeout_us = config_duration_us(g, CONFIG_store_timeout),
		.next_due = next_due,
		.next_due_arg = c,
		.ring = (unsigned)config_int(g, CONFIG_store_ring),
		.now = now_system(),
		.random = entropy_openssl(),
	};

	if (o.n_addresses > STORE_VAULT_ADDRESSES_MAX)
		return reason_set(why, STATUS_CONFIG,
				  "[store %s]: %d addresses at most", o.name,
				  STORE_VAULT_ADDRESSES_MAX);
	for (size_t i = 0; i < o.n_addresses; i++)
		o.addresses[i] = config_list_at(g, CONFIG_store_address, i);
	return store_vault_open(&o, ret, why);
}

enum status open_store_local(const struct config_group *g, bool create,
			     struct store **ret, struct reason *why)
{
	struct store_local_options o = {
		.name = config_name(g),
		.path = config_string(g, CONFIG_store_path),
		.key_path = config_string(g, CONFIG_store_key),
		.ring = (unsigned)config_int(g, CONFIG_store_ring),
		.create = create,
		.now = now_system(),
		.random = entropy_openssl(),
	};
	enum status s = store_local_open(&o, ret, why);

	/* A store that is not there was never made, or is lost: an empty new
	 * one in its place would make every managed role look unknown. */
	if (s == STATUS_NOT_FOUND && !open_file_exists(o.path))
		s = reason_set(
			why, STATUS_STORE_UNAVAILABLE,
			"%s: the file of [store %s] does not exist; bring it "
			"back from a backup; if it is lost for good, "
			"docs/operators.md says how to start over",
			o.path, o.name);
	return open_file_advise(s, o.key_path, why);
}

static enum status open_local(const struct config *c,
			      const struct config_group *g, struct store **ret,
			      struct reason *why)
{
	(void)c;
	return open_store_local(g, false, ret, why);
}

/* The words of `type` in settings.def. */
static const struct type {
	const char *name;
	enum status (*open)(const struct config *c,
			    const struct config_group *g, struct store **ret,
			    struct reason *why);
} types[] = {
	{ "local", open_local },
	{ "vault", open_vault },
	{ "aws", open_aws },
};

enum status open_store_open(const struct config *c,
			    const struct config_group *g, struct store **ret,
			    struct reason *why)
{
	const char *type = config_string(g, CONFIG_store_type);

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].name, type) == 0)
			return types[i].open(c, g, ret, why);
	return reason_set(why, STATUS_CONFIG,
			  "[store %s]: the type %s is not known",
			  config_name(g), type);
}
