/* SPDX-License-Identifier: PostgreSQL */
/*
 * One signed POST to a service of AWS, tried again where AWS says that it may
 * be: throttled, overloaded, or a clock that is off, whose error is learnt from
 * the answer's Date.
 */
#ifndef KEYTURN_AWS_CALL_H
#define KEYTURN_AWS_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "aws/aws_endpoint.h"
#include "aws/aws_key.h"
#include "base/now.h"
#include "http/http.h"

#define AWS_CALL_TYPE_SIZE 128

/* The way to AWS; shared by threads. */
struct aws_call_wire {
	struct http *http;
	const struct now *now;
	const struct random *random;
	int64_t timeout_us;	 /* one request; 0: http.h's */
	_Atomic int64_t skew_us; /* AWS's clock minus ours */
};

struct aws_call {
	const struct aws_endpoint *to;
	const char *region;
	const char *service; /* in the signature's scope */
	const char *target;  /* X-Amz-Target, or NULL */
	const char *content_type;
	const void *body;
	size_t body_n;
	const struct aws_key *key; /* NULL: not signed */
	bool repeatable;	   /* doing it twice is like doing it once */
};

/* http_call()'s statuses; ret_type is the error's name without namespace and
 * link ("" for none). */
enum status aws_call_post(struct aws_call_wire *w, const struct aws_call *c,
			  struct http_response *ret_response,
			  char ret_type[AWS_CALL_TYPE_SIZE],
			  struct reason *why);

/* AWS's time as far as we know it. */
int64_t aws_call_now(struct aws_call_wire *w);

/* Do these errors mean the same to us? */
bool aws_call_is_throttling(const char *type);
bool aws_call_is_bad_key(const char *type);
bool aws_call_is_bad_signature(const char *type);

#endif
