/* SPDX-License-Identifier: PostgreSQL */
/* Makes a role. */
#ifndef KEYTURN_CLUSTER_POSTGRES_ROLE_H
#define KEYTURN_CLUSTER_POSTGRES_ROLE_H

#include "cluster/cluster_tools.h"
#include "cluster/postgres/common.h"

enum status cluster_postgres_role_create(struct cluster *t,
					 const struct cluster_role_spec *spec,
					 struct reason *why);

#endif
