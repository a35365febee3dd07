/* SPDX-License-Identifier: PostgreSQL */
/* The runner brings sinks in step; see runner_env.h. */
#ifndef KEYTURN_RUNNER_DELIVER_H
#define KEYTURN_RUNNER_DELIVER_H

#include "rotation/runner.h"

enum engine_event runner_deliver_sinks(struct runner *r, struct reason *why);
/* Could a password be delivered to every sink?  Not asked in an emergency. */
enum status runner_deliver_try(const struct runner *r, struct reason *why);

/* Could the job's next version be delivered to this sink?  sink_try() with what
 * it would carry, and a stand-in for the password. */
enum status runner_deliver_could(const struct runner_job *job,
				 const struct sink *sink, struct reason *why);

#endif
