/* SPDX-License-Identifier: PostgreSQL */
/*
 * What keyturnd and the agent on its host tell each other over the admin
 * socket: which role has a new password, and which roles' owners want one.
 * Best effort: an agent that hears nothing asks the store itself.
 */
#ifndef KEYTURN_PUSH_H
#define KEYTURN_PUSH_H

#include <stdbool.h>

#include "base/random.h"
#include "base/reason.h"

struct push;

/* An owner asked for a rotation of the role; called from push's thread. */
typedef void push_request_fn(void *arg, const char *role);

/* Starts the thread.  random and arg must outlive it; there need be no agent. */
enum status push_start(const char *socket_path, const struct random *random,
		       push_request_fn *request, void *arg, struct push **ret,
		       struct reason *why);

/* `version` of the role is current now.  Does not wait.  Takes NULL. */
void push_tell(struct push *p, const char *role, const char *version);

/* What was asked for the role is recorded, or refused: the agent may forget it.
 * Until then it hands it over again.  Does not wait.  Takes NULL. */
void push_taken(struct push *p, const char *role);

/* Ask the agent for no more requests: what is not taken stays there for the next
 * start.  True when no question is under way any more, and every request has
 * been handed over.  Does not wait.  Takes NULL. */
bool push_hush(struct push *p);

/* How many tellings came to nothing so far.  Takes NULL. */
unsigned push_failed(struct push *p);

/* Tell what is left to tell once more, unless the agent does not answer, wait,
 * release.  Takes NULL. */
void push_free(struct push *p);

#endif
