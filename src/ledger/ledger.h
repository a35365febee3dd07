/* SPDX-License-Identifier: PostgreSQL */
/*
 * Schedule, history and audit.  Holds no secret, and can be lost without
 * losing a password.  One interface; sqlite/ is the embedded driver, a
 * PostgreSQL one for a fleet will be another.
 *
 * Durability is grouped: an event may be noted as "with the next durable one".
 * What the protocol needs durable before its next act is said by the engine.
 *
 * Statuses, for every member: STATUS_OK; STATUS_LEDGER_UNAVAILABLE (locked, no
 * room, read-only, gone); STATUS_AUDIT_BROKEN, the trail fails its check (then
 * nothing is rotated); STATUS_NOT_FOUND and STATUS_CONFLICT where said.  All members may be called
 * by several threads.
 */
#ifndef KEYTURN_LEDGER_H
#define KEYTURN_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit.h"
#include "base/consumer.h"
#include "base/random.h"
#include "base/reason.h"

#define LEDGER_ROLE_SIZE      AUDIT_ROLE_SIZE
#define LEDGER_TEXT_SIZE      AUDIT_TEXT_SIZE
#define LEDGER_DELIVERED_SIZE 24
#define LEDGER_HASH_SIZE      AUDIT_HASH_SIZE
#define LEDGER_FOREVER	      (INT64_MAX / 2)
#define LEDGER_LIFE_US	      (INT64_C(31) * 86400 * 1000000)

/* What the ledger remembers of a role between runs: a cache of what marker and
 * store know, plus the schedule and the freeze. */
struct ledger_role {
	char role[LEDGER_ROLE_SIZE];	/* the [role NAME] */
	char version[RANDOM_UUID_SIZE]; /* live version, "" when none */
	int64_t rotated_us; /* wall clock of the last promote, 0: never */
	int64_t epoch;	    /* highest claim epoch seen */
	bool frozen;
	int64_t frozen_us;
	char frozen_reason[LEDGER_TEXT_SIZE];
	char open_run[RANDOM_UUID_SIZE]; /* run begun and not closed, or "" */
	int64_t open_since_us;
	char last_status[32]; /* status_name() of the last run, "" for none */
	int64_t last_run_us;
	char last_error[LEDGER_TEXT_SIZE];
	unsigned failures;	/* in a row */
	int64_t undelivered_us; /* since when a sink has not what is current,
				   0: all have it */
	char delivered[LEDGER_DELIVERED_SIZE]; /* what sinks were told besides
						  the password, in a hash of the
						  caller's; "" for unknown */
	bool learnt; /* the ledger has nothing of it, and this is the store's */
};

typedef enum status ledger_role_fn(void *arg, const struct ledger_role *role);

/* One line of history: a finished or open run. */
struct ledger_run {
	char run[RANDOM_UUID_SIZE];
	char role[LEDGER_ROLE_SIZE];
	char mode[16]; /* "rotate", "recover", "import" */
	char actor[128];
	char reason[LEDGER_TEXT_SIZE];
	char version[RANDOM_UUID_SIZE];
	char status[32]; /* "" while open */
	char error[LEDGER_TEXT_SIZE];
	int64_t begun_us;
	int64_t ended_us;	      /* 0 while open */
	char steps[LEDGER_TEXT_SIZE]; /* "claim=1234 stage=2011 ..." in us */
};
typedef enum status ledger_run_fn(void *arg, const struct ledger_run *run);

typedef bool ledger_keep_fn(void *arg, const char *key);

struct ledger;

/* How a run ended.  Texts are copied. */
struct ledger_close {
	const char *run;
	const struct audit_event *events; /* come before the outcome */
	size_t n;
	const struct ledger_role *role; /* what the run learned of its role */
	const char *status;		/* status_name() */
	const char *version;		/* current now, or "" */
	const char *error;		/* a sentence, or "" */
	const char *steps;		/* as in ledger_run */
	bool keep_open;			/* the outcome is unknown */
};

/* ---- runs ---------------------------------------------------------------- */

struct ledger_run_ops {
	/*
	 * A run begins: durable intent in the audit, room reserved for its
	 * outcome, the role's open_run set.  The first act of every run.
	 * Also remembers `mode`, `actor`, `reason` for the history.
	 */
	enum status (*begin)(struct ledger *l, const char *run,
			     const char *role, const char *mode,
			     const char *actor, const char *reason,
			     struct reason *why);

	/*
	 * The run is over: the events, then the outcome, durable, from reserved
	 * room if need be; what is remembered of the role is what
	 * ledger_merge() makes of it.
	 */
	enum status (*close)(struct ledger *l, const struct ledger_close *c,
			     struct reason *why);

	/* Runs, newest first; role NULL for all; begun at or after since_us. */
	enum status (*history)(struct ledger *l, const char *role,
			       int64_t since_us, ledger_run_fn *fn, void *arg,
			       struct reason *why);
};

/* ---- roles --------------------------------------------------------------- */

struct ledger_role_ops {
	/* STATUS_NOT_FOUND (and a blank *ret) for a role never seen. */
	enum status (*get)(struct ledger *l, const char *role,
			   struct ledger_role *ret, struct reason *why);

	/* Every role known, by name; stops when fn does not return STATUS_OK. */
	enum status (*each)(struct ledger *l, ledger_role_fn *fn, void *arg,
			    struct reason *why);

	/* Stop and resume rotation of one role; audited, durable. */
	enum status (*freeze)(struct ledger *l, const char *role,
			      const char *actor, const char *reason,
			      struct reason *why);
	enum status (*thaw)(struct ledger *l, const char *role,
			    const char *actor, struct reason *why);
};

/* ---- facts --------------------------------------------------------------- */

/* A fact is remembered until a time: key to small text.  facts.def has all of
 * them, and the functions below know their keys. */
struct ledger_fact_ops {
	/* It lives for LEDGER_LIFE_US at most, also when the clock was wrong;
	 * or for LEDGER_FOREVER. */
	enum status (*remember)(struct ledger *l, const char *key,
				const char *value, int64_t until_us,
				struct reason *why);
	enum status (*recall)(struct ledger *l, const char *key, int64_t now_us,
			      char ret_value[LEDGER_TEXT_SIZE],
			      struct reason *why); /* STATUS_NOT_FOUND */

	/*
	 * Remember a fact for ever and record an event that says so, in one
	 * transaction, durable; or neither, with STATUS_CONFLICT, when the fact
	 * is not `was` any more ("": there is none).  value "" forgets it.  So
	 * of all that share a ledger one does what the event says.
	 */
	enum status (*change)(struct ledger *l, const char *key,
			      const char *was, const char *value,
			      const struct audit_event *event,
			      struct reason *why);

	/* Forget the facts whose key begins with `prefix`, but for those that
	 * `keep` wants kept. */
	enum status (*forget)(struct ledger *l, const char *prefix,
			      ledger_keep_fn *keep, void *arg,
			      struct reason *why);
};

/* ---- adoption ------------------------------------------------------------ */

/* Where it is known from that a consumer uses a password; sources.def. */
enum ledger_source {
#define SOURCE(name, word, uses, meaning) LEDGER_SOURCE_##name,
#include "ledger/sources.def"
#undef SOURCE
	LEDGER_SOURCE_COUNT
};

#define LEDGER_LOGIN_SIZE    64	 /* NAMEDATALEN */
#define LEDGER_SIGHTINGS_MAX 512 /* remembered of a role */

/* A consumer was seen with a version of a role's password.  Nothing here is
 * known for sure but the login: the rest is what clients say of themselves. */
struct ledger_sighting {
	char role[LEDGER_ROLE_SIZE];	/* the [role NAME] */
	char login[LEDGER_LOGIN_SIZE];	/* as which it logged in, "" when that
					  is not known: of a pair, a member */
	char version[RANDOM_UUID_SIZE]; /* "": an earlier one than that which
					   was live then */
	char consumer[CONSUMER_SIZE];	/* consumer_name() */
	enum ledger_source source;
	int64_t first_us, last_us; /* wall clock */
	int64_t count; /* how often; of one that is told: how often since */
	bool total;    /* told: count is all that there ever was */
};
typedef enum status ledger_sighting_fn(void *arg,
				       const struct ledger_sighting *s);

struct ledger_adoption_ops {
	/*
	 * Remember what was seen, merged with what was (ledger_merge.h), in one
	 * transaction.  Of a role's sightings LEDGER_SIGHTINGS_MAX are kept:
	 * first the last of each consumer, then those that were seen last.
	 */
	enum status (*see)(struct ledger *l, const struct ledger_sighting *seen,
			   size_t n, struct reason *why);

	/* Of one role, or of all for NULL, by role and consumer; stops when fn
	 * does not return STATUS_OK. */
	enum status (*each)(struct ledger *l, const char *role,
			    ledger_sighting_fn *fn, void *arg,
			    struct reason *why);
};

/* "session"; static. */
const char *ledger_source_word(enum ledger_source s);
/* LEDGER_SOURCE_COUNT: there is none of that name. */
enum ledger_source ledger_source_find(const char *word);
/* Did the consumer use the password, and not just know it? */
bool ledger_source_uses(enum ledger_source s);

/* ---- the audit trail ----------------------------------------------------- */

struct ledger_trail_ops {
	/* Record events in order.  durable: on disk when this returns; else at
	 * the latest with the next durable call of this run. */
	enum status (*note)(struct ledger *l, const struct audit_event *events,
			    size_t n, bool durable, struct reason *why);

	/* Sign a checkpoint over the whole trail now, if it grew; refuses with
	 * STATUS_AUDIT_BROKEN when the trail does not extend the last one. */
	enum status (*checkpoint)(struct ledger *l, struct reason *why);

	/* audit_verify(), with the key that the ledger was opened with. */
	enum status (*verify)(struct ledger *l, struct audit_verdict *ret,
			      struct reason *why);

	/* Events and checkpoints as JSON lines, in order, exactly the bytes that
	 * were hashed plus "seq", "prev" and "hash". */
	enum status (*export)(struct ledger *l, audit_line_fn *fn, void *arg,
			      struct reason *why);

	/*
	 * The events behind number `after`, at most `most`, as export gives
	 * them.  *ret_last is the number of the last one given, or `after`.
	 * after < 0: none are given, and *ret_last is where the trail ends.
	 */
	enum status (*follow)(struct ledger *l, int64_t after, size_t most,
			      audit_line_fn *fn, void *arg, int64_t *ret_last,
			      struct reason *why);

	/*
	 * What the trail is known by: the number and the hash (in hex) of event
	 * `seq`, or of the last one for seq < 0.  STATUS_NOT_FOUND: there is no
	 * such event.
	 */
	enum status (*head)(struct ledger *l, int64_t seq, int64_t *ret_seq,
			    char ret_hash[LEDGER_HASH_SIZE],
			    struct reason *why);
};

struct ledger_ops {
	const char *type; /* "sqlite" */
	const struct ledger_run_ops *runs;
	const struct ledger_role_ops *roles;
	const struct ledger_fact_ops *facts;
	const struct ledger_adoption_ops *adoption;
	const struct ledger_trail_ops *trail;
	void (*close)(struct ledger *l);
};

struct ledger {
	const struct ledger_ops *ops;
};

/* ---- facts by name: ledger_fact.c ---------------------------------------- */

enum ledger_fact {
#define FACT(name, prefix, life, meaning) LEDGER_FACT_##name,
#include "ledger/facts.def"
#undef FACT
};

#define LEDGER_FACT_SIZE 2048

/* The key: the fact's prefix, and what it is about. */
void ledger_fact(enum ledger_fact f, const char *name,
		 char ret_key[LEDGER_FACT_SIZE]);
const char *ledger_fact_prefix(enum ledger_fact f);

/* Remember it for its life, from now_us by the wall clock. */
enum status ledger_fact_remember(struct ledger *l, enum ledger_fact f,
				 const char *name, const char *value,
				 int64_t now_us, struct reason *why);
/* Its member `change`. */
enum status ledger_fact_change(struct ledger *l, enum ledger_fact f,
			       const char *name, const char *was,
			       const char *value,
			       const struct audit_event *event,
			       struct reason *why);
enum status ledger_fact_drop(struct ledger *l, enum ledger_fact f,
			     const char *name, struct reason *why);
enum status ledger_fact_recall(struct ledger *l, enum ledger_fact f,
			       const char *name, int64_t now_us,
			       char ret_value[LEDGER_TEXT_SIZE],
			       struct reason *why); /* STATUS_NOT_FOUND */

/* ---- ledger_run.steps: ledger_steps.c ------------------------------------ */

#define LEDGER_STEP_SIZE 32

struct text;

/* Add a step to the text.  Its name has no space and no "=". */
void ledger_steps_add(struct text *steps, const char *name, int64_t us);

/* The next step; *steps moves behind it.  false: there is none. */
bool ledger_steps_next(const char **steps, char ret_name[LEDGER_STEP_SIZE],
		       int64_t *ret_us);

#endif
