/* SPDX-License-Identifier: PostgreSQL */
/* Where a partner types a connection in: the templates of handoff_partners.def. */
#ifndef KEYTURN_HANDOFF_PARTNER_H
#define KEYTURN_HANDOFF_PARTNER_H

#include <stdbool.h>
#include <stddef.h>

#include "handoff/handoff_words.h"

enum handoff_partner {
#define PARTNER(name, word, english, german) HANDOFF_PARTNER_##name,
#include "handoff/handoff_partners.def"
	HANDOFF_PARTNERS
};

/* What a field of a form is filled with. */
enum handoff_value {
	HANDOFF_VALUE_HOST,
	HANDOFF_VALUE_PORT,
	HANDOFF_VALUE_DATABASE,
	HANDOFF_VALUE_SCHEMA,
	HANDOFF_VALUE_SCHEMA_PARAMETER,
	HANDOFF_VALUE_USER,
	HANDOFF_VALUE_PASSWORD,
	HANDOFF_VALUE_SSLMODE
};

/* "sap-engagement-cloud"; static. */
const char *handoff_partner_word(enum handoff_partner p);
/* HANDOFF_PARTNERS: there is none of that word. */
enum handoff_partner handoff_partner_find(const char *word);
/* What its form is called; static. */
const char *handoff_partner_title(enum handoff_partner p,
				  enum handoff_language l);

/* The i-th field of its form, from 0; NULL behind the last.  The label is static. */
const char *handoff_partner_field(enum handoff_partner p, size_t i,
				  enum handoff_language l,
				  enum handoff_value *ret_value);

/* How the old password goes: by its member, at once, or after a grace. */
enum handoff_way { HANDOFF_WAY_PAIR, HANDOFF_WAY_SINGLE, HANDOFF_WAY_GATEWAY };

/* The i-th step for one of these; NULL behind the last.  Static. */
const char *handoff_partner_step(enum handoff_partner p, enum handoff_way way,
				 size_t i, enum handoff_language l);

#endif
