/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is tried while the old password lives: the store, the logins of a proof,
 * and the sinks.  Must never change anything.
 */
#include "rotation/runner_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* How long the way of a proof is remembered; what counts is when it was. */
#define WAY_LIFE (30 * 24 * 3600 * NOW_SECOND)

#define KEY_SIZE 400

/* ---- what is remembered of a role on a cluster ---- */

static void key_of(const struct runner *r, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "login:%s:%s", r->job->target->name,
		 r->job->rolname);
}

/* "proved 3f..9a 1800000000000000": by which way, and when a wrong password was
 * last refused there; "tried" when a proof by it is not known. */
static void read_way(struct runner *r)
{
	struct cluster *t = r->job->target;
	struct ledger *l = r->env->o.ledger;
	char key[KEY_SIZE], value[LEDGER_TEXT_SIZE], word[8] = "";
	char way[CLUSTER_WAY_SIZE] = "";
	const struct cluster_who w = runner_login_who(r);
	int64_t controlled = 0;

	if (r->way.read)
		return;
	r->way.read = true;
	if (t->ops->way(t, &w, r->way.hash) != STATUS_OK)
		r->way.hash[0] = '\0';
	key_of(r, key);
	if (!r->way.hash[0] ||
	    l->ops->recall(l, key, now_wall(r->env->o.now), value, NULL) !=
		    STATUS_OK ||
	    sscanf(value, "%7s %64s %" SCNd64, word, way, &controlled) != 3 ||
	    strcmp(way, r->way.hash) != 0)
		return;
	r->way.known = true;
	r->way.proved = strcmp(word, "proved") == 0;
	r->way.controlled_us = controlled;
}

/* Less than control_interval ago; a stamp of the future says nothing. */
static bool lately(const struct runner *r, int64_t at_us)
{
	int64_t ago = now_wall(r->env->o.now) - at_us;

	return at_us > 0 && ago >= 0 && ago < r->env->o.control_interval_us;
}

static bool was_proved(struct runner *r)
{
	read_way(r);
	return r->way.proved && lately(r, r->role.rotated_us) &&
	       strcmp(r->role.last_status, status_name(STATUS_OK)) == 0 &&
	       strcmp(r->role.version, r->current) == 0;
}

bool runner_try_was_controlled(struct runner *r)
{
	read_way(r);
	return r->controlled || lately(r, r->way.controlled_us);
}

void runner_try_remember(struct runner *r, bool proved)
{
	struct ledger *l = r->env->o.ledger;
	int64_t now = now_wall(r->env->o.now);
	char key[KEY_SIZE], value[LEDGER_TEXT_SIZE];

	read_way(r);
	if (!r->way.hash[0] || r->env->o.control_interval_us <= 0)
		return;
	if (r->controlled && !r->way.counted)
		r->way.controlled_us = now;
	else if (r->way.known && r->way.proved == proved)
		return;
	r->way.known = r->way.counted = true;
	r->way.proved = proved;
	key_of(r, key);
	snprintf(value, sizeof(value), "%s %s %" PRId64,
		 proved ? "proved" : "tried", r->way.hash,
		 r->way.controlled_us);
	/* What is forgotten costs a login. */
	(void)l->ops->remember(l, key, value, now + WAY_LIFE, NULL);
}

/* ---- the logins ---- */

/* Is CURRENT what is live, as far as the books can tell?  After a restore they
 * tell only what the marker was like; a service that forwards passwords may have
 * another. */
static bool is_present(const struct runner *r)
{
	return !r->job->emergency && !r->engine.restored && *r->current &&
	       strcmp(r->marker.live_version, r->current) == 0;
}

/* May a proxy still refuse CURRENT, because it remembers what was before? */
static bool proxy_may_remember(const struct runner *r)
{
	const struct store_version *v = store_find_id(&r->state, r->current);

	return r->job->refusal_wait_us > 0 && v &&
	       now_wall(r->env->o.now) - v->created_us <
		       r->job->refusal_wait_us + r->job->prove_deadline_us;
}

static enum engine_event refused(const struct runner *r, struct reason *why)
{
	struct reason found = *why;

	if (proxy_may_remember(r)) {
		reason_set(why, STATUS_BUSY,
			   "the password of role %s is too new for a proxy "
			   "that remembers the one before (refusal_wait); try "
			   "again later",
			   r->job->role);
		return ENGINE_ON_BUSY;
	}
	reason_set(why, STATUS_REFUSED,
		   "nothing was changed: %s, which the marker calls live; it "
		   "was changed, or pg_hba.conf wants more than a password "
		   "(clientcert=verify-full). Changed: keyturn import %s takes "
		   "the present one over, or keyturn rotate --emergency %s "
		   "replaces it",
		   found.text, r->job->role, r->job->role);
	return ENGINE_ON_WRONG;
}

/* First the wrong password, then the right one: a server that counts failures
 * forgets them after a success. */
static enum engine_event with_password(struct runner *r,
				       const struct secret *password,
				       struct reason *why)
{
	enum engine_event ev = runner_login_control(r, why);

	if (ev == ENGINE_ON_RIGHT && password)
		ev = runner_login(r, password, CLUSTER_PROOF_PRESENT, why);
	return ev;
}

static enum engine_event log_in(struct runner *r, struct reason *why)
{
	struct secret *current = NULL;
	enum engine_event ev;
	enum status s;

	/* A password that we do not know: a made-up one must be refused as a
	 * password.  So it is when CURRENT was proved just now. */
	if (!is_present(r) || r->logged_in || was_proved(r))
		return with_password(r, NULL, why);
	/* Not into r->password: that is the one we may have staged. */
	s = runner_store_password(r, r->current, &current, why);
	if (s == STATUS_CORRUPT)
		runner_login_ways_out(why);
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	ev = with_password(r, current, why);
	secret_free(current);
	r->logged_in = ev == ENGINE_ON_RIGHT;
	runner_try_remember(r, r->logged_in);
	/* A commit that failed may have made another one live.  CURRENT is of
	 * no use to anybody then, and a new password mends it. */
	if (ev == ENGINE_ON_WRONG && r->job->target->doubts &&
	    !proxy_may_remember(r))
		return ENGINE_ON_RIGHT;
	return ev;
}

enum engine_event runner_try_all(struct runner *r, struct reason *why)
{
	/* The store first: it costs no failed login. */
	enum engine_event ev = runner_store_ready(r, why);

	if (ev != ENGINE_ON_OK)
		return ev;
	ev = log_in(r, why);
	if (ev == ENGINE_ON_WRONG)
		return refused(r, why);
	if (ev != ENGINE_ON_RIGHT) {
		runner_login_explain(r, ev, true, why);
		return ev;
	}
	reason_clear(why);
	return runner_deliver_try(r, why) == STATUS_OK ? ENGINE_ON_OK :
							 ENGINE_ON_FAILED;
}

enum engine_event runner_try(struct runner_env *env,
			     const struct runner_job *job,
			     const struct secret *password, struct reason *why)
{
	struct runner *r = NULL;
	enum engine_event ev;
	enum status s = runner_new(env, job, &r);

	if (s != STATUS_OK) {
		reason_set(why, s, "no memory for a login");
		return ENGINE_ON_NO_EVIDENCE;
	}
	ev = with_password(r, password, why);
	if (ev == ENGINE_ON_RIGHT) {
		runner_try_remember(r, r->way.proved);
		ev = ENGINE_ON_OK;
	} else if (ev != ENGINE_ON_WRONG) {
		runner_login_explain(r, ev, true, why);
	}
	runner_free(r);
	return ev;
}
