/* SPDX-License-Identifier: PostgreSQL */
/* What a gateway must be like before a login is rotated there. */
#ifndef KEYTURN_CLUSTER_GATEWAY_PREFLIGHT_H
#define KEYTURN_CLUSTER_GATEWAY_PREFLIGHT_H

#include "cluster/cluster_tools.h"
#include "cluster/gateway/common.h"

/* Members of cluster.h and cluster_tools.h. */
enum status cluster_gateway_preflight(struct cluster *t,
				      struct cluster_session *s,
				      const char *role,
				      const struct cluster_pair *pair,
				      cluster_finding_fn *finding, void *arg,
				      struct reason *why);
enum status cluster_gateway_preflight_chain(struct cluster *t,
					    enum cluster_chain_form form,
					    struct text *ret,
					    struct reason *why);

#endif
