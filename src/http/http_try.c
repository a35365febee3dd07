/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request: sends it, receives the answer, and says honestly what is known
 * when there is none.  Must never call something unsent that may have arrived,
 * nor let libcurl send it a second time by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/harden.h"
#include "base/text.h"
#include "http/http_internal.h"

#define LINE_MAX_BYTES 65536

struct upload {
	const char *bytes;
	size_t n;
	size_t sent; /* handed to libcurl */
};

/* A request on its way, and its answer. */
struct transfer {
	CURL *c;
	const struct http_request *req;
	const struct http_url *url;
	struct curl_slist *headers;
	struct upload upload;
	struct http_response_sink sink;
};

static size_t give_body(char *dst, size_t size, size_t n, void *arg)
{
	struct upload *u = arg;
	size_t room = size * n, left = u->n - u->sent;

	if (left > room)
		left = room;
	memcpy(dst, u->bytes + u->sent, left);
	u->sent += left;
	return left;
}

/*
 * libcurl repeats a request by itself when a kept connection turns out to be
 * closed, though the server may have done it already.  Without a way back to
 * the beginning of the body it cannot.
 */
static int refuse_rewind(void *arg, curl_off_t offset, int origin)
{
	(void)arg;
	(void)offset;
	(void)origin;
	return CURL_SEEKFUNC_FAIL;
}

/* ---- setting up -------------------------------------------------------- */

static bool has_line_end(const char *s, size_t n)
{
	return memchr(s, '\r', n) || memchr(s, '\n', n) || memchr(s, '\0', n);
}

static enum status add_header(struct curl_slist **list,
			      const struct http_header *header,
			      struct reason *why)
{
	size_t name_n = strlen(header->name), value_n = strlen(header->value);
	size_t secret_n = header->secret ? secret_len(header->secret) : 0;
	size_t n = name_n + 2 + value_n + secret_n;
	struct curl_slist *longer;
	int at;
	char *line;

	if (has_line_end(header->name, name_n) ||
	    has_line_end(header->value, value_n) ||
	    (secret_n > 0 &&
	     has_line_end(secret_bytes(header->secret), secret_n)))
		return reason_set(why, STATUS_ERROR,
				  "the header %s would hold a line end",
				  header->name);
	if (n >= LINE_MAX_BYTES)
		return reason_set(why, STATUS_ERROR,
				  "the header %s is too long", header->name);
	line = malloc(n + 1);
	if (!line)
		return reason_no_memory(why);
	/* libcurl sends an empty header only when it ends in a semicolon. */
	at = snprintf(line, n + 1, "%s%s%s", header->name,
		      value_n + secret_n > 0 ? ": " : ";", header->value);
	if (secret_n > 0)
		memcpy(line + at, secret_bytes(header->secret), secret_n + 1);
	longer = curl_slist_append(*list, line);
	secret_wipe_free(line);
	if (!longer)
		return reason_no_memory(why);
	*list = longer;
	return STATUS_OK;
}

static enum status make_headers(const struct http_request *req,
				struct curl_slist **ret_list,
				struct reason *why)
{
	/* No waiting for "100 Continue" before a body. */
	static const struct http_header none[] = { { "Expect:", "", NULL } };
	struct curl_slist *list = curl_slist_append(NULL, none[0].name);
	enum status s = STATUS_OK;
	size_t i;

	if (!list)
		return reason_no_memory(why);
	if (req->n_headers > HTTP_HEADERS_MAX)
		s = reason_set(why, STATUS_ERROR, "too many headers");
	for (i = 0; i < req->n_headers && s == STATUS_OK; i++)
		s = add_header(&list, &req->headers[i], why);
	if (s != STATUS_OK) {
		curl_slist_free_all(list);
		return s;
	}
	*ret_list = list;
	return STATUS_OK;
}

static bool has_body(const struct http_request *req)
{
	return req->body != NULL || strcmp(req->method, "POST") == 0 ||
	       strcmp(req->method, "PUT") == 0 ||
	       strcmp(req->method, "PATCH") == 0;
}

static void apply_method(CURL *c, const struct http_request *req,
			 struct upload *upload)
{
	if (strcmp(req->method, "HEAD") == 0) {
		curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
		return;
	}
	if (has_body(req)) {
		curl_easy_setopt(c, CURLOPT_POST, 1L);
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)upload->n);
		curl_easy_setopt(c, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(c, CURLOPT_READDATA, upload);
		curl_easy_setopt(c, CURLOPT_SEEKFUNCTION, refuse_rewind);
		/* Nothing to rewind, so nothing stops the repetition. */
		if (upload->n == 0)
			curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
	} else {
		curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, req->method);
}

static void apply_request(struct transfer *t, int64_t timeout_us)
{
	long ms = (long)(timeout_us / 1000);
	CURL *c = t->c;

	apply_method(c, t->req, &t->upload);
	curl_easy_setopt(c, CURLOPT_URL, t->req->url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, ms > 0 ? ms : 1L);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, http_response_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, &t->sink);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, http_response_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &t->sink);
}

/* ---- judging ----------------------------------------------------------- */

/* Can the server have the whole request?  With a body, only once all of it was
 * handed over: a server does not act on less than Content-Length. */
static bool may_have_arrived(const struct transfer *t)
{
	long size = 0;

	if (curl_easy_getinfo(t->c, CURLINFO_REQUEST_SIZE, &size) != CURLE_OK)
		return true;
	if (size == 0)
		return false;
	return !has_body(t->req) || t->upload.sent == t->upload.n;
}

/* X509_V_ERR_* of OpenSSL, whose header is not for this folder. */
static const char *explain_certificate(CURL *c)
{
	long code = 0;

	curl_easy_getinfo(c, CURLINFO_SSL_VERIFYRESULT, &code);
	switch (code) {
	case 9:
		return "it is not valid yet: are the clocks right?";
	case 10:
		return "it has expired";
	case 18:
	case 19:
		return "it is self-signed: name its authority in ca_file";
	case 20:
	case 21:
		return "its authority is not known: name it in ca_file";
	case 1: /* libcurl's first value: it looks at the host before */
	case 62:
	case 64:
		return "it is not made out to this host";
	default:
		return "its chain is not in order";
	}
}

static enum status explain_unsent(CURL *c, CURLcode code,
				  const struct http_url *u, struct reason *why)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return reason_set(
			why, STATUS_STORE_UNAVAILABLE,
			"the host %s is not known to the name service",
			u->host);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "the proxy is not known to the name service");
	case CURLE_COULDNT_CONNECT:
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "%s:%u does not accept connections", u->host,
				  u->port);
	case CURLE_OPERATION_TIMEDOUT:
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "no connection with %s:%u in time", u->host,
				  u->port);
	case CURLE_PEER_FAILED_VERIFICATION:
		return reason_set(
			why, STATUS_CONFIG,
			"the certificate of %s:%u does not verify: %s", u->host,
			u->port, explain_certificate(c));
	case CURLE_SSL_CACERT_BADFILE:
		return reason_set(why, STATUS_CONFIG,
				  "the file or folder of authorities for %s:%u "
				  "holds no certificate in PEM form",
				  u->host, u->port);
	case CURLE_SSL_CERTPROBLEM:
		return reason_set(why, STATUS_CONFIG,
				  "the client certificate for %s:%u, or its "
				  "key, is not usable: is it PEM, and do they "
				  "belong together?",
				  u->host, u->port);
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return reason_set(why, STATUS_CONFIG,
				  "the address of %s:%u is malformed", u->host,
				  u->port);
	case CURLE_OUT_OF_MEMORY:
		return reason_no_memory(why);
	case CURLE_SSL_CONNECT_ERROR:
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "no TLS connection with %s:%u: does it speak "
				  "TLS 1.2 or newer on this port, and is a "
				  "client certificate asked for?",
				  u->host, u->port);
	default:
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "%s:%u closed the connection before the "
				  "request was sent (libcurl %d)",
				  u->host, u->port, (int)code);
	}
}

static enum status explain_unknown(CURLcode code, const struct http_url *u,
				   const struct http_response_sink *sink,
				   struct reason *why)
{
	if (sink->too_large)
		return reason_set(
			why, STATUS_UNKNOWN,
			"the answer of %s:%u is larger than %zu bytes", u->host,
			u->port, sink->max);
	if (sink->no_memory || code == CURLE_OUT_OF_MEMORY)
		return reason_set(why, STATUS_UNKNOWN,
				  "out of memory for the answer of %s:%u",
				  u->host, u->port);
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return reason_set(why, STATUS_UNKNOWN,
				  "%s:%u did not answer in time", u->host,
				  u->port);
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_BAD_CONTENT_ENCODING:
		return reason_set(why, STATUS_UNKNOWN,
				  "the answer of %s:%u is not HTTP", u->host,
				  u->port);
	case CURLE_PARTIAL_FILE:
		return reason_set(why, STATUS_UNKNOWN,
				  "%s:%u closed the connection within its "
				  "answer",
				  u->host, u->port);
	default:
		return reason_set(why, STATUS_UNKNOWN,
				  "%s:%u closed the connection without an "
				  "answer (libcurl %d)",
				  u->host, u->port, (int)code);
	}
}

/* ---- the try ----------------------------------------------------------- */

static enum status finish_transfer(struct transfer *t,
				   enum http_outcome *ret_outcome,
				   struct reason *why)
{
	struct http_response *r = t->sink.r;
	long code = 0;

	curl_easy_getinfo(t->c, CURLINFO_RESPONSE_CODE, &code);
	if (!r->body)
		r->body = calloc(1, 1);
	if (!r->body || code < 200 || code > 599) {
		*ret_outcome = HTTP_UNKNOWN;
		return explain_unknown(r->body ? CURLE_WEIRD_SERVER_REPLY :
						 CURLE_OUT_OF_MEMORY,
				       t->url, &t->sink, why);
	}
	r->code = (int)code;
	r->tries = 1;
	*ret_outcome = HTTP_ANSWERED;
	return STATUS_OK;
}

static enum status perform_transfer(struct transfer *t, int64_t timeout_us,
				    enum http_outcome *ret_outcome,
				    struct reason *why)
{
	CURLcode code;

	apply_request(t, timeout_us);
	code = curl_easy_perform(t->c);
	if (code == CURLE_OK)
		return finish_transfer(t, ret_outcome, why);
	if (!may_have_arrived(t)) {
		*ret_outcome = HTTP_NOT_SENT;
		return explain_unsent(t->c, code, t->url, why);
	}
	*ret_outcome = HTTP_UNKNOWN;
	return explain_unknown(code, t->url, &t->sink, why);
}

enum status http_try(struct http *h, const struct http_request *req,
		     const struct http_url *url, int64_t timeout_us,
		     struct http_response *ret_response,
		     enum http_outcome *ret_outcome, struct reason *why)
{
	struct http_response response = { 0 };
	struct transfer t = { .req = req,
			      .url = url,
			      .upload = { req->body,
					  req->body ? req->body_n : 0, 0 } };
	enum status s;

	*ret_outcome = HTTP_NOT_SENT;
	s = make_headers(req, &t.headers, why);
	if (s != STATUS_OK)
		return s;
	t.c = http_take(h);
	if (!t.c) {
		s = reason_no_memory(why);
		goto out;
	}
	http_response_begin(&t.sink, &response,
			    req->response_max ? req->response_max :
						HTTP_RESPONSE_MAX,
			    now_wall(h->now));
	s = perform_transfer(&t, timeout_us, ret_outcome, why);
	http_give(h, t.c);
	harden_scrub_stack(); /* what TLS left below us */
out:
	curl_slist_free_all(t.headers);
	if (s == STATUS_OK)
		*ret_response = response;
	else
		http_response_free(&response);
	return s;
}
