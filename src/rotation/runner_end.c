/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is left of an old password when it has ended: sessions, and the proof that
 * it opens no new one.  Must never call refused what was not tried.
 */
#include "rotation/runner_end.h"

#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_fact.h"
#include "rotation/runner_gateway.h"
#include "rotation/runner_login.h"
#include "rotation/runner_member.h"
#include "rotation/runner_store.h"

/* ---- sessions ---- */

/* A rotation ends those of the member that it has given a new password. */
static const char *whose_sessions(const struct runner *r)
{
	return r->job->pair && r->job->mode == ENGINE_MODE_RETIRE ?
		       r->old :
		       runner_member_login(r);
}

enum engine_event runner_end_evict(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	const char *role = whose_sessions(r);
	unsigned left = 0;
	enum status s = t->ops->end_sessions(t, r->session, role, &left, why);

	/* How many are not known is one. */
	r->left[runner_member_index(r, role)] = s == STATUS_OK ? left : 1;
	r->result.sessions_left = 0;
	for (size_t i = 0; i <= CLUSTER_MEMBERS; i++)
		r->result.sessions_left += r->left[i];
	if (s == STATUS_OK && left == 0)
		return ENGINE_ON_OK;
	if (s == STATUS_OK)
		reason_set(why, STATUS_ERROR,
			   "%s %s: %u sessions of %s were told to end and are "
			   "there yet",
			   r->job->pair ? "pair" : "role", r->job->role, left,
			   role);
	if (s == STATUS_OK || s == STATUS_REFUSED || s == STATUS_NOT_FOUND)
		return ENGINE_ON_FAILED;
	r->session_bad = true;
	return ENGINE_ON_CLUSTER_DOWN;
}

/* ---- the refusal ---- */

/* CURRENT's own role: a server may count what it refuses, or ban for it. */
static bool is_counted(const struct runner *r)
{
	return !r->job->pair ||
	       strcmp(runner_member_login(r), runner_member_active(r)) == 0;
}

/* A success makes a server forget the failures that it counts. */
static void log_in_rightly(struct runner *r)
{
	struct secret *current = NULL;
	struct reason why;

	if (runner_store_password(r, r->current, &current, &why) != STATUS_OK)
		return;
	(void)runner_login(r, current, CLUSTER_PROOF_PRESENT, &why);
	secret_free(current);
}

/* WRONG is what it is to be. */
static enum engine_event try_old(struct runner *r, struct reason *why)
{
	struct secret *password = NULL;
	enum engine_event ev;
	enum status s;

	s = runner_store_password(r, runner_member_ended(r), &password, why);
	if (s == STATUS_NOT_FOUND) {
		reason_set(why, STATUS_NOT_FOUND,
			   "%s %s: the store has forgotten the old password, "
			   "so that it cannot be tried",
			   r->job->pair ? "pair" : "role", r->job->role);
		return ENGINE_ON_EXPIRED;
	}
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	if (r->job->compromised && r->job->no_control && is_counted(r)) {
		reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			   "role %s: the old password was not tried, since "
			   "control = no in [cluster %s] says that one failed "
			   "login may ban its role",
			   r->job->role, r->job->cluster->name);
		ev = ENGINE_ON_EXPIRED;
	} else {
		ev = runner_login(r, password, CLUSTER_PROOF_WRONG, why);
	}
	secret_free(password);
	return ev;
}

static enum engine_event note_refuted(struct runner *r)
{
	int64_t us = now_wall(r->env->o.now) - r->job->since_us;

	if (r->engine.gateway) {
		r->result.ended = RUNNER_END_WITHDRAWN;
		runner_fact_settle(r, r->ended);
	}
	/* What ended before a rotation is not what was asked for. */
	if (r->job->mode != ENGINE_MODE_RETIRE)
		return ENGINE_ON_OK;
	r->result.refuted = true;
	r->retired = r->result.retired = r->retired || r->engine.gateway;
	if (!r->job->compromised)
		return ENGINE_ON_OK;
	r->result.refused_us = us > 0 ? us : 0;
	r->result.endpoints = r->job->cluster->endpoints;
	if (is_counted(r))
		log_in_rightly(r);
	return ENGINE_ON_OK;
}

/*
 * Evidence that the old password is refused, on every endpoint.  A store that
 * has forgotten it leaves nothing to try.
 */
enum engine_event runner_end_refute(struct runner *r, struct reason *why)
{
	struct reason found;
	enum engine_event ev;

	if (r->prove_until == 0)
		r->prove_until =
			now_boot(r->env->o.now) + r->job->prove_deadline_us;
	while ((ev = try_old(r, why)) == ENGINE_ON_WRONG &&
	       r->job->mode == ENGINE_MODE_RETIRE &&
	       r->refuting + 1 < r->job->n_leaked)
		r->refuting++;
	if (ev == ENGINE_ON_WRONG && r->engine.gateway &&
	    !runner_gateway_answers(r, why))
		ev = ENGINE_ON_NO_EVIDENCE;
	if (ev == ENGINE_ON_WRONG)
		return note_refuted(r);
	if (ev != ENGINE_ON_RIGHT && ev != ENGINE_ON_NOT_ASKED &&
	    ev != ENGINE_ON_NO_EVIDENCE)
		return ev;
	found = *why;
	/* A proxy may remember it for a while. */
	if (now_boot(r->env->o.now) < r->prove_until)
		return ENGINE_ON_NO_EVIDENCE;
	if (ev == ENGINE_ON_NO_EVIDENCE)
		return ENGINE_ON_EXPIRED;
	reason_set(
		why, STATUS_ERROR,
		"%s %s: the old password of %s is still accepted%s%s; look at %s",
		r->job->pair ? "pair" : "role", r->job->role,
		runner_member_login(r), found.text[0] ? ": " : "", found.text,
		r->engine.gateway ?
			"its keyturn-agent, and the store that it reads" :
			"pg_hba.conf and at what is between keyturn and the "
			"server");
	return ev;
}
