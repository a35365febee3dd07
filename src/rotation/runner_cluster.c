/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on the cluster: preflight, claim, resolve, apply, inspect;
 * must never use a session after its outcome became unknown. */
#include "rotation/runner_cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_login.h"
#include "rotation/runner_session.h"
#include "rotation/runner_store.h"

static enum engine_event cluster_event(enum status s)
{
	switch (s) {
	case STATUS_OK:
		return ENGINE_ON_OK;
	case STATUS_CONFLICT:
		return ENGINE_ON_CONFLICT;
	case STATUS_BUSY:
		return ENGINE_ON_BUSY;
	case STATUS_REJECTED:
		return ENGINE_ON_REJECTED;
	case STATUS_NOT_FOUND:
		return ENGINE_ON_GONE;
	case STATUS_REFUSED:
	case STATUS_CONFIG:
		return ENGINE_ON_REFUSED;
	case STATUS_CLUSTER_UNAVAILABLE:
	case STATUS_TIMEOUT:
		return ENGINE_ON_CLUSTER_DOWN;
	default:
		/* Whatever else: an act whose outcome nobody told us. */
		return ENGINE_ON_UNKNOWN;
	}
}

static enum status open_session(struct runner *r, struct reason *why)
{
	runner_session_drop(r, false);
	return runner_session_open(r->job, &r->session, r->login_revision, why);
}

enum engine_event runner_cluster_preflight(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	enum status s;

	s = runner_store_canary(r, why);
	if (s == STATUS_CORRUPT)
		return ENGINE_ON_CORRUPT;
	if (s == STATUS_REFUSED || s == STATUS_CONFIG)
		return ENGINE_ON_REFUSED;
	if (s != STATUS_OK)
		return ENGINE_ON_STORE_DOWN;
	s = open_session(r, why);
	if (s == STATUS_OK)
		s = t->ops->preflight(t, r->session, r->job->rolname, NULL,
				      NULL, why);
	switch (s) {
	case STATUS_OK:
		return ENGINE_ON_OK;
	case STATUS_STORE_UNAVAILABLE:
		return ENGINE_ON_STORE_DOWN;
	case STATUS_CORRUPT:
		return ENGINE_ON_CORRUPT;
	case STATUS_REFUSED:
	case STATUS_CONFIG:
	case STATUS_NOT_FOUND:
	case STATUS_DENIED:
		return ENGINE_ON_REFUSED;
	default:
		return ENGINE_ON_CLUSTER_DOWN;
	}
}

/* An epoch that went back is a restored database, whatever else is found
 * (rotation-safety.md INV5). */
static void note_epoch(struct runner *r)
{
	r->epoch = r->marker.epoch;
	if (r->marker.epoch_was >= r->role.epoch || r->regress_noted)
		return;
	r->regress_noted = true;
	runner_ledger_note(
		r, "restore", "", STATUS_OK,
		"the marker's epoch went back: the database was restored, failed "
		"over with loss, or replaced",
		-1);
}

/* VALID UNTIL, which no rotation moves, is for `status` to tell. */
static void note_expiry(struct runner *r)
{
	char key[LEDGER_ROLE_SIZE + 16], known[LEDGER_TEXT_SIZE] = "", text[24];
	struct ledger *l = r->env->o.ledger;

	snprintf(key, sizeof(key), LEDGER_EXPIRES, r->job->role);
	(void)l->ops->facts->recall(l, key, now_wall(r->env->o.now), known,
				    NULL);
	if (strtoll(known, NULL, 10) == r->marker.expires_us)
		return;
	snprintf(text, sizeof(text), "%" PRId64, r->marker.expires_us);
	(void)l->ops->facts->remember(l, key, text, LEDGER_FOREVER, NULL);
}

enum engine_event runner_cluster_claim(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	bool again = r->claim[0] != '\0';
	struct cluster_claim c = { .role = r->job->rolname,
				   .claim = r->claim,
				   .takeover = again || r->job->takeover,
				   .floor = r->role.epoch };
	enum status s;

	/* Where a login tells what is live, a claim lost was that, too. */
	if (r->session_bad || !r->session || (again && t->unmarked)) {
		s = open_session(r, why);
		if (s == STATUS_REFUSED || s == STATUS_CONFIG)
			return ENGINE_ON_REFUSED;
		if (s != STATUS_OK)
			return ENGINE_ON_CLUSTER_DOWN;
	}
	/* A fresh claim id each time: two claims never look alike. */
	s = random_uuid(r->env->o.random, r->claim);
	if (s != STATUS_OK)
		return ENGINE_ON_REFUSED;
	s = t->ops->claim(t, r->session, &c, &r->marker, why);
	if (s == STATUS_OK) {
		note_epoch(r);
		note_expiry(r);
		return ENGINE_ON_OK;
	}
	if (s != STATUS_BUSY && s != STATUS_NOT_FOUND && s != STATUS_REFUSED)
		r->session_bad = true;
	return s == STATUS_CONFLICT ? ENGINE_ON_BUSY : cluster_event(s);
}

static enum engine_event foreign(const struct runner *r, struct reason *why)
{
	const char *role = r->job->role;

	if (r->marker.renamed)
		reason_set(
			why, STATUS_FROZEN,
			"role %s was renamed, or dropped and created again, "
			"since its last rotation; check that it is the right "
			"one, then keyturn thaw, and keyturn import or "
			"keyturn rotate --emergency",
			role);
	else if (r->marker.none)
		reason_set(why, STATUS_FROZEN,
			   "somebody took the password of role %s away; if it "
			   "is to log in again, run keyturn thaw, then "
			   "keyturn rotate --emergency",
			   role);
	else if (r->marker.foreign)
		reason_set(why, STATUS_FROZEN,
			   "the password of role %s was changed by somebody "
			   "else; stop that, then keyturn thaw and keyturn "
			   "import (or keyturn rotate --emergency)",
			   role);
	else if (r->state.note[0])
		reason_set(why, STATUS_FROZEN,
			   "role %s: %s; run keyturn thaw first", role,
			   r->state.note);
	else
		reason_set(
			why, STATUS_FROZEN,
			"the live version %s of role %s is not in the store: "
			"the store was rolled back, or another section or "
			"keyturn rotates this role, which a second must not. "
			"If no other does, run keyturn thaw and then keyturn "
			"rotate --emergency, which replaces the password",
			r->marker.live_version, role);
	return ENGINE_ON_FOREIGN;
}

/*
 * The marker came with a branch of the database.  Where the store has what it
 * names, the secret is the parent's, and stays it; otherwise the role is rotated
 * here as one that is new, whatever password it brought along (L16).
 */
static enum engine_event branched(const struct runner *r, const char *live,
				  struct reason *why)
{
	if (!*live || !store_find_id(&r->state, live))
		return ENGINE_ON_NEVER;
	reason_set(
		why, STATUS_REFUSED,
		"cluster %s is another branch than the marker of role %s was "
		"written on, and this secret is that one's: give the branch a "
		"[role] section of its own, with rolname = %s; if this "
		"cluster replaced that one (restored or renamed), run keyturn "
		"rotate --emergency, which makes the secret its own",
		r->job->cluster->name, r->job->role, r->job->rolname);
	return ENGINE_ON_BRANCHED;
}

/*
 * The marker, read after the store.  As long as the claim in it is ours no
 * other claim can commit an apply, and whoever claims later finds the store as
 * we found it, or the compare-and-swap of our staging fails (INV2).
 */
static enum engine_event look(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	enum status s;

	s = t->ops->look(t, r->session, r->job->rolname, &r->marker, why);
	if (s == STATUS_NOT_FOUND)
		return ENGINE_ON_BUSY;
	if (s != STATUS_OK) {
		r->session_bad = true;
		return ENGINE_ON_CLUSTER_DOWN;
	}
	if (strcmp(r->marker.claim, r->claim) == 0)
		return ENGINE_ON_OK;
	reason_set(why, STATUS_BUSY,
		   "another rotation of role %s took the claim", r->job->role);
	return ENGINE_ON_BUSY;
}

/*
 * Without a marker a login says what is live, and that was before the claim:
 * whoever wrote the store in between may have changed it since.  A new login
 * tells; what is given up with the session is nobody's to take over.
 */
static bool login_is_old(struct runner *r, struct reason *why)
{
	bool old = r->job->cluster->unmarked && r->login_revision[0] &&
		   strcmp(r->login_revision, r->state.revision) != 0;

	r->login_revision[0] = '\0'; /* from now on only we write */
	if (!old)
		return false;
	reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
		   "another rotation of role %s ended between this one's login "
		   "and its claim",
		   r->job->role);
	r->session_bad = true;
	r->claim[0] = '\0';
	return true;
}

/*
 * An older version is live: a restore.  Where only a login said so, and through
 * a proxy that remembers passwords, one with CURRENT is asked for, too: taken,
 * CURRENT is what is live (RIGHT).
 */
static enum engine_event older_live(struct runner *r, const char *live,
				    struct reason *why)
{
	enum engine_event ev;

	if (r->job->cluster->unmarked && r->job->refusal_wait_us > 0 &&
	    r->current[0]) {
		ev = runner_login_probe(r, why);
		if (ev == ENGINE_ON_RIGHT || ev == ENGINE_ON_STORE_DOWN ||
		    ev == ENGINE_ON_CORRUPT)
			return ev;
		if (ev != ENGINE_ON_WRONG ||
		    runner_login_proxy_may_remember(r)) {
			reason_set(why, STATUS_BUSY,
				   "role %s logs in with an older password, "
				   "which a proxy may remember: whether the "
				   "store's current one is dead cannot be told "
				   "yet; try again later",
				   r->job->role);
			return ENGINE_ON_BUSY;
		}
		reason_clear(why);
		text_copy(r->version, sizeof(r->version), live);
	}
	runner_ledger_note(
		r, "restore", live, STATUS_OK,
		"an older version is live: the database was restored; "
		"CURRENT is pointed at it, then the role is rotated",
		-1);
	return ENGINE_ON_RING_LIVE;
}

static enum engine_event pending_doubted(const struct runner *r,
					 struct reason *why)
{
	if (r->job->mode == ENGINE_MODE_IMPORT)
		reason_set(why, STATUS_REFUSED,
			   "the outcome of a rotation of role %s is open, and "
			   "its password may still become live after an "
			   "import; keyturn recover %s first",
			   r->job->role, r->job->role);
	return ENGINE_ON_PENDING_DOUBTED;
}

enum engine_event runner_cluster_resolve(struct runner *r, struct reason *why)
{
	const char *live = r->marker.live_version;
	const char *pending, *current;
	const struct store_version *v;
	const struct engine *e = &r->engine;
	bool ours_open = e->staged && !e->applied && !e->finishing;
	enum engine_event ev;
	bool doubted;
	enum status s;

	do {
		s = runner_store_describe(r, why);
		if (s != STATUS_OK)
			return runner_store_read_event(s);
		ev = look(r, why);
		if (ev != ENGINE_ON_OK)
			return ev;
		pending = runner_store_id(r, STORE_LABEL_PENDING);
		current = runner_store_id(r, STORE_LABEL_CURRENT);
		/* Another process may have moved on since: only the store
		 * itself may say that a version is not CURRENT. */
	} while (r->state.remembered && strcmp(current, live) != 0);
	if (login_is_old(r, why))
		return ENGINE_ON_CLUSTER_DOWN;
	if (ours_open && *live && strcmp(live, r->own) == 0 &&
	    strcmp(current, r->own) == 0)
		return ENGINE_ON_PROMOTED;
	if (ours_open && strcmp(live, r->own) != 0 &&
	    strcmp(pending, r->own) != 0) {
		reason_set(why, STATUS_BUSY,
			   "another rotation of role %s staged a version while "
			   "the outcome of this one was open",
			   r->job->role);
		return ENGINE_ON_LOST;
	}
	if (r->marker.branched)
		return branched(r, live, why);
	/* A row of another name or oid that names one of our versions is ours
	 * all the same.  Otherwise it tells nothing, and a login with CURRENT
	 * does, as where there is no row. */
	if (r->marker.renamed && !store_find_id(&r->state, live))
		return *current ? ENGINE_ON_UNMARKED : foreign(r, why);
	if (r->marker.foreign)
		return foreign(r, why);
	doubted = *pending && r->job->cluster->doubts;
	if (!*live && *current)
		return ENGINE_ON_UNMARKED;
	if (!*live)
		return doubted ? pending_doubted(r, why) : ENGINE_ON_NEVER;
	v = store_find_id(&r->state, live);
	if (!v)
		return foreign(r, why);
	text_copy(r->version, sizeof(r->version), live);
	if (v->label == STORE_LABEL_PENDING) {
		/* Its commit was not answered: nobody can say who has it. */
		r->result.unconfirmed = r->marker.standbys;
		return ENGINE_ON_PENDING_LIVE;
	}
	if (v->label != STORE_LABEL_CURRENT) {
		ev = older_live(r, live, why);
		if (ev != ENGINE_ON_RIGHT)
			return ev;
	}
	if (doubted)
		return pending_doubted(r, why);
	return *pending ? ENGINE_ON_PENDING_DEAD : ENGINE_ON_CURRENT_LIVE;
}

static enum engine_event apply(struct runner *r, const struct secret *password,
			       struct reason *why)
{
	struct cluster *t = r->job->cluster;
	const struct cluster_change c = { .role = r->job->rolname,
					  .claim = r->claim,
					  .version = r->version,
					  .password = password };
	enum engine_event ev;
	bool alone = false;

	ev = cluster_event(t->ops->apply(t, r->session, &c, &alone, why));
	r->result.unconfirmed = r->result.unconfirmed || alone;
	if (ev == ENGINE_ON_UNKNOWN)
		r->session_bad = true;
	if (ev == ENGINE_ON_OK)
		text_copy(r->marker.live_version,
			  sizeof(r->marker.live_version), r->version);
	if (ev == ENGINE_ON_BUSY)
		ev = ENGINE_ON_CONFLICT;
	return ev;
}

enum engine_event runner_cluster_readopt(struct runner *r, struct reason *why)
{
	enum engine_event ev = apply(r, NULL, why);

	return ev == ENGINE_ON_REJECTED ? ENGINE_ON_REFUSED : ev;
}

enum engine_event runner_cluster_apply(struct runner *r, struct reason *why)
{
	text_copy(r->version, sizeof(r->version), r->own);
	return apply(r, r->password, why);
}

enum engine_event runner_cluster_adopt(struct runner *r, struct reason *why)
{
	text_copy(r->version, sizeof(r->version), r->own);
	return runner_cluster_readopt(r, why);
}

enum engine_event runner_cluster_inspect(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	struct reason found;
	enum status s;

	r->prove_until = 0;
	s = t->ops->inspect(t, r->session, r->job->rolname, &r->marker, why);
	if (s != STATUS_OK) {
		r->session_bad = true;
		return ENGINE_ON_CLUSTER_DOWN;
	}
	if (strcmp(r->marker.live_version, r->version) != 0 ||
	    strcmp(r->marker.claim, r->claim) != 0)
		return ENGINE_ON_OTHER_LIVE;
	found = *why;
	reason_set(why, STATUS_FROZEN,
		   "the server refuses the new password of role %s, which the "
		   "marker calls live: %s; mend that and keyturn thaw %s, then "
		   "keyturn recover, or keyturn import the present password",
		   r->job->role, found.text[0] ? found.text : "no cause found",
		   r->job->role);
	return ENGINE_ON_OURS_LIVE;
}
