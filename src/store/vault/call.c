/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request to Vault and what its answer means.  Must never call a write
 * undone that may have been done, nor send a token to a host that is not
 * configured; error bodies are looked at, and never shown.
 */
#include "store/vault/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "http/http.h"

#define HEADERS	  7
#define REDIRECTS 2

void store_vault_call_free(struct store_vault_answer *a)
{
	json_doc_free(a->doc);
	*a = (struct store_vault_answer){ 0 };
}

/* ---- retries ----------------------------------------------------------- */

/* These answers mean that nothing was done. */
static bool is_undone(int code)
{
	return code == 412 || code == 429 || code == 503;
}

static bool again_read(void *arg, const struct http_response *r)
{
	(void)arg;
	return is_undone(r->code) || r->code == 500 || r->code == 502 ||
	       r->code == 504;
}

static bool again_write(void *arg, const struct http_response *r)
{
	(void)arg;
	return is_undone(r->code);
}

static struct http_retry retry_for(const struct store_vault_request *r,
				   const struct store_vault *v)
{
	return (struct http_retry){
		.tries = 3,
		.base_us = NOW_SECOND / 5,
		.cap_us = 2 * NOW_SECOND,
		.total_us = 2 * v->timeout_us,
		.unknown = !r->writes,
		.again = r->writes ? again_write : again_read,
	};
}

/* ---- answers ----------------------------------------------------------- */

static bool has_error(const struct json_doc *d, const char *words)
{
	const struct json_doc *errors = json_doc_get(d, "errors");
	const char *text;
	size_t i;

	for (i = 0; i < json_doc_count(errors); i++) {
		text = json_doc_text(json_doc_at(errors, i));
		if (text && strstr(text, words))
			return true;
	}
	return false;
}

bool store_vault_call_says(const struct store_vault_answer *a,
			   const char *words)
{
	return a->code >= 400 && has_error(a->doc, words);
}

bool store_vault_call_no_token(const struct store_vault_answer *a)
{
	return store_vault_call_says(a, "invalid accessor") ||
	       store_vault_call_says(a, "bad token");
}

/* A body that is not what Vault says leaves a write open. */
static enum status no_vault(const struct store_vault *v, bool writes,
			    const struct http_response *r, struct reason *why)
{
	return reason_set(why,
			  writes ? STATUS_UNKNOWN : STATUS_STORE_UNAVAILABLE,
			  "store %s: the answer (HTTP %d) is not Vault's: is "
			  "the address right, or is a proxy in between?",
			  v->name, r->code);
}

static enum status take_body(const struct store_vault *v,
			     const struct store_vault_request *req,
			     const struct http_response *r,
			     struct store_vault_answer *ret_answer,
			     struct reason *why)
{
	struct store_vault_answer a = { .code = r->code };
	enum status s;

	if (r->body_n > 0) {
		s = json_doc_parse(r->body, r->body_n, "the answer", &a.doc,
				   NULL);
		if (s == STATUS_NO_MEMORY)
			return reason_no_memory(why);
		if (s != STATUS_OK || !json_doc_is(a.doc, JSON_DOC_OBJECT)) {
			json_doc_free(a.doc);
			return no_vault(v, req->writes && r->code < 400, r,
					why);
		}
	}
	/* Whatever Vault refuses, it says so in "errors". */
	if (r->code >= 400 && !json_doc_get(a.doc, "errors") &&
	    !json_doc_get(a.doc, "data")) {
		json_doc_free(a.doc);
		return no_vault(v, false, r, why);
	}
	a.upgrading = r->code == 400 && has_error(a.doc, "Upgrading from");
	*ret_answer = a;
	return STATUS_OK;
}

static enum status judge_answer(const struct store_vault *v,
				const struct store_vault_request *req,
				const struct http_response *r,
				struct store_vault_answer *ret_answer,
				struct reason *why)
{
	const char *fault = " had an internal error";
	enum status s = STATUS_STORE_UNAVAILABLE;

	switch (r->code) {
	case 200:
	case 201:
	case 202:
	case 204:
	case 400:
	case 403:
	case 404:
	case 405:
	case 413:
	case 415:
		return take_body(v, req, r, ret_answer, why);
	case 412:
		fault = ": this node has not caught up with the active one yet";
		break;
	case 429:
		fault = ": a rate limit quota is used up";
		break;
	case 503:
		fault = " is sealed, or has no active node";
		break;
	default:
		if (r->code < 500)
			return no_vault(v, req->writes && r->code < 300, r,
					why);
		s = req->writes ? STATUS_UNKNOWN : s;
	}
	return reason_set(why, s, "store %s%s (HTTP %d)", v->name, fault,
			  r->code);
}

/* ---- redirects --------------------------------------------------------- */

/* The listed address that a standby points to, or n_addresses. */
static size_t find_address(const struct store_vault *v, const char *location)
{
	struct http_url to, known;
	size_t i;

	if (http_url_parse(location, &to, NULL) != STATUS_OK)
		return v->n_addresses;
	for (i = 0; i < v->n_addresses; i++)
		if (http_url_parse(v->addresses[i], &known, NULL) ==
			    STATUS_OK &&
		    known.tls == to.tls && known.port == to.port &&
		    strcmp(known.host, to.host) == 0)
			return i;
	return v->n_addresses;
}

static enum status refuse_redirect(const struct store_vault *v,
				   const struct http_response *r,
				   struct reason *why)
{
	struct http_url to = { .host = "another host" };

	http_url_parse(r->location, &to, NULL);
	return reason_set(why, STATUS_STORE_UNAVAILABLE,
			  "store %s: a standby points to %s, which is not "
			  "listed; add it to address if the token may be sent "
			  "there",
			  v->name, to.host);
}

/* ---- sending ----------------------------------------------------------- */

static enum status send_to(struct store_vault *v, size_t address,
			   const struct store_vault_request *r,
			   const struct json_doc_bytes *body,
			   struct http_response *response,
			   enum http_outcome *ret_outcome, struct reason *why)
{
	struct http_header headers[HEADERS] = {
		{ "X-Vault-Request", "true", NULL },
		{ "Accept", "application/json", NULL },
	};
	struct http_retry retry = retry_for(r, v);
	const char *namespace = r->login ? v->auth_namespace : v->namespace;
	char url[STORE_VAULT_PATH_SIZE + 512], wrap[24];
	int n;
	struct http_request req = {
		.method = r->method,
		.url = url,
		.headers = headers,
		.n_headers = 2,
		.body = body->bytes,
		.body_n = body->n,
		.timeout_us = v->timeout_us,
	};

	*ret_outcome = HTTP_NOT_SENT;
	n = snprintf(url, sizeof(url), "%s/v1/%s", v->addresses[address],
		     r->path);
	if (n < 0 || (size_t)n >= sizeof(url))
		return reason_set(why, STATUS_CONFIG,
				  "the address and the path are too long");
	if (r->token)
		headers[req.n_headers++] =
			(struct http_header){ "X-Vault-Token", "", r->token };
	if (namespace[0] && !r->placed)
		headers[req.n_headers++] =
			(struct http_header){ "X-Vault-Namespace", namespace,
					      NULL };
	snprintf(wrap, sizeof(wrap), "%" PRId64, r->wrap_s);
	if (r->wrap_s > 0)
		headers[req.n_headers++] =
			(struct http_header){ "X-Vault-Wrap-TTL", wrap, NULL };
	if (body->bytes)
		headers[req.n_headers++] = (struct http_header){
			"Content-Type",
			r->content_type ? r->content_type : "application/json",
			NULL
		};
	return http_call(v->http, &req, &retry, response, ret_outcome, why);
}

/* In the words of store.h; the peer's certificate is a definite no. */
static enum status translate_status(const struct store_vault *v,
				    const struct store_vault_request *r,
				    enum status s, struct reason *why)
{
	switch (s) {
	case STATUS_CONFIG:
	case STATUS_ERROR:
		s = STATUS_REFUSED;
		break;
	case STATUS_UNKNOWN:
		s = r->writes ? s : STATUS_STORE_UNAVAILABLE;
		break;
	default:
		break;
	}
	return reason_wrap(why, s, "store %s", v->name);
}

static size_t active_address(struct store_vault *v)
{
	size_t i;

	pthread_mutex_lock(&v->lock);
	i = v->active;
	pthread_mutex_unlock(&v->lock);
	return i;
}

static void remember_address(struct store_vault *v, size_t i)
{
	pthread_mutex_lock(&v->lock);
	v->active = i;
	pthread_mutex_unlock(&v->lock);
}

/* From the address that answered last on, until one takes the request. */
static enum status send_to_one(struct store_vault *v,
			       const struct store_vault_request *r,
			       const struct json_doc_bytes *body,
			       struct http_response *response,
			       struct reason *why)
{
	size_t first = active_address(v), i, at;
	enum http_outcome outcome = HTTP_NOT_SENT;
	enum status s = STATUS_ERROR;

	for (i = 0; i < v->n_addresses; i++) {
		at = (first + i) % v->n_addresses;
		s = send_to(v, at, r, body, response, &outcome, why);
		if (s == STATUS_OK)
			remember_address(v, at);
		if (outcome != HTTP_NOT_SENT)
			break;
	}
	return s == STATUS_OK ? s : translate_status(v, r, s, why);
}

static enum status follow_redirects(struct store_vault *v,
				    const struct store_vault_request *r,
				    const struct json_doc_bytes *body,
				    struct store_vault_answer *ret_answer,
				    struct reason *why)
{
	struct http_response response = { 0 };
	enum status s = STATUS_OK;
	unsigned n;
	size_t to;

	for (n = 0; s == STATUS_OK; n++) {
		s = send_to_one(v, r, body, &response, why);
		if (s != STATUS_OK)
			break;
		if (response.code != 307 && response.code != 308) {
			s = judge_answer(v, r, &response, ret_answer, why);
			break;
		}
		to = find_address(v, response.location);
		if (to == v->n_addresses || n == REDIRECTS)
			s = refuse_redirect(v, &response, why);
		else
			remember_address(v, to);
		http_response_free(&response);
	}
	http_response_free(&response);
	return s;
}

enum status store_vault_call(struct store_vault *v,
			     const struct store_vault_request *r,
			     struct store_vault_answer *ret_answer,
			     struct reason *why)
{
	struct json_doc_bytes body = { 0 };
	enum status s = STATUS_OK;

	if (r->body)
		s = json_out_write(r->body, JSON_DOC_BYTES_MAX, &body);
	if (s != STATUS_OK)
		return reason_set(why,
				  s == STATUS_NO_MEMORY ? s : STATUS_REFUSED,
				  "store %s: the request cannot be written as "
				  "JSON",
				  v->name);
	s = follow_redirects(v, r, &body, ret_answer, why);
	json_doc_bytes_free(&body);
	return s;
}
