/* SPDX-License-Identifier: PostgreSQL */
/*
 * One request and its answer over HTTP/1.1: the only user of libcurl.
 *
 * TLS 1.2 or newer, always verified.  Redirects are never followed: a 3xx is an
 * answer whose Location the caller may judge (the request carries a token).
 * Nothing comes from the environment: no proxy, no ~/.netrc, no CA variable.
 * There is no verbose mode and no key log.  Only http and https are spoken, and
 * http only to loopback unless the request says otherwise.
 *
 * libcurl's memory is wiped when it is given back, and so are the records of TLS
 * (crypto/tls.h) and, by the executable's free() (base/wipe_malloc.c), its buffers.
 *
 * A struct http may be used by several threads at once.
 */
#ifndef KEYTURN_HTTP_H
#define KEYTURN_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/now.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"

#define HTTP_HOST_SIZE	  256
#define HTTP_HEADERS_MAX  32
#define HTTP_RESPONSE_MAX ((size_t)1024 * 1024)
#define HTTP_URL_MAX	  8192

/* ---- addresses --------------------------------------------------------- */

/* The parts of an absolute URL without user, password and fragment. */
struct http_url {
	bool tls;		   /* https */
	char host[HTTP_HOST_SIZE]; /* lower case; IPv6 without brackets */
	unsigned port;		   /* 443 or 80 when not given */
	char path[HTTP_URL_MAX];   /* from the first "/", query included */
};

/* STATUS_CONFIG: no scheme, another scheme than http and https, user or
 * password, no host, bad port, fragment, spaces or control characters.  The
 * sentence says which. */
enum status http_url_parse(const char *url, struct http_url *ret_url,
			   struct reason *why);

/* 127.0.0.0/8, ::1 or "localhost"? */
bool http_url_is_loopback(const struct http_url *u);

/* ---- clients ----------------------------------------------------------- */

struct http; /* settings and a pool of kept connections */

struct http_options {		     /* "" is NULL */
	const char *ca_file;	     /* PEM; NULL with ca_dir NULL: system's */
	const char *ca_dir;	     /* hashed folder, or NULL */
	const char *client_cert;     /* PEM chain, or NULL */
	const char *client_key;	     /* PEM key, 0600; NULL: in client_cert */
	const char *proxy;	     /* "http://host:port"; NULL: none at all */
	const char *user_agent;	     /* NULL: "keyturn" */
	int64_t connect_timeout_us;  /* 0: 5 s; name resolution and TLS too */
	unsigned idle_max;	     /* kept connections; 0: 16 */
	const struct now *now;	     /* NULL: now_system() */
	const struct random *random; /* jitter; must be thread-safe */
};

/* Files are looked at now: STATUS_CONFIG names one that cannot be read or, for
 * a key, that others may read; STATUS_NO_MEMORY.  Strings are copied. */
enum status http_open(const struct http_options *o, struct http **ret_http,
		      struct reason *why);

/* No call may be under way.  Takes NULL. */
void http_close(struct http *h);

/* ---- one call ---------------------------------------------------------- */

/* A header of a request: "name: value" followed by the bytes of `secret` when
 * that is not NULL ("Bearer " and the token).  CR, LF and NUL are refused. */
struct http_header {
	const char *name;
	const char *value;
	const struct secret *secret;
};

struct http_request {
	const char *method; /* "GET", "POST", "PUT", "PATCH", "DELETE",
			       "LIST", "HEAD" */
	const char *url;    /* sent as it is: percent-encode before */
	const struct http_header *headers;
	size_t n_headers; /* at most HTTP_HEADERS_MAX */
	const void *body; /* not copied; NULL: none */
	size_t body_n;
	int64_t timeout_us;  /* one try, from start to the last byte; 0: 15 s */
	size_t response_max; /* 0: HTTP_RESPONSE_MAX */
	bool plain_http;     /* http to a host that is not loopback is meant
			    (link-local metadata services) */
};

struct http_response {
	int code;   /* 200 ... 599 */
	char *body; /* NUL-terminated, never NULL; wiped on free */
	size_t body_n;
	unsigned tries; /* how many requests were made */
	/* "" when absent; a value that does not fit counts as absent. */
	char content_type[128];
	char location[2048];
	char request_id[128];	/* x-amzn-RequestId */
	char retry_after[64];	/* as sent: seconds or a date */
	char date[64];		/* as sent, RFC 9110 */
	char error_type[128];	/* x-amzn-ErrorType */
	int64_t retry_after_us; /* from now; -1: absent or not understood */
	int64_t date_us;	/* wall clock; -1: absent or malformed */
};

/* Wipes; everything is zero afterwards.  Takes a zeroed one. */
void http_response_free(struct http_response *r);

/*
 * How the call ended.  "Answered" means: status line, headers and whole body
 * arrived, whatever the code.  What was not sent has no effect; of what was
 * sent and not answered nothing is known, and only reading back decides.
 */
enum http_outcome { HTTP_ANSWERED, HTTP_NOT_SENT, HTTP_UNKNOWN };

/* Which of the two a caller's contract allows to repeat, and how often. */
struct http_retry {
	unsigned tries;	 /* all together; 0 and 1: no retry */
	int64_t base_us; /* full jitter: 0 to min(cap, base * 2^n); 0: 100 ms */
	int64_t cap_us;	 /* 0: 5 s */
	int64_t total_us; /* with the waiting; no wait is begun that would pass
			     it, nor one for a longer Retry-After; 0: 60 s */
	bool unknown;	  /* repeat also what may have been done already: only
			    for reads and writes that repeat without effect */
	/* May this answer be repeated?  NULL: 429 and 503 only.  Retry-After
	 * is the least time waited. */
	bool (*again)(void *arg, const struct http_response *r);
	/* Called before each try (from 0), for headers with a date in them;
	 * may change *req.  Anything but STATUS_OK ends the call with it, as
	 * not sent.  May be NULL. */
	enum status (*prepare)(void *arg, unsigned attempt,
			       struct http_request *req, struct reason *why);
	void *arg;
};

/*
 * Make the call; retry may be NULL (one try).  *ret_outcome, when not NULL, is
 * always set.
 *   STATUS_OK                 answered; ret_response is the caller's
 *   STATUS_STORE_UNAVAILABLE  not sent: no such host, no connection, connect
 *                             timed out; a retry may help
 *   STATUS_CONFIG             not sent: bad address, plain http, bad file,
 *                             the peer's certificate does not verify, our
 *                             certificate is refused
 *   STATUS_UNKNOWN            sent, and no whole answer: timeout, reset, an
 *                             answer over response_max or no HTTP
 *   STATUS_NO_MEMORY, STATUS_ERROR  not sent
 * The sentence names host and port, and what happened; never a path's query,
 * a header, a body or the peer's words.
 * When one of several tries ended as unknown and none was answered, the call
 * is unknown.
 */
enum status http_call(struct http *h, const struct http_request *req,
		      const struct http_retry *retry,
		      struct http_response *ret_response,
		      enum http_outcome *ret_outcome, struct reason *why);

/* What 0 to min(cap, base * 2^n) of full jitter gives: for callers with a loop
 * of their own. */
int64_t http_jitter(const struct random *r, int64_t base_us, int64_t cap_us,
		    unsigned n);

#endif
