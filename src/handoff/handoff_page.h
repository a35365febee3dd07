/* SPDX-License-Identifier: PostgreSQL */
/*
 * A page for a person, as text for a terminal or as HTML.  Every value comes from
 * somewhere else and is shown, never obeyed: control characters, characters that
 * turn the direction of writing, and markup are escaped.
 */
#ifndef KEYTURN_HANDOFF_PAGE_H
#define KEYTURN_HANDOFF_PAGE_H

#include <stdbool.h>

#include "base/text.h"

enum handoff_page_part {
	HANDOFF_PAGE_NONE,
	HANDOFF_PAGE_ROWS,
	HANDOFF_PAGE_STEPS
};

struct handoff_page {
	struct text *out;
	bool html;
	enum handoff_page_part part; /* that is open */
	unsigned step;
};

/* lang is "en" or the like; name is a value. */
void handoff_page_begin(struct handoff_page *p, const char *lang,
			const char *title, const char *name);
void handoff_page_head(struct handoff_page *p, const char *words);
void handoff_page_words(struct handoff_page *p, const char *words);
/* A label of ours and a value. */
void handoff_page_row(struct handoff_page *p, const char *label,
		      const char *value);
void handoff_page_step(struct handoff_page *p, const char *words);
/* A value by itself. */
void handoff_page_code(struct handoff_page *p, const char *value);
void handoff_page_end(struct handoff_page *p);

#endif
