/* SPDX-License-Identifier: PostgreSQL */
/* Takes strings of words apart; must never take part of a word for a word. */
#include "base/words.h"

#include <string.h>

#define ANY ":NAME"

static const char *next(const char *between, const char **at, size_t *ret_n)
{
	const char *word = *at + strspn(*at, between);

	*ret_n = strcspn(word, between);
	*at = word + *ret_n;
	return *ret_n > 0 ? word : NULL;
}

const char *words_next(const char **at, size_t *ret_n)
{
	return next(" ", at, ret_n);
}

const char *words_next_item(const char **at, size_t *ret_n)
{
	return next(" ,", at, ret_n);
}

bool words_have(const char *words, const char *word, size_t n)
{
	const char *w;
	size_t len;

	while ((w = words_next_item(&words, &len)) != NULL) {
		if (len == n && memcmp(w, word, n) == 0)
			return true;
		if (len < sizeof(ANY) ||
		    memcmp(w + len - strlen(ANY), ANY, strlen(ANY)) != 0)
			continue;
		len -= strlen(ANY) - 1; /* up to its colon */
		if (n > len && memcmp(w, word, len) == 0)
			return true;
	}
	return false;
}

void words_join(const char *words, const char *last, struct text *t)
{
	const char *separator = "", *w;
	size_t n;

	while ((w = words_next(&words, &n)) != NULL) {
		text_add(t, separator);
		text_add_bytes(t, w, n);
		words += strspn(words, " ");
		separator = strchr(words, ' ') ? ", " : last;
	}
}
