/* SPDX-License-Identifier: PostgreSQL */
/* The hands of the engine: performs its effects and reports what came of them.
 * Must never decide what comes next; states.def does. */
#include "rotation/runner.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* How long a store's canary counts for other runs of this process. */
#define CANARY_LIFE (60 * NOW_SECOND)
#define CANARIES    16
#define RETRY_FIRST (50 * 1000)
#define RETRY_MOST  (2 * NOW_SECOND)

struct runner_env {
	struct runner_env_options o;
	pthread_mutex_t lock; /* over everything below */
	struct {
		const void *of; /* a store, or a target for its control */
		int64_t until;	/* boot clock */
	} seen[CANARIES];
	size_t next_seen;
	pthread_mutex_t control; /* one wrong-password control at a time */
	pthread_mutex_t canary;	 /* one canary at a time */
};

struct runner {
	struct runner_env *env;
	const struct runner_job *job;
	struct engine engine;
	struct target_session *session;
	bool session_bad;
	char run[RANDOM_UUID_SIZE];
	char claim[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE]; /* the version at hand */
	char own[RANDOM_UUID_SIZE];	/* the version this run made */
	char current[RANDOM_UUID_SIZE]; /* CURRENT as last known */
	struct secret *password;	/* of `version` */
	struct target_marker marker;
	struct store_state state;
	bool state_stale; /* a write's outcome is open: describe anew */
	struct ledger_role role;
	bool regress_noted;
	int64_t epoch; /* of this claim, never below what the ledger saw */
	int64_t began_boot;
	int64_t prove_until; /* boot clock, 0: not proving */
	int64_t promoted_us; /* wall clock, 0: CURRENT not moved by this run */
	struct runner_result result;
};

enum status runner_env_new(const struct runner_env_options *o,
			   struct runner_env **ret_env)
{
	struct runner_env *env = calloc(1, sizeof(*env));

	if (!env)
		return STATUS_NO_MEMORY;
	env->o = *o;
	pthread_mutex_init(&env->lock, NULL);
	pthread_mutex_init(&env->control, NULL);
	pthread_mutex_init(&env->canary, NULL);
	*ret_env = env;
	return STATUS_OK;
}

void runner_env_free(struct runner_env *env)
{
	if (!env)
		return;
	pthread_mutex_destroy(&env->lock);
	pthread_mutex_destroy(&env->control);
	pthread_mutex_destroy(&env->canary);
	free(env);
}

static bool seen_lately(struct runner_env *env, const void *of)
{
	int64_t now = now_boot(env->o.now);
	bool found = false;

	pthread_mutex_lock(&env->lock);
	for (size_t i = 0; i < CANARIES; i++)
		if (env->seen[i].of == of && env->seen[i].until > now)
			found = true;
	pthread_mutex_unlock(&env->lock);
	return found;
}

static void saw(struct runner_env *env, const void *of, int64_t life_us)
{
	int64_t until = now_boot(env->o.now) + life_us;

	pthread_mutex_lock(&env->lock);
	env->seen[env->next_seen].of = of;
	env->seen[env->next_seen].until = until;
	env->next_seen = (env->next_seen + 1) % CANARIES;
	pthread_mutex_unlock(&env->lock);
}

/* ---- small pieces ---- */

static void drop_session(struct runner *r, bool clean)
{
	if (r->session)
		r->job->target->ops->release(r->job->target, r->session,
					     clean && !r->session_bad);
	r->session = NULL;
	r->session_bad = false;
}

static void drop_password(struct runner *r)
{
	secret_free(r->password);
	r->password = NULL;
}

/* Events that several effects share; others are mapped where they occur. */
static enum engine_event store_event(enum status s)
{
	switch (s) {
	case STATUS_OK:
		return ENGINE_ON_OK;
	case STATUS_CONFLICT:
		return ENGINE_ON_CONFLICT;
	case STATUS_UNKNOWN:
		return ENGINE_ON_UNKNOWN;
	case STATUS_CORRUPT:
		return ENGINE_ON_CORRUPT;
	case STATUS_STORE_UNAVAILABLE:
		return ENGINE_ON_STORE_DOWN;
	default:
		return ENGINE_ON_REFUSED;
	}
}

static enum engine_event target_event(enum status s)
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

/* A read that fails is a store that is away, unless it is damaged. */
static enum engine_event store_read_event(enum status s)
{
	return s == STATUS_CORRUPT ? ENGINE_ON_CORRUPT : ENGINE_ON_STORE_DOWN;
}

static const char *state_id(const struct runner *r, enum store_label label)
{
	const struct store_version *v = store_find_label(&r->state, label);

	return v ? v->id : "";
}

static enum status describe(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	enum status st;

	st = s->ops->describe(s, r->job->role, &r->state, why);
	if (st != STATUS_OK)
		return st;
	r->state_stale = false;
	text_copy(r->current, sizeof(r->current),
		  state_id(r, STORE_LABEL_CURRENT));
	return STATUS_OK;
}

/* After a store write: keep the state it returned, or know that we do not. */
static void wrote(struct runner *r, enum status s)
{
	if (s != STATUS_OK) {
		r->state_stale = true;
		return;
	}
	text_copy(r->current, sizeof(r->current),
		  state_id(r, STORE_LABEL_CURRENT));
}

static enum status fresh_state(struct runner *r, struct reason *why)
{
	return r->state_stale ? describe(r, why) : STATUS_OK;
}

/* The password of a version; the caller's. */
static enum status fetch_password(struct runner *r, const char *id,
				  struct secret **ret_password,
				  struct reason *why)
{
	struct store *s = r->job->store;
	struct store_entry entry;
	enum status st;

	memset(&entry, 0, sizeof(entry)); /* not secret */
	st = s->ops->fetch(s, r->job->role, id, &entry, why);
	if (st == STATUS_OK)
		*ret_password = entry.password;
	return st;
}

static void fill_entry(const struct runner *r, struct store_entry *e)
{
	const struct target *t = r->job->target;

	memset(e, 0, sizeof(*e)); /* not secret */
	text_copy(e->engine, sizeof(e->engine), "postgres");
	text_copy(e->host, sizeof(e->host), t->host);
	text_copy(e->port, sizeof(e->port), t->port);
	text_copy(e->dbname, sizeof(e->dbname),
		  r->job->dbname ? r->job->dbname : t->dbname);
	text_copy(e->username, sizeof(e->username), r->job->rolname);
	e->password = r->password;
}

static enum status note(struct runner *r, const char *kind, const char *version,
			enum status s, const char *detail, int64_t took_us,
			bool durable, struct reason *why)
{
	struct ledger *l = r->env->o.ledger;
	struct ledger_event ev = {
		.at_us = now_wall(r->env->o.now),
		.kind = kind,
		.role = r->job->role,
		.run = r->run,
		.actor = r->env->o.actor,
		.version = version,
		.status = status_name(s),
		.detail = detail,
		.epoch = r->epoch,
		.took_us = took_us,
	};

	return l->ops->note(l, &ev, 1, durable, why);
}

/* ---- effects, in the order of states.def ---- */

static enum engine_event do_intent(struct runner *r, struct reason *why)
{
	static const char *const modes[] = { "rotate", "recover", "import" };
	struct ledger *l = r->env->o.ledger;
	enum status s;

	s = l->ops->role(l, r->job->role, &r->role, why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return ENGINE_ON_LEDGER_DOWN;
	if (s == STATUS_NOT_FOUND) {
		memset(&r->role, 0, sizeof(r->role)); /* not secret */
		text_copy(r->role.role, sizeof(r->role.role), r->job->role);
	}
	reason_clear(why);
	if (r->role.frozen) {
		reason_set(why, STATUS_FROZEN,
			   "role %s is frozen: %s; mend the cause, then "
			   "keyturn thaw %s",
			   r->job->role, r->role.frozen_reason, r->job->role);
		return ENGINE_ON_FROZEN;
	}
	s = l->ops->begin(l, r->run, r->job->role, modes[r->job->mode],
			  r->env->o.actor, r->job->reason ? r->job->reason : "",
			  why);
	return s == STATUS_OK ? ENGINE_ON_OK : ENGINE_ON_LEDGER_DOWN;
}

static enum status open_session(struct runner *r, struct reason *why)
{
	struct target *t = r->job->target;

	drop_session(r, false);
	return t->ops->open(t, &r->session, why);
}

/* One canary per store and minute, whatever the number of jobs. */
static enum status canary(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	enum status st = STATUS_OK;

	pthread_mutex_lock(&r->env->canary);
	if (!seen_lately(r->env, s)) {
		st = s->ops->canary(s, why);
		if (st == STATUS_OK)
			saw(r->env, s, CANARY_LIFE);
	}
	pthread_mutex_unlock(&r->env->canary);
	return st;
}

static enum engine_event do_preflight(struct runner *r, struct reason *why)
{
	struct target *t = r->job->target;
	enum status s;

	s = canary(r, why);
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
	note(r, "restore", "", STATUS_OK,
	     "the marker's epoch went back: the database was restored, failed "
	     "over with loss, or replaced",
	     -1, false, NULL);
}

static enum engine_event do_claim(struct runner *r, struct reason *why)
{
	struct target *t = r->job->target;
	bool again = r->claim[0] != '\0';
	enum status s;

	if (r->session_bad || !r->session) {
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
	s = t->ops->claim(t, r->session, r->job->rolname, r->claim,
			  again || r->job->mode == ENGINE_MODE_RECOVER,
			  r->role.epoch, &r->marker, why);
	if (s == STATUS_OK) {
		note_epoch(r);
		return ENGINE_ON_OK;
	}
	if (s != STATUS_BUSY && s != STATUS_NOT_FOUND && s != STATUS_REFUSED)
		r->session_bad = true;
	return s == STATUS_CONFLICT ? ENGINE_ON_BUSY : target_event(s);
}

static enum engine_event foreign(const struct runner *r, struct reason *why)
{
	const char *role = r->job->role;

	if (r->marker.renamed)
		reason_set(
			why, STATUS_FROZEN,
			"role %s was renamed, or dropped and created again, "
			"since its last rotation; check that it is the right "
			"one, then keyturn import or keyturn rotate "
			"--emergency",
			role);
	else if (r->marker.foreign)
		reason_set(why, STATUS_FROZEN,
			   "the password of role %s was changed by somebody "
			   "else; stop that, then keyturn thaw and keyturn "
			   "import (or keyturn rotate --emergency)",
			   role);
	else
		reason_set(
			why, STATUS_FROZEN,
			"the live version %s of role %s is not in the store; "
			"was the store rolled back? keyturn thaw, then "
			"keyturn rotate --emergency replaces the password",
			r->marker.live_version, role);
	return ENGINE_ON_FOREIGN;
}

/*
 * The marker, read after the store.  As long as the claim in it is ours no
 * other claim can commit an apply, and whoever claims later finds the store as
 * we found it, or the compare-and-swap of our staging fails (INV2).
 */
static enum engine_event look(struct runner *r, struct reason *why)
{
	struct target *t = r->job->target;
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

static enum engine_event do_resolve(struct runner *r, struct reason *why)
{
	const char *live = r->marker.live_version;
	const char *pending, *current;
	const struct store_version *v;
	const struct engine *e = &r->engine;
	bool ours_open = e->staged && !e->applied && !e->finishing;
	enum engine_event ev;
	enum status s;

	s = describe(r, why);
	if (s != STATUS_OK)
		return store_read_event(s);
	ev = look(r, why);
	if (ev != ENGINE_ON_OK)
		return ev;
	pending = state_id(r, STORE_LABEL_PENDING);
	current = state_id(r, STORE_LABEL_CURRENT);
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
	if (r->marker.renamed || r->marker.foreign)
		return foreign(r, why);
	if (!*live)
		return *current ? ENGINE_ON_UNMARKED : ENGINE_ON_NEVER;
	v = store_find_id(&r->state, live);
	if (!v)
		return foreign(r, why);
	text_copy(r->version, sizeof(r->version), live);
	switch (v->label) {
	case STORE_LABEL_CURRENT:
		return *pending ? ENGINE_ON_PENDING_DEAD :
				  ENGINE_ON_CURRENT_LIVE;
	case STORE_LABEL_PENDING:
		return ENGINE_ON_PENDING_LIVE;
	default:
		note(r, "restore", live, STATUS_OK,
		     "an older version is live: the database was restored; "
		     "CURRENT is pointed at it, then the role is rotated",
		     -1, false, NULL);
		return ENGINE_ON_RING_LIVE;
	}
}

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
	    (seen_lately(env, t) || l->ops->recall(l, key, now_wall(env->o.now),
						   value, NULL) == STATUS_OK))
		goto out;
	if (policy_make(&policy, env->o.random, &wrong, why) != STATUS_OK) {
		ev = ENGINE_ON_NO_EVIDENCE;
		goto out;
	}
	began = now_boot(env->o.now);
	ev = login(r, wrong, true, why);
	note(r, "control", "", ev == ENGINE_ON_WRONG ? STATUS_OK : STATUS_ERROR,
	     ev == ENGINE_ON_WRONG ? "a wrong password is refused" :
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
		saw(env, t, env->o.control_interval_us);
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

	if (ev == ENGINE_ON_NOT_ASKED)
		reason_set(
			why, STATUS_FROZEN,
			"the server let role %s in without asking for a "
			"password (a trust, peer or cert rule in pg_hba.conf), "
			"so a login proves nothing; mend the rule, then "
			"keyturn thaw %s",
			role, role);
	else if (ev == ENGINE_ON_CONTROL_PASSED)
		reason_set(
			why, STATUS_FROZEN,
			"the server let role %s in with a wrong password, so "
			"a login proves nothing; mend pg_hba.conf, then "
			"keyturn thaw %s",
			role, role);
}

static enum engine_event do_probe(struct runner *r, struct reason *why)
{
	struct secret *current = NULL;
	enum engine_event ev;
	enum status s;

	text_copy(r->version, sizeof(r->version),
		  state_id(r, STORE_LABEL_CURRENT));
	/* Not into r->password: that is the one we may have staged. */
	s = fetch_password(r, r->version, &current, why);
	if (s != STATUS_OK)
		return store_read_event(s);
	ev = login(r, current, false, why);
	secret_free(current);
	explain_login(r, ev, why);
	if (ev == ENGINE_ON_WRONG)
		reason_set(why, STATUS_FROZEN,
			   "the marker of role %s is missing and the store's "
			   "current password does not log in; keyturn thaw, "
			   "then keyturn import or keyturn rotate --emergency",
			   r->job->role);
	return ev;
}

static enum engine_event apply(struct runner *r, const struct secret *password,
			       struct reason *why)
{
	struct target *t = r->job->target;
	enum engine_event ev;

	ev = target_event(t->ops->apply(t, r->session, r->job->rolname,
					r->claim, r->version, password, why));
	if (ev == ENGINE_ON_UNKNOWN)
		r->session_bad = true;
	if (ev == ENGINE_ON_OK)
		text_copy(r->marker.live_version,
			  sizeof(r->marker.live_version), r->version);
	if (ev == ENGINE_ON_BUSY)
		ev = ENGINE_ON_CONFLICT;
	return ev;
}

static enum engine_event do_readopt(struct runner *r, struct reason *why)
{
	enum engine_event ev = apply(r, NULL, why);

	return ev == ENGINE_ON_REJECTED ? ENGINE_ON_REFUSED : ev;
}

static enum engine_event do_vouch(struct runner *r, struct reason *why)
{
	enum engine_event ev;

	if (random_uuid(r->env->o.random, r->own) != STATUS_OK)
		return ENGINE_ON_NO_EVIDENCE;
	drop_password(r);
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
	if (ev == ENGINE_ON_WRONG)
		reason_set(why, STATUS_REFUSED,
			   "the given password does not log in as role %s; "
			   "nothing was imported",
			   r->job->role);
	return ev;
}

static enum engine_event do_generate(struct runner *r, struct reason *why)
{
	char id[RANDOM_UUID_SIZE];
	struct secret *password = NULL;

	if (random_uuid(r->env->o.random, id) != STATUS_OK ||
	    policy_make(r->job->policy, r->env->o.random, &password, why) !=
		    STATUS_OK) {
		secret_free(password);
		return ENGINE_ON_FAILED;
	}
	drop_password(r);
	r->password = password;
	text_copy(r->own, sizeof(r->own), id);
	text_copy(r->version, sizeof(r->version), id);
	return ENGINE_ON_OK;
}

static enum engine_event do_stage(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	struct store_entry entry;
	enum status st;

	st = fresh_state(r, why);
	if (st != STATUS_OK)
		return store_read_event(st);
	fill_entry(r, &entry);
	st = s->ops->stage(s, r->job->role, r->state.revision, r->version,
			   &entry, &r->state, why);
	wrote(r, st);
	return store_event(st);
}

static enum engine_event do_readback(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	struct store_entry entry;
	enum engine_event ev;
	enum status st;

	st = fresh_state(r, why);
	if (st != STATUS_OK)
		return store_read_event(st);
	if (strcmp(state_id(r, STORE_LABEL_PENDING), r->version) != 0) {
		r->state_stale = true; /* look again on the next attempt */
		reason_set(why, STATUS_STORE_UNAVAILABLE,
			   "the staged version of role %s is not in the store",
			   r->job->role);
		return ENGINE_ON_ABSENT;
	}
	memset(&entry, 0, sizeof(entry)); /* not secret */
	st = s->ops->fetch(s, r->job->role, r->version, &entry, why);
	if (st == STATUS_NOT_FOUND)
		return ENGINE_ON_ABSENT;
	if (st != STATUS_OK)
		return store_read_event(st);
	ev = secret_equal(entry.password, r->password) &&
			     strcmp(entry.username, r->job->rolname) == 0 ?
		     ENGINE_ON_SAME :
		     ENGINE_ON_DIFFERENT;
	if (ev == ENGINE_ON_DIFFERENT)
		reason_set(why, STATUS_CORRUPT,
			   "the store gave back other bytes than it was given "
			   "for role %s; nothing was applied",
			   r->job->role);
	secret_free(entry.password);
	return ev;
}

static enum engine_event do_apply(struct runner *r, struct reason *why)
{
	text_copy(r->version, sizeof(r->version), r->own);
	return apply(r, r->password, why);
}

static enum engine_event do_adopt(struct runner *r, struct reason *why)
{
	text_copy(r->version, sizeof(r->version), r->own);
	return do_readopt(r, why);
}

static enum engine_event do_prove(struct runner *r, struct reason *why)
{
	struct secret *password = NULL;
	int64_t now = now_boot(r->env->o.now);
	enum engine_event ev;
	enum status s;

	if (r->engine.finishing && r->engine.retries[ENGINE_PROVE] == 0) {
		text_copy(r->version, sizeof(r->version),
			  r->marker.live_version);
		s = fetch_password(r, r->version, &password, why);
		if (s != STATUS_OK)
			return store_read_event(s);
		drop_password(r);
		r->password = password;
	}
	if (r->prove_until == 0)
		r->prove_until = now + r->job->prove_deadline_us;
	ev = login(r, r->password, false, why);
	if (ev == ENGINE_ON_RIGHT)
		ev = control(r, why);
	explain_login(r, ev, why);
	if (ev == ENGINE_ON_NO_EVIDENCE &&
	    now_boot(r->env->o.now) >= r->prove_until)
		ev = ENGINE_ON_EXPIRED;
	return ev;
}

static enum engine_event do_inspect(struct runner *r, struct reason *why)
{
	struct target *t = r->job->target;
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
	return ENGINE_ON_OURS_LIVE;
}

/* The evidence is durable before CURRENT moves (INV7). */
static enum engine_event move_current(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	enum status st;

	st = fresh_state(r, why);
	if (st != STATUS_OK)
		return store_read_event(st);
	st = s->ops->promote(s, r->job->role, r->state.revision, r->version,
			     &r->state, why);
	wrote(r, st);
	/* A store that says yes and shows another CURRENT has told nothing. */
	if (st == STATUS_OK && strcmp(r->current, r->version) != 0) {
		r->state_stale = true;
		st = STATUS_UNKNOWN;
	}
	if (st == STATUS_OK)
		r->promoted_us = now_wall(r->env->o.now);
	return store_event(st);
}

static enum engine_event do_promote(struct runner *r, struct reason *why)
{
	if (note(r, "evidence", r->version, STATUS_OK,
		 r->engine.mode == ENGINE_MODE_IMPORT ?
			 "the imported password logs in and the marker names it" :
			 "the password logs in and the marker names it",
		 -1, true, why) != STATUS_OK)
		return ENGINE_ON_LEDGER_DOWN;
	return move_current(r, why);
}

static enum engine_event do_confirm(struct runner *r, struct reason *why)
{
	enum status s = describe(r, why);

	if (s != STATUS_OK)
		return store_read_event(s);
	if (strcmp(r->current, r->version) == 0) {
		r->promoted_us = now_wall(r->env->o.now);
		return ENGINE_ON_PROMOTED;
	}
	if (strcmp(state_id(r, STORE_LABEL_PENDING), r->version) == 0)
		return ENGINE_ON_STILL_STAGED;
	reason_set(why, STATUS_BUSY,
		   "another rotation of role %s moved CURRENT on",
		   r->job->role);
	return ENGINE_ON_OVERTAKEN;
}

static enum engine_event do_repoint(struct runner *r, struct reason *why)
{
	text_copy(r->version, sizeof(r->version), r->marker.live_version);
	if (note(r, "evidence", r->version, STATUS_OK,
		 "the marker names this version as live after a restore", -1,
		 true, why) != STATUS_OK)
		return ENGINE_ON_LEDGER_DOWN;
	return move_current(r, why);
}

static enum engine_event do_retire(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	char id[RANDOM_UUID_SIZE];
	enum status st;

	text_copy(id, sizeof(id), state_id(r, STORE_LABEL_PENDING));
	st = s->ops->retire(s, r->job->role, r->state.revision, id, &r->state,
			    why);
	wrote(r, st);
	return store_event(st);
}

static enum status deliver_one(struct runner *r, const struct sink *sink,
			       const struct format_credential *c,
			       struct reason *why)
{
	const struct sink_delivery d = {
		.role = r->job->role,
		.version = r->current,
		.epoch = r->epoch,
		.credential = c,
	};
	bool changed = false;
	enum status s;

	s = sink_deliver(sink, &d, &changed, why);
	if (s == STATUS_CONFLICT) /* a newer one stands there: in step enough */
		s = STATUS_OK;
	if (s != STATUS_OK)
		note(r, "sink", r->current, s, why->text, -1, false, NULL);
	return s;
}

static enum engine_event do_deliver(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	const struct target *t = r->job->target;
	enum engine_event ev = ENGINE_ON_OK;
	struct store_entry entry;
	struct reason first;
	enum status st;

	if (r->job->n_sinks == 0 || !*r->current)
		return ENGINE_ON_OK;
	memset(&entry, 0, sizeof(entry)); /* not secret */
	reason_clear(&first);
	st = s->ops->fetch(s, r->job->role, r->current, &entry, why);
	if (st != STATUS_OK)
		return ENGINE_ON_FAILED;
	const struct format_credential c = {
		.host = entry.host,
		.port = entry.port,
		.dbname = entry.dbname,
		.username = entry.username,
		.version = r->current,
		.sslmode = t->sslmode,
		.password = entry.password,
	};
	for (size_t i = 0; i < r->job->n_sinks; i++) {
		if (deliver_one(r, &r->job->sinks[i], &c, why) == STATUS_OK)
			continue;
		if (ev == ENGINE_ON_OK)
			first = *why;
		ev = ENGINE_ON_FAILED;
	}
	*why = first;
	secret_free(entry.password);
	return ev;
}

/* Short names and microseconds, for the history. */
static void steps_text(const struct runner *r, struct text *t)
{
	for (int i = ENGINE_INTENT; i < ENGINE_CLOSE; i++)
		if (r->result.step_us[i] > 0)
			text_printf(t, "%s%s=%lld", t->len ? " " : "",
				    engine_state_audit((enum engine_state)i),
				    (long long)r->result.step_us[i]);
}

static void remember_role(struct runner *r, struct ledger_role *role)
{
	const struct engine *e = &r->engine;
	const struct store_version *current =
		store_find_label(&r->state, STORE_LABEL_CURRENT);

	*role = r->role;
	if (*r->current)
		text_copy(role->version, sizeof(role->version), r->current);
	if (r->promoted_us)
		role->rotated_us = r->promoted_us;
	else if (role->rotated_us == 0 && current)
		role->rotated_us = current->created_us;
	if (r->epoch > role->epoch)
		role->epoch = r->epoch;
	role->last_run_us = now_wall(r->env->o.now);
	text_copy(role->last_status, sizeof(role->last_status),
		  status_name(e->outcome));
	/* The sentence may be a sink's on an otherwise good run. */
	if (text_copy(role->last_error, sizeof(role->last_error),
		      r->result.why.text) != STATUS_OK)
		role->last_error[0] = '\0';
	if (e->outcome == STATUS_OK)
		role->failures = 0;
	else
		role->failures++;
}

static enum engine_event do_close(struct runner *r, struct reason *why)
{
	struct ledger *l = r->env->o.ledger;
	const struct engine *e = &r->engine;
	struct text steps = text_make(LEDGER_TEXT_SIZE - 1);
	struct ledger_role role;
	enum status s;

	remember_role(r, &role);
	steps_text(r, &steps);
	s = l->ops->close_run(l, r->run, NULL, 0, &role,
			      status_name(e->outcome), r->current,
			      role.last_error, text_str(&steps),
			      e->outcome == STATUS_UNKNOWN, why);
	text_free(&steps);
	return s == STATUS_OK ? ENGINE_ON_OK : ENGINE_ON_FAILED;
}

static enum engine_event do_freeze(struct runner *r, struct reason *why)
{
	struct ledger *l = r->env->o.ledger;
	enum status s;

	s = l->ops->freeze(l, r->job->role, r->env->o.actor, r->result.why.text,
			   why);
	if (s == STATUS_OK &&
	    l->ops->role(l, r->job->role, &r->role, NULL) != STATUS_OK)
		r->role.frozen = true;
	if (do_close(r, why) != ENGINE_ON_OK || s != STATUS_OK)
		return ENGINE_ON_FAILED;
	return ENGINE_ON_OK;
}

/* ---- the loop ---- */

static enum engine_event perform(struct runner *r, struct reason *why)
{
	switch (r->engine.state) {
	case ENGINE_START:
		return ENGINE_ON_BEGIN;
	case ENGINE_INTENT:
		return do_intent(r, why);
	case ENGINE_PREFLIGHT:
		return do_preflight(r, why);
	case ENGINE_CLAIM:
		return do_claim(r, why);
	case ENGINE_RESOLVE:
		return do_resolve(r, why);
	case ENGINE_PROBE:
		return do_probe(r, why);
	case ENGINE_READOPT:
		return do_readopt(r, why);
	case ENGINE_VOUCH:
		return do_vouch(r, why);
	case ENGINE_GENERATE:
		return do_generate(r, why);
	case ENGINE_STAGE:
		return do_stage(r, why);
	case ENGINE_READBACK:
		return do_readback(r, why);
	case ENGINE_APPLY:
		return do_apply(r, why);
	case ENGINE_ADOPT:
		return do_adopt(r, why);
	case ENGINE_PROVE:
		return do_prove(r, why);
	case ENGINE_INSPECT:
		return do_inspect(r, why);
	case ENGINE_PROMOTE:
		return do_promote(r, why);
	case ENGINE_CONFIRM:
		return do_confirm(r, why);
	case ENGINE_REPOINT:
		return do_repoint(r, why);
	case ENGINE_RETIRE:
		return do_retire(r, why);
	case ENGINE_DELIVER:
		return do_deliver(r, why);
	case ENGINE_FREEZE:
		return do_freeze(r, why);
	case ENGINE_CLOSE:
		return do_close(r, why);
	case ENGINE_ENDED:
	case ENGINE_STATE_COUNT:
		break;
	}
	return ENGINE_ON_FAILED;
}

static enum status event_status(enum engine_event ev)
{
	switch (ev) {
	case ENGINE_ON_REFUSED:
	case ENGINE_ON_GONE:
		return STATUS_REFUSED;
	case ENGINE_ON_REJECTED:
		return STATUS_REJECTED;
	case ENGINE_ON_CONFLICT:
	case ENGINE_ON_LOST:
	case ENGINE_ON_OVERTAKEN:
		return STATUS_CONFLICT;
	case ENGINE_ON_BUSY:
		return STATUS_BUSY;
	case ENGINE_ON_UNKNOWN:
	case ENGINE_ON_EXPIRED:
		return STATUS_UNKNOWN;
	case ENGINE_ON_CORRUPT:
	case ENGINE_ON_DIFFERENT:
		return STATUS_CORRUPT;
	case ENGINE_ON_CLUSTER_DOWN:
	case ENGINE_ON_NO_EVIDENCE:
		return STATUS_CLUSTER_UNAVAILABLE;
	case ENGINE_ON_STORE_DOWN:
	case ENGINE_ON_ABSENT:
		return STATUS_STORE_UNAVAILABLE;
	case ENGINE_ON_LEDGER_DOWN:
		return STATUS_LEDGER_UNAVAILABLE;
	case ENGINE_ON_FROZEN:
	case ENGINE_ON_FOREIGN:
	case ENGINE_ON_NOT_ASKED:
	case ENGINE_ON_CONTROL_PASSED:
		return STATUS_FROZEN;
	case ENGINE_ON_FAILED:
	case ENGINE_ON_WRONG:
		return STATUS_ERROR;
	default:
		return STATUS_OK;
	}
}

/* One audit event a step; the run's own frame (intent, freeze, close) is
 * written by the ledger itself. */
static void note_step(struct runner *r, enum engine_state was,
		      enum engine_event ev, const struct engine_row *row,
		      const struct reason *why, int64_t took_us)
{
	const char *detail;

	if (was == ENGINE_START || was == ENGINE_INTENT ||
	    was == ENGINE_FREEZE || was == ENGINE_CLOSE)
		return;
	detail = why->text[0] ? why->text : row ? row->sentence : "";
	note(r, engine_state_audit(was), was >= ENGINE_PROBE ? r->version : "",
	     event_status(ev), detail, took_us, false, NULL);
}

/* Full jitter would do no better here: the waiters are rotators of one role. */
static void wait_before_retry(const struct runner *r, enum engine_state was)
{
	int64_t us = RETRY_FIRST;

	if (was != ENGINE_PROVE)
		us <<= r->engine.retries[was];
	else
		us *= 4;
	now_sleep(r->env->o.now, us < RETRY_MOST ? us : RETRY_MOST);
}

static void keep_reason(struct runner *r, const struct engine_row *row,
			const struct reason *why)
{
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
	ev = perform(r, &why);
	took = now_boot(r->env->o.now) - began;
	r->result.step_us[was] += took > 0 ? took : 1;
	if (engine_step(&r->engine, ev, &row) != STATUS_OK)
		reason_set(&why, STATUS_ERROR,
			   "the protocol has no answer to %s in %s; please "
			   "report this",
			   engine_event_name(ev), engine_state_name(was));
	if (was != ENGINE_CLOSE && was != ENGINE_FREEZE)
		keep_reason(r, row, &why);
	note_step(r, was, ev, row, &why, took);
	if (r->engine.state != ENGINE_PROVE)
		r->prove_until = 0;
	if (row && (row->action == ENGINE_DO_RETRY ||
		    row->action == ENGINE_DO_RECLAIM))
		wait_before_retry(r, was);
	if (r->engine.state == ENGINE_ENDED) {
		drop_session(r, true);
		drop_password(r);
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

void runner_result(const struct runner *r, struct runner_result *ret)
{
	*ret = r->result;
	ret->status = r->engine.outcome;
	ret->finished_earlier = r->engine.finished;
	ret->undone = r->engine.undone;
	ret->restored = r->engine.restored;
	ret->sink_bad = r->engine.sink_bad;
	text_copy(ret->version, sizeof(ret->version), r->current);
	text_copy(ret->run, sizeof(ret->run), r->run);
}

void runner_free(struct runner *r)
{
	if (!r)
		return;
	drop_session(r, false);
	drop_password(r);
	free(r);
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
