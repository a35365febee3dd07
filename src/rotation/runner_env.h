/* SPDX-License-Identifier: PostgreSQL */
/*
 * What all runs of a process share, and what the runner's files know of one run.
 *
 * In each of those files a function that performs an effect returns the event
 * that it ended with; `why` gets a sentence when there is something to say.  None
 * of them decides what comes next.
 */
#ifndef KEYTURN_RUNNER_ENV_H
#define KEYTURN_RUNNER_ENV_H

#include <pthread.h>

#include "rotation/runner.h"

/* What came of the last canary of a store. */
struct runner_canary {
	const void *of;	      /* a store */
	pthread_mutex_t lock; /* one canary of it at a time; over the rest */
	const void *failed;   /* the store whose canary failed last */
	int64_t failed_us;    /* boot clock */
	enum status status;
	struct reason why;
};

#define RUNNER_ENV_SEEN	  16
#define RUNNER_ENV_STORES 16 /* beyond that some share a lock */

struct runner_env {
	struct runner_env_options o;
	pthread_mutex_t lock; /* over everything below */
	struct {
		const void *of; /* a store */
		int64_t until;	/* boot clock */
	} seen[RUNNER_ENV_SEEN];
	size_t next_seen;
	struct runner_canary canary[RUNNER_ENV_STORES];
};

/* One run. */
struct runner {
	struct runner_env *env;
	const struct runner_job *job;
	struct engine engine;
	struct cluster_session *session;
	bool session_bad;
	/* Where there is no marker: the store's revision when the session
	 * logged in; "" once it was compared under the claim. */
	char login_revision[STORE_REVISION_SIZE];
	char run[RANDOM_UUID_SIZE];
	char claim[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];	 /* the version at hand */
	char own[RANDOM_UUID_SIZE];	 /* the version this run made */
	char recalled[RANDOM_UUID_SIZE]; /* the one this run goes back to */
	char renewed
		[RANDOM_UUID_SIZE]; /* made for CURRENT's password under this
					 * claim: no one else knows it; or "" */
	char current[RANDOM_UUID_SIZE]; /* CURRENT as last known */
	/* Of a pair: whose password `version` is, whose `own` is, the member that
	 * a rotation changes, and who had the password before; "" else. */
	char login[CLUSTER_NAME_SIZE];
	char own_login[CLUSTER_NAME_SIZE];
	char idle[CLUSTER_NAME_SIZE];
	char old[CLUSTER_NAME_SIZE];
	bool replaces; /* the next password is for the active member */
	struct secret *password; /* of `version` */
	struct cluster_marker marker;
	struct store_state state;
	bool state_stale;	 /* a write's outcome is open: describe again */
	struct reason store_why; /* why the last write failed, or "" */
	struct ledger_role role;
	bool regress_noted;
	bool direct;	  /* the next logins go to the server itself alone */
	bool asleep;	  /* who has the password before has no LOGIN */
	bool controlled;  /* a wrong password was refused, by this run */
	bool logged_in;	  /* CURRENT logged in, by this run */
	size_t refuting;  /* which of job->leaked is tried next */
	unsigned cleared; /* RETIRE: 1 << runner_member_index() of who
				 lost its password under this claim */
	bool ending;	  /* ... and a member lost LOGIN under it */
	bool outrun;	  /* another run has noted first what is left undone */
	bool gives;	  /* a member owns something: see struct cluster_who */
	bool sent_end;	  /* RETIRE: something of that was sent, by this run */
	char ended[RANDOM_UUID_SIZE]; /* RETIRE of a pair: the version before,
					 whose end this run has sent; or "" */
	unsigned left[CLUSTER_MEMBERS + 1]; /* whose sessions are left: of one
					       role the first is its */
	bool retired;	      /* RETIRE: a member lost LOGIN, or its password */
	bool blocked_by_sink; /* an endpoint reads a sink of this role: another
				 may have none */
	struct {
		bool read;
		char login[CLUSTER_NAME_SIZE]; /* whose logins */
		bool known;   /* the ledger has it, with what follows */
		bool proved;  /* the last run that got that far was right */
		bool counted; /* `controlled` is in controlled_us */
		int64_t controlled_us; /* wall clock, 0: never */
		char hash[CLUSTER_WAY_SIZE];
	} way;	       /* that a proof's logins go (runner_way.h) */
	int64_t epoch; /* of this claim, never below what the ledger saw */
	int64_t began_boot;
	int64_t prove_until;   /* boot clock, 0: not proving */
	int64_t refused_since; /* boot clock, 0: not refused without a break */
	int64_t promoted_us;   /* wall clock, 0: CURRENT not moved by this run,
				or to no other password */
	bool same; /* as what CURRENT moves away from: the password */
	struct runner_result result;
};

/* Was `of` (a store, whose canary passed) noted by runner_env_saw() less than its
 * life ago? */
bool runner_env_seen_lately(struct runner_env *env, const void *of);
void runner_env_saw(struct runner_env *env, const void *of, int64_t life_us);

/* Where a store's canaries are kept; its lock is not taken.  A store that hangs
 * delays no run that has another store. */
struct runner_canary *runner_env_canary(struct runner_env *env,
					const void *store);

#endif
