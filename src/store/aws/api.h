/* SPDX-License-Identifier: PostgreSQL */
/* One operation of Secrets Manager: JSON in, JSON or a fault out. */
#ifndef KEYTURN_STORE_AWS_API_H
#define KEYTURN_STORE_AWS_API_H

#include "aws/aws_call.h"
#include "aws/aws_credentials.h"
#include "json/json_out.h"

struct store_aws_api {
	struct aws_call_wire wire;
	struct aws_credentials *credentials;
	struct aws_endpoint endpoint;
	char region[AWS_REGION_SIZE];
};

/* What doing an operation twice does. */
enum store_aws_api_kind {
	STORE_AWS_API_READ,   /* nothing is written: an error is an error */
	STORE_AWS_API_REPEAT, /* a write whose token makes it idempotent */
	STORE_AWS_API_ONCE    /* a write that must not be repeated blindly */
};

/* Answers that a caller may read as something else than a failure. */
enum store_aws_api_fault {
	STORE_AWS_API_NONE,
	STORE_AWS_API_ABSENT,  /* ResourceNotFoundException */
	STORE_AWS_API_EXISTS,  /* ResourceExistsException */
	STORE_AWS_API_INVALID, /* InvalidParameter-, InvalidRequestException */
	STORE_AWS_API_OTHER
};

/*
 * action is "DescribeSecret"; body has SecretId or Name, which the sentences
 * name.  STATUS_OK: *ret_answer is the caller's.  Else a status of store.h,
 * decided by the error's name and never by the HTTP status alone.
 * *ret_fault is always set, and body freed.
 */
enum status store_aws_api_do(struct store_aws_api *a, const char *action,
			     struct json_out *body,
			     enum store_aws_api_kind kind,
			     struct json_doc **ret_answer,
			     enum store_aws_api_fault *ret_fault,
			     struct reason *why);

#endif
