/* SPDX-License-Identifier: PostgreSQL */
/* Connections: who may have one, whole requests in, whole replies out. */
#ifndef KEYTURN_AGENT_SERVE_CLIENT_H
#define KEYTURN_AGENT_SERVE_CLIENT_H

#include "agent/access/rules.h"
#include "agent/agent_internal.h"

/* Beside `clients`, for the other sockets. */
#define AGENT_SERVE_CLIENT_RESERVED 16

enum agent_serve_client_state {
	AGENT_SERVE_CLIENT_IDLE,    /* between requests */
	AGENT_SERVE_CLIENT_READING, /* a request has begun to come */
	AGENT_SERVE_CLIENT_PARKED,  /* a request waits */
	AGENT_SERVE_CLIENT_GONE,    /* freed at the end of this turn */
};

struct agent_serve_client {
	struct agent_watch watch;
	struct agent_serve_client *next, *before;
	struct agent_serve_client *gone; /* the next one that is */
	enum agent_source through;	 /* the socket it came by */
	enum agent_serve_client_state state;
	struct agent_peer peer;
	int64_t since_us;     /* boot: of the state */
	struct secret *frame; /* what has come of a request, or what waits */
	char *credential;     /* creds.sock: the peer's name */

	/* The request that waits, or runs; a new one clears it. */
	int64_t begun_us; /* boot: when it was complete */
	int64_t until_us; /* boot: when it is over */
	const struct agent_secret
		*waits_for; /* compared only, never followed */
	bool waits_for_trail;
	bool pressed;  /* it has asked for a newer answer already */
	bool asked;    /* the same, for another version than one it knows */
	bool counted;  /* its password was wrong when it was first compared */
	bool left;     /* it is gone: nothing is waited for any more */
	bool stranger; /* counted as one without any right */
	bool again;    /* run it in this turn */
	uint64_t ticket;
};

/* Which uids have how many connections. */
struct agent_serve_client_tally {
	uid_t uid;
	unsigned n;
};

void agent_serve_client_accept(struct agent *a, struct agent_watch *listener);
void agent_serve_client_ready(struct agent *a, struct agent_serve_client *c,
			      unsigned events);
/* End those whose time is over. */
void agent_serve_client_tick(struct agent *a);
/* Run again those that need not wait any more; free those that are gone. */
void agent_serve_client_turn(struct agent *a);
void agent_serve_client_close_all(struct agent *a);
/* Let those who wait for this secret, or NULL for the trail, run again. */
void agent_serve_client_told(struct agent *a, const struct agent_secret *s);
void agent_serve_client_told_all(struct agent *a);

#endif
