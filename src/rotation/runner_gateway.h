/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on a gateway, where the store's labels say what is good and
 * nothing is changed but them; see runner_fact.h and runner_env.h. */
#ifndef KEYTURN_RUNNER_GATEWAY_H
#define KEYTURN_RUNNER_GATEWAY_H

#include "rotation/engine.h"
#include "rotation/runner.h"

enum engine_event runner_gateway_survey(struct runner *r, struct reason *why);
enum engine_event runner_gateway_overlap(struct runner *r, struct reason *why);
enum engine_event runner_gateway_back(struct runner *r, struct reason *why);

/* Does CURRENT log in at each gateway?  Else a refusal there shows nothing: PAM
 * says the same when nobody answers it. */
bool runner_gateway_answers(struct runner *r, struct reason *why);

#endif
