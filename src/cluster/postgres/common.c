/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of this driver share.  Must never call one of them.
 */
#include "cluster/postgres/common.h"

#include <string.h>

struct cluster_postgres *cluster_postgres_of(struct cluster *t)
{
	return (struct cluster_postgres *)t;
}

enum status cluster_postgres_check_name(const char *role, struct reason *why)
{
	size_t n = strlen(role);

	/* The server would cut a longer one and mean another role. */
	if (n == 0 || n >= CLUSTER_NAME_SIZE)
		return reason_set(why, STATUS_REFUSED,
				  "a role name has 1 to 63 bytes, this one has "
				  "%zu",
				  n);
	if (!text_is_utf8(role, n) || text_has_control(role, n))
		return reason_set(why, STATUS_REFUSED,
				  "role name \"%s\" is not UTF-8 or holds a "
				  "control character",
				  role);
	return STATUS_OK;
}

enum status cluster_postgres_run(struct cluster_postgres *p,
				 struct cluster_session *s, struct pg_query *q,
				 struct reason *why)
{
	q->timeout_us = p->o.statement_timeout_us + CLUSTER_MARGIN_US;
	return pg_run(s->pg, q, why);
}
