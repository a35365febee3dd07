/* SPDX-License-Identifier: PostgreSQL */
/*
 * The runner's effects on a pair: two login roles in turn (DESIGN.md section 4,
 * "Strategies"); see runner_env.h.  For a single role what is asked here is
 * answered by its own name.
 */
#ifndef KEYTURN_RUNNER_PAIR_H
#define KEYTURN_RUNNER_PAIR_H

#include "rotation/runner.h"

/* Whose password the version at hand is: the role that logs in with it. */
const char *runner_pair_login(const struct runner *r);
/* The version at hand is this run's own from here on, and so is whose it is. */
void runner_pair_own(struct runner *r);
/* The version at hand is this user's, as the store says.  STATUS_CORRUPT when
 * nobody of the pair is called so. */
enum status runner_pair_take_login(struct runner *r, const char *username,
				   struct reason *why);

/* The next password is for the active member: the server refuses its present
 * one. */
void runner_pair_replace(struct runner *r);

enum engine_event runner_pair_peek(struct runner *r, struct reason *why);
enum engine_event runner_pair_recall(struct runner *r, struct reason *why);
enum engine_event runner_pair_revert(struct runner *r, struct reason *why);
enum engine_event runner_pair_tombstone(struct runner *r, struct reason *why);
enum engine_event runner_pair_evict(struct runner *r, struct reason *why);
enum engine_event runner_pair_clear(struct runner *r, struct reason *why);
enum engine_event runner_pair_refute(struct runner *r, struct reason *why);

#endif
