/* SPDX-License-Identifier: PostgreSQL */
/* Connections to a server that may have to wake up, and the admin's own. */
#ifndef KEYTURN_CLUSTER_POSTGRES_CONNECT_H
#define KEYTURN_CLUSTER_POSTGRES_CONNECT_H

#include "cluster/postgres/common.h"

/* A plain connection as the admin, to the admin's database or another. */
enum status cluster_postgres_connect(struct cluster_postgres *p,
				     const char *dbname, struct pg **ret_pg,
				     struct reason *why);

/* pg_connect(), waiting for up to wake_timeout for a server that wakes up. */
enum status cluster_postgres_connect_awake(struct cluster_postgres *p,
					   const struct pg_login *login,
					   struct pg **ret_pg,
					   struct pg_login_report *ret_report,
					   struct reason *why);

/* Was it the password that the server refused? */
bool cluster_postgres_connect_refused(const struct pg_login_report *r);

#endif
