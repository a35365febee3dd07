/* SPDX-License-Identifier: PostgreSQL */
/* What the files of the agent's event loop share; nobody else includes it. */
#ifndef KEYTURN_AGENT_INTERNAL_H
#define KEYTURN_AGENT_INTERNAL_H

#include <pthread.h>

#include "agent/access/groups.h"
#include "agent/agent.h"
#include "agent/cache/cache.h"
#include "agent/cache/workers.h"
#include "agent/serve/throttle.h"
#include "agent/trail/trail.h"
#include "base/secret.h"
#include "wire/wire.h"

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

enum agent_serve_client_state {
	AGENT_SERVE_CLIENT_IDLE,    /* between requests */
	AGENT_SERVE_CLIENT_READING, /* a request has begun to come */
	AGENT_SERVE_CLIENT_PARKED,  /* a request waits */
	AGENT_SERVE_CLIENT_GONE,    /* to be freed after this turn */
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

	/* The request that waits, or runs; begin() clears it. */
	int64_t begun_us; /* boot: when it had come */
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
struct agent_tally {
	uid_t uid;
	unsigned n;
};

struct agent_settings {
	struct agent_cache_settings cache;
	unsigned clients, clients_per_user, wrong_passwords;
};

struct agent {
	const struct now *now;
	char *config_path;
	struct config *config; /* the one in use */
	struct agent_settings settings;
	struct agent_access_groups *roster;
	struct agent_cache *cache;
	struct agent_cache_workers *couriers;
	struct agent_retired *retired; /* of configurations before */
	struct config *ledger_config;  /* the first one, for the ledger */
	struct opened *ledger_backends;
	struct agent_trail *trail;
	struct agent_serve_throttle *brake;

	int epoll;
	struct agent_watch listeners[AGENT_LISTENERS];
	char *made[AGENT_LISTENERS]; /* sockets that we made, to remove */
	struct agent_watch signals, wake;
	uid_t admin_uid;   /* the owner of admin.sock */
	int64_t accept_us; /* boot: until then no accept(); 0 */

	struct agent_serve_client *clients, *gone;
	unsigned n_clients, n_strangers, n_parked;
	struct agent_tally *tallies;
	size_t n_tallies;
	bool any_again;

	struct secret *inbox;  /* one request */
	struct secret *outbox; /* one reply */

	pthread_mutex_t lock; /* over done */
	struct agent_cache_ask *done;

	int64_t tick_us, second_us, watchdog_us;
	int64_t names_us; /* boot: names are looked up again; 0 never */
	bool stopping, reload;
	bool programs; /* the filter lets programs be started */
	struct agent_reload *reloading;
	bool keep; /* the kept cache is older than the cache */
	int64_t kept_us;
	uint64_t kept;		  /* the number of the last one */
	uint64_t served, refused; /* for the status line */
};

/* agent.c, for other threads: an errand has come back; the loop should look. */
void agent_done(void *arg, struct agent_cache_ask *e);
void agent_wake(void *arg);

/* agent_config.c */
enum status agent_config_load(struct agent *a, struct reason *why);
/* Begin to do that while serving; agent_config_take() ends it, and when it
 * failed all stays as it was. */
void agent_config_reload(struct agent *a);
void agent_config_take(struct agent *a);
/* Look the names up again that were not known, when it is time. */
void agent_config_names(struct agent *a);
void agent_config_stop(struct agent *a);
/* May one of its stores or tokens start a program? */
bool agent_config_programs(const struct config *c);
/* Does nobody look at a former configuration any more? */
bool agent_config_idle(const struct agent *a);
/* Free configurations that nobody looks at any more, or wait for that. */
void agent_config_reap(struct agent *a, bool wait);

/* agent_serve_listen.c: take the sockets that systemd passed on, make the others;
 * begin to watch them. */
enum status agent_serve_listen(struct agent *a, struct reason *why);
void agent_serve_listen_stop(struct agent *a);
/* Stop and begin again to be told of new clients. */
void agent_serve_listen_pause(struct agent *a, bool pause);

/* agent_serve_client.c */
#define AGENT_SERVE_CLIENT_RESERVED \
	16 /* beside `clients`, for the other sockets */
void agent_serve_client_accept(struct agent *a, struct agent_watch *listener);
void agent_serve_client_ready(struct agent *a, struct agent_serve_client *c,
			      unsigned events);
/* End those whose time is over; run again those that wait no more. */
void agent_serve_client_tick(struct agent *a);
void agent_serve_client_turn(struct agent *a);
void agent_serve_client_close_all(struct agent *a);
/* Let those who wait for this secret, or NULL for the trail, run again. */
void agent_serve_client_told(struct agent *a, const struct agent_secret *s);
void agent_serve_client_told_all(struct agent *a);

/* What becomes of a request. */
enum agent_outcome {
	AGENT_REPLY, /* a->outbox has it */
	AGENT_REPLY_AND_CLOSE,
	AGENT_PARK, /* c->until_us and c->waits_for* say for what */
	AGENT_CLOSE,
};

/* agent_serve_request.c: one whole frame.  *ret_len is of the reply. */
enum agent_outcome agent_serve_request(struct agent *a,
				       struct agent_serve_client *c,
				       const void *frame, size_t len,
				       size_t *ret_len);

/* Its client is gone while it waited: do what is owed for it. */
void agent_serve_request_leave(struct agent *a, struct agent_serve_client *c,
			       const void *frame, size_t len);

/* agent_serve_creds.c: what systemd's LoadCredential= gets. */
enum agent_outcome agent_serve_creds(struct agent *a,
				     struct agent_serve_client *c,
				     size_t *ret_len);
/* The peer's name, "X/unit/UNIT/ID"; free().  NULL: it is none. */
char *agent_serve_creds_name(int fd);

/* One request on its way through the handlers. */
struct agent_call {
	struct agent *a;
	struct agent_serve_client *c;
	struct wire_message m;
	struct agent_role *role; /* NULL where none is named */
	int64_t now_us;		 /* boot */
	struct wire_out out;
};

/* agent_serve_authorise.c: may the peer do this, with the role that the request names?
 * OK: k->role is set where the operation is about one. */
enum wire_result agent_serve_authorise(struct agent_call *k,
				       enum agent_right right);

/* Begin the reply. */
enum agent_outcome agent_serve_request_answer(struct agent_call *k,
					      enum wire_result result);
/* Wait for an answer about the role's secret, until `limit_us` after the
 * request came; false when that is over. */
bool agent_serve_request_wait(struct agent_call *k, int64_t limit_us);
/* Is it recorded that the role's secret is handed out?  AGENT_REPLY: yes. */
enum agent_outcome agent_serve_request_record(struct agent *a,
					      struct agent_serve_client *c,
					      const struct agent_role *role,
					      const char *operation, bool stale,
					      const char *whom);

/* agent_serve_verify.c.  role is NULL for one that is unknown or forbidden: the same
 * work is done. */
enum agent_outcome agent_serve_verify(struct agent_call *k);
void agent_serve_verify_nobody(struct agent_call *k);

/* agent_cache_snapshot.c */
void agent_cache_snapshot_restore(struct agent *a, int fd);
/* now: whether or not something has changed. */
void agent_cache_snapshot_save(struct agent *a, bool now);

#endif
