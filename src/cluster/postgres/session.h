/* SPDX-License-Identifier: PostgreSQL */
/* Admin sessions: opened, kept and reused. */
#ifndef KEYTURN_CLUSTER_POSTGRES_SESSION_H
#define KEYTURN_CLUSTER_POSTGRES_SESSION_H

#include "cluster/postgres/common.h"

enum status cluster_postgres_session_open(struct cluster *t,
					  struct cluster_session **ret,
					  struct reason *why);
enum status cluster_postgres_session_open_as(
	struct cluster *t, const char *role,
	const struct cluster_candidate *candidates, size_t n,
	struct cluster_session **ret, struct reason *why);
void cluster_postgres_session_release(struct cluster *t,
				      struct cluster_session *s, bool clean);

/* Close those that are kept. */
void cluster_postgres_session_drop_idle(struct cluster_postgres *p);

/* Close idle sessions that are dead, or whose claim could not be given up:
 * while they live, they hold it. */
void cluster_postgres_session_sweep(struct cluster_postgres *p);

#endif
