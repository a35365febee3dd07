/* SPDX-License-Identifier: PostgreSQL */
/* Hands one secret out; must never give a byte that is not in the audit. */
#include "handout/handout.h"

#include <stdio.h>

#include "base/text.h"
#include "sink/sink.h"

static enum status find_version(struct store *store, const char *role,
				const char *label,
				char ret_id[RANDOM_UUID_SIZE],
				struct reason *why)
{
	const struct store_version *v;
	struct store_state state;
	enum store_label l;
	enum status s;

	s = store_label_parse(label, &l, why);
	if (s != STATUS_OK)
		return s;
	s = store->ops->describe(store, role, &state, why);
	if (s != STATUS_OK)
		return s;
	v = store_find_label(&state, l);
	if (!v)
		return reason_set(why, STATUS_NOT_FOUND,
				  "role %s has no %s version in store %s%s%s",
				  role, label, store->name,
				  state.note[0] ? ": " : "", state.note);
	return text_copy(ret_id, RANDOM_UUID_SIZE, v->id);
}

/* What the configuration says now counts, not what it said at the rotation. */
static void set_told(const struct config_group *g, enum config_key k,
		     char *stored, size_t size)
{
	if (config_is_set(g, k))
		text_copy(stored, size, config_string(g, k));
}

static const struct config_group *cluster_of(const struct opened *b,
					     const struct config_group *role)
{
	return config_find(open_config(b), CONFIG_SECTION_cluster,
			   config_string(role, CONFIG_role_cluster));
}

enum status handout_read(struct opened *b, const struct config_group *role,
			 const char *label, char ret_version[RANDOM_UUID_SIZE],
			 struct store_entry *ret, struct reason *why)
{
	const struct config_group *cluster = cluster_of(b, role);
	const char *name = config_name(role);
	struct store *store = NULL;
	enum status s;

	s = open_store(b, config_string(role, CONFIG_role_store), &store, why);
	if (s == STATUS_OK)
		s = find_version(store, name, label, ret_version, why);
	if (s == STATUS_OK)
		s = store->ops->fetch(store, name, ret_version, ret, why);
	if (s != STATUS_OK)
		return s;
	set_told(cluster, CONFIG_cluster_host, ret->host, sizeof(ret->host));
	set_told(cluster, CONFIG_cluster_port, ret->port, sizeof(ret->port));
	set_told(role, CONFIG_role_dbname, ret->dbname, sizeof(ret->dbname));
	return STATUS_OK;
}

static enum status render_entry(const struct opened *b,
				const struct config_group *role,
				const struct store_entry *e,
				const char *version, enum format_kind kind,
				struct secret **ret, struct reason *why)
{
	const struct format_credential credential = {
		.host = e->host,
		.port = e->port,
		.dbname = e->dbname,
		.username = e->username,
		.version = version,
		.sslmode = config_string(cluster_of(b, role),
					 CONFIG_cluster_sslmode),
		.password = e->password,
	};

	return format_render(kind, &credential, ret, why);
}

static enum status record_handout(struct ledger *ledger, const char *role,
				  const char *version,
				  const struct handout_request *r,
				  struct reason *why)
{
	char detail[128];
	struct audit_event ev = audit_event_make(
		AUDIT_HANDOUT, role, r->actor, status_name(STATUS_OK), detail);

	snprintf(detail, sizeof(detail), "format %s", r->format);
	ev.label = r->label;
	ev.version = version;
	return ledger->ops->trail->note(ledger, &ev, 1, true, why);
}

enum status handout_get(struct opened *b, struct ledger *ledger,
			const struct config_group *role,
			const struct handout_request *r,
			struct secret **ret_bytes, struct reason *why)
{
	const char *name = config_name(role);
	struct store_entry entry = { .password = NULL };
	struct secret *bytes = NULL;
	char id[RANDOM_UUID_SIZE];
	enum format_kind kind;
	enum status s;

	s = format_parse(r->format, false, &kind, why);
	if (s == STATUS_OK)
		s = handout_read(b, role, r->label, id, &entry, why);
	if (s == STATUS_OK)
		s = render_entry(b, role, &entry, id, kind, &bytes, why);
	if (s == STATUS_OK)
		s = record_handout(ledger, name, id, r, why);
	if (s == STATUS_OK) {
		*ret_bytes = bytes;
		bytes = NULL;
	}
	secret_free(bytes);
	secret_free(entry.password);
	return s;
}
