/* SPDX-License-Identifier: PostgreSQL */
/* Who uses a role: cluster_tools.h. */
#ifndef KEYTURN_CLUSTER_POSTGRES_ACTIVITY_H
#define KEYTURN_CLUSTER_POSTGRES_ACTIVITY_H

#include "cluster/cluster_tools.h"
#include "cluster/postgres/common.h"

enum status cluster_postgres_activity_sessions(struct cluster *t,
					       struct cluster_watched *pairs,
					       size_t n, cluster_seen_fn *fn,
					       void *arg, struct reason *why);
enum status cluster_postgres_activity_logins(struct cluster *t,
					     const char *database,
					     cluster_seen_fn *fn, void *arg,
					     struct reason *why);
enum status cluster_postgres_activity_sees(struct cluster *t, const char *role,
					   struct reason *why);

#endif
