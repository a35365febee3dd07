/* SPDX-License-Identifier: PostgreSQL */
/* What the files of this driver share. */
#ifndef KEYTURN_CLUSTER_GATEWAY_COMMON_H
#define KEYTURN_CLUSTER_GATEWAY_COMMON_H

#include "cluster/gateway/gateway.h"
#include "pg/pg.h"

struct cluster_gateway {
	struct cluster cluster; /* first: the two pointers are one */
	char *name;
	char *prove_dbname;		       /* NULL: the endpoint's own */
	char *console_user, *console_passfile; /* NULL: none */
	struct pg_info **infos;
	struct pg_info **plain; /* the same without TLS; NULL where there is no
				   network in between */
	size_t n;
	char **agents; /* n of them; NULL: not reached from here */
	int64_t connect_timeout_us, token_seconds;
	unsigned char way[32]; /* hash of all connection strings */
	const struct now *now;
};

struct cluster_gateway *cluster_gateway_of(struct cluster *t);

/* Of an endpoint, for sentences: "" is never returned. */
const char *cluster_gateway_host(const struct cluster_gateway *g, size_t i);
const char *cluster_gateway_port(const struct cluster_gateway *g, size_t i);

#endif
