/* SPDX-License-Identifier: PostgreSQL */
/*
 * One call to an identity provider or a workspace, its answer as JSON, and what
 * a refusal means.  Bodies of refusals come in many shapes and may quote what
 * was sent: of their words only an error's code leaves this file, and a
 * sentence of ours about it.
 */
#ifndef KEYTURN_TOKEN_WEB_H
#define KEYTURN_TOKEN_WEB_H

#include "base/now.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"
#include "http/http.h"
#include "token/token.h"
#include "json/json_doc.h"

#define TOKEN_WEB_CODE_SIZE 64
#define TOKEN_WEB_URL_SIZE  2048

/* Shared by the calls of one source. */
struct token_web {
	const char *name; /* of the [token NAME], for sentences */
	struct http *http;
	const struct now *now;
	const struct random *random;
	int64_t timeout_us;  /* of one mint with everything it needs */
	int64_t deadline_us; /* boot clock */
};

/* Opens w->http, which the caller closes; the other members are set. */
enum status token_web_open(struct token_web *w, const char *ca_file,
			   struct reason *why);

/* A mint begins: its calls have timeout_us together. */
void token_web_begin(struct token_web *w);

struct token_web_call {
	const char *whom; /* "the workspace", for sentences */
	const char *method;
	const char *url;
	const struct http_header *headers;
	size_t n_headers;
	const void *body; /* or NULL */
	size_t body_n;
	unsigned tries;	 /* 0: as long as there is time */
	bool gateway;	 /* 408, 500, 502 and 504 are tried again, too */
	bool starting;	 /* and 404 and 410: the service may not know yet what
			    the host is given */
	bool plain_http; /* a metadata service on a link-local address */
};

struct token_web_answer {
	struct json_doc *doc; /* an object; NULL when a refusal has none */
	int code;
	char error[TOKEN_WEB_CODE_SIZE]; /* "NOT_FOUND"; "" when not told */
	bool bad_token;	 /* the bearer token is what was refused */
	int64_t skew_us; /* the server's clock minus ours; 0 when about equal */
	char location[TOKEN_WEB_URL_SIZE]; /* of a redirect */
};

/*
 * STATUS_OK: 200 to 299 and an object in ret->doc, the caller's.
 * STATUS_STORE_UNAVAILABLE: no answer, or one that may be another later.
 * STATUS_DENIED: 401, 403, a login page, invalid_client.  STATUS_NOT_FOUND: 404.
 * STATUS_REFUSED: another 4xx.  STATUS_CORRUPT: 2xx and no object.
 * STATUS_CONFIG: a bad address or certificate.  ret->code is 0 when there was
 * no answer.  Free ret with token_web_free() in any case.
 */
enum status token_web_call(struct token_web *w, const struct token_web_call *c,
			   struct token_web_answer *ret, struct reason *why);
void token_web_free(struct token_web_answer *a);

/* A server's clock minus ours, by the Date of an answer (-1: none): never more
 * below zero than the time the answer took leaves certain; 0 when about equal. */
int64_t token_web_skew(int64_t date_us, int64_t asked_us, int64_t now_us);

/* RFC 3339 with any fraction; -1 when d is no such string. */
int64_t token_web_time(const struct json_doc *d);

/* Seconds as a number or a string of digits; -1 when it is neither, or beyond
 * any calendar. */
int64_t token_web_seconds(const struct json_doc *d);

/* A secret that can be sent in a header or as a password; STATUS_NOT_FOUND when
 * d is no string, empty, longer than max or holds a control character. */
enum status token_web_secret(const struct json_doc *d, size_t max,
			     struct secret **ret);

/* "Bearer " of a token, for http_header. */
#define TOKEN_WEB_BEARER(token)                     \
	{                                           \
		"Authorization", "Bearer ", (token) \
	}

/* A field of a form; one with neither value nor secret is left out. */
struct token_web_field {
	const char *name;
	const char *value;
	const struct secret *secret; /* in place of value */
};

/* A form that a token endpoint (RFC 6749) answers with a token. */
struct token_web_exchange {
	const char *whom; /* "Entra ID", for sentences */
	const char *url;
	const struct secret *basic; /* "id:secret" in base64, or NULL */
	const struct token_web_field *fields;
	size_t n_fields;
};

/* Statuses and ret as token_web_call(). */
enum status token_web_exchange(struct token_web *w,
			       const struct token_web_exchange *x,
			       struct token_web_answer *ret,
			       struct reason *why);

/* The answer's access_token into t->secret, whose end is expires_us (wall
 * clock).  STATUS_CORRUPT when there is none, or when expires_us is below 1: it
 * was not told. */
enum status token_web_take(const struct token_web *w,
			   const struct token_web_answer *a, int64_t expires_us,
			   struct token *t, struct reason *why);

#endif
