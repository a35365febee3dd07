/* SPDX-License-Identifier: PostgreSQL */
/* Who of a pair may log in, and does. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PEEK_H
#define KEYTURN_CLUSTER_POSTGRES_PEEK_H

#include "cluster/postgres/common.h"

enum status cluster_postgres_peek(
	struct cluster *t, struct cluster_session *s, const char *role,
	const struct cluster_pair *pair,
	struct cluster_member ret[CLUSTER_MEMBERS + 1], struct reason *why);

enum status cluster_postgres_peek_end_sessions(struct cluster *t,
					       struct cluster_session *s,
					       const char *role,
					       unsigned *ret_left,
					       struct reason *why);

#endif
