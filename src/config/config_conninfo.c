/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finds passwords in connection strings, where people put them by habit, and the
 * servers that they name.  Must never miss a password that libpq would use, so it
 * reads the two forms as libpq's conninfo_parse() and conninfo_uri_parse() do.
 */
#include "config/config_conninfo.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define KEYWORD_MAX 32

static const char *secret_keyword(const char *word, size_t n)
{
	static const char *const keywords[] = {
		"password",	    "sslpassword",	"oauth_client_secret",
		"scram_client_key", "scram_server_key",
	};

	for (size_t i = 0; i < sizeof(keywords) / sizeof(*keywords); i++) {
		if (strlen(keywords[i]) == n &&
		    memcmp(keywords[i], word, n) == 0)
			return keywords[i];
	}
	return NULL;
}

static const char *skip_space(const char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* Past a value of the keyword form; it may be in single quotes, and a
 * backslash takes the next character as it is. */
static const char *skip_value(const char *s)
{
	char quote = *s == '\'' ? *s++ : '\0';

	while (*s && (quote ? *s != quote : !isspace((unsigned char)*s))) {
		if (*s == '\\' && s[1])
			s++;
		s++;
	}
	return quote && *s ? s + 1 : s;
}

/* Is this one what is looked for: `want`, or where that is NULL a secret? */
static const char *match(const char *want, const char *word, size_t n)
{
	if (!want)
		return secret_keyword(word, n);
	return strlen(want) == n && memcmp(want, word, n) == 0 ? want : NULL;
}

/* A secret is one without a value, too: people will fill it in. */
static const char *in_keywords(const char *s, const char *want)
{
	const char *word, *found;
	size_t n;

	for (s = skip_space(s); *s; s = skip_space(s)) {
		word = s;
		while (*s && *s != '=' && !isspace((unsigned char)*s))
			s++;
		n = (size_t)(s - word);
		s = skip_space(s);
		if (*s != '=')
			return NULL;
		found = match(want, word, n);
		s = skip_space(s + 1);
		if (found && (!want || (*s && strncmp(s, "''", 2) != 0)))
			return found;
		s = skip_value(s);
	}
	return NULL;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Part of a URI, which may be percent-encoded; its length, or -1 when word is too
 * small. */
static int decode(const char *s, size_t n, char *word, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (len == size)
			return -1;
		if (s[i] == '%' && i + 2 < n && hex(s[i + 1]) >= 0 &&
		    hex(s[i + 2]) >= 0) {
			word[len++] =
				(char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
		} else {
			word[len++] = s[i];
		}
	}
	return (int)len;
}

/* The keyword of a URI parameter. */
static const char *encoded_keyword(const char *want, const char *s, size_t n)
{
	char word[KEYWORD_MAX];
	int len = decode(s, n, word, sizeof(word));

	return len < 0 ? NULL : match(want, word, (size_t)len);
}

/* s is what follows "postgresql://". */
static const char *in_uri(const char *s, const char *want)
{
	const char *at = s + strcspn(s, "@/"), *colon, *found;
	size_t n;

	/* Credentials, if there is an '@' in front of any '/'. */
	if (*at == '@') {
		colon = memchr(s, ':', (size_t)(at - s));
		if (colon && colon + 1 < at && match(want, "password", 8))
			return "password";
		if (*s != ':' && s < at && match(want, "user", 4))
			return "user";
		s = at + 1;
	}
	s += strcspn(s, "/?");
	if (*s == '/' && s[1] && s[1] != '?' && match(want, "dbname", 6))
		return "dbname";
	s += strcspn(s, "?");
	while (*s) {
		s++;
		n = strcspn(s, "=&");
		found = encoded_keyword(want, s, n);
		if (found &&
		    (!want || (s[n] == '=' && s[n + 1] && s[n + 1] != '&')))
			return found;
		s += strcspn(s, "&");
	}
	return NULL;
}

/* What follows a URI's scheme, or NULL. */
static const char *after_scheme(const char *s)
{
	static const char *const schemes[] = { "postgresql://", "postgres://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (strncmp(s, schemes[i], n) == 0)
			return s + n;
	}
	return NULL;
}

const char *config_conninfo_secret(const char *s)
{
	const char *uri = after_scheme(s);

	return uri ? in_uri(uri, NULL) : in_keywords(s, NULL);
}

bool config_conninfo_has(const char *s, const char *keyword)
{
	const char *uri = after_scheme(s);

	return uri ? in_uri(uri, keyword) : in_keywords(s, keyword);
}

/* --- the servers ----------------------------------------------------------- */

#define LIST_MAX 1025

/* Lists with commas, as libpq has them. */
struct servers {
	char host[LIST_MAX], hostaddr[LIST_MAX], port[LIST_MAX];
};

/* Where the value of this keyword goes, or NULL. */
static char *list_of(struct servers *l, const char *word, size_t n)
{
	if (n == 4 && memcmp(word, "host", 4) == 0)
		return l->host;
	if (n == 8 && memcmp(word, "hostaddr", 8) == 0)
		return l->hostaddr;
	return n == 4 && memcmp(word, "port", 4) == 0 ? l->port : NULL;
}

/* libpq would refuse a value that is too long here. */
static void keep(char *list, const char *s, size_t n)
{
	int len = decode(s, n, list, LIST_MAX - 1);

	list[len < 0 ? 0 : len] = '\0';
}

static void list_keywords(struct servers *l, const char *s)
{
	const char *word, *end;
	char *list;
	size_t n;

	for (s = skip_space(s); *s; s = skip_space(end)) {
		word = s;
		while (*s && *s != '=' && !isspace((unsigned char)*s))
			s++;
		list = list_of(l, word, (size_t)(s - word));
		s = skip_space(s);
		if (*s != '=')
			return;
		s = skip_space(s + 1);
		end = skip_value(s);
		if (!list)
			continue;
		n = 0;
		for (s += *s == '\''; s < end && n < LIST_MAX - 1; s++) {
			if (*s == '\'')
				break;
			if (*s == '\\' && s + 1 < end)
				s++;
			list[n++] = *s;
		}
		list[n] = '\0';
	}
}

/* host:port,[address]:port */
static void list_authority(struct servers *l, const char *s, size_t n)
{
	const char *end = s + n, *port;
	size_t hosts = 0, ports = 0, len;

	for (; s <= end; s += len + 1) {
		len = (size_t)(end - s) < strcspn(s, ",") ? (size_t)(end - s) :
							    strcspn(s, ",");
		port = *s == '[' ? memchr(s, ']', len) : s;
		port = port ? memchr(port, ':', len - (size_t)(port - s)) :
			      NULL;
		n = port ? (size_t)(port - s) : len;
		if (*s == '[' && n > 1)
			hosts += (size_t)snprintf(l->host + hosts,
						  LIST_MAX - hosts, "%.*s,",
						  (int)n - 2, s + 1);
		else
			hosts += (size_t)snprintf(l->host + hosts,
						  LIST_MAX - hosts, "%.*s,",
						  (int)n, s);
		ports += (size_t)snprintf(l->port + ports, LIST_MAX - ports,
					  "%.*s,",
					  port ? (int)(len - n - 1) : 0,
					  port ? port + 1 : "");
		if (hosts >= LIST_MAX || ports >= LIST_MAX)
			return;
	}
	/* The last comma is ours. */
	l->host[hosts - 1] = l->port[ports - 1] = '\0';
}

static void list_uri(struct servers *l, const char *s)
{
	const char *at = s + strcspn(s, "@/");
	char raw[LIST_MAX];
	size_t n;

	if (*at == '@')
		s = at + 1;
	list_authority(l, s, strcspn(s, "/?"));
	memcpy(raw, l->host, sizeof(raw));
	keep(l->host, raw, strlen(raw));
	s += strcspn(s, "?");
	while (*s) {
		char *list = list_of(l, s + 1, strcspn(s + 1, "=&"));

		s++;
		n = strcspn(s, "&");
		if (list && s[strcspn(s, "=&")] == '=')
			keep(list, s + strcspn(s, "=") + 1,
			     n - strcspn(s, "=") - 1);
		s += n;
	}
}

void config_conninfo_servers(const char *s, struct text *ret)
{
	struct servers l = { .host = "" };
	const char *uri = after_scheme(s), *host, *port;
	bool one_port;
	size_t n;

	if (uri)
		list_uri(&l, uri);
	else
		list_keywords(&l, s);
	host = l.host[0] ? l.host : l.hostaddr;
	port = l.port;
	one_port = !strchr(port, ',');
	text_add_char(ret, ' ');
	for (;;) {
		n = strcspn(host, ",");
		/* A trailing dot says that the name is complete. */
		for (size_t i = 0; i < n - (n > 1 && host[n - 1] == '.'); i++)
			text_add_char(ret,
				      (char)tolower((unsigned char)host[i]));
		text_printf(ret, ":%.*s ",
			    strcspn(port, ",") ? (int)strcspn(port, ",") : 4,
			    strcspn(port, ",") ? port : "5432");
		if (!host[n])
			return;
		host += n + 1;
		if (!one_port)
			port += strcspn(port, ",");
		if (!one_port && *port)
			port++;
	}
}
