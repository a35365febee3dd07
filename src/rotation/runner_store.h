/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on the store; see runner_env.h. */
#ifndef KEYTURN_RUNNER_STORE_H
#define KEYTURN_RUNNER_STORE_H

#include "rotation/runner.h"

/* The event of a read that failed: the store is away, or damaged. */
enum engine_event runner_store_read_event(enum status s);
/* The event of a write that ended with this. */
enum engine_event runner_store_event(enum status s);
/* After a write that gave r->state: keep it, or know that it is not known, and
 * why. */
void runner_store_keep(struct runner *r, enum status s,
		       const struct reason *why);
/* Id of the version with that label in r->state, or "". */
const char *runner_store_id(const struct runner *r, enum store_label label);
/* Read r->state and r->current again. */
enum status runner_store_describe(struct runner *r, struct reason *why);
/* The password of a version; the caller's.  Of a pair, whose it is becomes
 * r->login. */
enum status runner_store_password(struct runner *r, const char *id,
				  struct secret **ret_password,
				  struct reason *why);
/* Wipe the password at hand. */
void runner_store_drop_password(struct runner *r);
/* One canary per store and minute, whatever the number of jobs. */
enum status runner_store_canary(struct runner *r, struct reason *why);
/* Would the store take a new version of this secret, and make it CURRENT? */
enum engine_event runner_store_ready(struct runner *r, struct reason *why);
/* Take PENDING up as this run's own version. */
enum engine_event runner_store_resume(struct runner *r, struct reason *why);
enum engine_event runner_store_generate(struct runner *r, struct reason *why);
enum engine_event runner_store_stage(struct runner *r, struct reason *why);
enum engine_event runner_store_readback(struct runner *r, struct reason *why);
enum engine_event runner_store_promote(struct runner *r, struct reason *why);
enum engine_event runner_store_confirm(struct runner *r, struct reason *why);
enum engine_event runner_store_repoint(struct runner *r, struct reason *why);
enum engine_event runner_store_retire(struct runner *r, struct reason *why);
enum engine_event runner_store_withdraw(struct runner *r, struct reason *why);

#endif
