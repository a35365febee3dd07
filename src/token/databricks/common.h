/* SPDX-License-Identifier: PostgreSQL */
/* Who we are for a workspace and where it is: settings.c makes it, login.c uses
 * it. */
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

/* Where a secret is read anew each time that it is needed. */
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

#endif
