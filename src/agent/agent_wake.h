/* SPDX-License-Identifier: PostgreSQL */
/* How other threads reach the event loop. */
#ifndef KEYTURN_AGENT_WAKE_H
#define KEYTURN_AGENT_WAKE_H

#include "agent/cache/ask.h"

/* Both take a struct agent.  The loop should look for news. */
void agent_wake(void *arg);
/* A store has been asked; the query is the loop's. */
void agent_wake_answered(void *arg, struct agent_cache_ask *q);

#endif
