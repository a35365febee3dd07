/* SPDX-License-Identifier: PostgreSQL */
/* The runner's logins: probe, vouch, prove and the control; must never take for
 * evidence what the server did not check. */
#include "rotation/runner_internal.h"

#include <pthread.h>
#include <stdio.h>

#include "base/text.h"

/* One login with r->password, or with a wrong one. */
static enum engine_event login(struct runner *r, const struct secret *password,
			       bool control, struct reason *why)
{
	struct target *t = r->job->target;
	enum target_login result = TARGET_LOGIN_NO_EVIDENCE;
	enum status s;

	s = t->ops->prove(t, r->job->rolname, password, control, &result, why);
	if (s != STATUS_OK)
		return ENGINE_ON_NO_EVIDENCE;
	switch (result) {
	case TARGET_LOGIN_RIGHT:
		return ENGINE_ON_RIGHT;
	case TARGET_LOGIN_WRONG:
		return ENGINE_ON_WRONG;
	case TARGET_LOGIN_NOT_ASKED:
		return ENGINE_ON_NOT_ASKED;
	default:
		return ENGINE_ON_NO_EVIDENCE;
	}
}

/*
 * A wrong password must be refused, else a login proves nothing.  Remembered
 * per cluster for control_interval, so that the steady state has no failed
 * login; the mutex keeps concurrent jobs from making one each.
 */
static enum engine_event control(struct runner *r, struct reason *why)
{
	const struct target *t = r->job->target;
	struct runner_env *env = r->env;
	struct ledger *l = env->o.ledger;
	char key[300], value[LEDGER_TEXT_SIZE];
	struct policy policy = policy_default();
	struct secret *wrong = NULL;
	enum engine_event ev = ENGINE_ON_RIGHT;
	int64_t began;

	snprintf(key, sizeof(key), "control:%s", t->name);
	pthread_mutex_lock(&env->control);
	if (env->o.control_interval_us > 0 &&
	    (runner_seen_lately(env, t) ||
	     l->ops->recall(l, key, now_wall(env->o.now), value, NULL) ==
		     STATUS_OK))
		goto out;
	if (policy_make(&policy, env->o.random, &wrong, why) != STATUS_OK) {
		ev = ENGINE_ON_NO_EVIDENCE;
		goto out;
	}
	began = now_boot(env->o.now);
	ev = login(r, wrong, true, why);
	runner_ledger_note(r, "control", "",
			   ev == ENGINE_ON_WRONG ? STATUS_OK : STATUS_ERROR,
			   ev == ENGINE_ON_WRONG ?
				   "a wrong password is refused" :
				   "a wrong password was not refused",
			   now_boot(env->o.now) - began, false, NULL);
	if (ev == ENGINE_ON_RIGHT || ev == ENGINE_ON_NOT_ASKED) {
		ev = ENGINE_ON_CONTROL_PASSED;
		goto out;
	}
	if (ev != ENGINE_ON_WRONG)
		goto out;
	ev = ENGINE_ON_RIGHT;
	reason_clear(why);
	if (env->o.control_interval_us > 0) {
		runner_saw(env, t, env->o.control_interval_us);
		l->ops->remember(l, key, "refused",
				 now_wall(env->o.now) +
					 env->o.control_interval_us,
				 NULL);
	}
out:
	pthread_mutex_unlock(&env->control);
	secret_free(wrong);
	return ev;
}

/* The sentences of logins that prove nothing; others come from the target. */
static void explain_login(const struct runner *r, enum engine_event ev,
			  struct reason *why)
{
	const char *role = r->job->role;
	struct reason found = *why; /* which endpoint it was */

	if (ev == ENGINE_ON_NOT_ASKED)
		reason_set(
			why, STATUS_FROZEN,
			"the server let role %s in without asking for a "
			"password (a trust, peer or cert rule in pg_hba.conf), "
			"so a login proves nothing; mend the rule, then "
			"keyturn thaw %s%s%s",
			role, role, found.text[0] ? ": " : "", found.text);
	else if (ev == ENGINE_ON_CONTROL_PASSED)
		reason_set(
			why, STATUS_FROZEN,
			"the server let role %s in with a wrong password, so "
			"a login proves nothing; mend pg_hba.conf, then "
			"keyturn thaw %s",
			role, role);
}

/* Of a CURRENT that is not there to be tried. */
static void name_the_ways_out(struct reason *why)
{
	struct reason found = *why;

	reason_set(why, STATUS_CORRUPT,
		   "%s; keyturn import takes the role's present password over, "
		   "keyturn rotate --emergency makes a new one",
		   found.text);
}

enum engine_event runner_login_probe(struct runner *r, struct reason *why)
{
	struct secret *current = NULL;
	struct reason found;
	enum engine_event ev;
	enum status s;

	text_copy(r->version, sizeof(r->version),
		  runner_store_id(r, STORE_LABEL_CURRENT));
	/* Not into r->password: that is the one we may have staged. */
	s = runner_store_password(r, r->version, &current, why);
	/* What is no password does not log in, and by command is written over. */
	if (s == STATUS_CORRUPT && r->job->emergency)
		return ENGINE_ON_WRONG;
	if (s == STATUS_CORRUPT)
		name_the_ways_out(why);
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	ev = login(r, current, false, why);
	secret_free(current);
	explain_login(r, ev, why);
	found = *why; /* which endpoint it was */
	if (ev == ENGINE_ON_WRONG)
		reason_set(why, STATUS_FROZEN,
			   "role %s %s, and the store's current password does "
			   "not log in (%s); check that it is the right role, "
			   "then keyturn thaw, and keyturn import or keyturn "
			   "rotate --emergency",
			   r->job->role,
			   r->marker.renamed ?
				   "was renamed, or dropped and created again, "
				   "since its last rotation" :
				   "has no row in the marker table",
			   found.text);
	return ev;
}

enum engine_event runner_login_vouch(struct runner *r, struct reason *why)
{
	struct reason found;
	enum engine_event ev;

	if (random_uuid(r->env->o.random, r->own) != STATUS_OK)
		return ENGINE_ON_NO_EVIDENCE;
	runner_drop_password(r);
	if (secret_copy(r->job->password, &r->password) != STATUS_OK)
		return ENGINE_ON_NO_EVIDENCE;
	text_copy(r->version, sizeof(r->version), r->own);
	ev = login(r, r->password, false, why);
	if (ev == ENGINE_ON_RIGHT) {
		ev = control(r, why);
		if (ev == ENGINE_ON_CONTROL_PASSED)
			ev = ENGINE_ON_NOT_ASKED;
	}
	explain_login(r, ev, why);
	found = *why;
	if (ev == ENGINE_ON_WRONG)
		reason_set(why, STATUS_REFUSED,
			   "the given password does not log in as role %s; "
			   "nothing was imported: %s",
			   r->job->role, found.text);
	return ev;
}

/*
 * A proxy that remembers passwords refuses a new one, and takes the old one,
 * for minutes (rotation-safety.md, lakebase.md 3.2): a refusal is evidence only
 * when it has lasted.  Whoever runs out of time before that knows nothing.
 */
static enum engine_event weigh_refusal(struct runner *r, struct reason *why)
{
	int64_t now = now_boot(r->env->o.now);

	if (r->refused_since == 0)
		r->refused_since = now;
	if (now - r->refused_since >= r->job->refusal_wait_us)
		return ENGINE_ON_WRONG;
	reason_set(why, STATUS_UNKNOWN,
		   "the new password of role %s is refused so far; a proxy may "
		   "still remember the old one (refusal_wait)",
		   r->job->role);
	return ENGINE_ON_NO_EVIDENCE;
}

enum engine_event runner_login_prove(struct runner *r, struct reason *why)
{
	struct secret *password = NULL;
	int64_t now = now_boot(r->env->o.now);
	enum engine_event ev;
	enum status s;

	if (r->engine.finishing && r->engine.retries[ENGINE_PROVE] == 0) {
		text_copy(r->version, sizeof(r->version),
			  r->marker.live_version);
		s = runner_store_password(r, r->version, &password, why);
		if (s != STATUS_OK)
			return runner_store_read_event(s);
		runner_drop_password(r);
		r->password = password;
	}
	if (r->prove_until == 0)
		r->prove_until = now + r->job->prove_deadline_us;
	ev = login(r, r->password, false, why);
	if (ev == ENGINE_ON_RIGHT)
		ev = control(r, why);
	explain_login(r, ev, why);
	if (ev == ENGINE_ON_WRONG)
		ev = weigh_refusal(r, why);
	if (ev == ENGINE_ON_NO_EVIDENCE &&
	    now_boot(r->env->o.now) >= r->prove_until)
		ev = ENGINE_ON_EXPIRED;
	return ev;
}
