/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tokens of a Databricks workspace for Lakebase, what `databricks postgres
 * generate-database-credential` mints: Autoscaling (an endpoint) or
 * Provisioned (instances).
 */
#ifndef KEYTURN_TOKEN_DATABRICKS_DATABRICKS_H
#define KEYTURN_TOKEN_DATABRICKS_DATABRICKS_H

#include <stddef.h>

#include "token/token.h"

#define TOKEN_DATABRICKS_INSTANCES_MAX 16

/* Strings are copied; "" is "not set", then DATABRICKS_* and the profile tell
 * what the workspace's own clients would find there. */
struct token_databricks_options {
	const char *name;
	const char *workspace; /* https://... of the workspace */
	const char *workspace_id;
	const char *endpoint; /* projects/P/branches/B/endpoints/E */
	const char *instances[TOKEN_DATABRICKS_INSTANCES_MAX];
	size_t n_instances; /* not together with an endpoint */
	int64_t ttl_us;	    /* 0: the workspace's own choice */
	const char *auth; /* oauth-m2m, pat, file-oidc, env-oidc, github-oidc */
	const char *client_id;
	const char *client_secret_from; /* base/secret_source.h */
	const char *token_from; /* the PAT, or the token that is exchanged */
	const char *profile;
	const char *audience;
	const char *user; /* PostgreSQL's; "": who we are there */
	const char *host; /* the database's: finds the endpoint by it */
	const char *ca_file;
	int64_t timeout_us;
	const struct now *now;
	const struct random *random;
};

/*
 * Finds out how to log in, and asks no one yet.  STATUS_CONFIG: nothing or
 * several things are configured, an account's host, a bad path.
 */
enum status token_databricks_open(const struct token_databricks_options *o,
				  struct token_source **ret,
				  struct reason *why);

#endif
