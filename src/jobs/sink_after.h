/* SPDX-License-Identifier: PostgreSQL */
/*
 * What follows a new token in the file of a [sink NAME]: its settings "after", in
 * their order.  As jobs/follow.h does for roles, but the level is what the file
 * holds: a step is behind as long as it has not taken the version that is there,
 * whoever wrote it.
 */
#ifndef KEYTURN_SINK_AFTER_H
#define KEYTURN_SINK_AFTER_H

#include <stdbool.h>

#include "jobs/follow_state.h"

struct sink_after; /* the steps of one [sink NAME] */

/* Where it is remembered, and of what. */
struct sink_after_place {
	struct opened *opened;
	struct ledger *ledger;
	const char *actor;
	const char *marker;  /* "sink:NAME", as audit and ledger call it */
	const char *version; /* what the file holds; "" for nothing */
	const char *user; /* who logs in with it; "" when that is not known */
};

/*
 * Parse them.  STATUS_CONFIG with FILE:LINE: one cannot be understood, is there
 * twice, or proves a password that no client has.  None is fine: nothing is ever
 * behind.  *ret is the caller's.
 */
enum status sink_after_new(const struct config_group *sink,
			   struct sink_after **ret, struct reason *why);
void sink_after_free(struct sink_after *a); /* takes NULL */

/* s STATUS_OK: sentence is what was done, or may be done; else why not. */
typedef void sink_after_fn(void *arg, const char *step, enum status s,
			   const char *sentence);

/*
 * Run what is behind and tell fn of each attempt.  A step that fails is waited for
 * by those after it.  at_once: not only when its pause is over.  Returns when to come
 * again, by the wall clock: INT64_MAX when all have what the file holds.  May take
 * as long as their timeouts.
 */
int64_t sink_after_run(const struct sink_after *a,
		       const struct sink_after_place *p, bool at_once,
		       sink_after_fn *fn, void *arg);

/* Is one behind?  Then *why is the first one's sentence.  Changes nothing. */
bool sink_after_look(const struct sink_after *a,
		     const struct sink_after_place *p, struct reason *why);

/* Tell fn of each whether it could be run; runs none. */
void sink_after_check(const struct sink_after *a, sink_after_fn *fn, void *arg);

#endif
