/* SPDX-License-Identifier: PostgreSQL */
/*
 * A call: tries, and the waits between them.  Must never repeat what the
 * caller's contract does not call harmless.
 */
#include <string.h>

#include "http/http_internal.h"

#define TRY_US	 (15 * NOW_SECOND)
#define TOTAL_US (60 * NOW_SECOND)

static bool again_by_default(const struct http_response *r)
{
	return r->code == 429 || r->code == 503;
}

static bool may_repeat(const struct http_retry *retry, enum status s,
		       enum http_outcome outcome, const struct http_response *r)
{
	switch (outcome) {
	case HTTP_ANSWERED:
		return retry->again ? retry->again(retry->arg, r) :
				      again_by_default(r);
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
static int64_t next_wait(struct http *h, const struct http_retry *retry,
			 unsigned n, const struct http_response *r,
			 int64_t until_us)
{
	int64_t wait = http_jitter(h->random, retry->base_us, retry->cap_us, n);

	if (r->retry_after_us > wait)
		wait = r->retry_after_us;
	return wait < until_us - now_boot(h->now) ? wait : -1;
}

static enum status one(struct http *h, const struct http_request *original,
		       const struct http_retry *retry, unsigned n,
		       int64_t until_us, struct http_response *response,
		       enum http_outcome *ret_outcome, struct reason *why)
{
	struct http_request req = *original;
	int64_t left = until_us - now_boot(h->now);
	int64_t timeout;
	struct http_url url;
	enum status s = STATUS_OK;

	*ret_outcome = HTTP_NOT_SENT;
	if (retry->prepare)
		s = retry->prepare(retry->arg, n, &req, why);
	if (s == STATUS_OK)
		s = check_address(&req, &url, why);
	if (s != STATUS_OK)
		return s;
	timeout = req.timeout_us > 0 ? req.timeout_us : TRY_US;
	if (timeout > left)
		timeout = left;
	return http_try(h, &req, &url, timeout, response, ret_outcome, why);
}

enum status http_call(struct http *h, const struct http_request *req,
		      const struct http_retry *retry,
		      struct http_response *ret_response,
		      enum http_outcome *ret_outcome, struct reason *why)
{
	static const struct http_retry once = { .tries = 1 };
	struct http_response response = { .retry_after_us = -1 };
	enum http_outcome outcome;
	bool unknown = false;
	int64_t until_us, wait;
	unsigned n = 0;
	enum status s;

	retry = retry ? retry : &once;
	until_us = now_boot(h->now) +
		   (retry->total_us > 0 ? retry->total_us : TOTAL_US);
	for (;;) {
		s = one(h, req, retry, n, until_us, &response, &outcome, why);
		unknown = unknown || outcome == HTTP_UNKNOWN;
		n++;
		if (n >= retry->tries ||
		    !may_repeat(retry, s, outcome, &response))
			break;
		wait = next_wait(h, retry, n - 1, &response, until_us);
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
