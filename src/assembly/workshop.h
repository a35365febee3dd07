/* SPDX-License-Identifier: PostgreSQL */
/*
 * The engine's half of the assembly: where settings meet clusters, policies,
 * schedules and sinks, and become rotation jobs.
 */
#ifndef KEYTURN_WORKSHOP_H
#define KEYTURN_WORKSHOP_H

#include "assembly/backends.h"
#include "policy/policy.h"
#include "rotation/runner.h"
#include "schedule/schedule.h"
#include "target/target.h"

struct workshop;

/* actor is who acts, for the audit.  The backends must outlive it. */
enum status workshop_new(struct backends *b, struct ledger *ledger,
			 const char *actor, struct workshop **ret,
			 struct reason *why);
void workshop_free(struct workshop *w);

struct runner_env *workshop_env(const struct workshop *w);
struct backends *workshop_backends(const struct workshop *w);
struct ledger *workshop_ledger(const struct workshop *w);

/* The cluster of a [cluster NAME], opened (not connected) at the first call.
 * Thread-safe. */
enum status workshop_target(struct workshop *w, const char *name,
			    struct target **ret_target, struct reason *why);

/* A policy from a [policy NAME], or the default for "". */
enum status workshop_policy(const struct workshop *w, const char *name,
			    struct policy *ret_policy, struct reason *why);

/* The role's sinks; *ret_sinks is the caller's to free(). */
enum status workshop_sinks(const struct config_group *role,
			   struct sink **ret_sinks, size_t *ret_n,
			   struct reason *why);

/*
 * A role's schedule; *ret is NULL when it has none.  The zone is the
 * workshop's and must outlive the schedule.
 */
enum status workshop_schedule(struct workshop *w,
			      const struct config_group *role,
			      struct schedule **ret, struct reason *why);

/*
 * A hash of what the role's sinks are told besides the password, and of where
 * they are; "" for a role without sinks, or whose cluster cannot be opened.
 */
void workshop_delivery(struct workshop *w, const struct config_group *role,
		       char ret[LEDGER_DELIVERED_SIZE]);

/* A job with what it owns. */
struct workshop_job {
	struct runner_job job;
	struct policy policy;
	struct sink *sinks;
	char delivery[LEDGER_DELIVERED_SIZE];
};

/*
 * Everything for one run but its mode, flags, reason and password, which the
 * caller sets.  Free with workshop_job_free().  Thread-safe.
 */
enum status workshop_job(struct workshop *w, const char *role,
			 struct workshop_job *ret_job, struct reason *why);
void workshop_job_free(struct workshop_job *j);

/*
 * One run, from making its job to its end.  `like` has mode, flags, reason and
 * password; watch may be NULL.  The outcome is in *ret.  Thread-safe.
 */
void workshop_run(struct workshop *w, const char *role,
		  const struct runner_job *like, runner_watch_fn *watch,
		  void *arg, struct runner_result *ret);

/* Whole configuration at once, each with FILE:LINE: policies, schedules, sinks
 * and the zone, which the configuration's own checks cannot know. */
enum status workshop_check(struct workshop *w, struct reason *why);

#endif
