/* SPDX-License-Identifier: PostgreSQL */
/*
 * What should be done with a role now, by its schedule, the ledger and, when
 * the ledger is new, the store: for `rotate --due` and keyturnd alike.
 */
#ifndef KEYTURN_DUE_H
#define KEYTURN_DUE_H

#include "jobs/hold.h"
#include "open/engine/engine.h"
#include "schedule/schedule_retire.h"

struct due {
	bool wanted; /* a run should begin now, of this mode */
	enum engine_mode mode;
	bool behind;	   /* a sink has not what is current, or is told
			      other settings than it was; while it is not
			      wanted the next attempt waits */
	bool compromised;  /* a password of it got out, and that is not over: it
			      is brought to its end */
	bool unseen;	   /* the store knows it and the ledger does not: it was
			      lost, and a person has to look first */
	bool ahead;	   /* it was rotated at a time that is to come: a clock
			      was wrong, and it counts as due */
	bool held;	   /* it is due, and postponed or in a blackout, so it
			      is not wanted: see hold */
	bool untaken;	   /* never taken over: only a person begins with it */
	int64_t next_us;   /* wall clock of the next due point, in the past when
			    it was missed; 0: none */
	int64_t closes_us; /* wall clock: until when it may begin, by its
			      window, and before a blackout; INT64_MAX: no
			      limit */
	int64_t ends_us;   /* wall clock: VALID UNTIL, as it was last seen; 0:
			      never */
	enum schedule_retire_verdict retire; /* of a pair, retire = auto */
	struct reason retire_why;	     /* ... what it waits for, or by
						what evidence it is done */
	struct hold hold;		     /* of a role that was taken over */
	bool handing; /* a rotation is due and not begun: it would end the password
		      that a partner is being handed (one login role) */
	enum status doubt; /* not STATUS_OK: ledger or store could not say; a
			      run that only recovers does no harm then, and
			      tells what ails them */
	struct ledger_role known; /* ->role is always set */
};

/* *why explains ret->doubt.  STATUS_CONFIG for a bad schedule. */
enum status due_look(struct open_engine *w, const struct config_group *role,
		     int64_t now_us, struct due *ret, struct reason *why);

struct due_task {
	const struct config_group *role;
	bool asked;		       /* rotate even when it is not due */
	const struct runner_job *like; /* as for rotate_run(), but the mode is
					  found out */
	runner_watch_fn *watch;	       /* may be NULL */
	void *arg;
};

/*
 * Run a role that was found to be due: lock it on this host, look again, since
 * another process may have run it, and run what is wanted.  ret->status is
 * STATUS_NOTHING_DUE when nothing was left to be done.  *ret_before and
 * *ret_after are what was known of it; their doubt says when it was not.
 */
void due_run(struct open_engine *w, const struct due_task *t,
	     struct runner_result *ret, struct due *ret_before,
	     struct due *ret_after);

#endif
