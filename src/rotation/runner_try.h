/* SPDX-License-Identifier: PostgreSQL */
/* What is tried before anything is changed; see runner_env.h. */
#ifndef KEYTURN_RUNNER_TRY_H
#define KEYTURN_RUNNER_TRY_H

#include "rotation/runner.h"

/* Log in by the way of a proof with CURRENT, or a made-up password, then try the
 * sinks. */
enum engine_event runner_try_all(struct runner *r, struct reason *why);
/* First the wrong password, then this one; NULL: only the wrong one.  RIGHT, or
 * the event that the run would end with. */
enum engine_event runner_try_password(struct runner *r,
				      const struct secret *password,
				      struct reason *why);

#endif
