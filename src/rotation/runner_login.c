/* SPDX-License-Identifier: PostgreSQL */
/* The runner's logins: probe, vouch, prove and the control; must never take for
 * evidence what the server did not check. */
#include "rotation/runner_login.h"

#include <stdio.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_fact.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_member.h"
#include "rotation/runner_store.h"
#include "rotation/runner_way.h"

enum engine_event runner_login(struct runner *r, const struct secret *password,
			       enum cluster_proof kind, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	const struct cluster_who who = runner_way_who(r);
	enum cluster_login result = CLUSTER_LOGIN_NO_EVIDENCE;
	enum status s;

	s = t->ops->prove(t, &who, password, kind, &result, why);
	r->blocked_by_sink = s == STATUS_CONFLICT;
	if (s != STATUS_OK)
		return ENGINE_ON_NO_EVIDENCE;
	switch (result) {
	case CLUSTER_LOGIN_RIGHT:
		return ENGINE_ON_RIGHT;
	case CLUSTER_LOGIN_WRONG:
		return ENGINE_ON_WRONG;
	case CLUSTER_LOGIN_NOT_ASKED:
		return ENGINE_ON_NOT_ASKED;
	default:
		return ENGINE_ON_NO_EVIDENCE;
	}
}

static void note_control(struct runner *r, enum engine_event ev,
			 const struct reason *why, int64_t took_us)
{
	const char *detail = "a wrong password was not refused";
	enum status s = STATUS_ERROR;

	if (r->engine.state == ENGINE_START) /* no run: `check` */
		return;
	if (ev == ENGINE_ON_WRONG) {
		s = STATUS_OK;
		detail = "a wrong password is refused";
	} else if (ev == ENGINE_ON_NO_EVIDENCE) {
		s = STATUS_CLUSTER_UNAVAILABLE;
		detail = why->text[0] ? why->text :
					"whether a wrong password is refused "
					"could not be told";
	}
	runner_ledger_note(r, AUDIT_CONTROL, "", s, detail, took_us);
}

enum engine_event runner_login_control(struct runner *r, struct reason *why)
{
	struct policy policy = policy_default();
	struct secret *wrong = NULL;
	enum engine_event ev;
	int64_t began;

	/* PAM and agents may have changed since: each run of a gateway asks. */
	if (r->job->no_control || r->controlled ||
	    (!r->engine.gateway && runner_way_was_controlled(r)))
		return ENGINE_ON_RIGHT;
	if (policy_make(&policy, r->env->o.random, &wrong, why) != STATUS_OK)
		return ENGINE_ON_NO_EVIDENCE;
	began = now_boot(r->env->o.now);
	ev = runner_login(r, wrong, CLUSTER_PROOF_WRONG, why);
	note_control(r, ev, why, now_boot(r->env->o.now) - began);
	secret_free(wrong);
	if (ev == ENGINE_ON_RIGHT)
		return ENGINE_ON_CONTROL_PASSED;
	if (ev != ENGINE_ON_WRONG)
		return ev;
	r->controlled = !r->direct; /* the others were not asked */
	reason_clear(why);
	return ENGINE_ON_RIGHT;
}

void runner_login_explain(const struct runner *r, enum engine_event ev,
			  bool before, struct reason *why)
{
	const char *role = r->job->role;
	struct reason found = *why; /* which endpoint it was */
	char thaw[LEDGER_ROLE_SIZE + 80] = "nothing was changed";

	if (!before)
		snprintf(thaw, sizeof(thaw), "then keyturn thaw %s", role);
	if (ev == ENGINE_ON_NOT_ASKED)
		reason_set(
			why, before ? STATUS_REFUSED : STATUS_FROZEN,
			"the server let role %s in without asking for a "
			"password (a trust, peer or cert rule in pg_hba.conf), "
			"so a login proves nothing; mend the rule, %s%s%s",
			role, thaw, found.text[0] ? ": " : "", found.text);
	else if (ev == ENGINE_ON_CONTROL_PASSED)
		reason_set(
			why, before ? STATUS_REFUSED : STATUS_FROZEN,
			"the server let role %s in with a wrong password, so "
			"a login proves nothing; mend pg_hba.conf, %s",
			role, thaw);
	else if (ev == ENGINE_ON_NO_EVIDENCE && before)
		reason_set(
			why, STATUS_REFUSED,
			"nothing was changed, since a new password of role "
			"%s could not be proved: %s%s",
			role, found.text[0] ? found.text : "no login",
			r->engine.gateway ?
				"; a gateway that is to be away for long, or "
				"during an incident, is taken out of endpoint "
				"in [cluster]: its agent asks the store "
				"before it answers again" :
				"");
}

bool runner_login_proxy_may_remember(const struct runner *r)
{
	const struct store_version *v = store_find_id(&r->state, r->current);

	return r->job->refusal_wait_us > 0 && v &&
	       now_wall(r->env->o.now) - v->created_us <
		       r->job->refusal_wait_us + r->job->prove_deadline_us;
}

void runner_login_ways_out(struct reason *why)
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
	/* What cannot be read does not log in; an emergency replaces it. */
	if (s == STATUS_CORRUPT && r->job->emergency)
		return ENGINE_ON_WRONG;
	if (s == STATUS_CORRUPT)
		runner_login_ways_out(why);
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	ev = runner_login(r, current, CLUSTER_PROOF_PRESENT, why);
	secret_free(current);
	r->logged_in = ev == ENGINE_ON_RIGHT;
	runner_login_explain(r, ev, false, why);
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
	runner_store_drop_password(r);
	if (secret_copy(r->job->password, &r->password) != STATUS_OK)
		return ENGINE_ON_NO_EVIDENCE;
	/* Of a pair: of its owner, which was a login role before. */
	text_copy(r->own_login, sizeof(r->own_login), r->job->rolname);
	runner_member_own(r);
	ev = runner_login_control(r, why);
	if (ev == ENGINE_ON_RIGHT)
		ev = runner_login(r, r->password, CLUSTER_PROOF_PRESENT, why);
	runner_login_explain(r, ev, ev != ENGINE_ON_NO_EVIDENCE, why);
	if (ev == ENGINE_ON_CONTROL_PASSED)
		ev = ENGINE_ON_NOT_ASKED;
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
 * when it has lasted.  A run that reaches its deadline before that has no evidence.
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

	if (!r->password ||
	    (r->engine.finishing && r->engine.retries[ENGINE_PROVE] == 0)) {
		text_copy(r->version, sizeof(r->version),
			  r->marker.live_version);
		s = runner_store_password(r, r->version, &password, why);
		if (s != STATUS_OK)
			return runner_store_read_event(s);
		runner_store_drop_password(r);
		r->password = password;
	}
	if (r->prove_until == 0)
		r->prove_until = now + r->job->prove_deadline_us;
	/* First the wrong one: a success makes a server forget failures. */
	ev = runner_login_control(r, why);
	if (ev == ENGINE_ON_RIGHT)
		ev = runner_login(r, r->password, CLUSTER_PROOF_NEW, why);
	if (ev == ENGINE_ON_RIGHT) {
		r->logged_in = true;
		runner_way_remember(r, true);
		if (r->engine.gateway &&
		    (r->job->compromised || r->job->emergency))
			runner_fact_settle(r, r->version);
	}
	runner_login_explain(r, ev, false, why);
	if (ev == ENGINE_ON_WRONG)
		ev = weigh_refusal(r, why);
	if (ev == ENGINE_ON_NO_EVIDENCE &&
	    now_boot(r->env->o.now) >= r->prove_until)
		ev = ENGINE_ON_EXPIRED;
	return ev;
}
