/* SPDX-License-Identifier: PostgreSQL */
/* What an apply writes to the row of the marker table, if it may. */
#ifndef KEYTURN_CLUSTER_POSTGRES_MARKER_FENCE_H
#define KEYTURN_CLUSTER_POSTGRES_MARKER_FENCE_H

#include "cluster/postgres/marker.h"

/* add_fence of struct marker_ops, for the table. */
void cluster_postgres_marker_fence_add(struct text *t,
				       const struct cluster_session *s,
				       const struct cluster_change *c,
				       const char *more);

/*
 * After a fence that hit no row, for the change of a member, outside of a
 * transaction: why?  STATUS_CONFLICT, unless the claim is still the session's:
 * then STATUS_NOT_FOUND without the member, or STATUS_REFUSED.
 */
enum status cluster_postgres_marker_fence_explain(
	struct cluster_postgres *p, struct cluster_session *s,
	const struct cluster_change *c, struct reason *why);

#endif
