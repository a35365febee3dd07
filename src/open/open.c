/* SPDX-License-Identifier: PostgreSQL */
/* Opens stores and the ledger from settings; must never connect to a cluster. */
#include "open/open.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "crypto/entropy.h"
#include "crypto/seal.h"
#include "ledger/ledger_key.h"
#include "ledger/sqlite/sqlite.h"
#include "open/open_token.h"
#include "schedule/schedule.h"
#include "store/aws/aws.h"
#include "store/local/local.h"
#include "store/vault/vault.h"

#define PATH_SIZE 1100

struct open_store {
	char name[CONFIG_NAME_MAX + 1];
	struct store *store;
	struct open_store *next;
	bool away;		/* it was waited for in vain */
	struct reason why_away; /* in whose words */
};

struct opened {
	const struct config *config;
	struct ledger *ledger;
	bool wait_once;
	pthread_mutex_t lock; /* over stores */
	struct open_store *stores;
	struct open_token_set *tokens;
};

/* What takes less is asked for each role: it costs no wait. */
#define WAITED (1 * NOW_SECOND)

enum status open_new(const struct config *config, struct opened **ret,
		     struct reason *why)
{
	struct opened *b = calloc(1, sizeof(*b));

	if (!b)
		return reason_no_memory(why);
	b->config = config;
	pthread_mutex_init(&b->lock, NULL);
	if (open_token_new(config, &b->tokens, why) != STATUS_OK) {
		open_free(b);
		return STATUS_NO_MEMORY;
	}
	*ret = b;
	return STATUS_OK;
}

void open_free(struct opened *b)
{
	struct open_store *o;

	if (!b)
		return;
	while ((o = b->stores) != NULL) {
		b->stores = o->next;
		o->store->ops->close(o->store);
		free(o);
	}
	open_token_free(b->tokens);
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

static const struct config_group *main_group(const struct config *c)
{
	return config_find(c, CONFIG_SECTION_keyturn, "");
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* What to do about a file that is away or not ours to read. */
static enum status advise(enum status s, const char *key_path,
			  struct reason *why)
{
	struct reason was = { "" };

	if (why != NULL)
		was = *why;
	if (s == STATUS_NOT_FOUND && !exists(key_path))
		return reason_set(why, STATUS_CONFIG,
				  "%s; bring the key back from a backup",
				  was.text);
	if (s == STATUS_DENIED)
		return reason_set(why, s,
				  "%s; run keyturn as the owner of its files",
				  was.text);
	if (s == STATUS_AUDIT_BROKEN)
		return reason_set(why, s,
				  "%s, or move it away: then its history is "
				  "lost, and no password",
				  was.text);
	return s;
}

static enum status ledger_from_settings(const struct config *c,
					enum open_ledger mode,
					const char *public_key, bool *ret_lost,
					struct ledger **ret, struct reason *why)
{
	const struct config_group *g = main_group(c);
	const char *key = config_string(g, CONFIG_keyturn_audit_key);
	char beside[PATH_SIZE];
	struct ledger_sqlite_options o = {
		.path = config_string(g, CONFIG_keyturn_ledger),
		.sign_public_path = public_key,
		.now = now_system(),
	};
	enum status s;

	if (mode != OPEN_LEDGER_READ) {
		o.sign_key_path = key;
		o.create = mode == OPEN_LEDGER_WRITE;
		*ret_lost = !exists(o.path);
	} else {
		o.read_only = true;
		/* Who may read the trail need not hold the private key. */
		if (!public_key) {
			snprintf(beside, sizeof(beside), "%s.pub", key);
			o.sign_public_path = beside;
		}
	}
	s = advise(ledger_sqlite_open(&o, ret, why),
		   o.sign_key_path ? o.sign_key_path : o.sign_public_path, why);
	if (s == STATUS_NOT_FOUND && !o.create)
		reason_set(why, s,
			   "there is no ledger %s: bring it back from a "
			   "backup; if it is lost for good, keyturn recover "
			   "begins a new one, which knows of no freeze",
			   o.path);
	return s;
}

enum status open_ledger(struct opened *b, enum open_ledger mode,
			struct ledger **ret_ledger, bool *ret_lost,
			struct reason *why)
{
	bool lost = false;
	enum status s = STATUS_OK;

	if (!b->ledger)
		s = ledger_from_settings(b->config, mode, NULL, &lost,
					 &b->ledger, why);
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

	s = ledger_from_settings(b->config, OPEN_LEDGER_READ, public_key, &lost,
				 &b->ledger, why);
	if (s == STATUS_OK)
		*ret_ledger = b->ledger;
	return s;
}

static const char *set_or_null(const struct config_group *g, enum config_key k)
{
	return config_is_set(g, k) ? config_string(g, k) : NULL;
}

/* The zone is read anew: this is rare. */
int64_t open_next_due(const struct config *c, const struct config_group *role,
		      int64_t at_us)
{
	const char *name = config_name(role);
	struct schedule_zone *zone = NULL;
	struct schedule *schedule = NULL;
	int64_t due = INT64_MAX;

	if (!config_is_set(role, CONFIG_role_schedule) &&
	    !config_is_set(role, CONFIG_role_every))
		return due;
	const struct schedule_spec spec = {
		.cron = set_or_null(role, CONFIG_role_schedule),
		.every = set_or_null(role, CONFIG_role_every),
		.window = set_or_null(role, CONFIG_role_window),
		.splay = set_or_null(role, CONFIG_role_splay),
		.name = name,
	};

	if (schedule_zone_open(config_string(main_group(c),
					     CONFIG_keyturn_timezone),
			       &zone, NULL) == STATUS_OK &&
	    schedule_parse(&spec, zone, &schedule, NULL) == STATUS_OK)
		due = schedule_next(schedule, at_us);
	schedule_free(schedule);
	schedule_zone_free(zone);
	return due;
}

/* For the tags and metadata of a secret. */
static int64_t next_due(const void *arg, const char *name, int64_t at_us)
{
	const struct config_group *role =
		config_find(arg, CONFIG_SECTION_role, name);

	return role ? open_next_due(arg, role, at_us) : INT64_MAX;
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

static enum status open_local(const struct config_group *g, bool create,
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
	if (s == STATUS_NOT_FOUND && !exists(o.path))
		s = reason_set(
			why, STATUS_STORE_UNAVAILABLE,
			"%s: the file of [store %s] does not exist; "
			"bring it back from a backup; if it is lost for good, "
			"docs/operators.md says how to begin anew",
			o.path, o.name);
	return advise(s, o.key_path, why);
}

static enum status store_from_settings(const struct config *c,
				       const struct config_group *g,
				       struct store **ret, struct reason *why)
{
	if (strcmp(config_string(g, CONFIG_store_type), "aws") == 0)
		return open_aws(c, g, ret, why);
	if (strcmp(config_string(g, CONFIG_store_type), "vault") == 0)
		return open_vault(c, g, ret, why);
	return open_local(g, false, ret, why);
}

enum status open_store(struct opened *b, const char *name,
		       struct store **ret_store, struct reason *why)
{
	const struct config_group *g;
	struct open_store *o;
	enum status s = STATUS_OK;

	pthread_mutex_lock(&b->lock);
	for (o = b->stores; o; o = o->next)
		if (strcmp(o->name, name) == 0)
			goto out;
	g = config_find(b->config, CONFIG_SECTION_store, name);
	if (!g) {
		s = reason_set(why, STATUS_CONFIG, "there is no [store %s]",
			       name);
		goto out;
	}
	o = calloc(1, sizeof(*o));
	if (!o) {
		s = reason_no_memory(why);
		goto out;
	}
	text_copy(o->name, sizeof(o->name), name);
	s = store_from_settings(b->config, g, &o->store, why);
	if (s != STATUS_OK) {
		free(o);
		goto out;
	}
	o->next = b->stores;
	b->stores = o;
out:
	pthread_mutex_unlock(&b->lock);
	if (s == STATUS_OK)
		*ret_store = o->store;
	return s;
}

void open_wait_once(struct opened *b)
{
	b->wait_once = true;
}

/* With the lock held; NULL for one that was not opened. */
static struct open_store *find_opened(struct opened *b, const char *name)
{
	struct open_store *o = b->stores;

	while (o && strcmp(o->name, name) != 0)
		o = o->next;
	return o;
}

enum status open_store_away(struct opened *b, const char *name,
			    struct reason *why)
{
	enum status s = STATUS_OK;
	struct open_store *o;

	pthread_mutex_lock(&b->lock);
	o = find_opened(b, name);
	if (o && o->away)
		s = reason_set(why, STATUS_STORE_UNAVAILABLE, "%s",
			       o->why_away.text);
	pthread_mutex_unlock(&b->lock);
	return s;
}

void open_store_failed(struct opened *b, const char *name, int64_t waited_us,
		       const struct reason *why)
{
	struct open_store *o;

	if (!b->wait_once || waited_us < WAITED)
		return;
	pthread_mutex_lock(&b->lock);
	o = find_opened(b, name);
	if (o && !o->away) {
		o->away = true;
		o->why_away = *why;
	}
	pthread_mutex_unlock(&b->lock);
}

/* describe(), of a store that has not been waited for yet. */
static enum status describe(struct opened *b, const char *store_name,
			    const char *role, struct store_state *ret_state,
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
	return open_token_get(b->tokens, name, ret_cache, why);
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
	return config_is_set(role, CONFIG_role_rolname) ?
		       config_string(role, CONFIG_role_rolname) :
		       config_name(role);
}

enum status open_remembered(struct opened *b, struct ledger *ledger,
			    const struct config_group *role,
			    struct ledger_role *ret, struct reason *why)
{
	const struct store_version *current;
	struct store_state state;
	enum status s;

	s = ledger->ops->role(ledger, config_name(role), ret, why);
	/* A role whose first run failed is known, and still new. */
	if (s != STATUS_NOT_FOUND && (s != STATUS_OK || ret->rotated_us > 0))
		return s;
	if (s == STATUS_NOT_FOUND) {
		memset(ret, 0, sizeof(*ret)); /* not secret */
		text_copy(ret->role, sizeof(ret->role), config_name(role));
	}
	s = describe(b, config_string(role, CONFIG_role_store),
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

static enum status refuse_existing(const char *path, struct reason *why)
{
	if (!exists(path))
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "%s exists already; keyturn init overwrites nothing",
			  path);
}

static enum status make_folder_of(const char *path, struct reason *why)
{
	char folder[PATH_SIZE];
	char *slash;

	if (text_copy(folder, sizeof(folder), path) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "%s: the path is too long", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return STATUS_OK;
	*slash = '\0';
	return file_make_folder(folder, 0700, why);
}

static enum status create_keys(const struct config_group *g,
			       const struct config_group *store,
			       struct reason *why)
{
	const char *audit = config_string(g, CONFIG_keyturn_audit_key);
	const char *key = config_string(store, CONFIG_store_key);
	enum status s;

	s = make_folder_of(audit, why);
	if (s == STATUS_OK)
		s = make_folder_of(key, why);
	if (s == STATUS_OK)
		s = ledger_key_create(audit, why);
	if (s == STATUS_OK)
		s = seal_key_create(key, entropy_openssl(), why);
	return s;
}

enum status open_create(const struct config *config, struct reason *why)
{
	const struct config_group *g = main_group(config);
	const struct config_group *store =
		config_find(config, CONFIG_SECTION_store, "local");
	const char *paths[] = {
		config_string(g, CONFIG_keyturn_audit_key),
		config_string(g, CONFIG_keyturn_ledger),
		config_string(store, CONFIG_store_key),
		config_string(store, CONFIG_store_path),
	};
	struct ledger *ledger = NULL;
	struct store *made = NULL;
	enum status s = STATUS_OK;
	bool lost;

	for (size_t i = 0; i < 4 && s == STATUS_OK; i++)
		s = refuse_existing(paths[i], why);
	if (s == STATUS_OK)
		s = create_keys(g, store, why);
	if (s == STATUS_OK)
		s = make_folder_of(paths[1], why);
	if (s == STATUS_OK)
		s = make_folder_of(paths[3], why);
	if (s == STATUS_OK)
		s = ledger_from_settings(config, OPEN_LEDGER_WRITE, NULL, &lost,
					 &ledger, why);
	if (s == STATUS_OK)
		s = open_local(store, true, &made, why);
	if (ledger)
		ledger->ops->close(ledger);
	if (made)
		made->ops->close(made);
	return s;
}
