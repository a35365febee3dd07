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

/* What was open before, and is not any more. */
static const char *finished(const struct runner_result *r, bool moved)
{
	if (r->restored)
		return "a restored database was seen: re-pointed and rotated";
	if (r->finished_earlier)
		return moved ? "finished what was interrupted, and rotated" :
			       "finished what was interrupted";
	return moved ? "undid what was interrupted, and rotated" :
		       "undid what was interrupted";
}

static const char *old_is_over(const struct runner_result *r)
{
	if (r->ended == RUNNER_END_REPLACED)
		return r->refuted ? "the old password was replaced by one that "
				    "no one has, and is refused; there is no "
				    "way back to it" :
				    "the old password was replaced by one that "
				    "no one has; there is no way back to it";
	if (r->refuted)
		return "the old password is gone, and is refused";
	return r->gateway ? "there is no old password" :
			    "the old member may not log in any more";
}

const char *rotate_outcome(const struct runner_result *r, enum engine_mode mode,
			   bool moved)
{
	if (!r->run[0])
		return "already handled by another process";
	if (r->endpoints > 0)
		return moved ? "rotated, and what got out is gone" :
			       "a password that got out is gone, and is refused";
	if (mode == ENGINE_MODE_IMPORT)
		return "imported";
	if (mode == ENGINE_MODE_ROLLBACK)
		return "rolled back";
	if (r->restored || r->finished_earlier || r->undone)
		return finished(r, moved);
	if (mode == ENGINE_MODE_RETIRE || r->retired)
		return old_is_over(r);
	if (moved)
		return "rotated";
	return r->delivered ? "a sink that was behind is in step again" :
			      "nothing to recover";
}
