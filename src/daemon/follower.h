/* SPDX-License-Identifier: PostgreSQL */
/*
 * What follows new passwords (jobs/follow.h), in threads of its own: a delivery
 * that hangs makes no rotation wait, and few other deliveries.
 */
#ifndef KEYTURN_FOLLOWER_H
#define KEYTURN_FOLLOWER_H

#include "daemon/generation.h"

struct follower;

/*
 * Start the threads, which hold the generation until they end; *ret is NULL when no
 * role has a step.  The first turn waits for no time of a next attempt: what a
 * person has set right since is used at once.
 */
enum status follower_start(struct generation *generation, const char *actor,
			   struct follower **ret, struct reason *why);

/* A run of this role has ended: look at it now.  Takes NULL. */
void follower_wake(struct follower *f, const char *role);

/* So many attempts have been made so far.  Takes NULL. */
unsigned long follower_attempts(struct follower *f);

/* Begin nothing more; what is under way ends with its timeout.  Takes NULL. */
void follower_stop(struct follower *f);
/* Has it ended?  True for NULL. */
bool follower_stopped(struct follower *f);
/* Stop, wait and release.  Takes NULL. */
void follower_free(struct follower *f);

#endif
