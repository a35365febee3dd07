/* SPDX-License-Identifier: PostgreSQL */
/* One run of a role; must never decide how a rotation goes. */
#include "jobs/rotate.h"

#include <string.h>

#include "base/harden.h"
#include "jobs/role_lock.h"

void rotate_run(struct open_engine *w, const char *role,
		const struct runner_job *like, runner_watch_fn *watch,
		void *arg, struct runner_result *ret)
{
	struct opened *opened = open_engine_opened(w);
	struct open_engine_job j;
	int lock = -1;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	/* When another process holds the lock the run goes on without it: the claim in
	 * the cluster is what protects the role. */
	if (role_lock_take(opened, role, 0, &lock, NULL) != STATUS_OK)
		lock = -1;
	ret->status = open_engine_job(w, role, &j, &ret->why);
	if (ret->status == STATUS_OK)
		ret->status =
			open_store_away(opened, j.job.store->name, &ret->why);
	if (ret->status == STATUS_OK) {
		j.job.mode = like->mode;
		j.job.fresh = like->fresh;
		j.job.takeover = like->takeover;
		j.job.emergency = like->emergency;
		j.job.force = like->force;
		j.job.unpair = like->unpair;
		j.job.at_once = like->at_once;
		j.job.if_free = like->if_free;
		j.job.compromised = like->compromised;
		j.job.leaked = like->leaked;
		j.job.n_leaked = like->n_leaked;
		j.job.since_us = like->since_us;
		j.job.end_sessions |= like->end_sessions;
		j.job.reason = like->reason;
		j.job.password = like->password;
		runner_run(open_engine_env(w), &j.job, watch, arg, ret);
		if (ret->status == STATUS_STORE_UNAVAILABLE)
			open_store_failed(opened, j.job.store->name,
					  ret->took_us, &ret->why);
	}
	open_engine_job_free(&j);
	role_lock_end(lock);
	harden_scrub_stack(); /* what libraries left below us */
}
