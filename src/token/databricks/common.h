/* SPDX-License-Identifier: PostgreSQL */
/* Who we are for a workspace and where it is, and what the files of this folder do
 * with it. */
#ifndef KEYTURN_TOKEN_DATABRICKS_COMMON_H
#define KEYTURN_TOKEN_DATABRICKS_COMMON_H

#include <stdbool.h>

#include "token/databricks/databricks.h"
#include "token/token_web.h"

#define TOKEN_DATABRICKS_HOST_SIZE 300	/* "https://host:port" */
#define TOKEN_DATABRICKS_PATH_SIZE 1024 /* a file's, or "credential:..." */
#define TOKEN_DATABRICKS_WORD_SIZE 256

enum token_databricks_auth {
	TOKEN_DATABRICKS_M2M,
	TOKEN_DATABRICKS_PAT,
	TOKEN_DATABRICKS_FILE_OIDC,
	TOKEN_DATABRICKS_ENV_OIDC,
	TOKEN_DATABRICKS_GITHUB_OIDC,
	TOKEN_DATABRICKS_AUTHS
};

/* Where a secret is read again each time that it is needed. */
struct token_databricks_origin {
	const char *variable; /* of the environment; static, or NULL */
	bool profile;	      /* the profile's key of this name */
	char from[TOKEN_DATABRICKS_PATH_SIZE]; /* base/secret_source.h */
};

/* Who we are and where, when settings, environment and profile are merged. */
struct token_databricks_login {
	enum token_databricks_auth auth;
	char host[TOKEN_DATABRICKS_HOST_SIZE];
	char workspace_id[TOKEN_DATABRICKS_WORD_SIZE];
	char account_id[TOKEN_DATABRICKS_WORD_SIZE];
	char profile[TOKEN_DATABRICKS_WORD_SIZE];
	char client_id[TOKEN_DATABRICKS_WORD_SIZE];
	char audience[TOKEN_DATABRICKS_WORD_SIZE];
	char token_variable[TOKEN_DATABRICKS_WORD_SIZE]; /* of env-oidc */
	struct token_databricks_origin secret;		 /* client secret */
	struct token_databricks_origin token; /* PAT, subject token */
	/* Learnt on the way and remembered. */
	char token_endpoint[TOKEN_WEB_URL_SIZE];
	struct secret *bearer;	 /* the workspace's access token */
	int64_t bearer_until_us; /* boot clock: not used after this */
};

/* ---- settings, DATABRICKS_* variables and a profile, merged ------------- */

/* Merge; every sentence begins with "[token NAME]".  The login is cleared
 * with token_databricks_login_clear(). */
enum status token_databricks_settings(const struct token_databricks_options *o,
				      struct token_databricks_login *ret,
				      struct reason *why);

/* Read what an origin says; the caller's. */
enum status token_databricks_settings_secret(
	const struct token_databricks_login *l,
	const struct token_databricks_origin *from, const char *key,
	bool is_private, struct secret **ret, struct reason *why);

/* ---- the access token of a workspace, and calls with it ------------------ */

void token_databricks_login_clear(struct token_databricks_login *l);

/*
 * A call to the workspace's REST API with the bearer.  An access token that is
 * refused, as 401 or as the 403 "Invalid Token" of an expired one, is obtained
 * again, once.  body may be NULL.
 */
enum status token_databricks_login_call(struct token_web *w,
					struct token_databricks_login *l,
					const char *method, const char *path,
					const struct json_doc *body,
					struct token_web_answer *ret,
					struct reason *why);

/* ---- the endpoint behind the name of a host ------------------------------ */

/*
 * The path of the endpoint that answers at host, by listing projects, branches
 * and endpoints.  STATUS_CONFIG when none does, or when only a pooler does.
 */
enum status token_databricks_find(struct token_web *w,
				  struct token_databricks_login *l,
				  const char *host, char *ret, size_t size,
				  struct reason *why);

/* Does an endpoint's list of hosts give this one as its `key`? */
bool token_databricks_find_is_host(const struct json_doc *hosts,
				   const char *key, const char *host);

/* ---- what `check` tells of the database that a token is for -------------- */

struct token_databricks_look {
	struct token_web *web;
	struct token_databricks_login *login;
	const char *host; /* where the cluster is reached */
	token_finding_fn *finding;
	void *arg;
};

enum status token_databricks_look_endpoint(
	const struct token_databricks_look *k, const char *endpoint,
	struct reason *why);
enum status token_databricks_look_instance(
	const struct token_databricks_look *k, const char *instance,
	struct reason *why);

#endif
