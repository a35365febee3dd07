/* SPDX-License-Identifier: PostgreSQL */
/* Signed requests to AWS.  Must never repeat one that AWS may have carried out
 * unless its caller says that this does no harm. */
#include "aws/aws_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "crypto/sigv4.h"
#include "json/json_doc.h"

#define TRIES 3
/* AWS takes 5 minutes. */
#define SKEW_MAX (4 * 60 * NOW_SECOND)

int64_t aws_call_now(struct aws_call_wire *w)
{
	return now_wall(w->now) + w->skew_us;
}

static bool is_one_of(const char *type, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(type, *names) == 0)
			return true;
	return false;
}

/* LimitExceededException is not here: for Secrets Manager it is a quota that
 * no waiting raises. */
bool aws_call_is_throttling(const char *type)
{
	static const char *const names[] = {
		"Throttling",
		"ThrottlingException",
		"ThrottledException",
		"RequestThrottledException",
		"RequestThrottled",
		"TooManyRequestsException",
		"ProvisionedThroughputExceededException",
		"TransactionInProgressException",
		"RequestLimitExceeded",
		"BandwidthLimitExceeded",
		"SlowDown",
		"PriorRequestNotComplete",
		NULL
	};

	return is_one_of(type, names);
}

bool aws_call_is_bad_key(const char *type)
{
	static const char *const names[] = { "ExpiredToken",
					     "ExpiredTokenException",
					     "UnrecognizedClientException",
					     "InvalidClientTokenId",
					     "InvalidAccessKeyId",
					     NULL };

	return is_one_of(type, names);
}

bool aws_call_is_bad_signature(const char *type)
{
	static const char *const names[] = { "InvalidSignatureException",
					     "SignatureDoesNotMatch",
					     "RequestTimeTooSkewed",
					     "RequestExpired",
					     "RequestInTheFuture",
					     "AuthFailure",
					     NULL };

	return is_one_of(type, names);
}

/* "com.amazonaws.x#Name:http://..." is Name. */
static void bare_name(const char *s, char type[AWS_CALL_TYPE_SIZE])
{
	size_t n = strcspn(s, ":");
	const char *hash = memchr(s, '#', n);

	if (hash) {
		n -= (size_t)(hash + 1 - s);
		s = hash + 1;
	}
	type[0] = '\0';
	if (n > 0 && n < AWS_CALL_TYPE_SIZE) {
		memcpy(type, s, n);
		type[n] = '\0';
	}
}

static void error_type(const struct http_response *r,
		       char type[AWS_CALL_TYPE_SIZE])
{
	struct json_doc *d = NULL;
	const char *said = NULL;

	type[0] = '\0';
	if (r->code >= 200 && r->code < 300)
		return;
	if (json_doc_parse(r->body, r->body_n, "an error", &d, NULL) ==
	    STATUS_OK) {
		said = json_doc_text(json_doc_get(d, "__type"));
		if (!said)
			said = json_doc_text(json_doc_get(d, "code"));
	}
	bare_name(said ? said : r->error_type, type);
	json_doc_free(d);
}

/* A call under way. */
struct call {
	struct aws_call_wire *w;
	const struct aws_call *c;
	struct http_header headers[6];
	char stamp[SIGV4_STAMP_SIZE];
	struct text authorization;
	bool corrected; /* the clock, for this call */
};

static void add_header(struct call *k, struct http_request *req,
		       const char *name, const char *value,
		       const struct secret *secret)
{
	k->headers[req->n_headers++] =
		(struct http_header){ name, value, secret };
}

static enum status sign_request(struct call *k, struct http_request *req,
				struct reason *why)
{
	const struct aws_call *c = k->c;
	const struct sigv4_pair headers[] = {
		{ "content-type", c->content_type },
		{ "host", c->to->host },
		{ "x-amz-target", c->target },
	};
	const struct sigv4_key key = { c->key->id, c->key->secret,
				       c->key->token };
	const struct sigv4_scope scope = { c->region, c->service,
					   aws_call_now(k->w) };
	const struct sigv4_request rq = { .method = "POST",
					  .path = "/",
					  .headers = headers,
					  .n_headers = c->target ? 3 : 2,
					  .body = c->body,
					  .body_n = c->body_n };
	enum status s;

	text_reset(&k->authorization);
	s = sigv4_authorize(&key, &scope, &rq, &k->authorization, why);
	if (s != STATUS_OK)
		return s;
	add_header(k, req, "X-Amz-Date", sigv4_stamp(scope.at_us, k->stamp),
		   NULL);
	add_header(k, req, "Authorization", text_str(&k->authorization), NULL);
	if (key.token)
		add_header(k, req, "X-Amz-Security-Token", "", key.token);
	return STATUS_OK;
}

/* Each try has a signature of its own time. */
static enum status prepare_try(void *arg, unsigned attempt,
			       struct http_request *req, struct reason *why)
{
	struct call *k = arg;

	(void)attempt;
	req->headers = k->headers;
	req->n_headers = 0;
	add_header(k, req, "Content-Type", k->c->content_type, NULL);
	if (k->c->target)
		add_header(k, req, "X-Amz-Target", k->c->target, NULL);
	return k->c->key ? sign_request(k, req, why) : STATUS_OK;
}

/* The clock is off, and was not corrected yet in this call? */
static bool learn_skew(struct call *k, const struct http_response *r)
{
	int64_t off;

	if (k->corrected || r->date_us < 0)
		return false;
	off = r->date_us - aws_call_now(k->w);
	if (off > -SKEW_MAX && off < SKEW_MAX)
		return false;
	k->corrected = true;
	k->w->skew_us = r->date_us - now_wall(k->w->now);
	return true;
}

static bool may_ask_again(void *arg, const struct http_response *r)
{
	char type[AWS_CALL_TYPE_SIZE];
	struct call *k = arg;

	error_type(r, type);
	if (aws_call_is_bad_signature(type))
		return learn_skew(k, r);
	if (r->code == 429 || aws_call_is_throttling(type))
		return true;
	if (strcmp(type, "RequestTimeout") == 0 ||
	    strcmp(type, "RequestTimeoutException") == 0)
		return true;
	/* 503 is said before anything is done; the others may come from the
	 * middle of it. */
	if (r->code == 503)
		return true;
	return k->c->repeatable &&
	       (r->code == 500 || r->code == 502 || r->code == 504 ||
		strcmp(type, "InternalServiceError") == 0 ||
		strcmp(type, "InternalFailure") == 0);
}

enum status aws_call_post(struct aws_call_wire *w, const struct aws_call *c,
			  struct http_response *ret_response,
			  char ret_type[AWS_CALL_TYPE_SIZE], struct reason *why)
{
	struct call k = { .w = w, .c = c, .authorization = text_make(2048) };
	const struct http_retry retry = { .tries = TRIES,
					  .unknown = c->repeatable,
					  .again = may_ask_again,
					  .prepare = prepare_try,
					  .arg = &k };
	const struct http_request req = { .method = "POST",
					  .url = c->to->url,
					  .headers = k.headers,
					  .body = c->body,
					  .body_n = c->body_n,
					  .timeout_us = w->timeout_us };
	enum status s;

	s = http_call(w->http, &req, &retry, ret_response, NULL, why);
	if (s == STATUS_OK)
		error_type(ret_response, ret_type);
	text_free(&k.authorization);
	return s;
}
