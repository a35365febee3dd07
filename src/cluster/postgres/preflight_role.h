/* SPDX-License-Identifier: PostgreSQL */
/* What a preflight finds about the role. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_ROLE_H
#define KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_ROLE_H

#include "cluster/postgres/common.h"
#include "cluster/postgres/findings.h"

/* Adds to f what is wrong with the role, and by which right it is changed. */
enum status cluster_postgres_preflight_role(struct cluster_postgres *p,
					    struct cluster_session *s,
					    const char *role,
					    struct cluster_findings *f,
					    struct reason *why);

#endif
