/* SPDX-License-Identifier: PostgreSQL */
/* Proves a password by a login. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PROVE_H
#define KEYTURN_CLUSTER_POSTGRES_PROVE_H

#include "cluster/postgres/common.h"

enum status cluster_postgres_prove(struct cluster *t,
				   const struct cluster_who *who,
				   const struct secret *password,
				   enum cluster_proof kind,
				   enum cluster_login *ret_login,
				   struct reason *why);
enum status cluster_postgres_prove_way(struct cluster *t,
				       const struct cluster_who *who,
				       char ret_way[CLUSTER_WAY_SIZE]);

/* Evidence of one attempt (rotation-safety.md section 2.4). */
enum cluster_login cluster_postgres_prove_classify(
	const struct pg_login_report *r);

#endif
