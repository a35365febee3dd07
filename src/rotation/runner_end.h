/* SPDX-License-Identifier: PostgreSQL */
/* The end of an old password, of a pair or of one role; see runner_env.h. */
#ifndef KEYTURN_RUNNER_END_H
#define KEYTURN_RUNNER_END_H

#include "rotation/runner.h"

/* End the sessions of whose password ended: OK, FAILED when some are left, and
 * CLUSTER_DOWN when the session is lost that was to do it. */
enum engine_event runner_end_evict(struct runner *r, struct reason *why);
/* Log in with what ended, on every endpoint: OK when all of it is refused. */
enum engine_event runner_end_refute(struct runner *r, struct reason *why);

#endif
