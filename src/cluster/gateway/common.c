/* SPDX-License-Identifier: PostgreSQL */
/* Names of gateways, for sentences. */
#include "cluster/gateway/common.h"

struct cluster_gateway *cluster_gateway_of(struct cluster *t)
{
	return (struct cluster_gateway *)t;
}

const char *cluster_gateway_host(const struct cluster_gateway *g, size_t i)
{
	const char *host = pg_info_get(g->infos[i], "host");

	return host[0] != '\0' ? host : "local socket";
}

const char *cluster_gateway_port(const struct cluster_gateway *g, size_t i)
{
	const char *port = pg_info_get(g->infos[i], "port");

	return port[0] != '\0' ? port : "5432";
}
