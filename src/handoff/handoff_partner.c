/* SPDX-License-Identifier: PostgreSQL */
/* Reads the table of partners' forms; must never guess a form. */
#include "handoff/handoff_partner.h"

#include <string.h>

enum strategy { PAIR, SINGLE, GATEWAY, ANY };

static const struct {
	const char *word, *titles[HANDOFF_LANGUAGES];
} partners[HANDOFF_PARTNERS] = {
#define PARTNER(name, word, english, german) { word, { english, german } },
#include "handoff/handoff_partners.def"
};

static const struct {
	enum handoff_partner partner;
	enum handoff_value value;
	const char *labels[HANDOFF_LANGUAGES];
} fields[] = {
#define FIELD(partner, value, english, german) \
	{ HANDOFF_PARTNER_##partner,           \
	  HANDOFF_VALUE_##value,               \
	  { english, german } },
#include "handoff/handoff_partners.def"
};

static const struct {
	enum handoff_partner partner;
	enum strategy strategy;
	const char *says[HANDOFF_LANGUAGES];
} steps[] = {
#define STEP(partner, strategy, english, german) \
	{ HANDOFF_PARTNER_##partner, strategy, { english, german } },
#include "handoff/handoff_partners.def"
};

#define N_FIELDS (sizeof(fields) / sizeof(*fields))
#define N_STEPS	 (sizeof(steps) / sizeof(*steps))

const char *handoff_partner_word(enum handoff_partner p)
{
	return partners[p].word;
}

enum handoff_partner handoff_partner_find(const char *word)
{
	int p = 0;

	while (p < HANDOFF_PARTNERS && strcmp(partners[p].word, word) != 0)
		p++;
	return (enum handoff_partner)p;
}

const char *handoff_partner_title(enum handoff_partner p,
				  enum handoff_language l)
{
	return partners[p].titles[l];
}

const char *handoff_partner_field(enum handoff_partner p, size_t i,
				  enum handoff_language l,
				  enum handoff_value *ret_value)
{
	for (size_t k = 0; k < N_FIELDS; k++)
		if (fields[k].partner == p && i-- == 0) {
			*ret_value = fields[k].value;
			return fields[k].labels[l];
		}
	return NULL;
}

const char *handoff_partner_step(enum handoff_partner p, enum handoff_way way,
				 size_t i, enum handoff_language l)
{
	for (size_t k = 0; k < N_STEPS; k++)
		if (steps[k].partner == p &&
		    (steps[k].strategy == ANY ||
		     (unsigned)steps[k].strategy == (unsigned)way) &&
		    i-- == 0)
			return steps[k].says[l];
	return NULL;
}
