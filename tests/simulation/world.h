/* SPDX-License-Identifier: PostgreSQL */
/*
 * A deterministic world for the shipped engine and runner: one role, one
 * database with in-flight transactions, one store with in-flight writes, one
 * ledger, one clock, and several rotators.  Every act of a rotator passes
 * through world_fate(), where a test decides what becomes of it; after each,
 * the invariants of rotation-safety.md section 3.3 are checked.
 */
#ifndef KEYTURN_WORLD_H
#define KEYTURN_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "rotation/runner.h"

#define WORLD_ROTATORS 3
#define WORLD_FLIGHTS  16

/* What can become of one act. */
enum fate {
	FATE_GOOD,
	FATE_DOWN,	   /* definitely not done, a retry may help */
	FATE_LOST_BEFORE,  /* no answer, not done */
	FATE_LOST_AFTER,   /* no answer, done */
	FATE_LATE,	   /* no answer, done at some later time, or never */
	FATE_CRASH_BEFORE, /* the rotator dies, not done */
	FATE_CRASH_AFTER,  /* the rotator dies, done */
	FATE_REFUSED,	   /* a definite no */
	FATE_LIE,     /* a wrong answer: other bytes, stale read, garbage */
	FATE_RESTORE, /* the database goes back to its snapshot first */
	FATE_FOREIGN, /* somebody changes the password by hand first */
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
	WORLD_MUTATIONS
};

struct world_version {
	char id[RANDOM_UUID_SIZE];
	char password[600];
	enum store_label label;
	int64_t created_us;
};

struct world_db {
	char password[600];
	char live[RANDOM_UUID_SIZE];
	char claim[RANDOM_UUID_SIZE];
	int64_t epoch;
	bool foreign;
};

struct world_store {
	int64_t revision;
	size_t n;
	struct world_version v[STORE_VERSIONS_MAX + 1];
};

struct flight {
	bool used, to_store;
	int rotator;
	/* database: claim, or apply when `apply` */
	bool apply;
	char claim[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	char password[600];
	bool sets_password;
	int session;
	/* store: 0 stage, 1 promote, 2 retire */
	int op;
	int64_t revision;
};

struct world;
typedef enum fate world_fate_fn(struct world *w, const char *act, void *arg);

struct world {
	enum world_mutation mutation;
	struct world_db db, snapshot;
	bool have_snapshot;
	struct world_store store;
	struct flight flights[WORLD_FLIGHTS];
	int next_session;
	int dead_below; /* sessions up to this were killed by a restore */
	int session_of_claim;
	bool dead[WORLD_ROTATORS];
	int acting; /* which rotator performs now */
	int64_t clock;
	uint64_t rng;
	world_fate_fn *fate;
	void *fate_arg;
	unsigned acts;
	bool readable; /* the admin may read pg_authid */
	bool trust;    /* the server lets everybody in */
	bool reject;   /* the server rejects passwords */
	/* ledger */
	struct ledger_role role;
	bool have_role;
	bool evidence; /* a durable "evidence" event of the acting run exists */
	char evidence_for[RANDOM_UUID_SIZE];
	int64_t frozen_times, restores_noted;
	bool control_remembered;
	/* what happened, for the checks */
	char proved[8][600]; /* passwords that logins have proved */
	unsigned n_proved;
	char ever_live[64][RANDOM_UUID_SIZE];
	unsigned n_live;
	unsigned generated;
	unsigned restores, foreigns;
	char violation[200]; /* "" while all is well */
	/* interfaces */
	struct target target;
	struct store store_if;
	struct ledger ledger;
	struct now now;
	struct random random;
	struct policy policy;
	struct runner_env *env;
};

/* A world with one managed role whose CURRENT is live.  Fill w->mutation,
 * fate and arg afterwards. */
void world_make(struct world *w, uint64_t seed);
void world_free(struct world *w);

/* A run of rotator i (0 to WORLD_ROTATORS - 1) over the world's role. */
struct runner *world_runner(struct world *w, int i, struct runner_job *job,
			    enum engine_mode mode, bool fresh);

/* One step of rotator i; false when it ended or died. */
bool world_step(struct world *w, int i, struct runner *r);

/* An in-flight effect lands, or is lost. */
unsigned world_in_flight(const struct world *w);
void world_land(struct world *w, unsigned which, bool lost);

void world_backup(struct world *w);
void world_restore(struct world *w);

uint64_t world_random(struct world *w);
void world_check(struct world *w, const char *after);

/* Is the role settled: CURRENT is the live password and nothing is open? */
bool world_settled(const struct world *w);
bool world_label(const struct world *w, enum store_label label,
		 const char **ret_id);

#endif
