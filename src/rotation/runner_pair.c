/* SPDX-License-Identifier: PostgreSQL */
/*
 * The runner's effects on a pair.  Must never change a member that may log in but
 * by command, and nothing at all of the active one.
 */
#include "rotation/runner_pair.h"

#include <string.h>

#include "base/text.h"
#include "rotation/runner_cluster.h"
#include "rotation/runner_env.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_login.h"
#include "rotation/runner_member.h"
#include "rotation/runner_store.h"

#define ROLES (CLUSTER_MEMBERS + 1) /* that may log in: members, then owner */

/* ---- who may log in ---- */

static bool is_active(const struct runner *r, const struct cluster_member *m)
{
	return strcmp(m->name, runner_member_active(r)) == 0;
}

static const struct cluster_member *find(const struct cluster_member m[ROLES],
					 const char *name)
{
	for (size_t i = 0; i < ROLES; i++)
		if (strcmp(m[i].name, name) == 0)
			return &m[i];
	return NULL;
}

/* A password of this run waits to be applied. */
static bool is_staged(const struct runner *r)
{
	const struct engine *e = &r->engine;

	return e->staged && !e->applied && !e->finishing;
}

/* The member that a rotation changes: the one that a password was made for, else
 * the one that is not active, and of two that are not, the one that is free. The
 * owner, when the pair is to be one role again. */
static const struct cluster_member *choose_idle(const struct runner *r,
						const struct cluster_member *m)
{
	if (is_staged(r) && find(m, r->own_login))
		return find(m, r->own_login);
	if (r->job->unpair)
		return &m[CLUSTER_MEMBERS];
	if (is_active(r, &m[0]))
		return &m[1];
	if (is_active(r, &m[1]))
		return &m[0];
	return m[0].sessions > 0 && m[1].sessions == 0 ? &m[1] : &m[0];
}

static bool is_cleared(const struct runner *r, const struct cluster_member *m)
{
	return (r->cleared >> runner_member_index(r, m->name) & 1) != 0;
}

/* Nobody has its password; of a run that died sessions may be left, which are to
 * end with it. */
static bool has_ended(const struct runner *r, const struct cluster_member *m)
{
	bool evicts = r->job->mode == ENGINE_MODE_RETIRE &&
		      r->job->end_sessions;

	return m->sealed && !(evicts && m->sessions > 0 && !is_cleared(r, m));
}

/* Who beside the active one may log in; NULL: no one. */
static const struct cluster_member *find_other(
	const struct runner *r, const struct cluster_member m[ROLES])
{
	for (size_t i = 0; i < ROLES; i++)
		if (m[i].can_login && !is_active(r, &m[i]) &&
		    !has_ended(r, &m[i]))
			return &m[i];
	return NULL;
}

static void say_who(const struct runner *r, const struct cluster_member *m,
		    const char *does, const char *then, struct reason *why)
{
	reason_set(why, STATUS_DEFERRED, "pair %s: %s %s%s%s%s; %s",
		   r->job->role, m->name, does, m->who[0] ? " (" : "", m->who,
		   m->who[0] ? ")" : "", then);
}

static bool clear_is_due(const struct runner *r)
{
	return r->job->at_once ||
	       (r->marker.retired_us > 0 &&
		now_wall(r->env->o.now) - r->marker.retired_us >=
			r->job->tombstone_us);
}

/*
 * The owner, which was a login role before and may log in yet, is no member that
 * gets another password: when one got out, it ends before the rotation, after which
 * no preflight would let it log in beside them; unless it has what consumers get.
 */
static bool ends_owner(const struct runner *r,
		       const struct cluster_member *owner)
{
	return r->job->mode == ENGINE_MODE_ROTATE && r->job->compromised &&
	       owner->can_login && !is_active(r, owner) && !owner->sealed &&
	       strcmp(r->marker.live_version, r->current) == 0;
}

static enum engine_event weigh_other(struct runner *r,
				     const struct cluster_member *other,
				     struct reason *why)
{
	const char *then = runner_member_active(r)[0] ?
				   "keyturn retire ends the old password" :
				   "keyturn import takes over an owner that "
				   "logs in; a member begins with NOLOGIN";

	if (r->job->mode != ENGINE_MODE_RETIRE) {
		say_who(r, other, "may still log in", then, why);
		return ENGINE_ON_LOGS_IN;
	}
	text_copy(r->old, sizeof(r->old), other->name);
	if (r->job->if_free && other->sessions > 0) {
		say_who(r, other, "has sessions again",
			"it is retired once it is quiet", why);
		return ENGINE_ON_PINNED;
	}
	if (other->prepared + other->senders == 0)
		return ENGINE_ON_LOGS_IN;
	say_who(r, other,
		other->prepared > 0 ? "has prepared transactions, which only "
				      "it may finish" :
				      "is used for replication",
		"end that first, or retire with --force", why);
	return ENGINE_ON_PINNED;
}

/*
 * Whose password goes next, where the old one is to go; NULL: no one's.  The third
 * role of a pair may have one that no run has removed: an owner that was the login
 * before, and was retired when a rotation came in between.  It goes first: as long
 * as the marker names the version before, the next run does all of this again.
 */
static const struct cluster_member *find_clearable(
	const struct runner *r, const struct cluster_member m[ROLES])
{
	const struct cluster_member *before = find(m, r->marker.previous);

	for (size_t i = 0; i < ROLES; i++)
		if (m[i].keeps && !m[i].sealed && !is_active(r, &m[i]) &&
		    &m[i] != before && !is_cleared(r, &m[i]))
			return &m[i];
	return before && !is_cleared(r, before) ? before : NULL;
}

/* Only the active one may log in, and what is left of others is to go. */
static enum engine_event weigh_end(struct runner *r,
				   const struct cluster_member m[ROLES])
{
	const struct cluster_member *next = find_clearable(r, m);

	if (next) {
		text_copy(r->old, sizeof(r->old), next->name);
		return ENGINE_ON_CLEARABLE;
	}
	return r->ended[0] || r->job->compromised ? ENGINE_ON_REMOVED :
						    ENGINE_ON_CLEARED;
}

/* A password that got out: a run that died may have left anything of it but
 * LOGIN. */
static enum engine_event weigh_rest(struct runner *r,
				    const struct cluster_member *idle,
				    const struct cluster_member m[ROLES])
{
	if (r->ending)
		return weigh_end(r, m);
	text_copy(r->old, sizeof(r->old),
		  r->marker.previous[0] ? r->marker.previous : idle->name);
	return ENGINE_ON_RESTING;
}

/* The next rotation of a pair changes the member before, so that what is kept of
 * it for a rollback ends; the owner's turn would leave it for ever. */
static bool leaves_one_behind(const struct runner *r,
			      const struct cluster_member *idle)
{
	return r->job->mode == ENGINE_MODE_ROTATE && r->job->unpair &&
	       !is_staged(r) && r->marker.previous_version[0] &&
	       r->marker.previous[0] &&
	       strcmp(r->marker.previous, idle->name) != 0;
}

static enum engine_event weigh(struct runner *r,
			       const struct cluster_member m[ROLES],
			       struct reason *why)
{
	const struct cluster_member *idle = choose_idle(r, m);
	const struct cluster_member *other = find_other(r, m);
	const struct cluster_member *before = find(m, r->marker.previous);

	text_copy(r->idle, sizeof(r->idle), idle->name);
	r->asleep = before && !before->can_login;
	/* Its own password, once more, harms no one. */
	if (is_active(r, idle) && !r->replaces &&
	    strcmp(r->marker.live_version, r->own) != 0) {
		reason_set(why, STATUS_BUSY,
			   "pair %s: another rotator went back to %s while the "
			   "outcome of this one was open",
			   r->job->role, idle->name);
		return ENGINE_ON_CONFLICT;
	}
	if (ends_owner(r, &m[CLUSTER_MEMBERS])) {
		text_copy(r->old, sizeof(r->old), m[CLUSTER_MEMBERS].name);
		return ENGINE_ON_PINNED;
	}
	if (other)
		return weigh_other(r, other, why);
	if (r->job->mode == ENGINE_MODE_RETIRE && r->job->compromised)
		return weigh_rest(r, idle, m);
	if (r->job->mode == ENGINE_MODE_ROTATE && idle->sessions > 0) {
		say_who(r, idle, "has sessions yet",
			"end them, or rotate with --force", why);
		return ENGINE_ON_IN_USE;
	}
	if (leaves_one_behind(r, idle)) {
		say_who(r, find(m, r->marker.previous),
			"has a password yet, which is kept for a rollback",
			"remove it with keyturn retire --now first", why);
		return ENGINE_ON_IN_USE;
	}
	/* Also of who was given LOGIN by hand, which the marker does not know.  A
	 * rotation may end the owner, too, and goes on. */
	if (r->job->mode == ENGINE_MODE_RETIRE &&
	    (r->cleared != 0 ||
	     (r->sent_end && (r->job->at_once || r->ended[0]))))
		return weigh_end(r, m);
	/* With its login role the password before is gone, too. */
	if (!r->marker.previous_version[0] || !r->marker.previous[0])
		return ENGINE_ON_CLEARED;
	if (r->job->mode == ENGINE_MODE_RETIRE && clear_is_due(r))
		return weigh_end(r, m);
	text_copy(r->old, sizeof(r->old), r->marker.previous);
	return clear_is_due(r) ? ENGINE_ON_CLEARABLE : ENGINE_ON_RESTING;
}

enum engine_event runner_pair_peek(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	const struct cluster_member *active;
	struct cluster_member m[ROLES];
	enum status s = t->ops->peek(t, r->session, r->job->rolname,
				     r->job->pair, m, why);

	if (s == STATUS_REFUSED || s == STATUS_NOT_FOUND)
		return ENGINE_ON_REFUSED;
	if (s != STATUS_OK) {
		r->session_bad = true;
		return ENGINE_ON_CLUSTER_DOWN;
	}
	for (size_t i = 0; i < ROLES; i++)
		if (!m[i].found) {
			reason_set(why, STATUS_REFUSED,
				   "pair %s: there is no role %s; make it with "
				   "keyturn role pair, or correct the "
				   "configuration",
				   r->job->role, m[i].name);
			return ENGINE_ON_REFUSED;
		}
	active = find(m, runner_member_active(r));
	if (runner_member_active(r)[0] && !active) {
		reason_set(
			why, STATUS_REFUSED,
			"pair %s: the marker calls %s active, which is not "
			"one of its members; correct members, or rename it back",
			r->job->role, runner_member_active(r));
		return ENGINE_ON_REFUSED;
	}
	if (r->marker.previous[0] && !find(m, r->marker.previous)) {
		reason_set(why, STATUS_REFUSED,
			   "pair %s: the password before is that of %s, which "
			   "is not one of its members any more and may still "
			   "log in; put it back until keyturn retire --now has "
			   "ended it",
			   r->job->role, r->marker.previous);
		return ENGINE_ON_REFUSED;
	}
	if (r->job->mode == ENGINE_MODE_RETIRE && active &&
	    !active->can_login) {
		reason_set(why, STATUS_REFUSED,
			   "pair %s: %s, whose password is the current one, is "
			   "NOLOGIN; run ALTER ROLE \"%s\" LOGIN before the "
			   "other one is retired",
			   r->job->role, runner_member_active(r),
			   runner_member_active(r));
		return ENGINE_ON_REFUSED;
	}
	if (r->job->unpair && !is_staged(r) && active == &m[CLUSTER_MEMBERS]) {
		reason_set(
			why, STATUS_REFUSED,
			"pair %s: %s has the current password itself "
			"already; end the old one with keyturn retire --now, "
			"then take strategy and members out of the "
			"configuration",
			r->job->role, active->name);
		return ENGINE_ON_REFUSED;
	}
	return weigh(r, m, why);
}

/* ---- back to the old member ---- */

enum engine_event runner_pair_recall(struct runner *r, struct reason *why)
{
	struct secret *password = NULL;
	enum engine_event ev;
	enum status s = STATUS_NOT_FOUND;

	text_copy(r->version, sizeof(r->version), r->marker.previous_version);
	if (r->version[0])
		s = runner_store_password(r, r->version, &password, why);
	if (s == STATUS_NOT_FOUND) {
		reason_set(why, STATUS_REFUSED,
			   "pair %s: the store does not have the password "
			   "before any more; rotate instead",
			   r->job->role);
		return ENGINE_ON_REFUSED;
	}
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	text_copy(r->old, sizeof(r->old), r->login);
	text_copy(r->recalled, sizeof(r->recalled), r->version);
	runner_store_drop_password(r);
	r->password = password;
	/* Without LOGIN only the server itself tells a right password from a
	 * wrong one; what is in front of it is asked by the proof, after LOGIN is
	 * back. */
	r->direct = r->asleep;
	ev = runner_login_control(r, why);
	if (ev == ENGINE_ON_RIGHT)
		ev = runner_login(r, r->password, CLUSTER_PROOF_PRESENT, why);
	r->direct = false;
	runner_login_explain(r, ev, true, why);
	return ev;
}

enum engine_event runner_pair_revert(struct runner *r, struct reason *why)
{
	enum engine_event ev =
		runner_cluster_change(r, CLUSTER_CHANGE_REVERT, r->old, why);

	if (ev != ENGINE_ON_OK)
		return ev;
	text_copy(r->marker.live_version, sizeof(r->marker.live_version),
		  r->version);
	return ev;
}

/* ---- the end of the old password ---- */

/* What the store gives now is what was logged in with before, or is not taken. */
static enum engine_event try_current(struct runner *r,
				     const struct secret *password,
				     struct reason *why)
{
	enum engine_event ev;

	if (strcmp(r->marker.live_version, r->current) != 0 ||
	    strcmp(r->login, runner_member_active(r)) != 0) {
		reason_set(why, STATUS_REFUSED,
			   "pair %s: the store's current password is not that "
			   "of the active member, so that no other is ended; "
			   "keyturn recover %s first",
			   r->job->role, r->job->role);
		return ENGINE_ON_REFUSED;
	}
	ev = runner_login(r, password, CLUSTER_PROOF_PRESENT, why);
	runner_login_explain(r, ev, true, why);
	return ev;
}

enum engine_event runner_pair_renew(struct runner *r, struct reason *why)
{
	char id[RANDOM_UUID_SIZE];
	struct secret *password = NULL;
	enum engine_event ev;
	enum status s;

	if (random_uuid(r->env->o.random, id) != STATUS_OK)
		return ENGINE_ON_FAILED;
	s = runner_store_password(r, r->current, &password, why);
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	ev = try_current(r, password, why);
	if (ev != ENGINE_ON_RIGHT) {
		secret_free(password);
		return ev;
	}
	runner_store_drop_password(r);
	r->password = password;
	text_copy(r->own, sizeof(r->own), id);
	text_copy(r->own_login, sizeof(r->own_login), r->login);
	text_copy(r->version, sizeof(r->version), id);
	text_copy(r->renewed, sizeof(r->renewed), id);
	return ENGINE_ON_RIGHT;
}

/* The version that is to be shown to be refused. */
static void note_ended(struct runner *r)
{
	if (strcmp(r->old, r->marker.previous) == 0)
		text_copy(r->ended, sizeof(r->ended),
			  r->marker.previous_version);
}

/*
 * Where the server does not do what is asked, a password that no one has takes the
 * old one's place.  A service that has passwords forwarded to it is not asked for
 * none: it may know the old one yet, and bring that back when it starts anew.
 */
static enum engine_event try_end(struct runner *r,
				 enum cluster_change_kind kind,
				 struct reason *why)
{
	enum engine_event ev = ENGINE_ON_REFUSED;
	struct reason refused, sealed;

	reason_clear(&sealed);
	if (kind == CLUSTER_CHANGE_CLEAR && r->job->cluster->doubts)
		reason_set(&refused, STATUS_REFUSED,
			   "cluster %s may keep an old password where a new "
			   "one is not sent (password_send)",
			   r->job->cluster->name);
	else {
		ev = runner_cluster_change(r, kind, r->old, why);
		refused = *why;
	}
	if (ev != ENGINE_ON_REFUSED)
		return ev;
	note_ended(r);
	ev = runner_cluster_seal(r, kind, r->old, &sealed);
	if (ev == ENGINE_ON_SEALED)
		reason_set(why, STATUS_OK,
			   "%s; the password of %s was replaced by one that "
			   "no one has",
			   refused.text, r->old);
	else if (ev == ENGINE_ON_REFUSED)
		reason_set(why, STATUS_REFUSED,
			   "%s; nor can a password that no one has take its "
			   "place: %s",
			   refused.text, sealed.text);
	else
		*why = sealed;
	return ev;
}

/* Of several that end, what tells most: there is no way back, and why. */
static void note_end(struct runner *r, enum runner_end e)
{
	if (e > r->result.ended)
		r->result.ended = e;
}

static enum engine_event end_old(struct runner *r,
				 enum cluster_change_kind kind,
				 struct reason *why)
{
	unsigned bit = 1U << runner_member_index(r, r->old);
	bool clears = kind == CLUSTER_CHANGE_CLEAR;
	enum engine_event ev;

	/* Sealed a moment ago, instead of NOLOGIN. */
	if (clears && (r->cleared & bit) != 0)
		return ENGINE_ON_SEALED;
	/* Before its reply, which may be lost. */
	r->sent_end = r->job->mode == ENGINE_MODE_RETIRE;
	if (clears)
		note_ended(r);
	ev = try_end(r, kind, why);
	if (ev != ENGINE_ON_OK && ev != ENGINE_ON_SEALED)
		return ev;
	r->retired = r->result.retired = true;
	note_end(r, ev == ENGINE_ON_SEALED ? RUNNER_END_REPLACED :
		    clears		   ? RUNNER_END_REMOVED :
					     RUNNER_END_NOLOGIN);
	r->ending = r->ending || !clears;
	if (clears || ev == ENGINE_ON_SEALED)
		r->cleared |= bit;
	else
		r->cleared &= ~bit;
	return ev;
}

enum engine_event runner_pair_tombstone(struct runner *r, struct reason *why)
{
	return end_old(r, CLUSTER_CHANGE_NOLOGIN, why);
}

enum engine_event runner_pair_clear(struct runner *r, struct reason *why)
{
	return end_old(r, CLUSTER_CHANGE_CLEAR, why);
}
