/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on the cluster: preflight, claim, resolve, apply, inspect;
 * must never use a session after its outcome became unknown. */
#include "rotation/runner_cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rotation/resolve.h"
#include "rotation/runner_env.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_login.h"
#include "rotation/runner_member.h"
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
		/* Anything else: it was sent, and its outcome is not
		 * known. */
		return ENGINE_ON_UNKNOWN;
	}
}

static enum status open_session(struct runner *r, struct reason *why)
{
	runner_session_drop(r, false);
	return runner_session_open(r->job, &r->session, r->login_revision, why);
}

static void note_finding(void *arg, enum cluster_severity severity,
			 const char *topic, const char *sentence)
{
	struct runner *r = arg;

	(void)severity;
	(void)sentence;
	r->gives = r->gives || strcmp(topic, CLUSTER_TOPIC_OBJECTS) == 0;
}

enum engine_event runner_cluster_preflight(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	enum status s;
	bool ends;

	s = runner_store_canary(r, why);
	if (s == STATUS_CORRUPT)
		return ENGINE_ON_CORRUPT;
	if (s == STATUS_REFUSED || s == STATUS_CONFIG)
		return ENGINE_ON_REFUSED;
	if (s != STATUS_OK)
		return ENGINE_ON_STORE_DOWN;
	/* What keeps a new password from being made keeps no old one alive. */
	ends = r->job->mode == ENGINE_MODE_RETIRE ||
	       r->job->mode == ENGINE_MODE_ROLLBACK;
	s = t->gateway ? STATUS_OK : open_session(r, why);
	if (s == STATUS_OK)
		s = t->ops->preflight(t, r->session,
				      ends ? NULL : r->job->rolname,
				      r->job->pair, note_finding, r, why);
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
static enum engine_event note_epoch(struct runner *r)
{
	r->epoch = r->marker.epoch;
	if (r->marker.epoch_was >= r->role.epoch || r->regress_noted)
		return ENGINE_ON_OK;
	r->regress_noted = true;
	runner_ledger_note(
		r, AUDIT_RESTORE, "", STATUS_OK,
		"the marker's epoch went back: the database was restored, failed "
		"over with loss, or replaced",
		-1);
	return ENGINE_ON_WENT_BACK;
}

/* VALID UNTIL, which no rotation moves, is for `status` to tell. */
static void note_expiry(struct runner *r)
{
	char known[LEDGER_TEXT_SIZE] = "", text[24];
	struct ledger *l = r->env->o.ledger;

	(void)ledger_fact_recall(l, LEDGER_FACT_EXPIRES, r->job->role,
				 now_wall(r->env->o.now), known, NULL);
	if (strtoll(known, NULL, 10) == r->marker.expires_us)
		return;
	snprintf(text, sizeof(text), "%" PRId64, r->marker.expires_us);
	(void)ledger_fact_remember(l, LEDGER_FACT_EXPIRES, r->job->role, text,
				   0, NULL);
}

enum engine_event runner_cluster_claim(struct runner *r, struct reason *why)
{
	struct cluster *t = r->job->cluster;
	bool again = r->claim[0] != '\0';
	struct cluster_claim c = { .role = r->job->rolname,
				   .claim = r->claim,
				   .takeover = again || r->job->takeover,
				   .floor = r->role.epoch,
				   .pair = r->job->pair != NULL };
	enum status s;

	/* Where a login tells what is live, a claim lost was that, too. */
	if (r->session_bad || !r->session || (again && t->unmarked)) {
		s = open_session(r, why);
		if (s == STATUS_REFUSED || s == STATUS_CONFIG)
			return ENGINE_ON_REFUSED;
		if (s != STATUS_OK)
			return ENGINE_ON_CLUSTER_DOWN;
	}
	/* What was ended before may have been restored. */
	r->cleared = 0;
	r->ending = false;
	r->renewed[0] = '\0';
	/* A fresh claim id each time: two claims never look alike. */
	s = random_uuid(r->env->o.random, r->claim);
	if (s != STATUS_OK)
		return ENGINE_ON_REFUSED;
	s = t->ops->claim(t, r->session, &c, &r->marker, why);
	if (s == STATUS_OK && !r->job->pair && r->marker.active[0]) {
		reason_set(
			why, STATUS_REFUSED,
			"role %s: the live password is that of %s, as of a "
			"pair; set strategy = alternating and members again, "
			"and end the pair with keyturn role unpair",
			r->job->role, r->marker.active);
		return ENGINE_ON_REFUSED;
	}
	if (s == STATUS_OK) {
		note_expiry(r);
		return note_epoch(r);
	}
	if (s != STATUS_BUSY && s != STATUS_NOT_FOUND && s != STATUS_REFUSED)
		r->session_bad = true;
	return s == STATUS_CONFLICT ? ENGINE_ON_BUSY : cluster_event(s);
}

static void explain_foreign(const struct runner *r, struct reason *why)
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
}

/*
 * The marker, read after the store.  As long as the claim in it is ours no
 * other claim can commit an apply, and a later claim finds the store as
 * we found it, or the compare-and-swap of our staging fails (INV2).
 */
static enum engine_event read_marker(struct runner *r, struct reason *why)
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
	return ENGINE_ON_OK;
}

/*
 * Without a marker a login says what is live, and that was before the claim:
 * another rotator that wrote the store in between may have changed it since.
 */
static bool login_is_old(struct runner *r)
{
	bool old = r->job->cluster->unmarked && r->login_revision[0] &&
		   strcmp(r->login_revision, r->state.revision) != 0;

	r->login_revision[0] = '\0'; /* from now on only we write */
	return old;
}

static struct resolve_facts facts_of(const struct runner *r)
{
	const struct engine *e = &r->engine;
	const char *live = r->marker.live_version;
	const struct store_version *v = store_find_id(&r->state, live);

	return (struct resolve_facts){
		.live = live,
		.own = r->own,
		.pending = runner_store_id(r, STORE_LABEL_PENDING),
		.current = runner_store_id(r, STORE_LABEL_CURRENT),
		.recalled = e->reverting ? r->recalled : "",
		.previous = r->marker.previous_version,
		.held = *live && v,
		.label = v ? v->label : STORE_LABEL_RING,
		.claim_lost = strcmp(r->marker.claim, r->claim) != 0,
		.ours_open = e->staged && !e->applied && !e->finishing,
		.branched = r->marker.branched,
		.renamed = r->marker.renamed,
		.foreign = r->marker.foreign,
		.doubts = r->job->cluster->doubts,
		.pair = r->job->pair != NULL,
		.labelled = runner_store_id(r, STORE_LABEL_PREVIOUS),
		.retired = r->marker.retired_us > 0,
	};
}

static enum engine_event gather_facts(struct runner *r, struct resolve_facts *f,
				      struct reason *why)
{
	/* Where a write is not compared with what was read, an answer that is
	 * old is not found out later. */
	bool doubted = r->job->pair && r->job->store->ops->by_label, again;
	enum engine_event ev;
	enum status s;

	do {
		s = runner_store_describe(r, why);
		if (s != STATUS_OK)
			return runner_store_read_event(s);
		ev = read_marker(r, why);
		if (ev != ENGINE_ON_OK)
			return ev;
		*f = facts_of(r);
		/* Another process may have moved on since: only the store
		 * itself may say that a version is not CURRENT. */
		again = !f->claim_lost && ((r->state.remembered &&
					    strcmp(f->current, f->live) != 0) ||
					   (doubted && !r->state.remembered &&
					    *f->live && !f->held));
		doubted = doubted && r->state.remembered;
	} while (again);
	f->login_old = !f->claim_lost && login_is_old(r);
	return ENGINE_ON_OK;
}

/*
 * An older version seems to be live.  Where only a login said so, and through a
 * proxy that remembers passwords, a login with CURRENT is asked for, too.
 */
static enum engine_event gather_login(struct runner *r, struct resolve_facts *f,
				      struct reason *why)
{
	enum engine_event ev;

	if (!r->job->cluster->unmarked || r->job->refusal_wait_us <= 0 ||
	    !*f->current)
		return ENGINE_ON_OK;
	ev = runner_login_probe(r, why);
	if (ev == ENGINE_ON_STORE_DOWN || ev == ENGINE_ON_CORRUPT)
		return ev;
	if (ev == ENGINE_ON_RIGHT)
		f->login = RESOLVE_LOGIN_TAKEN;
	else if (ev != ENGINE_ON_WRONG || runner_login_proxy_may_remember(r))
		f->login = RESOLVE_LOGIN_UNCLEAR;
	else
		f->login = RESOLVE_LOGIN_REFUSED;
	if (f->login == RESOLVE_LOGIN_REFUSED)
		reason_clear(why);
	return ENGINE_ON_OK;
}

static void explain_busy(const struct runner *r, const struct resolve_facts *f,
			 struct reason *why)
{
	if (f->claim_lost)
		reason_set(why, STATUS_BUSY,
			   "another rotation of role %s took the claim",
			   r->job->role);
	else
		reason_set(why, STATUS_BUSY,
			   "role %s logs in with an older password, which a "
			   "proxy may remember: whether the store's current "
			   "one is dead cannot be told yet; try again later",
			   r->job->role);
}

static void explain_verdict(const struct runner *r,
			    const struct resolve_facts *f, enum engine_event ev,
			    struct reason *why)
{
	const char *role = r->job->role;

	if (ev == ENGINE_ON_BUSY)
		explain_busy(r, f, why);
	else if (ev == ENGINE_ON_CLUSTER_DOWN)
		reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			   "another rotation of role %s ended between this "
			   "one's login and its claim",
			   role);
	else if (ev == ENGINE_ON_LOST)
		reason_set(why, STATUS_BUSY,
			   "another rotation of role %s staged a version while "
			   "the outcome of this one was open",
			   role);
	else if (ev == ENGINE_ON_BRANCHED)
		reason_set(
			why, STATUS_REFUSED,
			"cluster %s is another branch than the marker of role "
			"%s was written on, and this secret is that one's: "
			"give the branch a [role] section of its own, with "
			"rolname = %s; if this cluster replaced that one "
			"(restored or renamed), run keyturn rotate "
			"--emergency, which makes the secret its own",
			r->job->cluster->name, role, r->job->rolname);
	else if (ev == ENGINE_ON_FOREIGN)
		explain_foreign(r, why);
	else if (ev == ENGINE_ON_PENDING_DOUBTED &&
		 r->job->mode == ENGINE_MODE_IMPORT)
		reason_set(why, STATUS_REFUSED,
			   "the outcome of a rotation of role %s is open, and "
			   "its password may still become live after an "
			   "import; keyturn recover %s first",
			   role, role);
}

/* Is the live version one of the store's, so that it is the one at hand? */
static bool is_at_hand(const struct resolve_facts *f, enum engine_event ev)
{
	return f->held &&
	       (ev == ENGINE_ON_CURRENT_LIVE || ev == ENGINE_ON_PENDING_LIVE ||
		ev == ENGINE_ON_PENDING_DEAD || ev == ENGINE_ON_RING_LIVE ||
		ev == ENGINE_ON_STALE || ev == ENGINE_ON_REVERTED ||
		ev == ENGINE_ON_PENDING_DOUBTED);
}

/* What the rest of the run, the audit and the result must know of a verdict. */
static void keep_verdict(struct runner *r, const struct resolve_facts *f,
			 enum engine_event ev)
{
	switch (ev) {
	case ENGINE_ON_CLUSTER_DOWN:
		/* A new login tells; the claim that is given up with the
		 * session is not to be taken over. */
		r->session_bad = true;
		r->claim[0] = '\0';
		break;
	case ENGINE_ON_PENDING_LIVE:
		/* Its commit was not answered: which standbys have it is not
		 * known. */
		r->result.unconfirmed = r->marker.standbys;
		break;
	case ENGINE_ON_REVERTED:
		/* Not known to be the one that was recalled: it is read again. */
		text_copy(r->recalled, sizeof(r->recalled), f->live);
		runner_store_drop_password(r);
		break;
	case ENGINE_ON_RING_LIVE:
		text_copy(r->version, sizeof(r->version), f->live);
		/* Ours took its place in the store and is not applied yet. */
		if (f->ours_open && r->job->emergency)
			break;
		runner_ledger_note(
			r, AUDIT_RESTORE, f->live, STATUS_OK,
			"an older version is live: the database was restored; "
			"CURRENT is pointed at it, then the role is rotated",
			-1);
		break;
	default:
		break;
	}
}

enum engine_event runner_cluster_resolve(struct runner *r, struct reason *why)
{
	struct resolve_facts f;
	enum engine_event ev = gather_facts(r, &f, why);

	if (ev != ENGINE_ON_OK)
		return ev;
	ev = resolve(&f)->event;
	if (is_at_hand(&f, ev))
		text_copy(r->version, sizeof(r->version), f.live);
	if (ev == ENGINE_ON_RING_LIVE) {
		ev = gather_login(r, &f, why);
		if (ev != ENGINE_ON_OK)
			return ev;
		ev = resolve(&f)->event;
	}
	explain_verdict(r, &f, ev, why);
	keep_verdict(r, &f, ev);
	return ev;
}

static enum engine_event send_change(struct runner *r,
				     const struct cluster_change *c,
				     struct reason *why)
{
	struct cluster *t = r->job->cluster;
	enum engine_event ev;
	bool alone = false;

	ev = cluster_event(t->ops->apply(t, r->session, c, &alone, why));
	r->result.unconfirmed = r->result.unconfirmed || alone;
	if (ev == ENGINE_ON_UNKNOWN)
		r->session_bad = true;
	return ev == ENGINE_ON_BUSY ? ENGINE_ON_CONFLICT : ev;
}

enum engine_event runner_cluster_change(struct runner *r,
					enum cluster_change_kind kind,
					const char *member, struct reason *why)
{
	const struct cluster_change c = {
		.kind = kind,
		.role = r->job->rolname,
		.member = member,
		.claim = r->claim,
		.version = r->version,
		.password = kind == CLUSTER_CHANGE_PASSWORD ? r->password : NULL
	};

	return send_change(r, &c, why);
}

static enum engine_event seal_once(struct runner *r,
				   enum cluster_change_kind kind,
				   const char *member, struct reason *why)
{
	char version[RANDOM_UUID_SIZE];
	struct cluster_change c = { .kind = kind,
				    .role = r->job->rolname,
				    .member = member,
				    .claim = r->claim,
				    .version = version };
	struct secret *password = NULL;
	enum engine_event ev = ENGINE_ON_REFUSED;

	if (random_uuid(r->env->o.random, version) != STATUS_OK ||
	    policy_make(r->job->policy, r->env->o.random, &password, why) !=
		    STATUS_OK) {
		reason_set(why, STATUS_REFUSED,
			   "no password could be made to take its place");
		return ev;
	}
	c.password = password;
	ev = send_change(r, &c, why);
	secret_free(password);
	return ev;
}

enum engine_event runner_cluster_seal(struct runner *r,
				      enum cluster_change_kind kind,
				      const char *member, struct reason *why)
{
	enum engine_event ev = ENGINE_ON_REJECTED;

	for (unsigned i = 0; i <= ENGINE_REJECTIONS && ev == ENGINE_ON_REJECTED;
	     i++)
		ev = seal_once(r, kind, member, why);
	if (ev == ENGINE_ON_REJECTED)
		return ENGINE_ON_REFUSED;
	return ev == ENGINE_ON_OK ? ENGINE_ON_SEALED : ev;
}

static enum engine_event make_live(struct runner *r,
				   enum cluster_change_kind kind,
				   struct reason *why)
{
	const char *login = runner_member_login(r);
	/* An owner is no member as long as no member has taken over from it. */
	bool single = strcmp(login, r->job->rolname) == 0 &&
		      (!*runner_member_active(r) ||
		       strcmp(runner_member_active(r), login) == 0);
	enum engine_event ev =
		runner_cluster_change(r, kind, single ? NULL : login, why);

	if (ev == ENGINE_ON_OK)
		text_copy(r->marker.live_version,
			  sizeof(r->marker.live_version), r->version);
	return ev;
}

enum engine_event runner_cluster_readopt(struct runner *r, struct reason *why)
{
	enum engine_event ev = make_live(r, CLUSTER_CHANGE_MARKER, why);

	return ev == ENGINE_ON_REJECTED ? ENGINE_ON_REFUSED : ev;
}

enum engine_event runner_cluster_apply(struct runner *r, struct reason *why)
{
	runner_member_own(r);
	return make_live(r, CLUSTER_CHANGE_PASSWORD, why);
}

static enum engine_event renew(struct runner *r, struct reason *why)
{
	enum engine_event ev = runner_cluster_change(r, CLUSTER_CHANGE_RENEW,
						     r->own_login, why);

	if (ev == ENGINE_ON_OK)
		text_copy(r->marker.live_version,
			  sizeof(r->marker.live_version), r->version);
	return ev == ENGINE_ON_REJECTED ? ENGINE_ON_REFUSED : ev;
}

enum engine_event runner_cluster_adopt(struct runner *r, struct reason *why)
{
	runner_member_own(r);
	return r->engine.renewing ? renew(r, why) :
				    runner_cluster_readopt(r, why);
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
	/* CURRENT is the other member's yet, and stays good. */
	runner_member_replace(r);
	found = *why;
	reason_set(why, STATUS_FROZEN,
		   "the server refuses the new password of role %s, which the "
		   "marker calls live: %s; mend that and keyturn thaw %s, then "
		   "keyturn recover, or keyturn import the present password",
		   r->job->role, found.text[0] ? found.text : "no cause found",
		   r->job->role);
	return ENGINE_ON_OURS_LIVE;
}
