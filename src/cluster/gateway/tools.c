/* SPDX-License-Identifier: PostgreSQL */
/* What commands ask of a cluster; must never make a role at a gateway. */
#include "cluster/gateway/tools.h"

#include <stdio.h>
#include <stdlib.h>

#include "cluster/gateway/common.h"
#include "cluster/gateway/preflight.h"
#include "cluster/gateway/uses.h"

#define NAME_SIZE 128 /* of a gateway, for people */

static enum status refuse(struct cluster *t, struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "[cluster %s] is a gateway, where no role is made: "
			  "name the cluster behind it, or write a [role] whose "
			  "login the gateway's agent knows",
			  t->name);
}

static enum status create_role(struct cluster *t,
			       const struct cluster_role_spec *spec,
			       struct reason *why)
{
	(void)spec;
	return refuse(t, why);
}

static enum status make_pair(struct cluster *t, const char *owner,
			     const struct cluster_pair *pair, bool print,
			     struct text *ret, struct reason *why)
{
	(void)owner, (void)pair, (void)print, (void)ret;
	return refuse(t, why);
}

/* Its agents know more than sessions: `uses`. */
static enum status sessions(struct cluster *t, struct cluster_watched *pairs,
			    size_t n, cluster_seen_fn *fn, void *arg,
			    struct reason *why)
{
	(void)pairs, (void)n, (void)fn, (void)arg;
	return reason_set(why, STATUS_REFUSED,
			  "[cluster %s] is a gateway, whose sessions are not "
			  "looked at",
			  t->name);
}

static enum status uses(struct cluster *t, cluster_seen_fn *fn,
			cluster_heard_fn *heard, void *arg, struct reason *why)
{
	struct cluster_gateway *g = cluster_gateway_of(t);
	struct cluster_gateway_uses_agent *agents =
		calloc(g->n, sizeof(*agents));
	char(*names)[NAME_SIZE] = calloc(g->n, sizeof(*names));
	enum status s = agents && names ? STATUS_OK : reason_no_memory(why);

	for (size_t i = 0; i < g->n && s == STATUS_OK; i++) {
		snprintf(names[i], NAME_SIZE, "%s:%s",
			 cluster_gateway_host(g, i),
			 cluster_gateway_port(g, i));
		agents[i] = (struct cluster_gateway_uses_agent){
			.gateway = names[i],
			.socket = g->agents[i] ? g->agents[i] : "",
		};
	}
	if (s == STATUS_OK)
		s = cluster_gateway_uses(agents, g->n, fn, heard, arg, why);
	free(agents);
	free(names);
	return s;
}

/* There is no database to install a trigger in. */
static enum status logins(struct cluster *t, const char *database,
			  cluster_seen_fn *fn, void *arg, struct reason *why)
{
	(void)t, (void)database, (void)fn, (void)arg, (void)why;
	return STATUS_NOT_FOUND;
}

static enum status sees(struct cluster *t, const char *role, struct reason *why)
{
	(void)t, (void)role, (void)why;
	return STATUS_OK;
}

const struct cluster_tools cluster_gateway_tools = {
	.create_role = create_role,
	.make_pair = make_pair,
	.show_chain = cluster_gateway_preflight_chain,
	.sessions = sessions,
	.uses = uses,
	.logins = logins,
	.sees = sees,
};
