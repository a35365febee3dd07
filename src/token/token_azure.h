/* SPDX-License-Identifier: PostgreSQL */
/* Entra ID tokens for Azure Database for PostgreSQL: of an application with a
 * secret, or of the host's managed identity. */
#ifndef KEYTURN_TOKEN_AZURE_H
#define KEYTURN_TOKEN_AZURE_H

#include "token/token.h"

/* Strings are copied; "" is "not set". */
struct token_azure_options {
	const char *name;
	const char *auth;      /* "client-secret" or "managed-identity"; "":
			     client-secret when there is one */
	const char *tenant;    /* else AZURE_TENANT_ID */
	const char *client_id; /* else AZURE_CLIENT_ID; of a managed identity
				  only when the host has several */
	const char *client_secret_from; /* base/secret_source.h */
	const char *resource;		/* what the token is for */
	const char *user;		/* PostgreSQL's */
	const char *ca_file;
	int64_t timeout_us;
	const struct now *now;
	const struct random *random;
};

/* STATUS_CONFIG says what is missing.  AZURE_AUTHORITY_HOST and
 * AZURE_POD_IDENTITY_AUTHORITY_HOST override where to ask, as in Azure's own
 * libraries. */
enum status token_azure_open(const struct token_azure_options *o,
			     struct token_source **ret, struct reason *why);

#endif
