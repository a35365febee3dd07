/* SPDX-License-Identifier: PostgreSQL */
/* Checks gateways; must never accept an overlap that nobody would notice to be
 * none. */
#include "config/config_gateway.h"

#include <string.h>

#include "base/text.h"
#include "config/config_conninfo.h"
#include "config/config_refuse.h"

#define SERVERS_MAX 16384 /* more than the endpoints can name */

/* Is a server of `one` among `all`?  Each has a blank on both sides. */
static bool shares(const char *one, const char *all, char *ret, size_t size)
{
	size_t n;

	for (const char *s = one; *s && s[1]; s += n - 1) {
		n = strcspn(s + 1, " ") + 2;
		if (n >= size)
			continue;
		memcpy(ret, s, n);
		ret[n] = '\0';
		if (strstr(all, ret))
			return true;
	}
	return false;
}

/* Each PgBouncer once: one that is there twice would be proved twice, and another
 * that was meant not at all. */
static enum status check_once(const struct config_group *g,
			      const struct config_value *v, struct reason *why)
{
	enum status s = STATUS_OK;
	char server[512];

	for (const struct config_value *w = g->first; w != v && s == STATUS_OK;
	     w = w->next) {
		struct text x = text_make(SERVERS_MAX);
		struct text y = text_make(SERVERS_MAX);

		if (w->key == CONFIG_cluster_endpoint) {
			config_conninfo_servers(v->text, &x);
			config_conninfo_servers(w->text, &y);
		}
		if (text_status(&x) != STATUS_OK ||
		    text_status(&y) != STATUS_OK)
			s = reason_no_memory(why);
		else if (shares(text_str(&x), text_str(&y), server,
				sizeof(server)))
			s = config_refuse(why, g, v,
					  "the endpoint at %s is%sas well; "
					  "each PgBouncer is there once",
					  w->origin, server);
		text_free(&x);
		text_free(&y);
	}
	return s;
}

static enum status check_endpoint(const struct config_group *g,
				  const struct config_value *v,
				  struct reason *why)
{
	const char *keyword = config_conninfo_secret(v->text);

	if (keyword)
		return config_refuse(
			why, g, v,
			"holds a %s, and none belongs there: keyturn logs in "
			"as each role, with the password that the store has",
			keyword);
	if (config_conninfo_has(v->text, "user"))
		return config_refuse(
			why, g, v,
			"names a user, which has no effect: keyturn logs in as "
			"each role; take user out");
	if (!config_conninfo_has(v->text, "dbname") &&
	    !config_is_set(g, CONFIG_cluster_prove_dbname) &&
	    !config_is_set(g, CONFIG_cluster_dbname))
		return config_refuse(
			why, g, v,
			"names no database, and PgBouncer has none of the "
			"login's name; add dbname=NAME, the one that partners "
			"ask for");
	return check_once(g, v, why);
}

static enum status check_values(const struct config_group *g,
				struct reason *why)
{
	enum status s = STATUS_OK;

	for (const struct config_value *v = g->first; v && s == STATUS_OK;
	     v = v->next) {
		if (v->key == CONFIG_cluster_endpoint)
			s = check_endpoint(g, v, why);
		else if (v->key == CONFIG_cluster_agent && v->text[0] != '/')
			s = config_refuse(why, g, v,
					  "must be an absolute path");
	}
	return s;
}

enum status config_gateway_check_cluster(const struct config_group *g,
					 struct reason *why)
{
	size_t n = config_list_n(g, CONFIG_cluster_endpoint);
	const struct config_value *user =
		config_model_value(g, CONFIG_cluster_console_user);
	const struct config_value *file =
		config_model_value(g, CONFIG_cluster_console_passfile);

	if (!config_is_gateway(g))
		return STATUS_OK;
	if (n == 0)
		return config_refuse(
			why, g, NULL,
			"needs an endpoint for each of its PgBouncers: "
			"endpoint = host=HOST port=6432 dbname=NAME");
	if (n > CONFIG_GATEWAYS_MAX)
		return config_refuse(why, g, NULL, "has more than %d endpoints",
				     CONFIG_GATEWAYS_MAX);
	if (config_list_n(g, CONFIG_cluster_agent) > n)
		return config_refuse(
			why, g, config_model_value(g, CONFIG_cluster_agent),
			"is there more often than endpoint; each agent is that "
			"of the endpoint of the same place in the list");
	if (file && !user)
		return config_refuse(why, g, file,
				     "has no effect without "
				     "console_user");
	return check_values(g, why);
}

enum status config_gateway_check_role(const struct config *c,
				      struct config_group *role,
				      struct reason *why)
{
	const struct config_group *cluster =
		config_find(c, CONFIG_SECTION_cluster,
			    config_string(role, CONFIG_role_cluster));
	const struct config_value *grace =
		config_model_value(role, CONFIG_role_grace);
	const struct config_value *every =
		config_model_value(role, CONFIG_role_every);
	int64_t least;

	role->at_gateway = config_is_gateway(cluster);
	if (!role->at_gateway)
		return STATUS_OK;
	least = config_duration_us(cluster, CONFIG_cluster_min_grace);
	if (config_is_pair(role))
		return config_refuse(
			why, role,
			config_model_value(role, CONFIG_role_strategy),
			"alternating needs two roles in PostgreSQL, and "
			"[cluster %s] is a gateway, which has two passwords "
			"for one",
			config_name(cluster));
	if (config_bool(role, CONFIG_role_end_sessions))
		return config_refuse(
			why, role,
			config_model_value(role, CONFIG_role_end_sessions),
			"is not done by a gateway; KILL at PgBouncer's console "
			"ends its sessions");
	if (!grace || grace->number <= 0)
		return config_refuse(
			why, role, grace,
			"needs grace: how long the password before is good "
			"beside the new one at the gateway, the same as in the "
			"agents' files");
	if (grace->number < least)
		return config_refuse(
			why, role, grace,
			"is shorter than min_grace of [cluster %s] (an hour "
			"unless it is set): the partner must have the time to "
			"change over",
			config_name(cluster));
	if (every && grace->number >= every->number)
		return config_refuse(
			why, role, grace,
			"is not shorter than the time from one rotation to the "
			"next, which would not begin before it is over");
	return STATUS_OK;
}

static void list_gateways(const struct config_group *g, struct text *ret)
{
	for (size_t i = 0; i < config_list_n(g, CONFIG_cluster_endpoint); i++)
		config_conninfo_servers(
			config_list_at(g, CONFIG_cluster_endpoint, i), ret);
}

static enum status compare(const struct config_group *a,
			   const struct config_group *b, struct reason *why)
{
	struct text x = text_make(SERVERS_MAX), y = text_make(SERVERS_MAX);
	enum status s = STATUS_OK;
	char server[512];

	list_gateways(a, &x);
	list_gateways(b, &y);
	if (text_status(&x) != STATUS_OK || text_status(&y) != STATUS_OK)
		s = reason_no_memory(why);
	else if (shares(text_str(&x), text_str(&y), server, sizeof(server)))
		s = config_refuse(
			why, b, NULL,
			"and [cluster %s] at %s have one gateway:%sis in both; "
			"its roles belong into one of them",
			config_name(a), config_where(a), server);
	text_free(&x);
	text_free(&y);
	return s;
}

enum status config_gateway_check_all(const struct config *c, struct reason *why)
{
	const struct config_groups *all = &c->sections[CONFIG_SECTION_cluster];
	enum status s = STATUS_OK;

	for (size_t i = 0; i < all->n && s == STATUS_OK; i++)
		for (size_t j = 0; j < i && s == STATUS_OK; j++)
			if (config_is_gateway(all->in_order[i]) &&
			    config_is_gateway(all->in_order[j]))
				s = compare(all->in_order[j], all->in_order[i],
					    why);
	return s;
}
