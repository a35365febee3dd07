/* SPDX-License-Identifier: PostgreSQL */
/*
 * The runner's effects on a pair: two login roles in turn (DESIGN.md section 4,
 * "Strategies"); see runner_env.h.
 */
#ifndef KEYTURN_RUNNER_PAIR_H
#define KEYTURN_RUNNER_PAIR_H

#include "rotation/runner.h"

enum engine_event runner_pair_peek(struct runner *r, struct reason *why);
enum engine_event runner_pair_recall(struct runner *r, struct reason *why);
enum engine_event runner_pair_revert(struct runner *r, struct reason *why);
/* Log in with CURRENT, whose password is at hand then, for a version of this
 * run. */
enum engine_event runner_pair_renew(struct runner *r, struct reason *why);
enum engine_event runner_pair_tombstone(struct runner *r, struct reason *why);
enum engine_event runner_pair_clear(struct runner *r, struct reason *why);

#endif
