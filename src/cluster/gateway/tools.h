/* SPDX-License-Identifier: PostgreSQL */
/* What commands ask of a cluster, and a gateway has not. */
#ifndef KEYTURN_CLUSTER_GATEWAY_TOOLS_H
#define KEYTURN_CLUSTER_GATEWAY_TOOLS_H

#include "cluster/cluster_tools.h"
#include "cluster/gateway/common.h"

extern const struct cluster_tools cluster_gateway_tools;

#endif
