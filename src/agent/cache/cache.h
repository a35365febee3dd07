/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the agent holds of each secret, and when it asks for more.  Belongs to
 * the event loop alone: no lock, no clock of its own, no store.  It asks by
 * sending queries and is told by agent_cache_answer().
 *
 * One query at a time for each secret.  A wish that comes while one is under
 * way is remembered and becomes another query after it, since the answer may
 * be older than the wish.
 *
 * Which answer is newer?  A version's label goes PENDING, CURRENT, PREVIOUS,
 * ring, and only a re-pointing after a restore takes one back to CURRENT.  So
 * an answer with another CURRENT than ours
 *  - that has ours as PREVIOUS or in the ring knows of ours and has gone on:
 *    newer, even when its CURRENT was made before ours (a restore);
 *  - that has ours as PENDING was given before ours became current: older;
 *  - that does not know ours is newer when its CURRENT was made after ours
 *    (ours has left the ring), else an older view, such as a replica's.
 * An older answer is not taken.  It is doubted: ours is handed out as stale,
 * and when the store has said the same for AGENT_CACHE_DOUBT_US, it is believed
 * after all (the store itself was restored).  No CURRENT at all is doubted in
 * the same way.  A push from the rotator that names the version ends the doubt.
 * Of tokens the last that was minted is the newest.
 */
#ifndef KEYTURN_AGENT_CACHE_CACHE_H
#define KEYTURN_AGENT_CACHE_CACHE_H

#include "agent/cache/ask.h"
#include "base/map.h"
#include "base/now.h"
#include "crypto/digest.h"

#define AGENT_CACHE_DOUBT_US (120 * NOW_SECOND)
/* The least time between two queries that clients cause. */
#define AGENT_CACHE_PRESS_US (1 * NOW_SECOND)

struct agent_version {
	char id[RANDOM_UUID_SIZE]; /* "" for none */
	char username[64];
	int64_t created_us; /* wall: when it was made */
	bool has_mac;
	unsigned char mac[DIGEST_SIZE]; /* of its password, under our key */
};

struct agent_secret {
	struct map_link by_name;
	struct agent_secret *next; /* of the cache */
	uint64_t serial;
	char name[AGENT_NAME_SIZE];
	char store[AGENT_NAME_SIZE];
	bool token;

	/* Wanted by the configuration. */
	bool wanted;
	bool want_content, want_clear, want_previous;

	/* Held.  PREVIOUS is held as a digest only, and so is CURRENT unless
	 * somebody may read it. */
	struct agent_version current, previous;
	struct secret *password; /* of current, or NULL */
	char host[256], port[8], dbname[64];
	int64_t since_us;   /* wall: when current became current */
	int64_t expires_us; /* wall: the end of a token; 0: none */
	int64_t checked_us; /* boot: when the store last confirmed it; 0 never */
	int64_t seen_us;    /* the same by the wall clock */

	/* Asking. */
	bool busy, again, failed;
	bool outage;	    /* the store is away, which is why it failed */
	bool changed;	    /* the last answer brought another version */
	bool news;	    /* why, or that it is over, should be said */
	bool answered;	    /* at all, since the agent was started */
	int64_t next_us;    /* boot: the next query by itself */
	int64_t planned_us; /* the interval when the store last confirmed it */
	int64_t pressed_us; /* boot: the last that a client caused */
	bool hurried;	    /* the next one is a client's doing as well */
	unsigned failures;
	struct reason why; /* of the last failure */
	char doubted[RANDOM_UUID_SIZE];
	int64_t doubted_us; /* boot; 0: no doubt */
	char pushed[RANDOM_UUID_SIZE];
	char refused[RANDOM_UUID_SIZE]; /* a token, to be told to its source */
	int64_t minted_us; /* boot: when a client last caused one */
	int64_t life_us;   /* what a client wants of the next token; 0 any */
};

struct agent_cache;

struct agent_cache_settings {
	int64_t refresh_us;
	int64_t max_stale_us;
};

/* Where queries go; the receiver owns them. */
typedef void agent_cache_send_fn(void *arg, struct agent_cache_ask *q,
				 bool urgent);
/* An answer about the secret has come, for those who wait for one. */
typedef void agent_cache_told_fn(void *arg, const struct agent_secret *s);

struct agent_cache_hooks {
	agent_cache_send_fn *send;
	agent_cache_told_fn *told;
	void *arg;
};

/* key digests passwords; the cache's from here on.  seed spreads the polls. */
enum status agent_cache_new(const struct now *now, struct secret *key,
			    uint64_t seed,
			    const struct agent_cache_hooks *hooks,
			    struct agent_cache **ret, struct reason *why);
void agent_cache_free(struct agent_cache *c);
void agent_cache_set(struct agent_cache *c,
		     const struct agent_cache_settings *settings);
const struct secret *agent_cache_key(const struct agent_cache *c);

/*
 * A new configuration: begin; want() each secret, which keeps what is held of
 * one of the same name and store; end, which drops the others.
 */
void agent_cache_want_begin(struct agent_cache *c);
enum status agent_cache_want(struct agent_cache *c,
			     const struct agent_secret *wish,
			     struct agent_secret **ret, struct reason *why);
void agent_cache_want_end(struct agent_cache *c);

/* All secrets, in no order. */
struct agent_secret *agent_cache_first(const struct agent_cache *c);

/* A query has come back; it is freed. */
void agent_cache_answer(struct agent_cache *c, struct agent_cache_ask *q);

/* Send what is due, drop what is too stale.  Call about every second. */
void agent_cache_tick(struct agent_cache *c);

/* The caller stood still, stopped or suspended, and heard of nothing: what is
 * held is stale until the store has answered, which is asked at once. */
void agent_cache_slept(struct agent_cache *c);

/* A client needs it newer than it is.  Leads to at most one query in least_us for
 * each secret, and to none while the last one has failed and the next is not
 * due.  Says whether one is under way.  With 0 the caller limits the rate
 * itself. */
bool agent_cache_press(struct agent_cache *c, struct agent_secret *s,
		       int64_t least_us);

/* A client waits: ask within us, unless the last query failed. */
void agent_cache_soon(struct agent_cache *c, struct agent_secret *s,
		      int64_t us);

/* The rotator says that version is current; "" when it did not say. */
void agent_cache_push(struct agent_cache *c, struct agent_secret *s,
		      const char *version);

enum agent_cache_has {
	AGENT_CACHE_FRESH,
	AGENT_CACHE_STALE,
	AGENT_CACHE_COMING, /* nothing yet, and the first query is under way */
	AGENT_CACHE_NOTHING /* an answer came, and nothing can be handed out */
};

/* *ret_stale_s: for how many seconds the store has not confirmed it, 0 when
 * fresh. */
enum agent_cache_has agent_cache_look(const struct agent_cache *c,
				      const struct agent_secret *s,
				      int64_t *ret_stale_s);

/* Is less held of the current version than is wanted?  It is being fetched. */
bool agent_cache_lacks(const struct agent_secret *s);

/* Digest a password under the cache's key. */
enum status agent_cache_digest(const struct agent_cache *c, const void *p,
			       size_t n, unsigned char ret[DIGEST_SIZE]);

/* Another key, from a cache that was kept; only while nothing is held. */
void agent_cache_rekey(struct agent_cache *c, struct secret *key);
/* Hold what was kept of a secret, when it is wanted and is enough; takes the
 * password, and says whether it did. */
bool agent_cache_restore(struct agent_cache *c, struct agent_secret *kept);

/* Forget what is held. */
void agent_cache_drop(struct agent_secret *s);

#endif
