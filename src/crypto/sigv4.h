/* SPDX-License-Identifier: PostgreSQL */
/*
 * AWS Signature Version 4: of a request's headers, and of a query that is a
 * credential by itself (a presigned URL, an RDS login token).  Pure: the time
 * is an argument.  AWS General Reference, "Create a signed AWS API request".
 *
 * Paths are encoded once and not normalized: "/" is the only one that the
 * services we call have.
 */
#ifndef KEYTURN_SIGV4_H
#define KEYTURN_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"
#include "base/text.h"

#define SIGV4_STAMP_SIZE 17 /* "20261121T110236Z" and a NUL */
#define SIGV4_PAIRS_MAX	 32 /* headers, or query parameters, of a request */

struct sigv4_key {
	const char *id; /* access key id; it is sent in clear */
	const struct secret *secret;
	const struct secret *token; /* session token, or NULL */
};

struct sigv4_scope {
	const char *region;
	const char *service;
	int64_t at_us; /* wall clock, microseconds since 1970 */
};

struct sigv4_pair {
	const char *name;
	const char *value;
};

/*
 * What is signed.  Every header listed here is; Host must be among them.
 * Nothing is percent-encoded yet: neither path nor query.
 */
struct sigv4_request {
	const char *method;
	const char *path;
	const struct sigv4_pair *query;
	size_t n_query;
	const struct sigv4_pair *headers; /* names in any case */
	size_t n_headers;
	const void *body; /* may be NULL with 0 */
	size_t body_n;
};

/* The value of X-Amz-Date; years 0000 to 9999.  Returns buf. */
const char *sigv4_stamp(int64_t at_us, char buf[SIGV4_STAMP_SIZE]);

/*
 * The canonical request, signed headers included; it holds what the headers
 * hold, a session token for example.  The caller's.  STATUS_LIMIT with too many
 * pairs or more than SECRET_CAP_MAX bytes; STATUS_USAGE without a Host.
 */
enum status sigv4_canonical(const struct sigv4_request *rq,
			    struct secret **ret_canonical, struct reason *why);

/*
 * The value of the Authorization header, appended to t.  X-Amz-Date and, with a
 * session token, X-Amz-Security-Token are signed too and are not in
 * rq->headers: the caller sends them beside these.
 */
enum status sigv4_authorize(const struct sigv4_key *key,
			    const struct sigv4_scope *scope,
			    const struct sigv4_request *rq, struct text *t,
			    struct reason *why);

/*
 * rq's query with everything that signs it, ready to be put behind "?".  Good
 * for expires_s seconds (1 to 604800); whoever has it has the access.  The
 * caller's.
 */
enum status sigv4_presign(const struct sigv4_key *key,
			  const struct sigv4_scope *scope,
			  const struct sigv4_request *rq, unsigned expires_s,
			  struct secret **ret_query, struct reason *why);

#endif
