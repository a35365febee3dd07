/* SPDX-License-Identifier: PostgreSQL */
/* Sources of sightings by name; must never take one for another. */
#include <string.h>

#include "ledger/ledger.h"

static const struct {
	const char *word;
	bool uses;
} sources[] = {
#define SOURCE(name, word, uses, meaning) { word, uses },
#include "ledger/sources.def"
#undef SOURCE
};

const char *ledger_source_word(enum ledger_source s)
{
	return sources[s].word;
}

enum ledger_source ledger_source_find(const char *word)
{
	int i = 0;

	while (i < LEDGER_SOURCE_COUNT && strcmp(sources[i].word, word) != 0)
		i++;
	return (enum ledger_source)i;
}

bool ledger_source_uses(enum ledger_source s)
{
	return sources[s].uses;
}
