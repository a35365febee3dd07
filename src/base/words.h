/* SPDX-License-Identifier: PostgreSQL */
/* Words in a string, divided by spaces: lists in settings, and the closed sets
 * that tables keep. */
#ifndef KEYTURN_WORDS_H
#define KEYTURN_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* The word at *at and its length; *at moves behind it.  NULL at the end. */
const char *words_next(const char **at, size_t *ret_n);

/* The same for a list in which commas divide, too. */
const char *words_next_item(const char **at, size_t *ret_n);

/* Is the word of n bytes an item of words?  "token:NAME" among them stands for
 * "token:" with at least one byte behind it. */
bool words_have(const char *words, const char *word, size_t n);

/* Append "local, vault or aws"; last is " or ".  No space ends words. */
void words_join(const char *words, const char *last, struct text *t);

#endif
