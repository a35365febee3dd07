/* SPDX-License-Identifier: PostgreSQL */
/* What consumers are told of a server. */
#ifndef KEYTURN_CLUSTER_POSTGRES_TOLD_H
#define KEYTURN_CLUSTER_POSTGRES_TOLD_H

#include "base/status.h"

/* What consumers are told of a connection string's host and hostaddr, each of
 * which may be a list: the host, or the address where there is none, as libpq
 * looks up passwords.  *ret_host is the caller's to free. */
enum status cluster_postgres_told_host(const char *host, const char *hostaddr,
				       char **ret_host);

/* The one port of all hosts; the list when they differ.  To free as well. */
enum status cluster_postgres_told_port(const char *ports, char **ret_port);

#endif
