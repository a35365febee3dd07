/* SPDX-License-Identifier: PostgreSQL */
/* Passwords in clear, to servers that take no verifier. */
#ifndef KEYTURN_CLUSTER_POSTGRES_PLAIN_H
#define KEYTURN_CLUSTER_POSTGRES_PLAIN_H

#include "cluster/postgres/common.h"

/* What a session calls with a role and a password; it gives "" or a SQLSTATE. */
#define CLUSTER_PLAIN_CALL "SELECT pg_temp.keyturn_alter_role($1, $2)"
/* What it gives instead of a SQLSTATE that many refusals share. */
#define CLUSTER_PLAIN_VALID_UNTIL "KT002"

/* Is the password of this cluster's roles sent in clear now? */
bool cluster_postgres_plain_wanted(struct cluster_postgres *p);
/* The server has refused a verifier. */
void cluster_postgres_plain_note(struct cluster_postgres *p);

/*
 * May it be sent in clear on this session, and can it?  STATUS_REFUSED with the
 * setting that would write it to a log, or without verified TLS.
 */
enum status cluster_postgres_plain_ready(struct cluster_postgres *p,
					 struct cluster_session *s,
					 struct reason *why);

#endif
