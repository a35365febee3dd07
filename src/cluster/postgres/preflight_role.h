/* SPDX-License-Identifier: PostgreSQL */
/* What a preflight finds about the role. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_ROLE_H
#define KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_ROLE_H

#include "cluster/postgres/common.h"
#include "cluster/postgres/findings.h"

/* What the role is. */
enum cluster_part {
	CLUSTER_PART_SINGLE,
	CLUSTER_PART_MEMBER, /* of a pair: it need not be LOGIN now */
	CLUSTER_PART_OWNER   /* of a pair: changed only while it can log in */
};

/* Adds to f what is wrong with the role, and by which right it is changed.
 * *ret_login, when not NULL and there is such a role: it is LOGIN. */
enum status cluster_postgres_preflight_role(
	struct cluster_postgres *p, struct cluster_session *s, const char *role,
	enum cluster_part part, bool *ret_login, struct cluster_findings *f,
	struct reason *why);

#endif
