/* SPDX-License-Identifier: PostgreSQL */
/*
 * What keyturnd and the agent on its host tell each other over the admin
 * socket: which role has a new password, and which roles' owners want one.
 * Best effort: an agent that hears nothing asks the store itself.
 */
#ifndef KEYTURN_AGENT_NOTIFY_H
#define KEYTURN_AGENT_NOTIFY_H

#include <stdbool.h>

#include "base/random.h"
#include "base/reason.h"

struct agent_notify;

/* An owner asked for a rotation of the role; called from its thread. */
typedef void agent_notify_request_fn(void *arg, const char *role);

/* Starts the thread.  random and arg must outlive it; there need be no agent. */
enum status agent_notify_start(const char *socket_path,
			       const struct random *random,
			       agent_notify_request_fn *request, void *arg,
			       struct agent_notify **ret, struct reason *why);

/* `version` of the role is current now.  Does not wait.  Takes NULL. */
void agent_notify_tell(struct agent_notify *p, const char *role,
		       const char *version);

/* What was asked for the role is recorded, or refused: the agent may forget it.
 * Until then it hands it over again.  Does not wait.  Takes NULL. */
void agent_notify_taken(struct agent_notify *p, const char *role);

/* Ask the agent for no more requests: what is not taken stays there for the next
 * start.  True when no question is under way any more, and every request has
 * been handed over.  Does not wait.  Takes NULL. */
bool agent_notify_hush(struct agent_notify *p);

/* How many tellings came to nothing so far.  Takes NULL. */
unsigned agent_notify_failed(struct agent_notify *p);

/* Tell what is left to tell once more, unless the agent does not answer, wait,
 * release.  Takes NULL. */
void agent_notify_free(struct agent_notify *p);

#endif
