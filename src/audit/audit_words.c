/* SPDX-License-Identifier: PostgreSQL */
/* Reads details of before events had members; must never take a name that a
 * remote host chose for a count. */
#include "audit/audit_words.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Behind `word` when s begins with it; else NULL. */
static const char *skip_word(const char *s, const char *word)
{
	size_t n = strlen(word);

	return strncmp(s, word, n) == 0 ? s + n : NULL;
}

/* ", pid 1234" or ", 17 more" at the end. */
static void cut_count(struct audit_entry *e, char *words)
{
	char *last = strrchr(words, ','), *end;
	char *part = last ? last + 1 : words;
	long long n;

	part += *part == ' ';
	if (skip_word(part, "pid ") != NULL) {
		e->pid = strtoll(part + 4, NULL, 10);
	} else {
		if (!isdigit((unsigned char)*part))
			return;
		n = strtoll(part, &end, 10);
		if (strcmp(end, " more") != 0)
			return;
		e->count = n;
	}
	if (last)
		*last = '\0';
	else
		*words = '\0';
}

/* ", service NAME" behind the last host, which may have commas in it. */
static void cut_service(struct audit_entry *e, char *words)
{
	char *at = words, *found = NULL;

	while ((at = strstr(at, ", service ")) != NULL)
		found = at++;
	if (!found)
		return;
	text_cut(e->service, sizeof e->service, found + strlen(", service "));
	*found = '\0';
}

static void read_verify(struct audit_entry *e, char *words)
{
	static const char *const labels[] = { "current", "previous" };
	const char *rest;
	char *comma;

	cut_service(e, words);
	comma = strstr(words, ", from ");
	rest = comma ? comma + strlen(", from ") : NULL;
	if (rest && strcmp(rest, "further hosts") != 0) {
		text_cut(e->host, sizeof e->host, rest);
		*comma = '\0';
	}
	for (size_t i = 0; i < 2; i++)
		if ((rest = skip_word(words, labels[i])) != NULL &&
		    skip_word(rest, " password") != NULL)
			text_cut(e->label, sizeof e->label, labels[i]);
}

void audit_words_read(struct audit_entry *e)
{
	char words[AUDIT_TEXT_SIZE];
	const char *comma = strchr(e->detail, ','), *rest;
	size_t n = comma ? (size_t)(comma - e->detail) : 0;

	if (n == 0 || n >= sizeof e->operation ||
	    (e->kind != AUDIT_HANDOUT && e->kind != AUDIT_VERIFY &&
	     e->kind != AUDIT_REQUEST))
		return;
	rest = skip_word(comma, ", fresh");
	e->stale = !rest && (rest = skip_word(comma, ", stale")) != NULL;
	if (!rest || (*rest && *rest != ','))
		return;
	memcpy(e->operation, e->detail, n);
	e->operation[n] = '\0';
	rest += strspn(rest, ", ");
	text_cut(words, sizeof words, rest);
	cut_count(e, words);
	if (e->kind == AUDIT_VERIFY) {
		read_verify(e, words);
	} else if (words[0]) {
		text_cut(e->service, sizeof e->service, words);
		words[0] = '\0';
	}
	text_cut(e->detail, sizeof e->detail, words);
}
