/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a rotation needs, opened from settings: clusters, policies, schedules and
 * sinks, and the jobs that are made of them.
 */
#ifndef KEYTURN_OPEN_ENGINE_ENGINE_H
#define KEYTURN_OPEN_ENGINE_ENGINE_H

#include "cluster/cluster.h"
#include "open/engine/calendar.h"
#include "open/engine/looks.h"
#include "open/open.h"
#include "policy/policy.h"
#include "rotation/runner.h"
#include "schedule/schedule.h"

struct open_engine;

/* actor is who acts, for the audit.  b and ledger must outlive it. */
enum status open_engine_new(struct opened *b, struct ledger *ledger,
			    const char *actor, struct open_engine **ret,
			    struct reason *why);
void open_engine_free(struct open_engine *w);

struct runner_env *open_engine_env(const struct open_engine *w);
struct opened *open_engine_opened(const struct open_engine *w);
struct ledger *open_engine_ledger(const struct open_engine *w);
/* What this process has seen of pairs. */
struct open_engine_looks *open_engine_looks(const struct open_engine *w);

/* The cluster of a [cluster NAME], opened (not connected) at the first call.
 * Thread-safe. */
enum status open_engine_cluster(struct open_engine *w, const char *name,
				struct cluster **ret_cluster,
				struct reason *why);

/* Time zones and blackouts; it is the engine's. */
struct open_engine_calendar *open_engine_calendar(const struct open_engine *w);

/* A policy from a [policy NAME], or the default for "". */
enum status open_engine_policy(const struct open_engine *w, const char *name,
			       struct policy *ret_policy, struct reason *why);

/* The role's sinks, service files behind the others; *ret_sinks is the caller's
 * to free(). */
enum status open_engine_sinks(const struct config_group *role,
			      struct sink **ret_sinks, size_t *ret_n,
			      struct reason *why);

/*
 * A role's schedule; *ret is NULL when it has none.  The zone is the
 * engine's and must outlive the schedule.
 */
enum status open_engine_schedule(struct open_engine *w,
				 const struct config_group *role,
				 struct schedule **ret, struct reason *why);

/*
 * A hash of what the role's sinks are told besides the password, and of where
 * they are; "" for a role without sinks, or whose cluster cannot be opened.
 */
void open_engine_delivery(struct open_engine *w,
			  const struct config_group *role,
			  char ret[LEDGER_DELIVERED_SIZE]);

/* A job with what it owns. */
struct open_engine_job {
	struct runner_job job;
	struct policy policy;
	struct cluster_pair pair;
	char members[CLUSTER_MEMBERS][CLUSTER_NAME_SIZE];
	struct sink *sinks;
	char delivery[LEDGER_DELIVERED_SIZE];
};

/*
 * Everything for one run but its mode, flags, reason and password, which the
 * caller sets.  Free with open_engine_job_free().  Thread-safe.
 */
enum status open_engine_job(struct open_engine *w, const char *role,
			    struct open_engine_job *ret_job,
			    struct reason *why);
void open_engine_job_free(struct open_engine_job *j);

/* The members of a role that is a pair, as its settings name them. */
void open_engine_members(const struct config_group *role,
			 char ret[CLUSTER_MEMBERS][CLUSTER_NAME_SIZE]);

#endif
