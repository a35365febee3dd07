/* SPDX-License-Identifier: PostgreSQL */
/* Calls for tokens; must never let a word of a peer's refusal out, but for an
 * error's code. */
#include "token/token_web.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/secret_out.h"
#include "base/text.h"

#define ANSWER_MAX ((size_t)1024 * 1024)
#define TRY_US	   (INT64_C(20) * NOW_SECOND)
#define TRIES_MAX  12
#define PAUSE_US   (INT64_C(1) * NOW_SECOND)
#define PAUSE_MAX  (INT64_C(10) * NOW_SECOND)

/* A Date has whole seconds and was made before it arrived: less than this
 * is no difference between two clocks. */
#define SKEW_MIN_US (INT64_C(3) * NOW_SECOND)

enum status token_web_open(struct token_web *w, const char *ca_file,
			   struct reason *why)
{
	const struct http_options o = {
		.ca_file = ca_file,
		.now = w->now,
		.random = w->random,
	};
	enum status s = http_open(&o, &w->http, why);

	return s == STATUS_OK ? s : reason_wrap(why, s, "[token %s]", w->name);
}

void token_web_begin(struct token_web *w)
{
	w->deadline_us = now_boot(w->now) + w->timeout_us;
}

/* ---- what a refusal says ------------------------------------------------ */

/* Refusals that people meet, by what their text has (facts of the field), and
 * what to do.  The text itself may quote a request and stays here. */
static const struct {
	const char *text; /* lower case */
	const char *sentence;
} known[] = {
	{ "endpoint id not found",
	  "there is no such endpoint; its last part is the endpoint's id (often "
	  "primary), not the ep-... of the host's name" },
	{ "workspace-access entitlement",
	  "the identity lacks the entitlement Workspace access" },
	{ "required scopes", "the access token lacks the scope for it" },
	{ "invalid token", "it does not take the access token" },
	{ "feature_disabled", "it is not enabled there" },
};

static bool holds_text(const char *bytes, size_t n, const char *what)
{
	size_t len = strlen(what);

	for (size_t i = 0; i + len <= n; i++)
		if (strncasecmp(bytes + i, what, len) == 0)
			return true;
	return false;
}

/* An error's code is a word; anything else could be a secret. */
static bool take_code(const char *from, size_t n, char *ret)
{
	if (n < 3 || n >= TOKEN_WEB_CODE_SIZE)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalpha((unsigned char)from[i]) && from[i] != '_' &&
		    from[i] != '-')
			return false;
	memcpy(ret, from, n);
	ret[n] = '\0';
	return true;
}

/*
 * {"error_code": word or number}, OAuth's {"error": word} (a nested object at
 * Google), Okta's {"errorCode"}, SCIM's {"scimType"}, and "CODE: message" as
 * plain text (sdk-go apierr/errors.go; sdk-py errors/parser.py).
 */
static void find_code(const struct json_doc *d, const struct http_response *r,
		      char *ret)
{
	static const char *const keys[] = { "error_code", "error", "errorCode",
					    "scimType" };
	const char *colon, *text;

	ret[0] = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		text = json_doc_text(json_doc_get(d, keys[i]));
		if (text && take_code(text, strlen(text), ret))
			return;
	}
	text = json_doc_text(json_doc_path(d, "error.status"));
	if (text && take_code(text, strlen(text), ret))
		return;
	colon = d ? NULL : memchr(r->body, ':', r->body_n);
	if (colon && colon > r->body && isupper((unsigned char)r->body[0]))
		take_code(r->body, (size_t)(colon - r->body), ret);
}

static const char *find_sentence(const struct http_response *r)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (holds_text(r->body, r->body_n, known[i].text))
			return known[i].sentence;
	return NULL;
}

static enum status refusal_status(int code, const char *error)
{
	if (code == 429 || code >= 500)
		return STATUS_STORE_UNAVAILABLE;
	if (code == 401 || code == 403 ||
	    strcmp(error, "invalid_client") == 0 ||
	    strcmp(error, "unauthorized_client") == 0 ||
	    strcmp(error, "invalid_grant") == 0)
		return STATUS_DENIED;
	if (strcmp(error, "REQUEST_LIMIT_EXCEEDED") == 0)
		return STATUS_STORE_UNAVAILABLE;
	return code == 404 ? STATUS_NOT_FOUND : STATUS_REFUSED;
}

static enum status read_refusal(struct token_web *w,
				const struct token_web_call *c,
				const struct http_response *r,
				struct token_web_answer *a, struct reason *why)
{
	const char *sentence = find_sentence(r);
	enum status s;

	find_code(a->doc, r, a->error);
	a->bad_token = r->code == 401 ||
		       (r->code == 403 &&
			holds_text(r->body, r->body_n, "invalid token"));
	if (r->code >= 300 && r->code < 400) {
		text_copy(a->location, sizeof(a->location), r->location);
		return reason_set(
			why, STATUS_DENIED,
			"[token %s]: %s sends us elsewhere (%d)%s", w->name,
			c->whom, r->code,
			strstr(r->location, "login") ?
				": it wants a person to log in, or a private "
				"link that this host does not come through" :
				"");
	}
	s = refusal_status(r->code, a->error);
	return reason_set(why, s, "[token %s]: %s answers %d%s%s%s%s", w->name,
			  c->whom, r->code, a->error[0] ? " " : "", a->error,
			  sentence ? ": " : "", sentence ? sentence : "");
}

/* ---- calling -------------------------------------------------------------- */

static bool is_limit(const struct http_response *r)
{
	return holds_text(r->body, r->body_n, "REQUEST_LIMIT_EXCEEDED");
}

static bool may_ask_again(void *arg, const struct http_response *r)
{
	const struct token_web_call *c = arg;

	if (r->code == 429 || r->code == 503)
		return true;
	if (c->gateway && (r->code == 408 || r->code == 500 || r->code == 502 ||
			   r->code == 504))
		return true;
	if (c->starting && (r->code == 404 || r->code == 410))
		return true;
	return r->code >= 400 && is_limit(r);
}

/* The answer was made some time between the question and its arrival: of the
 * differences that this allows, the least. */
int64_t token_web_skew(int64_t date_us, int64_t asked_us, int64_t now_us)
{
	int64_t d = date_us - now_us;

	if (date_us < 0)
		return 0;
	if (d < 0)
		d = date_us < asked_us ? date_us - asked_us : 0;
	return d > -SKEW_MIN_US && d < SKEW_MIN_US ? 0 : d;
}

/* HTML, by its type or its first character. */
static bool is_page(const struct http_response *r)
{
	size_t i = 0;

	while (i < r->body_n && isspace((unsigned char)r->body[i]))
		i++;
	return strncasecmp(r->content_type, "text/html", 9) == 0 ||
	       (i < r->body_n && r->body[i] == '<');
}

static enum status read_answer(struct token_web *w,
			       const struct token_web_call *c,
			       const struct http_response *r, int64_t asked_us,
			       struct token_web_answer *a, struct reason *why)
{
	enum status s =
		json_doc_parse(r->body, r->body_n, c->whom, &a->doc, NULL);

	if (s == STATUS_OK && !json_doc_is(a->doc, JSON_DOC_OBJECT)) {
		json_doc_free(a->doc);
		a->doc = NULL;
	}
	a->code = r->code;
	a->skew_us = token_web_skew(r->date_us, asked_us, now_wall(w->now));
	if (r->code < 200 || r->code > 299)
		return read_refusal(w, c, r, a, why);
	if (!a->doc && is_page(r))
		return reason_set(why, STATUS_DENIED,
				  "[token %s]: %s answers %d with a web page, "
				  "as for a person who is to log in; is the "
				  "address right, and does no proxy stand in "
				  "between?",
				  w->name, c->whom, r->code);
	if (!a->doc)
		return reason_set(why, STATUS_CORRUPT,
				  "[token %s]: %s answers %d with something "
				  "that is not a JSON object",
				  w->name, c->whom, r->code);
	return STATUS_OK;
}

enum status token_web_call(struct token_web *w, const struct token_web_call *c,
			   struct token_web_answer *ret, struct reason *why)
{
	int64_t rest = w->deadline_us - now_boot(w->now);
	const struct http_request req = {
		.method = c->method,
		.url = c->url,
		.headers = c->headers,
		.n_headers = c->n_headers,
		.body = c->body,
		.body_n = c->body_n,
		.timeout_us = rest < TRY_US ? rest : TRY_US,
		.response_max = ANSWER_MAX,
		.plain_http = c->plain_http,
	};
	/* Nothing is used up by asking twice: a token that no one got runs out
	 * by itself. */
	const struct http_retry retry = {
		.tries = c->tries ? c->tries : TRIES_MAX,
		.base_us = PAUSE_US,
		.cap_us = PAUSE_MAX,
		.total_us = rest,
		.unknown = true,
		.again = may_ask_again,
		.arg = (void *)c,
	};
	struct http_response r = { .code = 0 };
	int64_t asked = now_wall(w->now);
	enum status s;

	*ret = (struct token_web_answer){ .code = 0 };
	if (rest <= 0)
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "[token %s]: no time is left to ask %s",
				  w->name, c->whom);
	s = http_call(w->http, &req, &retry, &r, NULL, why);
	if (s == STATUS_OK)
		s = read_answer(w, c, &r, asked, ret, why);
	else if (s == STATUS_UNKNOWN)
		s = reason_wrap(why, STATUS_STORE_UNAVAILABLE, "[token %s]: %s",
				w->name, c->whom);
	else
		s = reason_wrap(why, s, "[token %s]: %s", w->name, c->whom);
	http_response_free(&r);
	return s;
}

void token_web_free(struct token_web_answer *a)
{
	json_doc_free(a->doc);
	*a = (struct token_web_answer){ .code = 0 };
}

/* ---- values -------------------------------------------------------------- */

int64_t token_web_time(const struct json_doc *d)
{
	const char *text = json_doc_text(d);
	int64_t us;

	return text && now_parse_foreign(text, &us) == 0 ? us : -1;
}

/* As text, and so that microseconds do not overflow; also since 1970. */
#define SECONDS_MAX INT64_C(99999999999)

int64_t token_web_seconds(const struct json_doc *d)
{
	const char *text = json_doc_text(d);
	int64_t n = -1;

	if (json_doc_int(d, &n))
		return n >= 0 && n <= SECONDS_MAX ? n : -1;
	if (!text || !*text || strlen(text) > 11 ||
	    text[strspn(text, "0123456789")])
		return -1;
	return strtoll(text, NULL, 10);
}

enum status token_web_secret(const struct json_doc *d, size_t max,
			     struct secret **ret)
{
	struct secret *secret = NULL;
	enum status s = json_doc_secret(d, max, &secret);

	if (s == STATUS_NO_MEMORY)
		return s;
	if (s != STATUS_OK || secret_len(secret) == 0 ||
	    text_has_control(secret_bytes(secret), secret_len(secret))) {
		secret_free(secret);
		return STATUS_NOT_FOUND;
	}
	*ret = secret;
	return STATUS_OK;
}

/* ---- exchanges ----------------------------------------------------------- */

/* application/x-www-form-urlencoded */
static enum status make_form(const struct token_web_field *fields, size_t n,
			     struct secret **ret)
{
	struct secret_out form = secret_out_make(SECRET_CAP_MAX);
	const char *before = "";

	for (size_t i = 0; i < n; i++) {
		const struct token_web_field *f = &fields[i];

		if (!f->secret && !(f->value && *f->value))
			continue;
		secret_out_text(&form, before);
		secret_out_text(&form, f->name);
		secret_out_text(&form, "=");
		if (f->secret)
			secret_out_percent(&form, secret_bytes(f->secret),
					   secret_len(f->secret), "");
		else
			secret_out_percent(&form, f->value, strlen(f->value),
					   "");
		before = "&";
	}
	return secret_out_take(&form, ret);
}

enum status token_web_exchange(struct token_web *w,
			       const struct token_web_exchange *x,
			       struct token_web_answer *ret, struct reason *why)
{
	const struct http_header headers[] = {
		{ "Accept", "application/json", NULL },
		{ "Content-Type", "application/x-www-form-urlencoded", NULL },
		{ "Authorization", "Basic ", x->basic },
	};
	struct token_web_call call = {
		.whom = x->whom,
		.method = "POST",
		.url = x->url,
		.headers = headers,
		.n_headers = x->basic ? 3 : 2,
		.gateway = true,
	};
	struct secret *form = NULL;
	enum status s = make_form(x->fields, x->n_fields, &form);

	*ret = (struct token_web_answer){ .code = 0 };
	if (s != STATUS_OK)
		return reason_set(why, s, "[token %s]: no locked memory",
				  w->name);
	call.body = secret_bytes(form);
	call.body_n = secret_len(form);
	s = token_web_call(w, &call, ret, why);
	secret_free(form);
	return s;
}

enum status token_web_take(const struct token_web *w,
			   const struct token_web_answer *a, int64_t expires_us,
			   struct token *t, struct reason *why)
{
	if (expires_us < 1 ||
	    token_web_secret(json_doc_get(a->doc, "access_token"),
			     TOKEN_SECRET_MAX, &t->secret) != STATUS_OK)
		return reason_set(why, STATUS_CORRUPT,
				  "[token %s]: the answer has no token, or "
				  "does not say when it expires",
				  w->name);
	t->expires_us = expires_us;
	return STATUS_OK;
}
