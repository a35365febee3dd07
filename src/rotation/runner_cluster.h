/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on the cluster; see runner_env.h. */
#ifndef KEYTURN_RUNNER_CLUSTER_H
#define KEYTURN_RUNNER_CLUSTER_H

#include "rotation/runner.h"

/* One change of r->job->rolname, or of this member of its pair. */
enum engine_event runner_cluster_change(struct runner *r,
					enum cluster_change_kind kind,
					const char *member, struct reason *why);
/* Its end, by a password that is kept nowhere: see cluster_change_kind. */
enum engine_event runner_cluster_seal(struct runner *r,
				      enum cluster_change_kind kind,
				      const char *member, struct reason *why);
enum engine_event runner_cluster_preflight(struct runner *r,
					   struct reason *why);
enum engine_event runner_cluster_claim(struct runner *r, struct reason *why);
enum engine_event runner_cluster_resolve(struct runner *r, struct reason *why);
enum engine_event runner_cluster_readopt(struct runner *r, struct reason *why);
enum engine_event runner_cluster_apply(struct runner *r, struct reason *why);
enum engine_event runner_cluster_adopt(struct runner *r, struct reason *why);
enum engine_event runner_cluster_inspect(struct runner *r, struct reason *why);

#endif
