/* SPDX-License-Identifier: PostgreSQL */
/* AWS STS: credentials of a role, for a key or for a web identity token. */
#ifndef KEYTURN_AWS_STS_H
#define KEYTURN_AWS_STS_H

#include "aws/aws_call.h"

/* Whose credentials are asked for, and by whom. */
struct aws_sts_request {
	const struct aws_endpoint *to;
	const char *region;
	const struct aws_key *key;     /* signs AssumeRole, or NULL */
	const struct secret *identity; /* the token for an unsigned
					  AssumeRoleWithWebIdentity, or NULL */
	const char *arn;
	const char *session;	 /* RoleSessionName */
	const char *external_id; /* or NULL */
	const char *duration;	 /* seconds in digits, or NULL */
};

/*
 * Assume a role.  STATUS_CONFIG: STS says no (the sentence has its error's
 * name); STATUS_STORE_UNAVAILABLE.  ret is the caller's to clear.
 */
enum status aws_sts_assume(struct aws_call_wire *w,
			   const struct aws_sts_request *rq,
			   struct aws_key *ret, struct reason *why);

/* The credentials in the XML of an answer, to AssumeRoleWithWebIdentity when
 * web is set; what was wrong with it is STATUS_STORE_UNAVAILABLE or, with a key
 * that is none, STATUS_CONFIG.  ret is the caller's to clear. */
enum status aws_sts_parse(const char *bytes, size_t n, bool web,
			  struct aws_key *ret, struct reason *why);

/* The name of an error out of its XML; "" when there is none.  Printable. */
void aws_sts_error(const char *bytes, size_t n, char code[AWS_CALL_TYPE_SIZE]);

#endif
