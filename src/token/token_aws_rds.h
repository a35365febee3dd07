/* SPDX-License-Identifier: PostgreSQL */
/* Login tokens of RDS and Aurora: a presigned request that is never sent, so
 * minting asks no one but whoever gives AWS's credentials. */
#ifndef KEYTURN_TOKEN_AWS_RDS_H
#define KEYTURN_TOKEN_AWS_RDS_H

#include "crypto/sigv4.h"
#include "token/token.h"

/* Strings are copied; "" is "not set". */
struct token_aws_rds_options {
	const char *name;
	const char *host; /* the token is for this one */
	const char *port; /* "": 5432 */
	const char *user;
	const char *region;  /* AWS's standard chain tells otherwise */
	const char *profile; /* likewise */
	const char *ca_file; /* for STS */
	const struct now *now;
	const struct random *random;
};

/* STATUS_CONFIG: no region, or a profile that is not there. */
enum status token_aws_rds_open(const struct token_aws_rds_options *o,
			       struct token_source **ret, struct reason *why);

/* A login that is signed. */
struct token_aws_rds_login {
	const char *region;
	const char *host;
	const char *port;
	const char *user;
};

/* "HOST:PORT/?Action=connect&..." as botocore's generate_db_auth_token makes
 * it; the caller's.  Pure. */
enum status token_aws_rds_make(const struct sigv4_key *key,
			       const struct token_aws_rds_login *login,
			       int64_t at_us, struct secret **ret,
			       struct reason *why);

#endif
