/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the runner share.  An effect's function performs it and
 * returns the event that it ended with; `why` gets a sentence when there is
 * something to say.  None of them decides what comes next.
 */
#ifndef KEYTURN_RUNNER_INTERNAL_H
#define KEYTURN_RUNNER_INTERNAL_H

#include <pthread.h>

#include "rotation/runner.h"

#define RUNNER_SEEN   16
#define RUNNER_STORES 16 /* beyond that some share a lock */

struct runner_canary {
	const void *of;	      /* a store */
	pthread_mutex_t lock; /* one canary of it at a time; over the rest */
	const void *failed;   /* the store whose canary failed last */
	int64_t failed_us;    /* boot clock */
	enum status status;
	struct reason why;
};

struct runner_env {
	struct runner_env_options o;
	pthread_mutex_t lock; /* over everything below */
	struct {
		const void *of; /* a store */
		int64_t until;	/* boot clock */
	} seen[RUNNER_SEEN];
	size_t next_seen;
	struct runner_canary canary[RUNNER_STORES];
};

struct runner {
	struct runner_env *env;
	const struct runner_job *job;
	struct engine engine;
	struct cluster_session *session;
	bool session_bad;
	/* The store when the session logged in, where there is no marker; ""
	 * once that login is known to be younger than what it tells. */
	char login_revision[STORE_REVISION_SIZE];
	char run[RANDOM_UUID_SIZE];
	char claim[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE]; /* the version at hand */
	char own[RANDOM_UUID_SIZE];	/* the version this run made */
	char current[RANDOM_UUID_SIZE]; /* CURRENT as last known */
	struct secret *password;	/* of `version` */
	struct cluster_marker marker;
	struct store_state state;
	bool state_stale;	 /* a write's outcome is open: describe anew */
	struct reason store_why; /* why the last write failed, or "" */
	struct ledger_role role;
	bool regress_noted;
	bool controlled;      /* a wrong password was refused, by this run */
	bool logged_in;	      /* CURRENT logged in, by this run */
	bool blocked_by_sink; /* an endpoint reads a sink of this role: another
				 may have none */
	struct {
		bool read;
		bool known;   /* the ledger has it, with what follows */
		bool proved;  /* the last run that got that far was right */
		bool counted; /* `controlled` is in controlled_us */
		int64_t controlled_us; /* wall clock, 0: never */
		char hash[CLUSTER_WAY_SIZE];
	} way;	       /* that a proof's logins go (runner_try.c) */
	int64_t epoch; /* of this claim, never below what the ledger saw */
	int64_t began_boot;
	int64_t prove_until;   /* boot clock, 0: not proving */
	int64_t refused_since; /* boot clock, 0: not refused without a break */
	int64_t promoted_us; /* wall clock, 0: CURRENT not moved by this run */
	struct runner_result result;
};

/* Was `of` (a store's canary) seen to be good lately? */
bool runner_seen_lately(struct runner_env *env, const void *of);
void runner_saw(struct runner_env *env, const void *of, int64_t life_us);

/* Give the session back; a bad one is closed. */
void runner_drop_session(struct runner *r, bool clean);
/* Wipe the password at hand. */
void runner_drop_password(struct runner *r);

/* How the run ends, or stands: the engine's outcome, or STATUS_UNDELIVERED for
 * a good one that left a sink behind. */
enum status runner_outcome(const struct runner *r);

/* ---- runner_store.c ---- */

/* A read that fails is a store that is away, unless it is damaged. */
enum engine_event runner_store_read_event(enum status s);
/* Id of the version with that label in r->state, or "". */
const char *runner_store_id(const struct runner *r, enum store_label label);
/* Read r->state and r->current anew. */
enum status runner_store_describe(struct runner *r, struct reason *why);
/* The password of a version; the caller's. */
enum status runner_store_password(struct runner *r, const char *id,
				  struct secret **ret_password,
				  struct reason *why);
/* One canary per store and minute, whatever the number of jobs. */
enum status runner_store_canary(struct runner *r, struct reason *why);
/* Would the store take a new version of this secret, and make it CURRENT? */
enum engine_event runner_store_ready(struct runner *r, struct reason *why);
/* Take PENDING up as this run's own version. */
enum engine_event runner_store_resume(struct runner *r, struct reason *why);
enum engine_event runner_store_generate(struct runner *r, struct reason *why);
enum engine_event runner_store_stage(struct runner *r, struct reason *why);
enum engine_event runner_store_readback(struct runner *r, struct reason *why);
enum engine_event runner_store_promote(struct runner *r, struct reason *why);
enum engine_event runner_store_confirm(struct runner *r, struct reason *why);
enum engine_event runner_store_repoint(struct runner *r, struct reason *why);
enum engine_event runner_store_retire(struct runner *r, struct reason *why);

/* ---- runner_cluster.c ---- */

enum engine_event runner_cluster_preflight(struct runner *r,
					   struct reason *why);
enum engine_event runner_cluster_claim(struct runner *r, struct reason *why);
enum engine_event runner_cluster_resolve(struct runner *r, struct reason *why);
enum engine_event runner_cluster_readopt(struct runner *r, struct reason *why);
enum engine_event runner_cluster_apply(struct runner *r, struct reason *why);
enum engine_event runner_cluster_adopt(struct runner *r, struct reason *why);
enum engine_event runner_cluster_inspect(struct runner *r, struct reason *why);

/* ---- runner_login.c ---- */

/* Who logs in for a proof, and where. */
struct cluster_who runner_login_who(const struct runner *r);
/* One login: RIGHT, WRONG, NOT_ASKED or NO_EVIDENCE. */
enum engine_event runner_login(struct runner *r, const struct secret *password,
			       enum cluster_proof kind, struct reason *why);
/*
 * A wrong password must be refused, else a login proves nothing: RIGHT; or
 * CONTROL_PASSED, NOT_ASKED, NO_EVIDENCE.  Not made when one was refused by the
 * same way less than control_interval ago.
 */
enum engine_event runner_login_control(struct runner *r, struct reason *why);
/* The sentences of logins that prove nothing, around the target's own.  `before`:
 * nothing was changed yet. */
void runner_login_explain(const struct runner *r, enum engine_event ev,
			  bool before, struct reason *why);
/* After the sentence of a CURRENT that is not there to be tried. */
void runner_login_ways_out(struct reason *why);
enum engine_event runner_login_probe(struct runner *r, struct reason *why);
enum engine_event runner_login_vouch(struct runner *r, struct reason *why);
enum engine_event runner_login_prove(struct runner *r, struct reason *why);

/* ---- runner_try.c ---- */

/* Log in by the way of a proof with CURRENT, or a made-up password, then try the
 * sinks. */
enum engine_event runner_try_all(struct runner *r, struct reason *why);
/* Was a wrong password refused by the same way less than control_interval ago? */
bool runner_try_was_controlled(struct runner *r);
/* Remember the way of the logins that were made, and what they showed. */
void runner_try_remember(struct runner *r, bool proved);

/* ---- runner_deliver.c ---- */

enum engine_event runner_deliver_sinks(struct runner *r, struct reason *why);
/* Could a password be delivered to every sink?  Not asked in an emergency. */
enum status runner_deliver_try(const struct runner *r, struct reason *why);

/* ---- runner_ledger.c ---- */

/* Record one event of this run; durable: on disk when this returns. */
enum status runner_ledger_note(struct runner *r, const char *kind,
			       const char *version, enum status s,
			       const char *detail, int64_t took_us,
			       bool durable, struct reason *why);
/* One audit event a step; the run's own frame (intent, freeze, close) is
 * written by the ledger itself. */
void runner_ledger_step(struct runner *r, enum engine_state was,
			enum engine_event ev, const struct engine_row *row,
			const struct reason *why, int64_t took_us);
enum engine_event runner_ledger_intent(struct runner *r, struct reason *why);
enum engine_event runner_ledger_close(struct runner *r, struct reason *why);
enum engine_event runner_ledger_freeze(struct runner *r, struct reason *why);

#endif
