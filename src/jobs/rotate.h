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

#endif
