/* SPDX-License-Identifier: PostgreSQL */
/* Access tokens for Cloud SQL IAM logins: of the instance's service account, or
 * of one whose key is in a file. */
#ifndef KEYTURN_TOKEN_GCP_H
#define KEYTURN_TOKEN_GCP_H

#include "token/token.h"

/* Strings are copied; "" is "not set". */
struct token_gcp_options {
	const char *name;
	const char *auth; /* "metadata" or "key"; "": key when there is one */
	const char *key_file; /* else GOOGLE_APPLICATION_CREDENTIALS */
	const char *user;     /* "": the account's e-mail as Cloud SQL has it */
	const char *ca_file;
	int64_t timeout_us;
	const struct now *now;
	const struct random *random;
};

/* STATUS_CONFIG says what is missing.  GCE_METADATA_HOST overrides where the
 * metadata service is, as in Google's own libraries. */
enum status token_gcp_open(const struct token_gcp_options *o,
			   struct token_source **ret, struct reason *why);

#endif
