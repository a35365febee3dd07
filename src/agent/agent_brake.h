/* SPDX-License-Identifier: PostgreSQL */
/* Counts wrong passwords for each (client user, role, remote host), and for each
 * (client user, role), and says when the next is not even looked at.  Fixed
 * memory: when it is full, those with the fewest are forgotten. */
#ifndef KEYTURN_AGENT_BRAKE_H
#define KEYTURN_AGENT_BRAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/agent_cache.h"

struct agent_brake;

struct agent_brake *agent_brake_new(void); /* NULL without memory */
void agent_brake_free(struct agent_brake *b);

struct agent_brake_who {
	unsigned char id[16];
};

/* The cache's key makes the id, so that nobody can choose colliding ones.  what
 * tells counts of different things apart; rhost NULL: from wherever. */
enum status agent_brake_who(const struct agent_cache *c, const char *what,
			    uid_t uid, const char *role, const char *rhost,
			    struct agent_brake_who *ret);

/* Has who used up `limit` in the last minute, as they leak away evenly? */
bool agent_brake_on(struct agent_brake *b, const struct agent_brake_who *who,
		    unsigned limit, int64_t now_us);
void agent_brake_wrong(struct agent_brake *b, const struct agent_brake_who *who,
		       unsigned limit, int64_t now_us);
/* One that was counted was none. */
void agent_brake_back(struct agent_brake *b, const struct agent_brake_who *who,
		      unsigned limit, int64_t now_us);

#endif
