/* SPDX-License-Identifier: PostgreSQL */
/* get: one secret for an operator; never printed before it is in the audit. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "cli/cli.h"
#include "format/format.h"

/* The audit comes first: without it there is no hand-out. */
static enum status record(struct cli *c, const char *role, const char *version)
{
	char detail[128];
	const struct ledger_event ev = {
		.at_us = now_wall(now_system()),
		.kind = "handout",
		.role = role,
		.run = "",
		.actor = c->actor,
		.version = version,
		.status = status_name(STATUS_OK),
		.detail = detail,
		.took_us = -1,
	};

	snprintf(detail, sizeof(detail), "keyturn get, label %s, format %s",
		 c->o.label, c->o.format);
	return c->ledger->ops->note(c->ledger, &ev, 1, true, &c->why);
}

static enum status find_version(struct cli *c, struct store *store,
				const char *role, char ret_id[RANDOM_UUID_SIZE])
{
	const struct store_version *v;
	struct store_state state;
	enum store_label label;
	enum status s;

	s = store_label_parse(c->o.label, &label, &c->why);
	if (s != STATUS_OK)
		return s;
	s = store->ops->describe(store, role, &state, &c->why);
	if (s != STATUS_OK)
		return s;
	v = store_find_label(&state, label);
	if (!v)
		return reason_set(&c->why, STATUS_NOT_FOUND,
				  "role %s has no %s version in store %s", role,
				  c->o.label, store->name);
	return text_copy(ret_id, RANDOM_UUID_SIZE, v->id);
}

static enum status print_secret(struct cli *c, const struct secret *bytes)
{
	const char *p = secret_bytes(bytes);
	size_t n = secret_len(bytes);

	if (fflush(stdout) != 0 ||
	    secret_write_fd(bytes, STDOUT_FILENO) != STATUS_OK)
		return reason_set(&c->why, STATUS_ERROR,
				  "cannot write to standard output");
	/* A newline for a person's eye only: `$(...)` and pipes get the bytes. */
	if (isatty(STDOUT_FILENO) && n && p[n - 1] != '\n' &&
	    write(STDOUT_FILENO, "\n", 1) != 1)
		return STATUS_ERROR;
	return STATUS_OK;
}

static enum status render(struct cli *c, const struct config_group *role,
			  const struct store_entry *e, const char *version,
			  enum format_kind kind, struct secret **ret)
{
	const struct config_group *cluster =
		config_find(c->config, CONFIG_SECTION_cluster,
			    config_string(role, CONFIG_role_cluster));
	const struct format_credential credential = {
		.host = e->host,
		.port = e->port,
		.dbname = e->dbname,
		.username = e->username,
		.version = version,
		.sslmode = config_string(cluster, CONFIG_cluster_sslmode),
		.password = e->password,
	};

	return format_render(kind, &credential, ret, &c->why);
}

enum status cli_get(struct cli *c)
{
	const struct config_group *role = NULL;
	struct store_entry entry = { .password = NULL };
	struct secret *bytes = NULL;
	struct store *store = NULL;
	char id[RANDOM_UUID_SIZE];
	enum format_kind kind;
	enum status s;

	if (c->n_args != 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "get takes one role name");
	s = format_parse(c->o.json ? "json" : c->o.format, &kind, &c->why);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, BACKENDS_LEDGER_WRITE);
	if (s == STATUS_OK)
		s = backends_role(c->backends, c->args[0], &role, &c->why);
	if (s == STATUS_OK)
		s = backends_store(c->backends,
				   config_string(role, CONFIG_role_store),
				   &store, &c->why);
	if (s == STATUS_OK)
		s = find_version(c, store, config_name(role), id);
	if (s == STATUS_OK)
		s = store->ops->fetch(store, config_name(role), id, &entry,
				      &c->why);
	if (s == STATUS_OK)
		s = render(c, role, &entry, id, kind, &bytes);
	if (s == STATUS_OK)
		s = record(c, config_name(role), id);
	if (s == STATUS_OK)
		s = print_secret(c, bytes);
	secret_free(bytes);
	secret_free(entry.password);
	return s;
}
