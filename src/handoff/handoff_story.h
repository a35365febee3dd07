/* SPDX-License-Identifier: PostgreSQL */
/* A hand-off for people and machines. */
#ifndef KEYTURN_HANDOFF_STORY_H
#define KEYTURN_HANDOFF_STORY_H

#include "handoff/handoff.h"

/* A line for the role and one a state; or one JSON object with a newline. */
void handoff_story_text(const struct handoff *h, struct text *t);
void handoff_story_json(const struct handoff *h, struct text *t);

#endif
