/* SPDX-License-Identifier: PostgreSQL */
/*
 * The access token of a workspace's REST API: discovery, client credentials
 * with HTTP Basic, or the exchange of another identity's token (RFC 8693).
 * Must never send a secret before the server's certificate was verified, nor
 * keep one longer than a request takes.
 */
#include "token/databricks/common.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret_out.h"
#include "base/secret_source.h"
#include "base/text.h"
#include "token/token_environment.h"

#define SECRET_MAX 32768

/* An access token serves until this long before its end: a mint with its
 * retries fits in. */
#define MARGIN_US (INT64_C(2) * 60 * NOW_SECOND)

static const char workspace[] = "the workspace";
static const char provider[] = "the workspace's token endpoint";

static void forget_bearer(struct token_databricks_login *l)
{
	secret_free(l->bearer);
	l->bearer = NULL;
}

void token_databricks_login_clear(struct token_databricks_login *l)
{
	forget_bearer(l);
	*l = (struct token_databricks_login){ .bearer = NULL };
}

/* ---- discovery ------------------------------------------------------------- */

static enum status get_document(struct token_web *w, const char *url,
				unsigned tries, struct token_web_answer *ret,
				struct reason *why)
{
	const struct http_header accept = { "Accept", "application/json",
					    NULL };
	const struct token_web_call call = {
		.whom = workspace,
		.method = "GET",
		.url = url,
		.headers = &accept,
		.n_headers = 1,
		.tries = tries,
		.gateway = true,
	};

	return token_web_call(w, &call, ret, why);
}

/* Where the account's part of an address is left open. */
static void put_account(const struct token_databricks_login *l,
			const char *account, char *url, size_t size)
{
	static const char open[] = "{account_id}";
	char made[TOKEN_WEB_URL_SIZE];
	const char *at = strstr(url, open);

	if (!account[0])
		account = l->account_id;
	if (!at || !account[0])
		return;
	snprintf(made, sizeof(made), "%.*s%s%s", (int)(at - url), url, account,
		 at + sizeof(open) - 1);
	text_copy(url, size, made);
}

/* What the host says of itself, as far as it says anything: many do not. */
static void ask_config(struct token_web *w, struct token_databricks_login *l,
		       char *oidc, size_t size)
{
	char url[TOKEN_WEB_URL_SIZE], account[TOKEN_DATABRICKS_WORD_SIZE];
	struct token_web_answer a;

	snprintf(url, sizeof(url), "%s/.well-known/databricks-config", l->host);
	if (get_document(w, url, 1, &a, NULL) == STATUS_OK) {
		json_doc_copy(json_doc_get(a.doc, "account_id"), account,
			      sizeof(account));
		if (json_doc_copy(json_doc_get(a.doc, "oidc_endpoint"), oidc,
				  size) == STATUS_OK)
			put_account(l, account, oidc, size);
		if (!l->workspace_id[0])
			json_doc_copy(json_doc_get(a.doc, "workspace_id"),
				      l->workspace_id, sizeof(l->workspace_id));
	}
	token_web_free(&a);
}

static enum status find_token_endpoint(struct token_web *w,
				       struct token_databricks_login *l,
				       struct reason *why)
{
	const char *set = token_environment_get("DATABRICKS_DISCOVERY_URL");
	char oidc[TOKEN_WEB_URL_SIZE - 64] = "", url[TOKEN_WEB_URL_SIZE];
	struct token_web_answer a;
	enum status s;

	if (l->token_endpoint[0])
		return STATUS_OK;
	if (!set)
		ask_config(w, l, oidc, sizeof(oidc));
	if (set)
		snprintf(url, sizeof(url), "%s", set);
	else if (oidc[0])
		snprintf(url, sizeof(url),
			 "%s/.well-known/oauth-authorization-server", oidc);
	else
		snprintf(url, sizeof(url),
			 "%s/oidc/.well-known/oauth-authorization-server",
			 l->host);
	s = get_document(w, url, 0, &a, why);
	if (s == STATUS_OK &&
	    json_doc_copy(json_doc_get(a.doc, "token_endpoint"),
			  l->token_endpoint,
			  sizeof(l->token_endpoint)) != STATUS_OK)
		s = reason_set(why, STATUS_CORRUPT,
			       "[token %s]: the workspace names no token "
			       "endpoint",
			       w->name);
	token_web_free(&a);
	return s;
}

/* ---- the token endpoint ----------------------------------------------------- */

/* The answer's access token and its life. */
static enum status take_bearer(struct token_web *w,
			       struct token_databricks_login *l,
			       const struct json_doc *answer, int64_t asked_us,
			       struct reason *why)
{
	int64_t seconds = token_web_seconds(json_doc_get(answer, "expires_in"));
	struct secret *token = NULL;
	int64_t life, margin;

	if (token_web_secret(json_doc_get(answer, "access_token"), SECRET_MAX,
			     &token) != STATUS_OK)
		return reason_set(why, STATUS_CORRUPT,
				  "[token %s]: the answer of %s holds no "
				  "access token",
				  w->name, provider);
	life = (seconds > 0 ? seconds : 300) * NOW_SECOND;
	margin = life / 2 < MARGIN_US ? life / 2 : MARGIN_US;
	forget_bearer(l);
	l->bearer = token;
	l->bearer_until_us = asked_us + life - margin;
	return STATUS_OK;
}

/* "id:secret" in base64; escaped as the form would be, when a client of the
 * vendor's does that and it makes a difference. */
static enum status make_basic(const char *id, const struct secret *secret,
			      bool escaped, struct secret **ret)
{
	struct secret_out out =
		secret_out_make(strlen(id) + 1 + 3 * secret_len(secret));
	struct secret *pair = NULL, *basic = NULL;
	enum status s;

	secret_out_text(&out, id);
	secret_out_text(&out, ":");
	if (escaped)
		secret_out_percent(&out, secret_bytes(secret),
				   secret_len(secret), "");
	else
		secret_out_secret(&out, secret);
	s = secret_out_take(&out, &pair);
	if (s == STATUS_OK)
		s = secret_new(ENCODE_BASE64_SIZE(secret_len(pair)), &basic);
	if (s == STATUS_OK) {
		encode_base64(secret_bytes(pair), secret_len(pair),
			      (char *)secret_buffer(basic));
		secret_set_len(basic, strlen(secret_bytes(basic)));
		*ret = basic;
	}
	secret_free(pair);
	return s;
}

static bool needs_escape(const struct secret *secret)
{
	return strspn(secret_bytes(secret),
		      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		      "0123456789-._~") != secret_len(secret);
}

static enum status no_memory(const struct token_web *w, struct reason *why)
{
	return reason_set(why, STATUS_NO_MEMORY, "[token %s]: no locked memory",
			  w->name);
}

/* An application's secret (RFC 6749 section 4.4). */
static enum status ask_by_secret(struct token_web *w,
				 struct token_databricks_login *l,
				 struct reason *why)
{
	static const struct token_web_field fields[] = {
		{ "grant_type", "client_credentials", NULL },
		{ "scope", "all-apis", NULL },
	};
	struct token_web_exchange x = { provider, l->token_endpoint, NULL,
					fields, 2 };
	struct secret *secret = NULL, *basic = NULL;
	struct token_web_answer a = { .doc = NULL };
	int64_t asked = now_boot(w->now);
	enum status s;

	s = token_databricks_settings_secret(l, &l->secret, "client_secret",
					     true, &secret, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "[token %s]: client_secret_file",
				   w->name);
	for (int escaped = 0; escaped < 2; escaped++) {
		if (make_basic(l->client_id, secret, escaped, &basic) !=
		    STATUS_OK) {
			s = no_memory(w, why);
			break;
		}
		x.basic = basic;
		s = token_web_exchange(w, &x, &a, why);
		secret_free(basic);
		if (s == STATUS_OK)
			s = take_bearer(w, l, a.doc, asked, why);
		token_web_free(&a);
		/* Go's library escapes both first, Python's does not. */
		if (s != STATUS_DENIED || !needs_escape(secret))
			break;
	}
	secret_free(secret);
	return s;
}

/* ---- identities of others ----------------------------------------------------- */

/* GitHub mints a token for the audience, for a job that may ask. */
static enum status ask_github(struct token_web *w,
			      const struct token_databricks_login *l,
			      struct secret **ret, struct reason *why)
{
	const char *address =
		token_environment_get("ACTIONS_ID_TOKEN_REQUEST_URL");
	const char *audience = l->audience[0]	? l->audience :
			       l->account_id[0] ? l->account_id :
						  l->token_endpoint;
	char encoded[3 * TOKEN_WEB_URL_SIZE + 1];
	char url[HTTP_URL_MAX];
	struct secret *token = NULL;
	struct token_web_answer a = { .doc = NULL };
	enum status s;

	s = secret_source_environment("ACTIONS_ID_TOKEN_REQUEST_TOKEN", &token,
				      why);
	if (s != STATUS_OK)
		return s;
	const struct http_header headers[] = {
		{ "Accept", "application/json", NULL },
		TOKEN_WEB_BEARER(token),
	};
	const struct token_web_call call = {
		.whom = "GitHub's token service",
		.method = "GET",
		.url = url,
		.headers = headers,
		.n_headers = 2,
		.gateway = true,
	};

	encode_percent(audience, strlen(audience), encoded);
	snprintf(url, sizeof(url), "%s%saudience=%s", address,
		 strchr(address, '?') ? "&" : "?", encoded);
	s = token_web_call(w, &call, &a, why);
	if (s == STATUS_OK && token_web_secret(json_doc_get(a.doc, "value"),
					       SECRET_MAX, ret) != STATUS_OK)
		s = reason_set(why, STATUS_CORRUPT,
			       "[token %s]: GitHub's token service gives no "
			       "token",
			       w->name);
	token_web_free(&a);
	secret_free(token);
	return s;
}

static enum status get_subject(struct token_web *w,
			       const struct token_databricks_login *l,
			       struct secret **ret, struct reason *why)
{
	enum status s;

	if (l->auth == TOKEN_DATABRICKS_GITHUB_OIDC)
		return ask_github(w, l, ret, why);
	/* Read again each time: a kubelet replaces the file. */
	s = token_databricks_settings_secret(l, &l->token, "", false, ret, why);
	return s == STATUS_OK ?
		       s :
		       reason_wrap(why, s, "[token %s]: %s", w->name,
				   l->auth == TOKEN_DATABRICKS_ENV_OIDC ?
					   "env-oidc" :
					   "token_file");
}

/* RFC 8693. */
static enum status exchange_subject(struct token_web *w,
				    struct token_databricks_login *l,
				    struct reason *why)
{
	struct secret *token = NULL;
	struct token_web_answer a = { .doc = NULL };
	int64_t asked = now_boot(w->now);
	enum status s = get_subject(w, l, &token, why);
	const struct token_web_field fields[] = {
		{ "client_id", l->client_id, NULL },
		{ "scope", "all-apis", NULL },
		{ "grant_type",
		  "urn:ietf:params:oauth:grant-type:token-exchange", NULL },
		{ "subject_token_type", "urn:ietf:params:oauth:token-type:jwt",
		  NULL },
		{ "subject_token", NULL, token },
	};
	const struct token_web_exchange x = { provider, l->token_endpoint, NULL,
					      fields, 5 };

	if (s == STATUS_OK)
		s = token_web_exchange(w, &x, &a, why);
	if (s == STATUS_OK)
		s = take_bearer(w, l, a.doc, asked, why);
	token_web_free(&a);
	secret_free(token);
	return s;
}

static enum status read_pat(struct token_web *w,
			    struct token_databricks_login *l,
			    struct reason *why)
{
	struct secret *token = NULL;
	enum status s = token_databricks_settings_secret(l, &l->token, "token",
							 true, &token, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "[token %s]: token_file", w->name);
	forget_bearer(l);
	l->bearer = token;
	/* Read again for the next mint: somebody may have replaced it. */
	l->bearer_until_us = 0;
	return STATUS_OK;
}

/* Make l->bearer good for the calls of one mint.  *ret_fresh: it was obtained now. */
static enum status log_in(struct token_web *w, struct token_databricks_login *l,
			  bool *ret_fresh, struct reason *why)
{
	enum status s;

	*ret_fresh = false;
	if (l->bearer && now_boot(w->now) < l->bearer_until_us)
		return STATUS_OK;
	*ret_fresh = true;
	if (l->auth == TOKEN_DATABRICKS_PAT)
		return read_pat(w, l, why);
	s = find_token_endpoint(w, l, why);
	if (s == STATUS_OK)
		s = l->auth == TOKEN_DATABRICKS_M2M ?
			    ask_by_secret(w, l, why) :
			    exchange_subject(w, l, why);
	/* The endpoint may have moved. */
	if (s != STATUS_OK)
		l->token_endpoint[0] = '\0';
	return s;
}

/* ---- the REST API -------------------------------------------------------------- */

static enum status call_once(struct token_web *w,
			     const struct token_databricks_login *l,
			     const char *method, const char *url,
			     const struct json_doc_bytes *body,
			     struct token_web_answer *ret, struct reason *why)
{
	struct http_header headers[4] = {
		TOKEN_WEB_BEARER(l->bearer),
		{ "Accept", "application/json", NULL },
	};
	size_t n = 2;

	if (body->bytes)
		headers[n++] = (struct http_header){ "Content-Type",
						     "application/json", NULL };
	if (l->workspace_id[0])
		headers[n++] =
			(struct http_header){ "X-Databricks-Workspace-Id",
					      l->workspace_id, NULL };
	const struct token_web_call call = {
		.whom = workspace,
		.method = method,
		.url = url,
		.headers = headers,
		.n_headers = n,
		.body = body->bytes,
		.body_n = body->n,
	};

	return token_web_call(w, &call, ret, why);
}

enum status token_databricks_login_call(struct token_web *w,
					struct token_databricks_login *l,
					const char *method, const char *path,
					const struct json_doc *body,
					struct token_web_answer *ret,
					struct reason *why)
{
	struct json_doc_bytes bytes = { NULL, 0 };
	char url[TOKEN_DATABRICKS_HOST_SIZE + TOKEN_WEB_URL_SIZE];
	bool fresh = false;
	enum status s;

	*ret = (struct token_web_answer){ .code = 0 };
	snprintf(url, sizeof(url), "%s%s", l->host, path);
	if (body && json_doc_write(body, SECRET_CAP_MAX, &bytes) != STATUS_OK)
		return no_memory(w, why);
	s = log_in(w, l, &fresh, why);
	if (s == STATUS_OK)
		s = call_once(w, l, method, url, &bytes, ret, why);
	if (s == STATUS_DENIED && ret->bad_token && !fresh) {
		token_web_free(ret);
		forget_bearer(l);
		s = log_in(w, l, &fresh, why);
		if (s == STATUS_OK)
			s = call_once(w, l, method, url, &bytes, ret, why);
	}
	/* What was refused is of no use to the next mint. */
	if (s != STATUS_OK && ret->bad_token)
		forget_bearer(l);
	json_doc_bytes_free(&bytes);
	return s;
}
