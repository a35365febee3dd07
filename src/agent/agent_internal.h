/* SPDX-License-Identifier: PostgreSQL */
/* The state of the agent's event loop, for the files that run in it. */
#ifndef KEYTURN_AGENT_INTERNAL_H
#define KEYTURN_AGENT_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "agent/agent_config.h"
#include "agent/cache/snapshot.h"

enum agent_source {
	/* Listening. */
	AGENT_SOURCE_AGENT,
	AGENT_SOURCE_CREDS,
	AGENT_SOURCE_ADMIN,
	/* Not listening. */
	AGENT_SOURCE_CLIENT,
	AGENT_SOURCE_SIGNAL,
	AGENT_SOURCE_WAKE,
};
#define AGENT_LISTENERS 3

/* What an event of epoll leads to; the first member of what has more. */
struct agent_watch {
	enum agent_source source;
	int fd;
};

struct agent {
	const struct now *now;
	char *config_path;
	struct config *config; /* the one in use */
	struct agent_settings settings;
	struct agent_access_groups *groups;
	struct agent_cache *cache;
	struct agent_cache_workers *workers;
	struct agent_retired *retired; /* of configurations before */
	struct agent_reload *reloading;
	struct config *ledger_config; /* the first one, for the ledger */
	struct opened *ledger_opened;
	struct agent_trail *trail;
	struct agent_trail_seen *seen;
	struct agent_serve_throttle *throttle;
	struct agent_cache_snapshot snapshot;

	int epoll;
	struct agent_watch listeners[AGENT_LISTENERS];
	char *made[AGENT_LISTENERS]; /* sockets that we made, to remove */
	struct agent_watch signals, wake;
	uid_t admin_uid;   /* the owner of admin.sock */
	int64_t accept_us; /* boot: until then no accept(); 0 */

	struct agent_serve_client *clients, *gone;
	unsigned n_clients, n_strangers, n_parked;
	struct agent_serve_client_tally *tallies;
	size_t n_tallies;
	bool any_again;

	struct secret *inbox;  /* one request */
	struct secret *outbox; /* one reply */

	pthread_mutex_t lock; /* over done */
	struct agent_cache_ask *done;

	int64_t tick_us, second_us, watchdog_us;
	int64_t names_us; /* boot: names are looked up again; 0 never */
	bool stopping, reload;
	bool programs;		  /* the filter lets programs be started */
	uint64_t served, refused; /* for the status line */
};

#endif
