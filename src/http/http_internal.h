/* SPDX-License-Identifier: PostgreSQL */
/* What is shared by the files of this folder only. */
#ifndef KEYTURN_HTTP_INTERNAL_H
#define KEYTURN_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>

#include "http/http.h"

#define HTTP_IDLE_MAX 64

struct http {
	char *ca_file;
	char *ca_dir;
	char *client_cert;
	char *client_key;
	char *proxy;
	char *user_agent;
	int64_t connect_timeout_us;
	const struct now *now;
	const struct random *random;
	pthread_mutex_t lock; /* over idle */
	/* Each keeps its own connections, TLS sessions and addresses, and is
	 * used by one handle at a time, the one used last first. */
	CURLSH *idle[HTTP_IDLE_MAX];
	unsigned n_idle;
	unsigned idle_max;
};

/* A handle with the client's settings applied; NULL without memory. */
CURL *http_take(struct http *h);

/* Ends the handle; its connections go back into the pool. */
void http_give(struct http *h, CURL *curl);

/* An answer that is being received. */
struct http_response_sink {
	struct http_response *r;
	int64_t now_us;	    /* wall clock, for a Retry-After that is a date */
	size_t max;	    /* bytes of body */
	size_t cap;	    /* allocated for the body */
	size_t header_left; /* bytes of headers that may still come */
	bool too_large;
	bool no_memory;
};

void http_response_begin(struct http_response_sink *sink,
			 struct http_response *r, size_t max, int64_t now_us);

/* libcurl's callbacks; arg is the sink. */
size_t http_response_header(char *line, size_t size, size_t n, void *arg);
size_t http_response_body(char *bytes, size_t size, size_t n, void *arg);

/* One request; the URL has been checked.  Statuses and outcome as http_call(). */
enum status http_try(struct http *h, const struct http_request *req,
		     const struct http_url *url, int64_t timeout_us,
		     struct http_response *ret_response,
		     enum http_outcome *ret_outcome, struct reason *why);

#endif
