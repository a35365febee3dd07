/* SPDX-License-Identifier: PostgreSQL */
/*
 * A password got out: a rotation, the end of what was before it, and the proof
 * that it is refused, for `keyturn rotate --compromised`, `recover` and keyturnd.
 * What a command began is remembered in the ledger until it was brought to its end.
 */
#ifndef KEYTURN_COMPROMISE_H
#define KEYTURN_COMPROMISE_H

#include "open/engine/engine.h"

/* Did a person say so of this role, and it is not over? */
bool compromise_is_open(struct ledger *l, const char *role);

/*
 * As rotate_run(), for like->mode ROTATE or RECOVER, and more than one run.
 * like->since_us is when it was asked for; like->takeover is RECOVER's alone.  STATUS_OK: whatever could log in then
 * is refused on every endpoint, ret->refused_us after the first command; with
 * like->end_sessions the sessions have ended, or it is STATUS_DEFERRED.  After
 * another status it is still open, but for STATUS_UNDELIVERED.
 */
void compromise_run(struct open_engine *w, const char *role,
		    const struct runner_job *like, runner_watch_fn *watch,
		    void *arg, struct runner_result *ret);

#endif
