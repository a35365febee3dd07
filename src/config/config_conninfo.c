/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finds passwords in connection strings, where people put them by habit.  Must
 * never miss one that libpq would use, so it reads the two forms as libpq's
 * conninfo_parse() and conninfo_uri_parse() do.
 */
#include "config/config_conninfo.h"

#include <ctype.h>
#include <stddef.h>
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

static const char *in_keywords(const char *s)
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
		found = secret_keyword(word, n);
		if (found)
			return found;
		s = skip_value(skip_space(s + 1));
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

/* The keyword of a URI parameter, which may be percent-encoded. */
static const char *encoded_keyword(const char *s, size_t n)
{
	char word[KEYWORD_MAX];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (len == sizeof(word))
			return NULL;
		if (s[i] == '%' && i + 2 < n && hex(s[i + 1]) >= 0 &&
		    hex(s[i + 2]) >= 0) {
			word[len++] =
				(char)(hex(s[i + 1]) * 16 + hex(s[i + 2]));
			i += 2;
		} else {
			word[len++] = s[i];
		}
	}
	return secret_keyword(word, len);
}

/* s is what follows "postgresql://". */
static const char *in_uri(const char *s)
{
	const char *at = s + strcspn(s, "@/"), *colon, *found;

	/* Credentials, if there is an '@' in front of any '/'. */
	if (*at == '@') {
		colon = memchr(s, ':', (size_t)(at - s));
		if (colon && colon + 1 < at)
			return "password";
		s = at + 1;
	}
	s += strcspn(s, "?");
	while (*s) {
		s++;
		found = encoded_keyword(s, strcspn(s, "=&"));
		if (found)
			return found;
		s += strcspn(s, "&");
	}
	return NULL;
}

const char *config_conninfo_secret(const char *s)
{
	static const char *const schemes[] = { "postgresql://", "postgres://" };

	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t n = strlen(schemes[i]);

		if (strncmp(s, schemes[i], n) == 0)
			return in_uri(s + n);
	}
	return in_keywords(s);
}
