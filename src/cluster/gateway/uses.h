/* SPDX-License-Identifier: PostgreSQL */
/* Who logs in at gateways with which password, as their agents have counted it. */
#ifndef KEYTURN_CLUSTER_GATEWAY_USES_H
#define KEYTURN_CLUSTER_GATEWAY_USES_H

#include <stddef.h>

#include "cluster/cluster_tools.h"

/* A gateway and the admin socket of its agent, an absolute path, as far as this
 * host reaches it; "" for none. */
struct cluster_gateway_uses_agent {
	const char *gateway; /* as people call it: "gw1.example:6432" */
	const char *socket;
};

/*
 * Ask the agents one after the other, each for at most ten seconds; `uses` of
 * cluster_tools.h.  Gateways that share an agent are asked once, under the name of the
 * first.  A status other than STATUS_OK of fn or heard ends it and is returned.
 */
enum status cluster_gateway_uses(
	const struct cluster_gateway_uses_agent *agents, size_t n,
	cluster_seen_fn *fn, cluster_heard_fn *heard, void *arg,
	struct reason *why);

/*
 * Tell the agent that a login of this user which began since_us ago (microseconds) and
 * succeeded was keyturn's own, so that nobody takes it for a consumer's.  At the most a
 * second; when it does not succeed, the login is shown like others.
 */
void cluster_gateway_uses_own(const char *socket, const char *user,
			      int64_t since_us);

#endif
