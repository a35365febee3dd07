/* SPDX-License-Identifier: PostgreSQL */
/* Asks STS for a role's credentials; must never show a byte of its answer but
 * the name of an error. */
#include "aws/aws_sts.h"

#include <stdio.h>
#include <string.h>

#include "base/secret_out.h"
#include "base/text.h"
#include "xml/xml.h"

#define FORM_MAX 65536

/* --- the form ------------------------------------------------------------ */

static const char *action_of(bool web)
{
	return web ? "AssumeRoleWithWebIdentity" : "AssumeRole";
}

static void add_bytes(struct secret_out *form, const char *name,
		      const char *value, size_t n)
{
	secret_out_text(form, name);
	secret_out_text(form, "=");
	secret_out_percent(form, value, n, "");
}

/* Nothing without a value. */
static void add_text(struct secret_out *form, const char *name,
		     const char *value)
{
	if (value)
		add_bytes(form, name, value, strlen(value));
}

static enum status make_form(const struct aws_sts_request *rq,
			     struct secret **ret_form)
{
	struct secret_out form = secret_out_make(FORM_MAX);

	add_text(&form, "Action", action_of(rq->identity != NULL));
	add_text(&form, "&Version", "2011-06-15");
	add_text(&form, "&RoleArn", rq->arn);
	add_text(&form, "&RoleSessionName", rq->session);
	if (!rq->identity)
		add_text(&form, "&ExternalId", rq->external_id);
	add_text(&form, "&DurationSeconds", rq->duration);
	if (rq->identity)
		add_bytes(&form, "&WebIdentityToken",
			  secret_bytes(rq->identity), secret_len(rq->identity));
	return secret_out_take(&form, ret_form);
}

/* --- the answer ------------------------------------------------------------ */

enum status aws_sts_parse(const char *bytes, size_t n, bool web,
			  struct aws_key *ret, struct reason *why)
{
	static const char *const names[] = { "AccessKeyId", "SecretAccessKey",
					     "SessionToken", "Expiration" };
	const char *act = action_of(web);
	char path[4][128];
	struct xml_wanted w[] = {
		{ path[0], AWS_KEY_ID_SIZE, NULL },
		{ path[1], AWS_KEY_SECRET_MAX, NULL },
		{ path[2], AWS_KEY_TOKEN_MAX, NULL },
		{ path[3], 64, NULL },
	};
	enum status s;

	for (int i = 0; i < 4; i++)
		snprintf(path[i], sizeof(path[i]),
			 "%sResponse/%sResult/Credentials/%s", act, act,
			 names[i]);
	s = xml_collect(bytes, n, "the answer of AWS STS", w, 4, why);
	/* A role's key without token or end is none of STS. */
	if (s == STATUS_OK && w[1].found && w[2].found && w[3].found) {
		s = aws_key_make("AWS STS", w[0].found, w[1].found, w[2].found,
				 secret_bytes(w[3].found), ret, why);
		w[1].found = w[2].found = NULL;
	} else {
		s = reason_set(why, STATUS_STORE_UNAVAILABLE,
			       "the answer of AWS STS has no credentials");
	}
	for (int i = 0; i < 4; i++)
		secret_free(w[i].found);
	return s;
}

void aws_sts_error(const char *bytes, size_t n, char code[AWS_CALL_TYPE_SIZE])
{
	struct xml_wanted w = { "ErrorResponse/Error/Code",
				AWS_CALL_TYPE_SIZE - 1, NULL };

	code[0] = '\0';
	if (xml_collect(bytes, n, "", &w, 1, NULL) == STATUS_OK && w.found &&
	    !text_has_control(secret_bytes(w.found), secret_len(w.found)))
		text_copy(code, AWS_CALL_TYPE_SIZE, secret_bytes(w.found));
	secret_free(w.found);
}

static enum status explain_refusal(const struct http_response *r,
				   const struct aws_sts_request *rq,
				   struct reason *why)
{
	enum status s = r->code >= 500 || r->code == 429 ?
				STATUS_STORE_UNAVAILABLE :
				STATUS_CONFIG;
	char code[AWS_CALL_TYPE_SIZE];

	aws_sts_error(r->body, r->body_n, code);
	if (strcmp(code, "Throttling") == 0 ||
	    strcmp(code, "IDPCommunicationError") == 0)
		s = STATUS_STORE_UNAVAILABLE;
	return reason_set(why, s,
			  "AWS STS does not give credentials of %s: %s (%d)",
			  rq->arn, *code ? code : "no reason given", r->code);
}

enum status aws_sts_assume(struct aws_call_wire *w,
			   const struct aws_sts_request *rq,
			   struct aws_key *ret, struct reason *why)
{
	char type[AWS_CALL_TYPE_SIZE];
	struct http_response r = { .code = 0 };
	struct secret *form = NULL;
	enum status s = make_form(rq, &form);

	if (s != STATUS_OK) {
		reason_set(why, s, "the request to AWS STS is too large");
		goto out;
	}
	const struct aws_call c = {
		.to = rq->to,
		.region = rq->region,
		.service = "sts",
		.content_type =
			"application/x-www-form-urlencoded; charset=utf-8",
		.body = secret_bytes(form),
		.body_n = secret_len(form),
		.key = rq->key,
		.repeatable = true,
	};
	s = aws_call_post(w, &c, &r, type, why);
	if (s == STATUS_UNKNOWN)
		s = STATUS_STORE_UNAVAILABLE; /* nothing was changed there */
	if (s != STATUS_OK)
		goto out;
	s = r.code == 200 ? aws_sts_parse(r.body, r.body_n,
					  rq->identity != NULL, ret, why) :
			    explain_refusal(&r, rq, why);
out:
	http_response_free(&r);
	secret_free(form);
	return s;
}
