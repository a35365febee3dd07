/* SPDX-License-Identifier: PostgreSQL */
/*
 * Addresses, taken apart by the parser that will also use them: a second one
 * could see another host than libcurl does.  Must never accept a user or a
 * password in an address.
 */
#include "http/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static enum status explain_code(CURLUcode code, struct reason *why)
{
	const char *fault = "is not a URL like https://host:8200";

	switch (code) {
	case CURLUE_OUT_OF_MEMORY:
		return reason_no_memory(why);
	case CURLUE_BAD_SCHEME:
	case CURLUE_UNSUPPORTED_SCHEME:
		fault = "must begin with https://";
		break;
	case CURLUE_USER_NOT_ALLOWED:
		fault = "must not hold a user or a password";
		break;
	case CURLUE_BAD_PORT_NUMBER:
		fault = "has a bad port";
		break;
	case CURLUE_NO_HOST:
	case CURLUE_BAD_HOSTNAME:
	case CURLUE_BAD_IPV6:
		fault = "has no host, or a bad one";
		break;
	default:
		break;
	}
	return reason_set(why, STATUS_CONFIG, "the address %s", fault);
}

static CURLUcode copy_part(CURLU *u, CURLUPart part, unsigned flags, char *dst,
			   size_t size)
{
	char *s = NULL;
	CURLUcode code = curl_url_get(u, part, &s, flags);

	if (code == CURLUE_OK && text_copy(dst, size, s) != STATUS_OK)
		code = CURLUE_MALFORMED_INPUT;
	curl_free(s);
	return code;
}

static void to_lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

static CURLUcode take_host(CURLU *u, struct http_url *url)
{
	CURLUcode code =
		copy_part(u, CURLUPART_HOST, 0, url->host, sizeof(url->host));
	size_t n;

	if (code != CURLUE_OK)
		return code;
	n = strlen(url->host);
	if (n == 0)
		return CURLUE_NO_HOST;
	to_lower(url->host);
	if (url->host[0] == '[' && url->host[n - 1] == ']') {
		memmove(url->host, url->host + 1, n - 2);
		url->host[n - 2] = '\0';
	}
	return CURLUE_OK;
}

static CURLUcode take_path(CURLU *u, struct http_url *url)
{
	char query[HTTP_URL_MAX];
	CURLUcode code =
		copy_part(u, CURLUPART_PATH, 0, url->path, sizeof(url->path));
	size_t n;

	if (code != CURLUE_OK)
		return code;
	code = copy_part(u, CURLUPART_QUERY, 0, query, sizeof(query));
	if (code == CURLUE_NO_QUERY)
		return CURLUE_OK;
	n = strlen(url->path);
	if (code != CURLUE_OK || n + 1 + strlen(query) >= sizeof(url->path))
		return CURLUE_MALFORMED_INPUT;
	url->path[n] = '?';
	memcpy(url->path + n + 1, query, strlen(query) + 1);
	return CURLUE_OK;
}

static CURLUcode take_parts(CURLU *u, const char *text, struct http_url *url)
{
	CURLUcode code = curl_url_set(u, CURLUPART_URL, text,
				      CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
	char word[16];

	if (code == CURLUE_OK)
		code = copy_part(u, CURLUPART_SCHEME, 0, word, sizeof(word));
	if (code != CURLUE_OK)
		return code;
	url->tls = strcasecmp(word, "https") == 0;
	if (!url->tls && strcasecmp(word, "http") != 0)
		return CURLUE_UNSUPPORTED_SCHEME;
	code = copy_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, word,
			 sizeof(word));
	if (code != CURLUE_OK)
		return code;
	url->port = (unsigned)strtoul(word, NULL, 10);
	if (url->port == 0)
		return CURLUE_BAD_PORT_NUMBER;
	code = take_host(u, url);
	return code == CURLUE_OK ? take_path(u, url) : code;
}

enum status http_url_parse(const char *text, struct http_url *ret_url,
			   struct reason *why)
{
	size_t n = strnlen(text, HTTP_URL_MAX);
	struct http_url url = { 0 };
	CURLUcode code;
	CURLU *u;

	if (n == HTTP_URL_MAX || text_has_control(text, n) || strchr(text, ' '))
		return reason_set(why, STATUS_CONFIG,
				  "the address is too long, or holds a space "
				  "or a control character");
	if (strchr(text, '#'))
		return reason_set(why, STATUS_CONFIG,
				  "the address must not hold a \"#\"");
	/* libcurl takes a host from behind the third slash. */
	if (strstr(text, ":///"))
		return explain_code(CURLUE_NO_HOST, why);
	u = curl_url();
	if (!u)
		return reason_no_memory(why);
	code = take_parts(u, text, &url);
	curl_url_cleanup(u);
	if (code != CURLUE_OK)
		return explain_code(code, why);
	*ret_url = url;
	return STATUS_OK;
}

bool http_url_is_loopback(const struct http_url *u)
{
	struct in6_addr six;
	struct in_addr four;

	/* libcurl itself never asks a name server for "localhost". */
	if (strcmp(u->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, u->host, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, u->host, &six) == 1 &&
	       IN6_IS_ADDR_LOOPBACK(&six);
}
