/* SPDX-License-Identifier: PostgreSQL */
/*
 * A call: tries, and the waits between them.  Must never repeat what the
 * caller's contract does not call harmless.
 */
#include <string.h>

#include "http/http_internal.h"

#define TRY_US	 (15 * NOW_SECOND)
#define TOTAL_US (60 * NOW_SECOND)

struct call {
	struct http *h;
	const struct http_request *req;
	const struct http_retry *retry;
	int64_t until_us; /* boot clock */
};

static bool may_repeat(const struct http_retry *retry, enum status s,
		       enum http_outcome outcome, const struct http_response *r)
{
	switch (outcome) {
	case HTTP_ANSWERED:
		return retry->again ? retry->again(retry->arg, r) :
				      r->code == 429 || r->code == 503;
	case HTTP_NOT_SENT:
		return s == STATUS_STORE_UNAVAILABLE;
	default:
		return retry->unknown;
	}
}

static enum status check_address(const struct http_request *req,
				 struct http_url *url, struct reason *why)
{
	enum status s = http_url_parse(req->url, url, why);

	if (s != STATUS_OK || url->tls || req->plain_http ||
	    http_url_is_loopback(url))
		return s;
	return reason_set(why, STATUS_CONFIG,
			  "http to %s would send secrets in the clear: use "
			  "https",
			  url->host);
}

/* How long until the next try, or -1: there is no time for one. */
static int64_t next_wait(const struct call *c, unsigned n,
			 const struct http_response *r)
{
	int64_t wait = http_jitter(c->h->random, c->retry->base_us,
				   c->retry->cap_us, n);

	if (r->retry_after_us > wait)
		wait = r->retry_after_us;
	return wait < c->until_us - now_boot(c->h->now) ? wait : -1;
}

static enum status try_once(const struct call *c, unsigned n,
			    struct http_response *response,
			    enum http_outcome *ret_outcome, struct reason *why)
{
	struct http_request req = *c->req;
	int64_t left = c->until_us - now_boot(c->h->now);
	int64_t timeout;
	struct http_url url;
	enum status s = STATUS_OK;

	*ret_outcome = HTTP_NOT_SENT;
	if (c->retry->prepare)
		s = c->retry->prepare(c->retry->arg, n, &req, why);
	if (s == STATUS_OK)
		s = check_address(&req, &url, why);
	if (s != STATUS_OK)
		return s;
	timeout = req.timeout_us > 0 ? req.timeout_us : TRY_US;
	if (timeout > left)
		timeout = left;
	return http_try(c->h, &req, &url, timeout, response, ret_outcome, why);
}

enum status http_call(struct http *h, const struct http_request *req,
		      const struct http_retry *retry,
		      struct http_response *ret_response,
		      enum http_outcome *ret_outcome, struct reason *why)
{
	static const struct http_retry once = { .tries = 1 };
	struct call c = { .h = h, .req = req, .retry = retry ? retry : &once };
	struct http_response response = { .retry_after_us = -1 };
	enum http_outcome outcome;
	bool unknown = false;
	int64_t wait;
	unsigned n = 0;
	enum status s;

	c.until_us = now_boot(h->now) +
		     (c.retry->total_us > 0 ? c.retry->total_us : TOTAL_US);
	for (;;) {
		s = try_once(&c, n, &response, &outcome, why);
		unknown = unknown || outcome == HTTP_UNKNOWN;
		n++;
		if (n >= c.retry->tries ||
		    !may_repeat(c.retry, s, outcome, &response))
			break;
		wait = next_wait(&c, n - 1, &response);
		if (wait < 0)
			break;
		http_response_free(&response);
		response.retry_after_us = -1;
		now_sleep(h->now, wait);
	}
	/* A later try that was not even sent says nothing about the first. */
	if (s != STATUS_OK && outcome == HTTP_NOT_SENT && unknown) {
		outcome = HTTP_UNKNOWN;
		s = STATUS_UNKNOWN;
	}
	if (ret_outcome)
		*ret_outcome = outcome;
	if (s == STATUS_OK) {
		response.tries = n;
		*ret_response = response;
	}
	return s;
}
