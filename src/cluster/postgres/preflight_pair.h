/* SPDX-License-Identifier: PostgreSQL */
/* What a preflight finds about two login roles in turn. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_PAIR_H
#define KEYTURN_CLUSTER_POSTGRES_PREFLIGHT_PAIR_H

#include "cluster/postgres/common.h"
#include "cluster/postgres/findings.h"

/* Adds to f what is wrong with the owner, with its members, and with what they
 * are to each other.  The owner's name is usable; NULL: only whether there can be
 * pairs at all. */
enum status cluster_postgres_preflight_pair(struct cluster_postgres *p,
					    struct cluster_session *s,
					    const char *owner,
					    const struct cluster_pair *pair,
					    struct cluster_findings *f,
					    struct reason *why);

/* ... and with a role that is no pair by the configuration.  `thorough`: also
 * whether it is one by its marker, which a run sees when it claims it. */
enum status cluster_postgres_preflight_pair_none(
	struct cluster_postgres *p, struct cluster_session *s, const char *role,
	bool thorough, struct cluster_findings *f, struct reason *why);

#endif
