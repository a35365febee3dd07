/* SPDX-License-Identifier: PostgreSQL */
/* Operations of Secrets Manager and what its errors mean to a store.  Must
 * never repeat a peer's message: it may quote what was sent. */
#include "store/aws/api.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX ((size_t)512 * 1024)

struct operation {
	struct store_aws_api *a;
	const char *action;
	const char *secret; /* SecretId or Name */
	enum store_aws_api_kind kind;
	const char *also; /* what else the action needs a right for */
};

static enum store_aws_api_fault fault_of(const char *type)
{
	static const struct {
		const char *type;
		enum store_aws_api_fault fault;
	} table[] = {
		{ "ResourceNotFoundException", STORE_AWS_API_ABSENT },
		{ "ResourceExistsException", STORE_AWS_API_EXISTS },
		{ "InvalidParameterException", STORE_AWS_API_INVALID },
		{ "InvalidRequestException", STORE_AWS_API_INVALID },
		{ "ValidationException", STORE_AWS_API_INVALID },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (strcmp(type, table[i].type) == 0)
			return table[i].fault;
	return STORE_AWS_API_OTHER;
}

/* Of an answer that came from the middle of a write nothing is known. */
static enum status status_of_lost(const struct operation *o)
{
	return o->kind == STORE_AWS_API_READ ? STATUS_STORE_UNAVAILABLE :
					       STATUS_UNKNOWN;
}

static bool is_denied(const char *type)
{
	return strcmp(type, "AccessDeniedException") == 0 ||
	       strcmp(type, "AccessDenied") == 0 ||
	       strcmp(type, "UnauthorizedOperation") == 0 ||
	       strcmp(type, "NotAuthorized") == 0 ||
	       strcmp(type, "OptInRequired") == 0;
}

/* A missing right to the key has no exception of its own: the message tells. */
static bool is_encryption(const char *type, const struct http_response *r)
{
	return (is_denied(type) && strstr(r->body, "Access to KMS")) ||
	       strcmp(type, "DecryptionFailure") == 0 ||
	       strcmp(type, "EncryptionFailure") == 0 ||
	       strncmp(type, "KMS", 3) == 0;
}

static const char *request_id(const struct http_response *r)
{
	return r->request_id[0] ? r->request_id : "none";
}

static enum status refuse_operation(const struct operation *o, const char *type,
				    const struct http_response *r,
				    struct reason *why)
{
	const char *id = request_id(r);

	if (is_encryption(type, r))
		return reason_set(why, STATUS_REFUSED,
				  "AWS KMS does not let %s be used: look at "
				  "kms:Decrypt, kms:GenerateDataKey and the "
				  "state of its key (%s, request %s)",
				  o->secret, type, id);
	if (is_denied(type))
		return reason_set(
			why, STATUS_REFUSED,
			"AWS does not allow secretsmanager:%s%s on %s in "
			"%s: add it to keyturn's IAM policy (%s, "
			"request %s)",
			o->action, o->also, o->secret, o->a->region, type, id);
	if (strcmp(type, "LimitExceededException") == 0)
		return reason_set(
			why, STATUS_REFUSED,
			"%s has reached a quota of Secrets Manager "
			"(100 versions in 24 hours, 20 labels): rotate "
			"it less often (request %s)",
			o->secret, id);
	if (aws_call_is_bad_key(type))
		return reason_set(
			why, STATUS_REFUSED,
			"AWS does not accept keyturn's credentials: "
			"they are unknown or have expired (%s, request "
			"%s)",
			type, id);
	if (aws_call_is_bad_signature(type) ||
	    strcmp(type, "IncompleteSignature") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "AWS does not accept the signature: a wrong "
				  "secret key, region or clock (%s, region %s, "
				  "request %s)",
				  type, o->a->region, id);
	return reason_set(why, STATUS_REFUSED,
			  "AWS refuses %s of %s: %s (request %s)", o->action,
			  o->secret, type, id);
}

/* An answer that is not a success. */
static enum status judge_answer(const struct operation *o, const char *type,
				const struct http_response *r,
				struct reason *why)
{
	if (aws_call_is_throttling(type) || r->code == 429)
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "AWS throttles %s of %s (request %s)",
				  o->action, o->secret, request_id(r));
	if (r->code == 503)
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "Secrets Manager in %s is unavailable (503, "
				  "request %s)",
				  o->a->region, request_id(r));
	if (r->code >= 500 || strcmp(type, "InternalServiceError") == 0 ||
	    strcmp(type, "InternalFailure") == 0 ||
	    strcmp(type, "RequestTimeoutException") == 0)
		return reason_set(
			why, status_of_lost(o),
			"Secrets Manager in %s failed in %s of %s (%d, "
			"request %s)",
			o->a->region, o->action, o->secret, r->code,
			request_id(r));
	/* A proxy's page, a redirect: not Secrets Manager. */
	if (!*type)
		return reason_set(
			why, status_of_lost(o),
			"what answers %s of %s is not Secrets Manager "
			"(%d): look at endpoint and proxies",
			o->action, o->secret, r->code);
	return refuse_operation(o, type, r, why);
}

static enum status take_answer(const struct operation *o,
			       const struct http_response *r, const char *type,
			       struct json_doc **ret_answer,
			       enum store_aws_api_fault *ret_fault,
			       struct reason *why)
{
	struct json_doc *d = NULL;

	if (r->code != 200) {
		*ret_fault = fault_of(type);
		return judge_answer(o, type, r, why);
	}
	/* TagResource answers with nothing at all. */
	if (r->body_n == 0 && (d = json_out_object().doc) != NULL) {
		*ret_answer = d;
		return STATUS_OK;
	}
	if (json_doc_parse(r->body, r->body_n, "", &d, NULL) != STATUS_OK ||
	    !json_doc_is(d, JSON_DOC_OBJECT)) {
		json_doc_free(d);
		return reason_set(
			why, status_of_lost(o),
			"the answer to %s of %s is not a JSON object: is %s "
			"Secrets Manager?",
			o->action, o->secret, o->a->endpoint.host);
	}
	*ret_answer = d;
	return STATUS_OK;
}

static enum status post_operation(const struct operation *o,
				  const struct json_doc_bytes *body,
				  const struct aws_key *key,
				  struct http_response *ret,
				  char type[AWS_CALL_TYPE_SIZE],
				  struct reason *why)
{
	char target[64];
	const struct aws_call c = {
		.to = &o->a->endpoint,
		.region = o->a->region,
		.service = "secretsmanager",
		.target = target,
		.content_type = "application/x-amz-json-1.1",
		.body = body->bytes,
		.body_n = body->n,
		.key = key,
		.repeatable = o->kind != STORE_AWS_API_ONCE,
	};
	enum status s;

	snprintf(target, sizeof(target), "secretsmanager.%s", o->action);
	s = aws_call_post(&o->a->wire, &c, ret, type, why);
	if (s == STATUS_UNKNOWN)
		s = status_of_lost(o);
	return s;
}

enum status store_aws_api_do(struct store_aws_api *a, const char *action,
			     struct json_out *body,
			     enum store_aws_api_kind kind,
			     struct json_doc **ret_answer,
			     enum store_aws_api_fault *ret_fault,
			     struct reason *why)
{
	const struct json_doc *named = json_doc_get(body->doc, "SecretId");
	const struct operation o = {
		a, action,
		json_doc_text(named ? named : json_doc_get(body->doc, "Name")),
		kind,
		!named && json_doc_get(body->doc, "Tags") ?
			" with secretsmanager:TagResource" :
			""
	};
	char type[AWS_CALL_TYPE_SIZE] = "";
	struct aws_key key = { .id = "" };
	struct http_response r = { .code = 0 };
	struct json_doc_bytes bytes = { NULL, 0 };
	enum status s;

	*ret_fault = STORE_AWS_API_NONE;
	s = json_out_write(body, BODY_MAX, &bytes);
	if (s == STATUS_NO_MEMORY)
		reason_no_memory(why);
	else if (s != STATUS_OK)
		s = reason_set(why, STATUS_REFUSED,
			       "the request for %s is too large or holds "
			       "invalid UTF-8",
			       o.secret);
	for (int attempt = 0; s == STATUS_OK && attempt < 2; attempt++) {
		s = aws_credentials_get(a->credentials, &key, why);
		if (s != STATUS_OK)
			break;
		http_response_free(&r);
		s = post_operation(&o, &bytes, &key, &r, type, why);
		/* A key that ended early is renewed once. */
		if (s != STATUS_OK || !aws_call_is_bad_key(type) ||
		    !aws_credentials_refused(a->credentials, &key))
			break;
		aws_key_clear(&key);
	}
	if (s == STATUS_OK)
		s = take_answer(&o, &r, type, ret_answer, ret_fault, why);
	aws_key_clear(&key);
	http_response_free(&r);
	json_doc_bytes_free(&bytes);
	json_out_free(body);
	return s;
}
