/* SPDX-License-Identifier: PostgreSQL */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "authority.h"
#include "http/http.h"
#include "peer.h"

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* A clock of which only the sleeping is not real. */
struct clock {
	int64_t slept_us;
	int64_t longest_us;
	unsigned sleeps;
};

static int64_t clock_wall(void *self)
{
	(void)self;
	return now_wall(now_system());
}

static int64_t clock_boot(void *self)
{
	return now_boot(now_system()) + ((struct clock *)self)->slept_us;
}

static void clock_sleep(void *self, int64_t us)
{
	struct clock *c = self;

	c->slept_us += us;
	c->sleeps++;
	if (us > c->longest_us)
		c->longest_us = us;
}

struct fixture {
	char folder[4096];
	char ca[4200];
	char cert[4200];
	char key[4200];
	struct clock clock;
	struct now now;
	struct http *http;
	struct peer *peer;
	struct reason why;
	struct http_response r;
	enum http_outcome outcome;
	unsigned seen;
};

static void path(const struct fixture *f, char *dst, const char *name)
{
	snprintf(dst, 4200, "%s/%s", f->folder, name);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/keyturn-http-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	authority_make(f->folder, "ca");
	authority_issue(f->folder, "ca", "server", "IP:127.0.0.1", 3600);
	path(f, f->ca, "ca.crt");
	path(f, f->cert, "server.crt");
	path(f, f->key, "server.key");
	f->now = (struct now){ clock_wall, clock_boot, clock_sleep, &f->clock };
	*state = f;
	return 0;
}

static int drop(const char *name, const struct stat *st, int kind,
		struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(name);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_response_free(&f->r);
	http_close(f->http);
	peer_stop(f->peer);
	nftw(f->folder, drop, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void open_with(struct fixture *f, struct http_options o)
{
	o.now = &f->now;
	if (http_open(&o, &f->http, &f->why) != STATUS_OK)
		fail_msg("%s", f->why.text);
}

static void start(struct fixture *f, struct peer_options o)
{
	f->peer = peer_start(&o);
}

#define STEPS(...)                                                     \
	.steps = (const struct peer_step[]){ __VA_ARGS__ },            \
	.n_steps = sizeof((const struct peer_step[]){ __VA_ARGS__ }) / \
		   sizeof(struct peer_step)

static const char *url_of(struct fixture *f, const char *scheme,
			  const char *rest)
{
	static char url[256];

	snprintf(url, sizeof(url), "%s://127.0.0.1:%d%s", scheme,
		 peer_port(f->peer), rest);
	return url;
}

static enum status call(struct fixture *f, struct http_request req,
			const struct http_retry *retry)
{
	http_response_free(&f->r);
	return http_call(f->http, &req, retry, &f->r, &f->outcome, &f->why);
}

static enum status get(struct fixture *f, const char *scheme)
{
	return call(f,
		    (struct http_request){ .method = "GET",
					   .url = url_of(f, scheme, "/v1/x") },
		    NULL);
}

static enum status post(struct fixture *f, const char *body,
			const struct http_retry *retry)
{
	return call(f,
		    (struct http_request){ .method = "POST",
					   .url = url_of(f, "http", "/v1/x"),
					   .body = body,
					   .body_n = strlen(body),
					   .timeout_us = NOW_SECOND / 2 },
		    retry);
}

#define assert_says(f, words)                                                 \
	do {                                                                  \
		if (!strstr((f)->why.text, words))                            \
			fail_msg("\"%s\" does not say \"%s\"", (f)->why.text, \
				 words);                                      \
	} while (0)

/* ---- addresses --------------------------------------------------------- */

static void addresses_are_taken_apart(void **state)
{
	struct http_url u;

	(void)state;
	assert_int_equal(http_url_parse("https://Vault.Example.com/v1/a?b=c",
					&u, NULL),
			 STATUS_OK);
	assert_true(u.tls);
	assert_string_equal(u.host, "vault.example.com");
	assert_int_equal(u.port, 443);
	assert_string_equal(u.path, "/v1/a?b=c");
	assert_false(http_url_is_loopback(&u));
	assert_int_equal(http_url_parse("http://[::1]:8200", &u, NULL),
			 STATUS_OK);
	assert_false(u.tls);
	assert_string_equal(u.host, "::1");
	assert_int_equal(u.port, 8200);
	assert_true(http_url_is_loopback(&u));
	/* What libcurl would read as 127.0.0.1 is that. */
	assert_int_equal(http_url_parse("http://2130706433/", &u, NULL),
			 STATUS_OK);
	assert_true(http_url_is_loopback(&u));
	assert_int_equal(http_url_parse("https://h/a/../b", &u, NULL),
			 STATUS_OK);
	assert_string_equal(u.path, "/a/../b");
}

static void bad_addresses_are_refused_with_a_sentence(void **state)
{
	static const char *const bad[][2] = {
		{ "vault.example.com:8200", "https://" },
		{ "vault.example.com", "https://" },
		{ "", "https://" },
		{ "ftp://h/", "https://" },
		{ "file:///etc/passwd", "" },
		{ "https://user:pw@h/", "password" },
		{ "https://tok@h/", "password" },
		{ "https://h:99999/", "port" },
		{ "https://h:x/", "port" },
		{ "https:///x", "" },
		{ "https://h/#frag", "#" },
		{ "https://h/a b", "space" },
		{ "https://h/\n", "control" },
		{ "https://[::1/", "" },
	};
	struct http_url u;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (http_url_parse(bad[i][0], &u, &why) != STATUS_CONFIG)
			fail_msg("%s is accepted", bad[i][0]);
		if (!strstr(why.text, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], why.text);
		assert_null(strstr(why.text, "user:pw"));
	}
}

static void http_is_refused_except_to_loopback(void **state)
{
	struct fixture *f = *state;
	struct http_request req = { .method = "GET",
				    .url = "http://192.0.2.1:1/" };

	open_with(f, (struct http_options){ .connect_timeout_us = 1000 });
	assert_int_equal(call(f, req, NULL), STATUS_CONFIG);
	assert_int_equal(f->outcome, HTTP_NOT_SENT);
	assert_says(f, "https");
	req.plain_http = true;
	req.timeout_us = 50000;
	assert_int_equal(call(f, req, NULL), STATUS_STORE_UNAVAILABLE);
}

/* ---- requests and answers ---------------------------------------------- */

static void a_request_says_what_it_was_told_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct secret *token = NULL;
	struct http_header headers[] = { { "X-Vault-Request", "true", NULL },
					 { "Authorization", "Bearer ", NULL },
					 { "X-Empty", "", NULL } };
	struct http_request req = { .method = "PUT",
				    .headers = headers,
				    .n_headers = 3,
				    .body = "{\"a\":1}",
				    .body_n = 7 };

	start(f, (struct peer_options){ STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ .user_agent = "keyturn/0.1" });
	assert_int_equal(secret_new(16, &token), STATUS_OK);
	assert_int_equal(secret_set(token, "t0ken", 5), STATUS_OK);
	headers[1].secret = token;
	req.url = url_of(f, "http", "/v1/%2e%2e/a/../b?x=1");
	assert_int_equal(call(f, req, NULL), STATUS_OK);
	assert_int_equal(f->outcome, HTTP_ANSWERED);
	assert_int_equal(f->r.code, 200);
	assert_string_equal(f->r.body, "hello");
	assert_int_equal(f->r.body_n, 5);
	assert_int_equal(f->r.tries, 1);
	assert_int_equal(strncmp(peer_request(f->peer, 0),
				 "PUT /v1/%2e%2e/a/../b?x=1 HTTP/1.1\r\n", 36),
			 0);
	assert_non_null(strstr(peer_request(f->peer, 0),
			       "\r\nX-Vault-Request: true\r\n"));
	assert_non_null(strstr(peer_request(f->peer, 0),
			       "\r\nAuthorization: Bearer t0ken\r\n"));
	assert_non_null(strstr(peer_request(f->peer, 0), "\r\nX-Empty:"));
	assert_non_null(
		strstr(peer_request(f->peer, 0), "\r\nContent-Length: 7\r\n"));
	assert_non_null(strstr(peer_request(f->peer, 0),
			       "\r\nUser-Agent: keyturn/0.1\r\n"));
	assert_null(strstr(peer_request(f->peer, 0), "Expect:"));
	assert_non_null(strstr(peer_request(f->peer, 0), "\r\n\r\n{\"a\":1}"));
	secret_free(token);
}

static void a_header_with_a_line_end_is_refused(void **state)
{
	struct fixture *f = *state;
	struct secret *token = NULL;
	struct http_header header = { "X-Vault-Token", "", NULL };
	struct http_request req = { .method = "GET",
				    .headers = &header,
				    .n_headers = 1 };

	start(f, (struct peer_options){ STEPS({ PEER_ANSWER, OK_EMPTY }) });
	open_with(f, (struct http_options){ 0 });
	req.url = url_of(f, "http", "/");
	assert_int_equal(secret_new(16, &token), STATUS_OK);
	assert_int_equal(secret_set(token, "a\r\nX-Evil: 1", 12), STATUS_OK);
	header.secret = token;
	assert_int_equal(call(f, req, NULL), STATUS_ERROR);
	assert_int_equal(f->outcome, HTTP_NOT_SENT);
	assert_null(strstr(f->why.text, "Evil"));
	assert_int_equal(peer_connections(f->peer), 0);
	secret_free(token);
}

static void the_headers_that_callers_need_are_kept(void **state)
{
	struct fixture *f = *state;

	start(f, (struct peer_options){ STEPS(
			 { PEER_ANSWER,
			   "HTTP/1.1 100 Continue\r\nLocation: no\r\n\r\n"
			   "HTTP/1.1 307 Temporary Redirect\r\n"
			   "Location: https://other:8200/v1/x\r\n"
			   "DATE: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			   "content-type:  application/json \r\n"
			   "x-amzn-RequestId: abc-1\r\n"
			   "X-Amzn-ErrorType: E\r\n"
			   "Retry-After: 7\r\n"
			   "Content-Length: 0\r\n\r\n" },
			 { PEER_ANSWER,
			   "HTTP/1.1 204 No Content\r\n"
			   "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
			   "Location: a\tb\r\n\r\n" }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(get(f, "http"), STATUS_OK);
	assert_int_equal(f->r.code, 307);
	assert_string_equal(f->r.location, "https://other:8200/v1/x");
	assert_string_equal(f->r.content_type, "application/json");
	assert_string_equal(f->r.request_id, "abc-1");
	assert_string_equal(f->r.error_type, "E");
	assert_true(f->r.date_us == INT64_C(784111777) * NOW_SECOND);
	assert_true(f->r.retry_after_us == 7 * NOW_SECOND);
	assert_int_equal(get(f, "http"), STATUS_OK);
	assert_int_equal(f->r.code, 204);
	assert_string_equal(f->r.body, "");
	assert_string_equal(f->r.location, "");
	assert_true(f->r.retry_after_us == 0);
	assert_true(f->r.date_us == -1);
	/* Both came over one connection. */
	assert_int_equal(peer_connections(f->peer), 1);
}

static void an_answer_over_its_cap_is_unknown(void **state)
{
	struct fixture *f = *state;
	struct http_request req = { .method = "GET", .response_max = 4 };

	start(f, (struct peer_options){ STEPS({ PEER_ANSWER, OK_HELLO },
					      { PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ 0 });
	req.url = url_of(f, "http", "/");
	assert_int_equal(call(f, req, NULL), STATUS_UNKNOWN);
	assert_says(f, "larger than 4");
	req.response_max = 5;
	assert_int_equal(call(f, req, NULL), STATUS_OK);
}

/* ---- outcomes ---------------------------------------------------------- */

static void what_never_left_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct http_request req = { .method = "POST",
				    .body = "{}",
				    .body_n = 2,
				    .timeout_us = NOW_SECOND / 4 };

	start(f, (struct peer_options){
			 .cert = f->cert,
			 .key = f->key,
			 STEPS({ PEER_HANG_UP, NULL }, { PEER_MUTE, NULL }) });
	open_with(f, (struct http_options){ .ca_file = f->ca });
	req.url = url_of(f, "https", "/");
	assert_int_equal(call(f, req, NULL), STATUS_STORE_UNAVAILABLE);
	assert_int_equal(f->outcome, HTTP_NOT_SENT);
	assert_int_equal(call(f, req, NULL), STATUS_STORE_UNAVAILABLE);
	assert_int_equal(f->outcome, HTTP_NOT_SENT);
	req.url = "http://127.0.0.1:1/";
	assert_int_equal(call(f, req, NULL), STATUS_STORE_UNAVAILABLE);
	assert_int_equal(f->outcome, HTTP_NOT_SENT);
	assert_says(f, "127.0.0.1:1");
}

static void what_was_sent_and_not_answered_is_unknown(void **state)
{
	struct fixture *f = *state;

	start(f, (struct peer_options){ STEPS(
			 { PEER_CLOSE, NULL }, { PEER_STALL, NULL },
			 { PEER_ANSWER_CLOSE,
			   "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
			   "\r\nhel" },
			 { PEER_ANSWER_CLOSE, "220 smtp.example\r\n" }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(post(f, "{}", NULL), STATUS_UNKNOWN);
	assert_int_equal(f->outcome, HTTP_UNKNOWN);
	assert_says(f, "without an answer");
	assert_int_equal(post(f, "{}", NULL), STATUS_UNKNOWN);
	assert_says(f, "in time");
	assert_int_equal(post(f, "{}", NULL), STATUS_UNKNOWN);
	assert_says(f, "within its answer");
	assert_int_equal(post(f, "{}", NULL), STATUS_UNKNOWN);
	assert_says(f, "not HTTP");
	assert_int_equal(peer_requests(f->peer), 4);
}

/* libcurl would repeat a POST by itself on a new connection. */
static void a_write_on_a_dying_kept_connection_is_not_repeated(void **state)
{
	struct fixture *f = *state;

	start(f, (struct peer_options){ STEPS({ PEER_ANSWER, OK_EMPTY },
					      { PEER_CLOSE, NULL },
					      { PEER_ANSWER, OK_EMPTY }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(post(f, "{\"first\":1}", NULL), STATUS_OK);
	assert_int_equal(post(f, "{\"second\":1}", NULL), STATUS_UNKNOWN);
	assert_int_equal(f->outcome, HTTP_UNKNOWN);
	assert_int_equal(peer_requests(f->peer), 2);
	/* And the next one is not spoilt by it. */
	assert_int_equal(post(f, "{\"third\":1}", NULL), STATUS_OK);
	assert_int_equal(peer_requests(f->peer), 3);
}

/* ---- retries ----------------------------------------------------------- */

static void retry_after_is_the_least_that_is_waited(void **state)
{
	struct fixture *f = *state;
	struct http_retry retry = { .tries = 3 };

	start(f, (struct peer_options){ STEPS(
			 { PEER_ANSWER, "HTTP/1.1 429 Slow\r\nRetry-After: 11"
					"\r\nContent-Length: 0\r\n\r\n" },
			 { PEER_ANSWER, "HTTP/1.1 503 Sealed\r\n"
					"Content-Length: 0\r\n\r\n" },
			 { PEER_ANSWER, OK_EMPTY }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(post(f, "{}", &retry), STATUS_OK);
	assert_int_equal(f->r.code, 200);
	assert_int_equal(f->r.tries, 3);
	assert_int_equal(f->clock.sleeps, 2);
	assert_true(f->clock.longest_us == 11 * NOW_SECOND);
}

static void a_wait_beyond_the_total_is_not_begun(void **state)
{
	struct fixture *f = *state;
	struct http_retry retry = { .tries = 3, .total_us = 10 * NOW_SECOND };

	start(f, (struct peer_options){ STEPS(
			 { PEER_ANSWER, "HTTP/1.1 429 Slow\r\nRetry-After: 11"
					"\r\nContent-Length: 0\r\n\r\n" }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(post(f, "{}", &retry), STATUS_OK);
	assert_int_equal(f->r.code, 429);
	assert_int_equal(f->clock.sleeps, 0);
}

static void what_may_have_happened_is_repeated_only_when_told(void **state)
{
	struct fixture *f = *state;
	struct http_retry retry = { .tries = 3 };

	start(f, (struct peer_options){ STEPS(
			 { PEER_CLOSE, NULL }, { PEER_CLOSE, NULL },
			 { PEER_ANSWER_CLOSE, OK_EMPTY }, { PEER_CLOSE, NULL },
			 { PEER_HANG_UP, NULL }, { PEER_HANG_UP, NULL }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(post(f, "{}", &retry), STATUS_UNKNOWN);
	assert_int_equal(peer_requests(f->peer), 1);
	retry.unknown = true;
	assert_int_equal(post(f, "{}", &retry), STATUS_OK);
	assert_int_equal(f->r.tries, 2);
	assert_int_equal(peer_requests(f->peer), 3);
}

static bool never(void *arg, const struct http_response *r)
{
	(void)r;
	((struct fixture *)arg)->seen++;
	return false;
}

static enum status prepare(void *arg, unsigned attempt,
			   struct http_request *req, struct reason *why)
{
	struct fixture *f = arg;

	(void)why;
	f->seen = f->seen * 10 + attempt + 1;
	req->url = url_of(f, "http", attempt == 0 ? "/a" : "/b");
	return attempt < 2 ? STATUS_OK : STATUS_REFUSED;
}

static void the_caller_decides_what_is_repeated(void **state)
{
	struct fixture *f = *state;
	struct http_retry retry = { .tries = 3, .again = never, .arg = f };

	start(f, (struct peer_options){
			 STEPS({ PEER_ANSWER, "HTTP/1.1 503 Sealed\r\n"
					      "Content-Length: 0\r\n\r\n" }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(post(f, "{}", &retry), STATUS_OK);
	assert_int_equal(f->r.code, 503);
	assert_int_equal(f->seen, 1);
}

static void every_try_is_prepared(void **state)
{
	static const char busy[] = "HTTP/1.1 503 Busy\r\n"
				   "Content-Length: 0\r\n\r\n";
	struct fixture *f = *state;
	struct http_retry retry = { .tries = 5, .prepare = prepare, .arg = f };

	start(f, (struct peer_options){
			 STEPS({ PEER_ANSWER, busy }, { PEER_ANSWER, busy }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(post(f, "{}", &retry), STATUS_REFUSED);
	assert_int_equal(f->outcome, HTTP_NOT_SENT);
	assert_int_equal(f->seen, 123);
	assert_int_equal(strncmp(peer_request(f->peer, 0), "POST /a ", 8), 0);
	assert_int_equal(strncmp(peer_request(f->peer, 1), "POST /b ", 8), 0);
}

static void jitter_stays_within_its_bounds(void **state)
{
	(void)state;
	/* Without randomness it is the whole wait. */
	assert_true(http_jitter(NULL, 100, 1000, 0) == 100);
	assert_true(http_jitter(NULL, 100, 1000, 2) == 400);
	assert_true(http_jitter(NULL, 100, 1000, 63) == 1000);
	assert_true(http_jitter(NULL, 0, 0, 40) == 5 * NOW_SECOND);
}

/* ---- TLS --------------------------------------------------------------- */

static void the_server_is_verified_and_connections_are_kept(void **state)
{
	struct fixture *f = *state;

	start(f, (struct peer_options){ .cert = f->cert,
					.key = f->key,
					STEPS({ PEER_ANSWER, OK_HELLO },
					      { PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ .ca_file = f->ca });
	assert_int_equal(get(f, "https"), STATUS_OK);
	assert_int_equal(get(f, "https"), STATUS_OK);
	assert_string_equal(f->r.body, "hello");
	assert_int_equal(peer_connections(f->peer), 1);
}

static void expect_bad_certificate(struct fixture *f, const char *words)
{
	assert_int_equal(get(f, "https"), STATUS_CONFIG);
	assert_int_equal(f->outcome, HTTP_NOT_SENT);
	assert_says(f, "certificate");
	assert_says(f, words);
	assert_int_equal(peer_requests(f->peer), 0);
}

static void an_unknown_authority_is_refused(void **state)
{
	struct fixture *f = *state;

	start(f, (struct peer_options){ .cert = f->cert,
					.key = f->key,
					STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ 0 });
	expect_bad_certificate(f, "authority is not known");
}

/* Named authorities are the only ones, not more beside the system's. */
static void another_authority_is_refused(void **state)
{
	struct fixture *f = *state;
	char other[4200];

	authority_make(f->folder, "other");
	path(f, other, "other.crt");
	start(f, (struct peer_options){ .cert = f->cert,
					.key = f->key,
					STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ .ca_file = other });
	expect_bad_certificate(f, "authority is not known");
}

static void an_expired_certificate_is_refused(void **state)
{
	struct fixture *f = *state;

	authority_issue(f->folder, "ca", "old", "IP:127.0.0.1", -3600);
	path(f, f->cert, "old.crt");
	path(f, f->key, "old.key");
	start(f, (struct peer_options){ .cert = f->cert,
					.key = f->key,
					STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ .ca_file = f->ca });
	expect_bad_certificate(f, "expired");
}

static void a_certificate_of_another_host_is_refused(void **state)
{
	struct fixture *f = *state;

	authority_issue(f->folder, "ca", "else", "DNS:else.example", 3600);
	path(f, f->cert, "else.crt");
	path(f, f->key, "else.key");
	start(f, (struct peer_options){ .cert = f->cert,
					.key = f->key,
					STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ .ca_file = f->ca });
	expect_bad_certificate(f, "not made out to this host");
}

static void tls_below_1_2_is_refused(void **state)
{
	struct fixture *f = *state;

	start(f, (struct peer_options){ .cert = f->cert,
					.key = f->key,
					.max_tls = TLS1_1_VERSION,
					STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ .ca_file = f->ca });
	assert_int_equal(get(f, "https"), STATUS_STORE_UNAVAILABLE);
	assert_says(f, "TLS 1.2");
	assert_int_equal(peer_requests(f->peer), 0);
}

static void a_client_certificate_is_shown(void **state)
{
	struct fixture *f = *state;
	char cert[4200], key[4200];

	authority_issue(f->folder, "ca", "me", "DNS:me.example", 3600);
	path(f, cert, "me.crt");
	path(f, key, "me.key");
	start(f, (struct peer_options){ .cert = f->cert,
					.key = f->key,
					.client_ca = f->ca,
					STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ .ca_file = f->ca });
	assert_int_not_equal(get(f, "https"), STATUS_OK);
	assert_int_equal(peer_requests(f->peer), 0);
	http_close(f->http);
	open_with(f, (struct http_options){ .ca_file = f->ca,
					    .client_cert = cert,
					    .client_key = key });
	assert_int_equal(get(f, "https"), STATUS_OK);
}

static void files_are_looked_at_when_a_client_is_opened(void **state)
{
	struct fixture *f = *state;
	struct http_options o = { .ca_file = "/nonexistent/ca.pem" };
	struct http *http = NULL;

	assert_int_equal(http_open(&o, &http, &f->why), STATUS_CONFIG);
	assert_says(f, "/nonexistent/ca.pem");
	o = (struct http_options){ .client_cert = f->cert,
				   .client_key = f->key };
	assert_int_equal(chmod(f->key, 0640), 0);
	assert_int_equal(http_open(&o, &http, &f->why), STATUS_CONFIG);
	assert_says(f, "chmod 600");
	assert_null(http);
	http_close(NULL);
}

/* ---- the environment --------------------------------------------------- */

static void proxies_and_netrc_of_the_environment_are_ignored(void **state)
{
	struct fixture *f = *state;
	char netrc[4200];
	FILE *file;

	path(f, netrc, ".netrc");
	file = fopen(netrc, "w");
	assert_non_null(file);
	fputs("machine 127.0.0.1 login eve password needle\n", file);
	fclose(file);
	setenv("HOME", f->folder, 1);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	start(f, (struct peer_options){ STEPS({ PEER_ANSWER, OK_HELLO }) });
	open_with(f, (struct http_options){ 0 });
	assert_int_equal(get(f, "http"), STATUS_OK);
	assert_null(strstr(peer_request(f->peer, 0), "Authorization"));
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static void a_proxy_that_was_named_is_asked(void **state)
{
	struct fixture *f = *state;
	char proxy[64];
	struct http_request req = { .method = "GET",
				    .url = "http://vault.test/v1/x",
				    .plain_http = true };

	start(f, (struct peer_options){ STEPS({ PEER_ANSWER, OK_HELLO }) });
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%d",
		 peer_port(f->peer));
	open_with(f, (struct http_options){ .proxy = proxy });
	setenv("no_proxy", "*", 1);
	assert_int_equal(call(f, req, NULL), STATUS_OK);
	unsetenv("no_proxy");
	assert_int_equal(strncmp(peer_request(f->peer, 0),
				 "GET http://vault.test/v1/x HTTP/1.1", 35),
			 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_taken_apart),
		cmocka_unit_test(bad_addresses_are_refused_with_a_sentence),
		T(http_is_refused_except_to_loopback),
		T(a_request_says_what_it_was_told_and_no_more),
		T(a_header_with_a_line_end_is_refused),
		T(the_headers_that_callers_need_are_kept),
		T(an_answer_over_its_cap_is_unknown),
		T(what_never_left_is_not_sent),
		T(what_was_sent_and_not_answered_is_unknown),
		T(a_write_on_a_dying_kept_connection_is_not_repeated),
		T(retry_after_is_the_least_that_is_waited),
		T(a_wait_beyond_the_total_is_not_begun),
		T(what_may_have_happened_is_repeated_only_when_told),
		T(the_caller_decides_what_is_repeated),
		T(every_try_is_prepared),
		cmocka_unit_test(jitter_stays_within_its_bounds),
		T(the_server_is_verified_and_connections_are_kept),
		T(an_unknown_authority_is_refused),
		T(another_authority_is_refused),
		T(an_expired_certificate_is_refused),
		T(a_certificate_of_another_host_is_refused),
		T(tls_below_1_2_is_refused),
		T(a_client_certificate_is_shown),
		T(files_are_looked_at_when_a_client_is_opened),
		T(proxies_and_netrc_of_the_environment_are_ignored),
		T(a_proxy_that_was_named_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
