/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a gateway's PgBouncer says of itself at its console, and whether the way
 * behind it is good.  Reads only; the user of the console needs to be no more than
 * one of stats_users.
 */
#ifndef KEYTURN_CLUSTER_GATEWAY_CONSOLE_H
#define KEYTURN_CLUSTER_GATEWAY_CONSOLE_H

#include "cluster/cluster.h"
#include "pg/pg.h"

struct cluster_gateway_console {
	const struct pg_info *info; /* the endpoint: host, port and TLS */
	const char *user;
	const char *passfile; /* of libpq; NULL: none */
	int64_t timeout_us;   /* for connecting, and for each question */
	/* Partners', which must not be in auth_file. */
	const char *const *logins;
	size_t n_logins;
	const char *dbname;    /* whose forced user must be there */
	int64_t token_seconds; /* the least life of the tokens that it logs in
				  with; 0: none, or not known */
};

/*
 * Look, and tell `finding` of what is wrong, each one a sentence of what it is and
 * what to do.  STATUS_OK: it was looked at; whether all is well say the findings.
 * STATUS_CLUSTER_UNAVAILABLE: it does not answer.  STATUS_REFUSED: it lets this user
 * not in, or is not PgBouncer's.  STATUS_CONFIG: a passfile that cannot be used.
 */
enum status cluster_gateway_console_look(
	const struct cluster_gateway_console *c, cluster_finding_fn *finding,
	void *arg, struct reason *why);

/* What the console said; strings are "" when it has no such setting. */
struct cluster_gateway_console_facts {
	int version; /* 118 for 1.18 */
	const char *auth_type, *auth_file, *auth_user;
	const char *listen_addr, *client_tls_sslmode, *server_tls_sslmode;
	const char *server_lifetime, *verbose;
	/* Of the database: */
	bool found;
	const char *host, *forced_user;
	bool disabled;
	/* Which of the partners' logins it knows, by their place there. */
	const bool *known;
};

/* The findings of that; pure. */
void cluster_gateway_console_judge(
	const struct cluster_gateway_console *c,
	const struct cluster_gateway_console_facts *f,
	cluster_finding_fn *finding, void *arg);

/* Say of an endpoint that nothing answered there: no more is known of it. */
void cluster_gateway_console_silent(const struct pg_info *info,
				    struct reason *why);

/* How far a login through a gateway came. */
enum cluster_gateway_way {
	CLUSTER_GATEWAY_THROUGH, /* the server behind it answered a query */
	CLUSTER_GATEWAY_FRONT,	 /* the gateway does not let the login in */
	CLUSTER_GATEWAY_BEHIND, /* it does, and gets no session of the server */
	CLUSTER_GATEWAY_AWAY	/* it could not be reached */
};

/*
 * Log in through an endpoint and run a query.  STATUS_OK, and *ret_way, unless
 * something local failed.  why says what was found, and what to do.
 */
enum status cluster_gateway_console_behind(const struct pg_login *how,
					   struct pg_login_report *ret_report,
					   enum cluster_gateway_way *ret_way,
					   struct reason *why);

#endif
