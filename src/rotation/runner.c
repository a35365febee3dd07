/* SPDX-License-Identifier: PostgreSQL */
/* Performs the engine's effects and reports their outcome.  Must never decide what
 * comes next; states.def does. */
#include "rotation/runner.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rotation/runner_cluster.h"
#include "rotation/runner_deliver.h"
#include "rotation/runner_end.h"
#include "rotation/runner_env.h"
#include "rotation/runner_gateway.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_login.h"
#include "rotation/runner_member.h"
#include "rotation/runner_pair.h"
#include "rotation/runner_session.h"
#include "rotation/runner_store.h"
#include "rotation/runner_try.h"
#include "rotation/runner_way.h"

#define RETRY_FIRST (50 * 1000)
#define RETRY_MOST  (2 * NOW_SECOND)
#define PROVE_MOST  (5 * NOW_SECOND)

/* The effect of START is that a run begins; ENDED has none. */
static enum engine_event runner_begin(struct runner *r, struct reason *why)
{
	(void)r;
	(void)why;
	return ENGINE_ON_BEGIN;
}

static enum engine_event runner_nothing(struct runner *r, struct reason *why)
{
	(void)r;
	(void)why;
	return ENGINE_ON_FAILED;
}

static enum engine_event perform_effect(struct runner *r, struct reason *why)
{
	static enum engine_event (*const effects[])(struct runner * r,
						    struct reason * why) = {
#define STATE(name, audit, effect, does) runner_##effect,
#include "rotation/states.def"
	};

	return effects[r->engine.state](r, why);
}

/* Without jitter: only rotators of one role wait for each other, so there is no
 * crowd to spread out. */
static void wait_before_retry(const struct runner *r, enum engine_state was)
{
	unsigned n = r->engine.retries[was];
	int64_t us = (int64_t)RETRY_FIRST << (n < 10 ? n : 10);
	int64_t most = RETRY_MOST;

	/* Logins that a server counts towards a lock-out are spaced wider. */
	if (was == ENGINE_PROVE || was == ENGINE_OVERLAP ||
	    was == ENGINE_REFUTE) {
		us *= 4;
		most = PROVE_MOST;
	}
	now_sleep(r->env->o.now, us < most ? us : most);
}

static void keep_reason(struct runner *r, const struct engine_row *row,
			const struct reason *why)
{
	/* What waits is delivered first, and its reason kept until then. */
	if (row && row->action == ENGINE_DO_DEFER) {
		r->result.why = *why;
		if (!why->text[0])
			reason_set(&r->result.why, STATUS_DEFERRED, "%s",
				   row->sentence);
		return;
	}
	/* Why it was given up, not how that was undone. */
	if (row && row->action == ENGINE_DO_GIVE_UP) {
		r->result.why = *why;
		if (!why->text[0])
			reason_set(&r->result.why, STATUS_REJECTED, "%s",
				   row->sentence);
		return;
	}
	/* What is left of the old member does not undo that it was retired. */
	if (row && row->from == ENGINE_EVICT && r->result.sessions_left > 0 &&
	    why->text[0])
		r->result.why = *why;
	if (r->engine.state == ENGINE_CLOSE ||
	    r->engine.state == ENGINE_FREEZE ||
	    r->engine.state == ENGINE_ENDED) {
		if (why->text[0])
			r->result.why = *why;
		else if (row && r->engine.outcome != STATUS_OK &&
			 !r->result.why.text[0])
			reason_set(&r->result.why, r->engine.outcome, "%s",
				   row->sentence);
	}
}

/* What a login showed of the cluster, it would show to any other role; but not
 * what comes of a sink of this one. */
static void note_cluster(struct runner *r, enum engine_state was,
			 enum engine_event ev)
{
	if ((was == ENGINE_TRY || was == ENGINE_PROVE) && !r->blocked_by_sink &&
	    (r->engine.state == ENGINE_CLOSE ||
	     r->engine.state == ENGINE_FREEZE) &&
	    (ev == ENGINE_ON_NO_EVIDENCE || ev == ENGINE_ON_EXPIRED ||
	     ev == ENGINE_ON_NOT_ASKED || ev == ENGINE_ON_CONTROL_PASSED))
		r->result.cluster_bad = true;
}

bool runner_step(struct runner *r)
{
	const struct engine_row *row = NULL;
	enum engine_state was = r->engine.state;
	struct reason why;
	enum engine_event ev;
	int64_t began, took;

	if (was == ENGINE_ENDED)
		return false;
	reason_clear(&why);
	began = now_boot(r->env->o.now);
	ev = perform_effect(r, &why);
	took = now_boot(r->env->o.now) - began;
	r->result.step_us[was] += took > 0 ? took : 1;
	if (engine_step(&r->engine, ev, &row) != STATUS_OK)
		reason_set(&why, STATUS_ERROR,
			   "the protocol has no answer to %s in %s; please "
			   "report this",
			   engine_event_name(ev), engine_state_name(was));
	if (was != ENGINE_CLOSE && was != ENGINE_FREEZE)
		keep_reason(r, row, &why);
	note_cluster(r, was, ev);
	runner_ledger_step(r, was, ev, row, &why, took);
	if (r->engine.state != was ||
	    (was != ENGINE_PROVE && was != ENGINE_OVERLAP &&
	     was != ENGINE_REFUTE))
		r->prove_until = r->refused_since = 0;
	if (row && (row->action == ENGINE_DO_RETRY ||
		    row->action == ENGINE_DO_RECLAIM))
		wait_before_retry(r, was);
	if (r->engine.state == ENGINE_ENDED) {
		runner_session_drop(r, true);
		runner_store_drop_password(r);
		r->result.took_us = now_boot(r->env->o.now) - r->began_boot;
		return false;
	}
	return true;
}

enum status runner_new(struct runner_env *env, const struct runner_job *job,
		       struct runner **ret_runner)
{
	struct runner *r = calloc(1, sizeof(*r));
	enum status s;

	if (!r)
		return STATUS_NO_MEMORY;
	r->env = env;
	r->job = job;
	r->engine = engine_make(job->mode, job->fresh, job->emergency);
	r->engine.pair = job->pair != NULL;
	r->engine.gateway = job->cluster->gateway;
	r->engine.force = job->force;
	r->engine.spares = job->if_free;
	r->engine.evict = job->end_sessions;
	r->engine.at_once = job->at_once;
	r->engine.compromised = job->compromised;
	r->state_stale = true;
	r->began_boot = now_boot(env->o.now);
	s = random_uuid(env->o.random, r->run);
	if (s != STATUS_OK) {
		free(r);
		return s;
	}
	*ret_runner = r;
	return STATUS_OK;
}

enum engine_state runner_state(const struct runner *r)
{
	return r->engine.state;
}

const struct engine *runner_engine(const struct runner *r)
{
	return &r->engine;
}

/* Have the sinks been told other settings than before? */
static bool told_otherwise(const struct runner *r)
{
	return r->role.delivered[0] && r->job->delivery &&
	       strcmp(r->role.delivered, r->job->delivery) != 0;
}

void runner_result(const struct runner *r, struct runner_result *ret)
{
	*ret = r->result;
	ret->status = runner_ledger_outcome(r);
	ret->finished_earlier = r->engine.finished;
	ret->undone = r->engine.undone;
	ret->restored = r->engine.restored;
	ret->disowned = r->engine.disowned;
	ret->went_back = r->regress_noted;
	ret->gateway = r->engine.gateway;
	ret->delivered = ret->status == STATUS_OK &&
			 (r->role.undelivered_us > 0 || told_otherwise(r));
	text_copy(ret->version, sizeof(ret->version), r->current);
	text_copy(ret->run, sizeof(ret->run), r->run);
}

void runner_free(struct runner *r)
{
	if (!r)
		return;
	runner_session_drop(r, false);
	runner_store_drop_password(r);
	free(r);
}

enum engine_event runner_try(struct runner_env *env,
			     const struct runner_job *job, const char *login,
			     const struct secret *password, struct reason *why)
{
	struct runner *r = NULL;
	enum engine_event ev;
	enum status s = runner_new(env, job, &r);

	if (s != STATUS_OK) {
		reason_set(why, s, "no memory for a login");
		return ENGINE_ON_NO_EVIDENCE;
	}
	s = *login ? runner_member_take(r, login, why) : STATUS_OK;
	ev = s == STATUS_OK ? runner_try_password(r, password, why) :
			      ENGINE_ON_NO_EVIDENCE;
	if (ev == ENGINE_ON_RIGHT) {
		runner_way_remember(r, r->way.proved);
		ev = ENGINE_ON_OK;
	} else if (ev != ENGINE_ON_WRONG) {
		runner_login_explain(r, ev, true, why);
	}
	runner_free(r);
	return ev;
}

enum status runner_run(struct runner_env *env, const struct runner_job *job,
		       runner_watch_fn *watch, void *arg,
		       struct runner_result *ret)
{
	struct runner *r = NULL;
	enum status s;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	s = runner_new(env, job, &r);
	if (s != STATUS_OK) {
		ret->status = reason_set(&ret->why, s,
					 "role %s: the run could not be set up",
					 job->role);
		return s;
	}
	do {
		if (watch)
			watch(arg, job->role, r->engine.state);
	} while (runner_step(r));
	runner_result(r, ret);
	runner_free(r);
	return ret->status;
}
