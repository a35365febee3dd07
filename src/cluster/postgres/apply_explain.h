/* SPDX-License-Identifier: PostgreSQL */
/* Why an apply failed, and what helps. */
#ifndef KEYTURN_CLUSTER_POSTGRES_APPLY_EXPLAIN_H
#define KEYTURN_CLUSTER_POSTGRES_APPLY_EXPLAIN_H

#include "cluster/postgres/apply_change.h"

/* c->steps[c->done] failed, before anything lasted. */
enum status cluster_postgres_apply_explain_first(struct change *c,
						 enum status st,
						 const char *sqlstate,
						 struct reason *why);

/* ALTER ROLE failed. */
enum status cluster_postgres_apply_explain_alter(struct change *c,
						 enum status st,
						 const char *sqlstate,
						 struct reason *why);

/* What is to be done about a server that takes no verifier. */
enum status cluster_postgres_apply_explain_verifier(const struct change *c,
						    struct reason *why);

/* The server does not do this to roles. */
enum status cluster_postgres_apply_explain_refusal(const struct change *c,
						   const char *sqlstate,
						   struct reason *why);

#endif
