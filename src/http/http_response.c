/* SPDX-License-Identifier: PostgreSQL */
/*
 * Receives an answer: the headers that callers need, and a body that is capped
 * before it has a buffer.  Must never leave a copy of a body behind.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "http/http_internal.h"

#define HEADERS_MAX ((size_t)64 * 1024)
#define BODY_FIRST  ((size_t)4096)
#define WAIT_MAX_US (INT64_C(86400) * NOW_SECOND)

void http_response_begin(struct http_response_sink *sink,
			 struct http_response *r, size_t max, int64_t now_us)
{
	*r = (struct http_response){ .retry_after_us = -1, .date_us = -1 };
	*sink = (struct http_response_sink){
		.r = r,
		.now_us = now_us,
		.max = max,
		.header_left = HEADERS_MAX,
	};
}

void http_response_free(struct http_response *r)
{
	secret_wipe_free(r->body);
	*r = (struct http_response){ 0 };
}

/* The date of RFC 9110, in microseconds, or -1. */
static int64_t parse_date(const char *s)
{
	time_t t = curl_getdate(s, NULL);

	return t > 0 ? (int64_t)t * NOW_SECOND : -1;
}

static int64_t parse_retry_after(const char *s, int64_t now_us)
{
	size_t digits = strspn(s, "0123456789");
	int64_t us;

	if (digits > 0 && s[digits] == '\0')
		return digits > 5 ? WAIT_MAX_US :
				    strtol(s, NULL, 10) * NOW_SECOND;
	us = parse_date(s);
	if (us < 0)
		return -1;
	us -= now_us;
	return us < 0 ? 0 : us > WAIT_MAX_US ? WAIT_MAX_US : us;
}

/* What does not fit, or holds a control character, counts as absent. */
static void copy_value(char *dst, size_t size, const char *value, size_t n)
{
	dst[0] = '\0';
	if (n >= size || text_has_control(value, n))
		return;
	memcpy(dst, value, n);
	dst[n] = '\0';
}

static bool is_name(const char *line, size_t name_n, const char *name)
{
	return strlen(name) == name_n && strncasecmp(line, name, name_n) == 0;
}

static void take_header(struct http_response_sink *sink, const char *line,
			size_t name_n, const char *value, size_t n)
{
	struct http_response *r = sink->r;

	if (is_name(line, name_n, "content-type")) {
		copy_value(r->content_type, sizeof(r->content_type), value, n);
	} else if (is_name(line, name_n, "location")) {
		copy_value(r->location, sizeof(r->location), value, n);
	} else if (is_name(line, name_n, "x-amzn-requestid")) {
		copy_value(r->request_id, sizeof(r->request_id), value, n);
	} else if (is_name(line, name_n, "x-amzn-errortype")) {
		copy_value(r->error_type, sizeof(r->error_type), value, n);
	} else if (is_name(line, name_n, "retry-after")) {
		copy_value(r->retry_after, sizeof(r->retry_after), value, n);
		r->retry_after_us =
			parse_retry_after(r->retry_after, sink->now_us);
	} else if (is_name(line, name_n, "date")) {
		copy_value(r->date, sizeof(r->date), value, n);
		r->date_us = parse_date(r->date);
	}
}

/* A status line begins the headers again: those of a 1xx do not count. */
static void forget_headers(struct http_response *r)
{
	r->content_type[0] = '\0';
	r->location[0] = '\0';
	r->request_id[0] = '\0';
	r->error_type[0] = '\0';
	r->retry_after[0] = '\0';
	r->retry_after_us = -1;
	r->date[0] = '\0';
	r->date_us = -1;
}

size_t http_response_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_response_sink *sink = arg;
	const char *colon, *value;
	size_t len = size * n, value_n;

	if (len > sink->header_left) {
		sink->too_large = true;
		return 0;
	}
	sink->header_left -= len;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
		forget_headers(sink->r);
	colon = memchr(line, ':', len);
	if (!colon)
		return len;
	value = colon + 1;
	value_n = len - (size_t)(value - line);
	while (value_n > 0 && (*value == ' ' || *value == '\t'))
		value++, value_n--;
	while (value_n > 0 && strchr("\r\n \t", value[value_n - 1]))
		value_n--;
	take_header(sink, line, (size_t)(colon - line), value, value_n);
	return len;
}

/* Room for n more bytes and a NUL, below the maximum. */
static bool make_room(struct http_response_sink *sink, size_t n)
{
	size_t need = sink->r->body_n + n + 1, cap = sink->cap;
	char *body;

	if (need <= cap)
		return true;
	if (cap == 0)
		cap = BODY_FIRST;
	while (cap < need)
		cap *= 2;
	body = secret_wipe_realloc(sink->r->body, cap);
	if (!body)
		return false;
	sink->r->body = body;
	sink->cap = cap;
	return true;
}

size_t http_response_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct http_response_sink *sink = arg;
	size_t len = size * n;

	if (len > sink->max - sink->r->body_n) {
		sink->too_large = true;
		return 0;
	}
	if (!make_room(sink, len)) {
		sink->no_memory = true;
		return 0;
	}
	memcpy(sink->r->body + sink->r->body_n, bytes, len);
	sink->r->body_n += len;
	sink->r->body[sink->r->body_n] = '\0';
	return len;
}
