/* SPDX-License-Identifier: PostgreSQL */
/* The sentences of a hand-off sheet, by language: handoff_words.def. */
#ifndef KEYTURN_HANDOFF_WORDS_H
#define KEYTURN_HANDOFF_WORDS_H

#include "base/reason.h"

enum handoff_language {
#define LANGUAGE(name, word) HANDOFF_##name,
#include "handoff/handoff_words.def"
	HANDOFF_LANGUAGES
};

enum handoff_word {
#define WORD(name, english, german) HANDOFF_WORD_##name,
#include "handoff/handoff_words.def"
	HANDOFF_WORDS
};

/* "en", "de"; static. */
const char *handoff_words_language(enum handoff_language l);

/* Inverse; STATUS_USAGE lists what there is. */
enum status handoff_words_find(const char *word, enum handoff_language *ret,
			       struct reason *why);

/* UTF-8; static. */
const char *handoff_words(enum handoff_language l, enum handoff_word w);

#endif
