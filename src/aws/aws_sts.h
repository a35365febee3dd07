/* SPDX-License-Identifier: PostgreSQL */
/* AWS STS: credentials of a role, for a key or for a web identity token. */
#ifndef KEYTURN_AWS_STS_H
#define KEYTURN_AWS_STS_H

#include "aws/aws_call.h"

struct aws_sts_role {
	const char *arn;
	const char *session;	 /* RoleSessionName */
	const char *external_id; /* or NULL */
	const char *duration;	 /* seconds in digits, or NULL */
};

/*
 * AssumeRole signed with key; AssumeRoleWithWebIdentity, unsigned, when key is
 * NULL and identity is the token.  STATUS_CONFIG: STS says no (the sentence has
 * its error's name); STATUS_STORE_UNAVAILABLE.  ret is the caller's to clear.
 */
enum status aws_sts_assume(struct aws_call_wire *w,
			   const struct aws_endpoint *sts, const char *region,
			   const struct aws_sts_role *role,
			   const struct aws_key *key,
			   const struct secret *identity, struct aws_key *ret,
			   struct reason *why);

/* The credentials in the XML of an answer, to AssumeRoleWithWebIdentity when
 * web is set; what was wrong with it is STATUS_STORE_UNAVAILABLE or, with a key
 * that is none, STATUS_CONFIG.  ret is the caller's to clear. */
enum status aws_sts_parse(const char *bytes, size_t n, bool web,
			  struct aws_key *ret, struct reason *why);

/* The name of an error out of its XML; "" when there is none.  Printable. */
void aws_sts_error(const char *bytes, size_t n, char code[AWS_CALL_TYPE_SIZE]);

#endif
