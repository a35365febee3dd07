/* SPDX-License-Identifier: PostgreSQL */
/* Counts wrong passwords for each (client user, role, remote host), and for each
 * (client user, role), and says when the next is not even looked at.  Fixed
 * memory: when it is full, those with the fewest are forgotten. */
#ifndef KEYTURN_AGENT_SERVE_THROTTLE_H
#define KEYTURN_AGENT_SERVE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/cache/cache.h"

struct agent_serve_throttle;

struct agent_serve_throttle *agent_serve_throttle_new(
	void); /* NULL without memory */
void agent_serve_throttle_free(struct agent_serve_throttle *t);

struct agent_serve_throttle_who {
	unsigned char id[16];
};

/* The id is made with the cache's key, so that a client cannot choose ids that
 * collide.  what tells counts of different things apart; rhost NULL: from
 * anywhere. */
enum status agent_serve_throttle_who(const struct agent_cache *c,
				     const char *what, uid_t uid,
				     const char *role, const char *rhost,
				     struct agent_serve_throttle_who *ret);

/* Has who used up `limit` in the last minute, as they leak away evenly? */
bool agent_serve_throttle_on(struct agent_serve_throttle *t,
			     const struct agent_serve_throttle_who *who,
			     unsigned limit, int64_t now_us);
void agent_serve_throttle_wrong(struct agent_serve_throttle *t,
				const struct agent_serve_throttle_who *who,
				unsigned limit, int64_t now_us);
/* The last one that was counted was not wrong after all. */
void agent_serve_throttle_back(struct agent_serve_throttle *t,
			       const struct agent_serve_throttle_who *who,
			       unsigned limit, int64_t now_us);

#endif
