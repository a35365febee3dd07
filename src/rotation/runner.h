/* SPDX-License-Identifier: PostgreSQL */
/*
 * Performs the engine's effects through the interfaces of cluster, store,
 * ledger and sink, and feeds their outcome back.  One runner is one run for one
 * role; several may run at once in threads that share a runner_env.
 */
#ifndef KEYTURN_RUNNER_H
#define KEYTURN_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/now.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"
#include "cluster/cluster.h"
#include "ledger/ledger.h"
#include "policy/policy.h"
#include "rotation/engine.h"
#include "sink/sink.h"
#include "store/store.h"

struct runner_env; /* what all runs of a process share */
struct runner;	   /* one run */

struct runner_env_options {
	struct ledger *ledger;
	const struct now *now;
	const struct random *random;
	int64_t control_interval_us; /* how long it counts that a role was
					proved, and a wrong password refused;
					0: for this run only */
	const char *actor;	     /* who runs this, for the audit */
};

/* The options' pointers must outlive the environment. */
enum status runner_env_new(const struct runner_env_options *o,
			   struct runner_env **ret_env);
void runner_env_free(struct runner_env *env);

struct runner_job {
	const char *role;    /* the [role NAME], for ledger, store and people */
	const char *rolname; /* the role in PostgreSQL */
	const char *dbname;  /* what consumers are told; NULL: the cluster's */
	const char *prove_dbname; /* where it is proved; NULL: the cluster's */
	/* Two login roles in turn, whose owner rolname is then; NULL: one role. */
	const struct cluster_pair *pair;
	struct cluster *cluster;
	struct store *store;
	const struct policy *policy;
	const struct sink *sinks;
	size_t n_sinks;
	const char *delivery; /* a hash of what sinks are told besides the
				 password; NULL: not known */
	int64_t prove_deadline_us;
	int64_t refusal_wait_us; /* a refusal counts when it has lasted this
				    long, for proxies that remember */
	enum engine_mode mode;
	int64_t grace_us; /* of a gateway: how long the password before is good
			     beside the new one */
	bool no_control;  /* no login with a wrong password is ever made */
	bool fresh;	  /* see struct engine */
	bool takeover;	  /* end another living session's claim at once */
	bool emergency;
	bool force;	   /* change a member that is in use */
	bool unpair;	   /* ROTATE: the next password is the owner's own */
	bool end_sessions; /* RETIRE: of the old member; when compromised
				 also of who has it from before */
	bool at_once;	   /* RETIRE: clear without waiting, by the same run */
	bool if_free;	   /* RETIRE: only a member without sessions */
	/* ROTATE, then RETIRE: the old password got out.  RETIRE ends it whole
	 * and tries each of these versions, which must be refused; since_us,
	 * wall clock, is when a person asked for that. */
	bool compromised;
	const char (*leaked)[RANDOM_UUID_SIZE];
	size_t n_leaked;
	int64_t since_us;
	int64_t tombstone_us; /* RETIRE: how long a retired member's password
				 is kept for a rollback */
	const char *reason;   /* the operator's, "" for none */
	const struct secret *password; /* IMPORT: the present password */
};

/* By what the old password of a pair, or of a gateway, ended; see runner_ended_word(). */
enum runner_end {
	RUNNER_END_NONE,
	RUNNER_END_NOLOGIN,   /* its member has no LOGIN; it is kept */
	RUNNER_END_REMOVED,   /* its member has no password */
	RUNNER_END_WITHDRAWN, /* of a gateway: no agent takes it any more */
	RUNNER_END_REPLACED,  /* its member has one that no one has */
};

struct runner_result {
	enum status status;
	struct reason why;		/* "" on success */
	char version[RANDOM_UUID_SIZE]; /* CURRENT when the run ended, or "" */
	char run[RANDOM_UUID_SIZE];
	bool finished_earlier;	/* an interrupted rotation was finished */
	bool undone;		/* a left-over PENDING was retired */
	bool restored;		/* an older version was live, and CURRENT was
				   pointed at it */
	bool disowned;		/* PREVIOUS was not the database's any more, and
				   lost its label */
	bool went_back;		/* the marker's epoch went back: the database
				   was restored, or failed over with loss */
	bool delivered;		/* a sink that was behind is in step again */
	bool retired;		/* a member lost LOGIN, or its password */
	enum runner_end ended;	/* ... by what */
	bool refuted;		/* the old password was shown to be refused */
	bool gateway;		/* its login lives in gateways */
	int64_t refused_us;	/* when, after job->since_us; and at how many */
	unsigned endpoints;	/* ... endpoints; 0: it was not compromised */
	unsigned sessions_left; /* that the old member has yet, where they were
				   to end; why says the cause */
	bool unconfirmed;	/* no synchronous standby is known to have it */
	bool cluster_bad;	/* a login failed for a reason that is not the
				  role's own: no other role shall follow it */
	int64_t took_us;
	int64_t step_us[ENGINE_STATE_COUNT]; /* time spent in each state */
};

/* "nologin", "removed", "withdrawn", "replaced", or "" for none; static. */
const char *runner_ended_word(enum runner_end e);

/* What is said of a run that is unconfirmed. */
#define RUNNER_UNCONFIRMED                                                  \
	"no synchronous standby is known to have confirmed it: a failover " \
	"now may bring the old password back"

/* ... and of one that went back. */
#define RUNNER_WENT_BACK                                                     \
	"the marker's epoch went back: the database was restored, failed "   \
	"over with loss, or replaced, and passwords that were ended before " \
	"may be valid again"

/* ... and of one that disowned a password. */
#define RUNNER_DISOWNED                                                \
	"the password before was not the database's any more, and is " \
	"handed out no more"

/* Called on entering each state, before its effect; for progress and tests. */
typedef void runner_watch_fn(void *arg, const char *role,
			     enum engine_state state);

/* A run that has not begun.  The job's pointers must outlive it. */
enum status runner_new(struct runner_env *env, const struct runner_job *job,
		       struct runner **ret_runner);

/*
 * Perform the effect of the present state and take one step.  True while there
 * is more to do.  The simulator interleaves runners by this.
 */
bool runner_step(struct runner *r);

enum engine_state runner_state(const struct runner *r);
const struct engine *runner_engine(const struct runner *r);
void runner_result(const struct runner *r, struct runner_result *ret);

/* Release everything.  A run that has not ended is a crash to the others. */
void runner_free(struct runner *r);

/*
 * What a run tries before it changes anything, for `check`: a login with this
 * password, or with a made-up one where it is NULL, by the way of a proof, and
 * one with a wrong password when none was made lately.  `login` is whose password
 * it is, of a pair; "" when no one's.  ENGINE_ON_OK; else the
 * event that the run would end with, and its sentence.
 */
enum engine_event runner_try(struct runner_env *env,
			     const struct runner_job *job, const char *login,
			     const struct secret *password, struct reason *why);

/* All steps of a job.  Returns ret->status. */
enum status runner_run(struct runner_env *env, const struct runner_job *job,
		       runner_watch_fn *watch, void *arg,
		       struct runner_result *ret);

#endif
