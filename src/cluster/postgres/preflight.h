/* SPDX-License-Identifier: PostgreSQL */
/* Can a role be rotated? */
#ifndef KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_H
#define KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_H

#include "cluster/postgres/common.h"

enum status cluster_postgres_preflight(struct cluster *t,
				       struct cluster_session *s,
				       const char *role,
				       const struct cluster_pair *pair,
				       cluster_finding_fn *finding, void *arg,
				       struct reason *why);

#endif
