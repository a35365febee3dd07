/* SPDX-License-Identifier: PostgreSQL */
/* Logins through a gateway. */
#ifndef KEYTURN_CLUSTER_GATEWAY_LOGIN_H
#define KEYTURN_CLUSTER_GATEWAY_LOGIN_H

#include "cluster/gateway/common.h"

/* Members of cluster.h. */
enum status cluster_gateway_login_prove(struct cluster *t,
					const struct cluster_who *who,
					const struct secret *password,
					enum cluster_proof kind,
					enum cluster_login *ret_login,
					struct reason *why);
enum status cluster_gateway_login_way(struct cluster *t,
				      const struct cluster_who *who,
				      char ret_way[CLUSTER_WAY_SIZE]);

#endif
