/* SPDX-License-Identifier: PostgreSQL */
/* The cache over a restart of the agent. */
#ifndef KEYTURN_AGENT_CACHE_SNAPSHOT_H
#define KEYTURN_AGENT_CACHE_SNAPSHOT_H

#include "agent/cache/cache.h"

struct agent_cache_snapshot {
	struct agent_cache *cache;
	const struct now *now;
	/* For records, not ours: the reply's, which no one uses between two
	 * requests. */
	struct secret *buffer;
	bool changed;	  /* the cache is newer than the last one */
	int64_t saved_us; /* boot */
	uint64_t number;  /* of the last one */
};

/* Take what the service manager kept in fd, when it is newer than what was
 * taken before. */
void agent_cache_snapshot_restore(struct agent_cache_snapshot *p, int fd);
/* Hand the cache to the service manager when it is time, or at once.  What cannot
 * be saved is tried again. */
void agent_cache_snapshot_save(struct agent_cache_snapshot *p, bool at_once);

#endif
