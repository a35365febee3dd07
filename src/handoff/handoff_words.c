/* SPDX-License-Identifier: PostgreSQL */
/* Looks sentences up; must never put a value into one. */
#include "handoff/handoff_words.h"

#include <string.h>

static const char *const languages[HANDOFF_LANGUAGES] = {
#define LANGUAGE(name, word) word,
#include "handoff/handoff_words.def"
};

static const char *const words[HANDOFF_WORDS][HANDOFF_LANGUAGES] = {
#define WORD(name, english, german) { english, german },
#include "handoff/handoff_words.def"
};

const char *handoff_words_language(enum handoff_language l)
{
	return languages[l];
}

enum status handoff_words_find(const char *word, enum handoff_language *ret,
			       struct reason *why)
{
	for (int i = 0; i < HANDOFF_LANGUAGES; i++)
		if (strcmp(languages[i], word) == 0) {
			*ret = (enum handoff_language)i;
			return STATUS_OK;
		}
	return reason_set(why, STATUS_USAGE, "there is no language %s: en, de",
			  word);
}

const char *handoff_words(enum handoff_language l, enum handoff_word w)
{
	return words[w][l];
}
