/* SPDX-License-Identifier: PostgreSQL */
/* What the two files of the agent's cache share; no one else includes it. */
#ifndef KEYTURN_AGENT_CACHE_INTERNAL_H
#define KEYTURN_AGENT_CACHE_INTERNAL_H

#include "agent/cache/cache.h"

#define AGENT_CACHE_RETRY_US NOW_SECOND /* the first; then twice as long */

struct agent_cache {
	const struct now *now;
	struct secret *key;
	uint64_t random; /* spreads polls; nothing secret comes of it */
	uint64_t serial;
	struct agent_cache_hooks hooks;
	struct agent_cache_settings settings;
	struct agent_secret *first;
	struct map *by_name; /* and store */
};

/* us, a tenth more or less: ten thousand secrets are not asked for at once. */
int64_t agent_cache_spread(struct agent_cache *c, int64_t us);

/* NULL: it is not wanted. */
struct agent_secret *agent_cache_find(const struct agent_cache *c,
				      const char *name, const char *store);

/* Send a query, or remember the wish when one is under way. */
void agent_cache_send(struct agent_cache *c, struct agent_secret *s,
		      bool urgent);

#endif
