/* SPDX-License-Identifier: PostgreSQL */
/* One run of a role, for the command line and keyturnd alike. */
#ifndef KEYTURN_ROTATE_H
#define KEYTURN_ROTATE_H

#include "open/engine/engine.h"

/*
 * One run, from making its job to its end.  `like` has mode, flags, reason and
 * password; watch may be NULL.  The outcome is in *ret.  Thread-safe.
 */
void rotate_run(struct open_engine *w, const char *role,
		const struct runner_job *like, runner_watch_fn *watch,
		void *arg, struct runner_result *ret);

/* What a run came to that ended well, for people: "rotated"; static.  mode: what
 * was asked for, ENGINE_MODE_RECOVER for whatever is to be done.  moved: another
 * version is current now. */
const char *rotate_outcome(const struct runner_result *r, enum engine_mode mode,
			   bool moved);

#endif
