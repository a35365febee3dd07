/* SPDX-License-Identifier: PostgreSQL */
/* Makes a new connection a session of ours. */
#ifndef KEYTURN_CLUSTER_POSTGRES_SETUP_H
#define KEYTURN_CLUSTER_POSTGRES_SETUP_H

#include "cluster/postgres/common.h"

/*
 * Read what the server is, and set what a session of ours has.  `lifted` are the
 * limits that the connection was made without; *ret_again when it ended for one
 * that it should have been made without as well: connect again.
 */
enum status cluster_postgres_setup(struct cluster_postgres *p,
				   struct cluster_session *s, unsigned lifted,
				   bool *ret_again, struct reason *why);

/* After a 42501: says which object of the catalog we may not use, if one. */
void cluster_postgres_setup_denied(struct cluster_postgres *p,
				   struct cluster_session *s,
				   struct reason *why);

#endif
