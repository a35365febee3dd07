/* SPDX-License-Identifier: PostgreSQL */
/*
 * What follows a new current password, after the sinks: each role has steps,
 * which run in order, and the ledger remembers of each which version it has
 * taken.  Nobody has to remember that there is something to do: who comes by
 * (a command, keyturnd) compares that with what is current, and runs what is
 * behind.  So a crash leads to a second run with the same version, never to none.
 *
 * The version that a step gets is the one that the store calls CURRENT at that
 * moment, under a lock that only one process of the host has: an older one never
 * comes after a newer one.  No step's failure is a failure of the rotation.
 */
#ifndef KEYTURN_FOLLOW_H
#define KEYTURN_FOLLOW_H

#include <stdbool.h>

#include "jobs/follow_state.h"
#include "open/engine/engine.h"

/* What is known of one step; strings live until the call returns. */
struct follow_outcome {
	const char *role;   /* the [role NAME] */
	const char *step;   /* "delivery cpi" */
	bool behind;	    /* it has not taken what is current */
	bool tried;	    /* just now */
	enum status status; /* of the attempt, or why it cannot be told whether
			       it is behind */
	const char
		*detail; /* why it is behind; or, after a good attempt, what it
			       said; or "" */
	const struct follow_state *state;
};

typedef void follow_fn(void *arg, const struct follow_outcome *o);

struct follow_options {
	struct open_engine *engine;
	const char *actor; /* who acts, for the audit */
	bool at_once;	   /* does not wait for the time of the next attempt */
	bool again;	   /* also what has taken the current version */
	follow_fn *fn;	   /* may be NULL */
	void *arg;
};

/*
 * Run what is behind of a role's steps and tell fn of each attempt, and of each
 * step that goes on waiting.  Returns when to come again, by the wall clock:
 * INT64_MAX when all of them have what is current.  May take as long as the
 * timeouts of all steps.  Thread-safe.
 */
int64_t follow_run(const struct follow_options *o,
		   const struct config_group *role);

/*
 * Look at a role's steps, changing nothing, and tell fn of each.  current is what
 * the ledger knows to be current, "" for nothing.  True: one is behind, *why (may
 * be NULL) has the first one's sentence.
 */
bool follow_look(struct open_engine *w, const struct config_group *role,
		 const char *current, follow_fn *fn, void *arg,
		 struct reason *why);

/* s STATUS_OK: the sentence is what the step may do; else why it could not be run
 * now. */
typedef void follow_check_fn(void *arg, const char *step, enum status s,
			     const char *sentence);

/* Tell fn of each of a role's steps, running none. */
void follow_check(struct open_engine *w, const struct config_group *role,
		  follow_check_fn *fn, void *arg);

/* Before the process ends while steps run: end the programs of this process, hooks'
 * too, with all that they have started, and begin no more. */
void follow_end(void);

/* Has the role any step? */
bool follow_has(const struct config_group *role);

/* The version that the ledger knows to be a role's current one, or "". */
void follow_current(struct ledger *l, const char *role,
		    char ret[RANDOM_UUID_SIZE]);

#endif
