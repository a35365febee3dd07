/* SPDX-License-Identifier: PostgreSQL */
/*
 * The gateway driver of cluster.h: PgBouncers with auth_type = pam, each of which
 * asks a keyturn-agent whether a password is good.  A login there is no role of a
 * database.  It has preflight, prove and way; there is no session, claim or change.
 */
#ifndef KEYTURN_CLUSTER_GATEWAY_H
#define KEYTURN_CLUSTER_GATEWAY_H

#include "base/now.h"
#include "cluster/cluster.h"

struct cluster_gateway_options {
	const char *name;	      /* [cluster NAME] */
	const char *const *endpoints; /* conninfos, NULL-terminated, at least
					 one */
	const char *const *agents; /* admin sockets, of the endpoints in their
				      order, NULL-terminated; may be NULL */
	const char *console_user;  /* NULL: no console is asked */
	const char *console_passfile; /* NULL: none */
	const char *prove_dbname;     /* NULL: the endpoint's own */
	int64_t token_seconds; /* the life of the tokens behind it; 0: none, or
				  not known */
	int64_t connect_timeout_us; /* default 30 s */
	const struct now *now;
};

/*
 * Open it.  No connection is made yet.  *ret_cluster is the caller's; free with
 * (*ret_cluster)->ops->close().  Safe for use by several threads.
 */
enum status cluster_gateway_open(const struct cluster_gateway_options *o,
				 struct cluster **ret_cluster,
				 struct reason *why);

#endif
