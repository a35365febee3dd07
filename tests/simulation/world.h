/* SPDX-License-Identifier: PostgreSQL */
/*
 * A deterministic world for the shipped engine and runner: one role (or a pair
 * and its owner, world_pair.c), one database with in-flight transactions, one store with in-flight writes, one
 * ledger, one sink, one clock, and several rotators.  Every act of a rotator
 * passes through world_fate(), where a test decides what becomes of it; after
 * each, the invariants of rotation-safety.md section 3.3 are checked.
 */
#ifndef KEYTURN_WORLD_H
#define KEYTURN_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "rotation/runner.h"

#define WORLD_ROTATORS 3
#define WORLD_FLIGHTS  16
#define WORLD_PASSWORD 64
#define WORLD_LIVES    64
#define WORLD_STEPS    1000 /* more than any run takes */
/* The store model holds the smallest ring, so never more than this; the one that
 * compares labels has a longer one. */
#define WORLD_VERSIONS 40

/* What can become of one act.  An act for which a fate has no meaning takes the
 * nearest that has one. */
enum fate {
	FATE_GOOD,
	FATE_DOWN,	   /* definitely not done, a retry may help */
	FATE_LOST_BEFORE,  /* no answer, not done */
	FATE_LOST_AFTER,   /* no answer, done */
	FATE_LATE,	   /* no answer, done at some later time, or never */
	FATE_CRASH_BEFORE, /* the rotator dies, not done */
	FATE_CRASH_AFTER,  /* the rotator dies, done */
	FATE_REFUSED,	   /* a definite no */
	FATE_BUSY,	   /* somebody else's claim stands in the way */
	FATE_GONE,	   /* there is no such role any more */
	FATE_CORRUPT,	   /* what is stored fails its check */
	FATE_LIE,	   /* a wrong answer: other bytes, a stale read, ... */
	FATE_USURP,    /* another rotator takes the claim, or writes, first */
	FATE_RESTORE,  /* the database goes back to its backup first */
	FATE_FOREIGN,  /* somebody changes the password by hand first */
	FATE_ROLLBACK, /* the store goes back to its backup first */
	FATE_COUNT
};

/* One defence switched off, to see that the checks notice. */
enum world_mutation {
	WORLD_SOUND,
	WORLD_NO_DB_CAS,
	WORLD_NO_STORE_CAS,
	WORLD_PENDING_DROPPED,
	WORLD_NO_SESSION_BINDING_NO_RETIRE,
	WORLD_SHORT_RING,
	WORLD_MUTATIONS,
	/* Of a pair: what has no fence, and a store that takes late writes after
	 * PREVIOUS was withdrawn. */
	WORLD_PAIR_NO_APPLY_CAS = WORLD_MUTATIONS,
	WORLD_PAIR_NO_REVERT_CAS,
	WORLD_PAIR_NO_NOLOGIN_CAS,
	WORLD_PAIR_NO_CLEAR_CAS,
	WORLD_PAIR_MUTATIONS,
	WORLD_PAIR_NO_WITHDRAWAL = WORLD_PAIR_MUTATIONS /* in simulate_pair.c */
};

struct world_version {
	char id[RANDOM_UUID_SIZE];
	char password[WORLD_PASSWORD];
	char login[CLUSTER_NAME_SIZE]; /* whose it is */
	enum store_label label;
	int64_t created_us;
	bool lived; /* it was CURRENT */
};

/* The members of a pair, then their owner. */
#define WORLD_ROLES (CLUSTER_MEMBERS + 1)
#define WORLD_OWNER CLUSTER_MEMBERS
extern const char *const world_names[WORLD_ROLES];

struct world_role {
	char password[WORLD_PASSWORD]; /* "": none */
	bool can_login;
	bool by_hand; /* the password is a person's, the store has it not */
	bool nobodys; /* it was made to be kept nowhere */
	bool sealed;  /* ... and the marker has that its member has LOGIN */
};

struct world_db {
	char password[WORLD_PASSWORD]; /* not of a pair */
	/* Of a pair: the roles, and what the marker has of it beside `live`. */
	struct world_role role[WORLD_ROLES];
	int active; /* whose the live version is */
	char previous[RANDOM_UUID_SIZE];
	int previous_of; /* whose that is */
	int64_t retired_us;
	char live[RANDOM_UUID_SIZE]; /* the marker's, "" when it is missing */
	char claim[RANDOM_UUID_SIZE];
	int64_t epoch;
	bool by_hand; /* the password is a person's, the store has it not */
	bool foreign; /* ... and its fingerprint differs from the marker's */
	bool renamed;
	bool branched;
	char before[WORLD_PASSWORD]; /* what a proxy still takes ... */
	int64_t proxy_until;	     /* ... instead, until then */
};

struct world_store {
	int64_t revision;
	size_t n;
	struct world_version v[WORLD_VERSIONS];
	/* Where labels are compared: what has AWSPENDING, which stays on a version
	 * when it becomes CURRENT; or "". */
	char pending[RANDOM_UUID_SIZE];
};

enum world_op {
	WORLD_CLAIM,
	WORLD_APPLY,
	WORLD_STAGE,
	WORLD_PROMOTE,
	WORLD_RETIRE,
	WORLD_WITHDRAW
};

/* An effect: done at once, or in flight for a while. */
struct flight {
	bool used;
	enum world_op op;
	int session;		      /* database */
	char claim[RANDOM_UUID_SIZE]; /* database */
	int64_t revision;	      /* store; of a claim: the epoch's floor */
	char from[RANDOM_UUID_SIZE];  /* store: what loses the label */
	char version[RANDOM_UUID_SIZE];
	char password[WORLD_PASSWORD];
	bool sets_password; /* an apply that adopts does not */
	/* Of a pair: what an apply does, and to whom; and whose the version is
	 * that is staged. */
	enum cluster_change_kind kind;
	int member;
	char login[CLUSTER_NAME_SIZE];
	bool by_command; /* an emergency's: it may replace what is in use */
};

struct world;
typedef enum fate world_fate_fn(struct world *w, const char *act, void *arg);

struct world {
	/* what a test sets */
	enum world_mutation mutation;
	world_fate_fn *fate;
	void *fate_arg;
	bool readable; /* the admin may read pg_authid */
	bool gateway;  /* the login is a gateway's, which goes by the labels */
	bool deaf;     /* a gateway's agent takes no password that is new */
	bool pair;     /* two login roles in turn */
	bool labels;   /* the store compares labels, no revision */
	bool trust;    /* the server lets everybody in */
	bool reject;   /* the server rejects passwords */
	bool no_nologin, no_null; /* it refuses NOLOGIN, or PASSWORD NULL */
	bool pooler;	/* a further endpoint, at which a role without LOGIN
			   tells nothing */
	bool shut;	/* pg_hba.conf has no line for the role from here */
	bool none;	/* no marker: the role connects, and a login tells */
	bool forwards;	/* a commit that fails has changed the password */
	bool remembers; /* the next describe is from an old memory */
	bool polite;	/* the claim of a living session is waited for */
	int64_t lag_us; /* how long a proxy remembers the password before */
	unsigned random_from, random_until; /* these draws fail; 0: none */
	struct {
		unsigned sessions, prepared, senders;
	} use[WORLD_ROLES]; /* of a pair: how each is used */

	/* database and store */
	struct world_db db, db_backup;
	struct world_store store, store_backup, store_before;
	struct flight flights[WORLD_FLIGHTS];
	int next_session;
	int dead_below;	      /* sessions up to this were killed by a restore */
	int session_of_claim; /* 0: gone */
	bool withdrawn; /* the last write of the store withdrew PREVIOUS */

	/* rotators, clock, randomness */
	bool dead[WORLD_ROTATORS];
	unsigned steps[WORLD_ROTATORS];	 /* of the run that it is in */
	int acting;			 /* which rotator performs now */
	bool by_command[WORLD_ROTATORS]; /* its run is an emergency */
	int64_t clock;
	uint64_t rng;
	unsigned draws;

	/* ledger and sink */
	struct ledger_role role;
	bool have_role;
	char fact[LEDGER_TEXT_SIZE]; /* there is but one */
	unsigned remembered;	     /* how often one was written */
	char sink_version[RANDOM_UUID_SIZE];
	char sink_password[WORLD_PASSWORD];
	char sink_before[WORLD_PASSWORD]; /* "": CURRENT alone */
	int64_t sink_epoch;

	/* what happened, for the checks */
	bool evidence; /* a durable "evidence" event of this step exists */
	char evidence_for[RANDOM_UUID_SIZE];
	int64_t restores_noted;
	char proved[8][WORLD_PASSWORD]; /* passwords that logins have proved */
	unsigned n_proved;
	char ever_live[WORLD_LIVES][RANDOM_UUID_SIZE];
	unsigned n_live;
	unsigned staged; /* how often a version was given to the store */
	unsigned wrong_logins, controls;
	unsigned lies;	      /* passwords that the store gave wrong */
	unsigned stale_reads; /* of the store */
	unsigned restores, foreigns, rollbacks;
	bool replaced;	   /* an emergency began */
	unsigned nologins; /* right passwords of roles without LOGIN */
	bool hurt; /* of a pair: nobody can keep CURRENT logging in, from a
		      restore, a change by hand or a rollback of the store to
		      the next quiet moment in which it does */
	char violation[200]; /* "" while all is well */

	/* of a gateway */
	char gateway_fact[LEDGER_TEXT_SIZE];
	bool outrun; /* another run writes it between a look and a change */
	char partner[WORLD_PASSWORD]; /* what the partner has typed in */
	bool cut; /* somebody ends the password before its grace is over */
	char moved_to[RANDOM_UUID_SIZE]; /* what CURRENT moved to last, */
	int64_t moved_us;		 /* ... and when */
	char known[4][WORLD_PASSWORD];	 /* what a deaf agent takes */

	/* interfaces */
	struct cluster cluster;
	struct store store_if;
	struct ledger ledger;
	struct sink sink;
	struct now now;
	struct random random;
	const char *way; /* of a proof's logins */
	struct policy policy;
	struct cluster_pair members;
	struct runner_env *env;
};

/* Make it a service that forwards passwords, and keyturn knows it. */
void world_forwards(struct world *w);

/* Make it a cluster without an admin and without a marker. */
void world_no_marker(struct world *w);

/* Make it a pair whose owner logs in and has what CURRENT says: it was a login
 * role before, and managed. */
void world_pair(struct world *w);

/* Make it the login of a gateway, whose partner has CURRENT. */
void world_gateway(struct world *w);
/* Its grace; and does it take this password now? */
#define WORLD_GRACE (3600 * NOW_SECOND)
bool world_gateway_takes(const struct world *w, const char *password);
/* One of its agents goes on with what is good now, or hears again. */
void world_gateway_deafen(struct world *w, bool deaf);

/* Make its store one that compares labels. */
void world_labels(struct world *w);
/* ... and who uses it takes it for one that compares revisions. */
void world_forget_labels(struct world *w);

/* Nobody is at work: what a restore broke counts again once CURRENT logs in. */
void world_rest(struct world *w);

/* Of a pair: how many may log in beside the active one? */
unsigned world_others(const struct world *w);

/* The password that the books call live, "" when there is none. */
const char *world_password(const struct world *w);

/* Let it count for so long that a role was proved (control_interval). */
void world_remembers(struct world *w, int64_t interval_us);

/* A world with one managed role whose CURRENT is live. */
void world_make(struct world *w, uint64_t seed);
void world_free(struct world *w);

/* A run of rotator i (0 to WORLD_ROTATORS - 1) over the world's role, not yet
 * begun.  *job must outlive it; its mode, fresh, emergency and password are the
 * caller's, the rest is filled here. */
struct runner *world_runner(struct world *w, int i, struct runner_job *job);

/* One step of rotator i; false when it ended or died. */
bool world_step(struct world *w, int i, struct runner *r);

/* An in-flight effect lands, or is lost. */
unsigned world_in_flight(const struct world *w);
void world_land(struct world *w, unsigned which, bool lost);
/* Is an apply in flight that the database would still take? */
bool world_may_land(const struct world *w);

void world_backup(struct world *w); /* of the database */
void world_restore(struct world *w);
void world_store_backup(struct world *w);
void world_store_rollback(struct world *w);
/* Somebody gives the role a password that nobody else knows. */
void world_by_hand(struct world *w);

uint64_t world_random(struct world *w);
void world_check(struct world *w, const char *after);

/* Of a pair: has this version the active member's password? */
bool world_lives(const struct world *w, const char *id);
/* CURRENT is the live password, and the marker says so. */
bool world_settled(const struct world *w);
/* The marker names the password that logs in. */
bool world_truthful(const struct world *w);
/* keyturn ever had to do with this role. */
bool world_managed(const struct world *w);
/* When CURRENT was staged; 0 when there is none. */
int64_t world_current_since(const struct world *w);
/* The id under this label, or "". */
const char *world_label(const struct world *w, enum store_label label);

const char *fate_name(enum fate f);

#endif
