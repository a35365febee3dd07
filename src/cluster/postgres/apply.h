/* SPDX-License-Identifier: PostgreSQL */
/* The change of a password. */
#ifndef KEYTURN_CLUSTER_POSTGRES_APPLY_H
#define KEYTURN_CLUSTER_POSTGRES_APPLY_H

#include "cluster/postgres/common.h"

enum status cluster_postgres_apply(struct cluster *t, struct cluster_session *s,
				   const struct cluster_change *wanted,
				   bool *ret_alone, struct reason *why);

#endif
