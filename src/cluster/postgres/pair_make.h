/* SPDX-License-Identifier: PostgreSQL */
/* Makes the roles of a pair what they must be to each other. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PAIR_MAKE_H
#define KEYTURN_CLUSTER_POSTGRES_PAIR_MAKE_H

#include "cluster/cluster.h"
#include "cluster/cluster_tools.h"

/* For struct cluster_tools. */
enum status cluster_postgres_pair_make(struct cluster *t, const char *owner,
				       const struct cluster_pair *pair,
				       bool print, struct text *ret,
				       struct reason *why);

#endif
