/* SPDX-License-Identifier: PostgreSQL */
/* Makes a step of a setting "after", and what it is told, from the configuration
 * and a version. */
#include "jobs/follow_after.h"

#include <stdlib.h>
#include <string.h>

#include "sink/sink.h"

static const struct config_group *cluster_of(struct open_engine *w,
					     const struct config_group *role)
{
	return config_find(open_config(open_engine_opened(w)),
			   CONFIG_SECTION_cluster,
			   config_string(role, CONFIG_role_cluster));
}

enum status follow_after_parse(struct open_engine *w,
			       const struct config_group *role, size_t i,
			       struct after **ret, struct reason *why)
{
	bool insecure =
		config_bool(cluster_of(w, role), CONFIG_cluster_insecure);
	enum status s = after_parse(config_list_at(role, CONFIG_role_after, i),
				    insecure, ret, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s: [role %s]", config_where(role),
				   config_name(role));
	return s;
}

enum status follow_after_check(struct open_engine *w,
			       const struct config_group *role,
			       struct reason *why)
{
	size_t n = config_list_n(role, CONFIG_role_after);
	struct after **all = calloc(n + 1, sizeof(struct after *));
	enum status s = STATUS_OK;

	if (!all)
		return reason_no_memory(why);
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		s = follow_after_parse(w, role, i, &all[i], why);
		for (size_t k = 0; k < i && s == STATUS_OK; k++)
			if (strcmp(after_name(all[k]), after_name(all[i])) == 0)
				s = reason_set(why, STATUS_CONFIG,
					       "%s: [role %s]: after: %s is "
					       "there twice",
					       config_where(role),
					       config_name(role),
					       after_name(all[i]));
	}
	for (size_t i = 0; i < n; i++)
		after_free(all[i]);
	free(all);
	return s;
}

enum status follow_after_sinks(const struct config_group *role,
			       const char *version, struct reason *why)
{
	struct sink *sinks = NULL;
	struct sink_held held;
	size_t n = 0;
	enum status s = open_engine_sinks(role, &sinks, &n, why);

	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		s = sink_look(&sinks[i], config_name(role), &held, why);
		if (s == STATUS_OK &&
		    (!held.found || strcmp(held.version, version) != 0))
			s = reason_set(why, STATUS_UNDELIVERED,
				       "waits for %s, which does not have the "
				       "current password yet",
				       sinks[i].path);
	}
	free(sinks);
	return s;
}

/* Do PgBouncer's clients log in as the role? */
static bool logs_in_there(struct open_engine *w,
			  const struct config_group *role,
			  const struct after *a)
{
	const struct config_group *c = cluster_of(w, role);
	struct sink *sinks = NULL;
	size_t n = 0;
	bool found = false;

	for (size_t i = 0; i < config_list_n(c, CONFIG_cluster_endpoint); i++)
		found = found ||
			after_is_endpoint(
				a,
				config_list_at(c, CONFIG_cluster_endpoint, i));
	if (!found && open_engine_sinks(role, &sinks, &n, NULL) == STATUS_OK)
		for (size_t i = 0; i < n; i++)
			found = found || sinks[i].kind == SINK_PGBOUNCER;
	free(sinks);
	return found;
}

enum status follow_after_try(struct open_engine *w,
			     const struct config_group *role,
			     const struct after *a, struct reason *why)
{
	return after_try(a, logs_in_there(w, role, a), why);
}

enum status follow_after_run(struct open_engine *w,
			     const struct config_group *role,
			     const struct after *a,
			     const struct follow_version *current,
			     int64_t tried_us, struct reason *why)
{
	const struct store_entry *entry = &current->entry;
	char before[sizeof(entry->username)];
	struct after_delivered d = {
		.user = entry->username,
		.password = entry->password,
		.dbname = entry->dbname,
		.as_user = logs_in_there(w, role, a),
		.tried_us = tried_us,
	};

	follow_delivery_previous(w, role, entry, before, sizeof(before));
	if (*before)
		d.before = before;
	return after_run(a, &d, why);
}
