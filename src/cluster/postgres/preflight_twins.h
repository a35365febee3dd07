/* SPDX-License-Identifier: PostgreSQL */
/* In what the two members of a pair differ. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_TWINS_H
#define KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_TWINS_H

#include "cluster/postgres/common.h"
#include "cluster/postgres/findings.h"

/* Adds to f what is not inherited and not equal, and what a member has that its
 * owner should have. */
enum status cluster_postgres_preflight_twins(struct cluster_postgres *p,
					     struct cluster_session *s,
					     const char *owner,
					     const struct cluster_pair *pair,
					     struct cluster_findings *f,
					     struct reason *why);

#endif
