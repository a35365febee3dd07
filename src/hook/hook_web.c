/* SPDX-License-Identifier: PostgreSQL */
/*
 * Calls a hook's address, signed the way Stripe signs its webhooks:
 *   Keyturn-Signature: t=SECONDS,v1=HEX
 * where HEX is HMAC-SHA-256 with the key of secret_file over SECONDS, a dot and
 * the body.  The receiver checks the signature, and that SECONDS is near.  Must
 * never send an event unsigned, nor repeat the receiver's words.
 */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret_source.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "hook/hook_internal.h"

#define SIGNATURE_MAX 128

struct call {
	const struct hook *h;
	const struct hook_notice *n;
	struct secret *key;
	char signature[SIGNATURE_MAX];
	struct http_header headers[3];
};

/* Read again for each delivery, so that it can be changed. */
static enum status read_key(const char *from, struct secret **ret,
			    struct reason *why)
{
	struct secret *key = NULL;
	enum status s = secret_source_load(from, NULL, true, &key, why);
	size_t n;

	if (s != STATUS_OK)
		return s;
	n = secret_len(key);
	while (n > 0 && (secret_bytes(key)[n - 1] == '\n' ||
			 secret_bytes(key)[n - 1] == '\r'))
		n--;
	secret_set_len(key, n);
	if (n < HOOK_KEY_LEAST) {
		secret_free(key);
		return reason_set(why, STATUS_CONFIG,
				  "%s holds fewer than %d bytes; make a key "
				  "with: openssl rand -hex 32",
				  from, HOOK_KEY_LEAST);
	}
	*ret = key;
	return STATUS_OK;
}

/* Before each try: an old signature would be refused. */
static enum status sign_request(void *arg, unsigned attempt,
				struct http_request *req, struct reason *why)
{
	struct call *c = arg;
	struct text signed_bytes = text_make(HOOK_BODY_MAX + 64);
	unsigned char mac[DIGEST_SIZE];
	char hex[2 * DIGEST_SIZE + 1];
	long long t = (long long)(now_wall(c->h->o.now) / NOW_SECOND);
	enum status s;

	(void)attempt;
	text_printf(&signed_bytes, "%lld.", t);
	text_add_bytes(&signed_bytes, c->n->body, c->n->n);
	s = text_status(&signed_bytes);
	if (s == STATUS_OK)
		s = digest_hmac(c->key, text_str(&signed_bytes),
				signed_bytes.len, mac);
	text_free(&signed_bytes);
	if (s != STATUS_OK)
		return reason_set(why, s, "the event cannot be signed");
	encode_hex(mac, sizeof(mac), hex);
	snprintf(c->signature, sizeof(c->signature), "t=%lld,v1=%s", t, hex);
	req->headers = c->headers;
	return STATUS_OK;
}

static bool may_ask_again(void *arg, const struct http_response *r)
{
	(void)arg;
	return r->code == 429 || r->code >= 500;
}

/* A host cannot forge a line of our log, and its body is not looked at. */
static enum status judge_answer(const struct http_response *r,
				struct reason *why)
{
	if (r->code >= 200 && r->code < 300)
		return STATUS_OK;
	return reason_set(why, STATUS_ERROR, "the receiver answered %d",
			  r->code);
}

enum status hook_web_call(const struct hook *h, const struct hook_notice *n,
			  struct reason *why)
{
	struct call c = {
		.h = h,
		.n = n,
		.headers = {
			{ "Content-Type", "application/json", NULL },
			{ "Keyturn-Event-Id", n->id, NULL },
			{ "Keyturn-Signature", c.signature, NULL },
		},
	};
	struct http_request req = {
		.method = "POST",
		.url = h->o.url,
		.headers = c.headers,
		.n_headers = 3,
		.body = n->body,
		.body_n = n->n,
		.timeout_us = h->o.timeout_us,
		.response_max = 65536,
	};
	/* The receiver knows an event by its id: once more does no harm. */
	const struct http_retry retry = {
		.tries = 3,
		.base_us = NOW_SECOND / 2,
		.cap_us = 2 * NOW_SECOND,
		.total_us = h->o.timeout_us,
		.unknown = true,
		.again = may_ask_again,
		.prepare = sign_request,
		.arg = &c,
	};
	struct http_response r = { 0 };
	enum status s = read_key(h->o.secret_file, &c.key, why);

	if (s == STATUS_OK)
		s = http_call(h->http, &req, &retry, &r, NULL, why);
	if (s == STATUS_OK)
		s = judge_answer(&r, why);
	http_response_free(&r);
	secret_free(c.key);
	return s;
}
