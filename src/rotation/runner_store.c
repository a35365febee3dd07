/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on the store; must never take a reply for the truth when
 * the store can be read. */
#include "rotation/runner_store.h"

#include <pthread.h>
#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_fact.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_member.h"

/* How long a store's canary counts for other runs of this process. */
#define CANARY_LIFE (60 * NOW_SECOND)

/* Events that several effects share; others are mapped where they occur. */
enum engine_event runner_store_event(enum status s)
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

enum engine_event runner_store_read_event(enum status s)
{
	return s == STATUS_CORRUPT ? ENGINE_ON_CORRUPT : ENGINE_ON_STORE_DOWN;
}

const char *runner_store_id(const struct runner *r, enum store_label label)
{
	const struct store_version *v = store_find_label(&r->state, label);

	return v ? v->id : "";
}

enum status runner_store_describe(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	enum status st;

	st = s->ops->describe(s, r->job->role, &r->state, why);
	if (st != STATUS_OK)
		return st;
	r->state_stale = false;
	text_copy(r->current, sizeof(r->current),
		  runner_store_id(r, STORE_LABEL_CURRENT));
	return STATUS_OK;
}

/* After a store write: keep the state it returned, or know that we do not, and
 * why: what decides is read later, and knows no cause. */
void runner_store_keep(struct runner *r, enum status s,
		       const struct reason *why)
{
	reason_clear(&r->store_why);
	if (s != STATUS_OK) {
		r->state_stale = true;
		r->store_why = *why;
		return;
	}
	text_copy(r->current, sizeof(r->current),
		  runner_store_id(r, STORE_LABEL_CURRENT));
}

static enum status fresh_state(struct runner *r, struct reason *why)
{
	return r->state_stale ? runner_store_describe(r, why) : STATUS_OK;
}

/* The password of a version; the caller's.  Whose it is, is known then. */
enum status runner_store_password(struct runner *r, const char *id,
				  struct secret **ret_password,
				  struct reason *why)
{
	struct store *s = r->job->store;
	struct store_entry entry;
	enum status st;

	memset(&entry, 0, sizeof(entry)); /* not secret */
	st = s->ops->fetch(s, r->job->role, id, &entry, why);
	if (st != STATUS_OK)
		return st;
	st = runner_member_take(r, entry.username, why);
	if (st == STATUS_OK)
		*ret_password = entry.password;
	else
		secret_free(entry.password);
	return st;
}

void runner_store_drop_password(struct runner *r)
{
	secret_free(r->password);
	r->password = NULL;
}

static void fill_entry(const struct runner *r, struct store_entry *e)
{
	const struct cluster *t = r->job->cluster;

	memset(e, 0, sizeof(*e)); /* not secret */
	text_copy(e->engine, sizeof(e->engine), "postgres");
	text_copy(e->host, sizeof(e->host), t->host);
	text_copy(e->port, sizeof(e->port), t->port);
	text_copy(e->dbname, sizeof(e->dbname),
		  r->job->dbname ? r->job->dbname : t->dbname);
	text_copy(e->username, sizeof(e->username), runner_member_login(r));
	e->password = r->password;
	e->renews = r->engine.renewing;
}

/* A job that waited while another made a canary takes that one's result. */
static enum status make_canary(struct runner *r, struct runner_canary *c,
			       int64_t begun, struct reason *why)
{
	struct store *s = r->job->store;

	if (runner_env_seen_lately(r->env, s))
		return STATUS_OK;
	if (c->failed == s && c->failed_us >= begun) {
		*why = c->why;
		return c->status;
	}
	c->status = s->ops->canary(s, why);
	if (c->status == STATUS_OK) {
		runner_env_saw(r->env, s, CANARY_LIFE);
		return STATUS_OK;
	}
	c->failed = s;
	c->failed_us = now_boot(r->env->o.now);
	c->why = *why;
	return c->status;
}

/* One canary per store and minute, whatever the number of jobs. */
enum status runner_store_canary(struct runner *r, struct reason *why)
{
	struct runner_canary *c = runner_env_canary(r->env, r->job->store);
	int64_t begun = now_boot(r->env->o.now);
	enum status s;

	pthread_mutex_lock(&c->lock);
	s = make_canary(r, c, begun, why);
	pthread_mutex_unlock(&c->lock);
	return s;
}

/* Asked after describe(), which has told most of it. */
enum engine_event runner_store_ready(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	enum status st = s->ops->ready(s, r->job->role, why);

	switch (st) {
	case STATUS_OK:
		return ENGINE_ON_OK;
	case STATUS_REFUSED:
	case STATUS_CONFIG:
		return ENGINE_ON_FAILED;
	default:
		return runner_store_read_event(st);
	}
}

enum engine_event runner_store_resume(struct runner *r, struct reason *why)
{
	const char *id = runner_store_id(r, STORE_LABEL_PENDING);
	struct secret *password = NULL;
	enum status st = runner_store_password(r, id, &password, why);

	if (st != STATUS_OK)
		return runner_store_read_event(st);
	runner_store_drop_password(r);
	r->password = password;
	text_copy(r->own, sizeof(r->own), id);
	text_copy(r->own_login, sizeof(r->own_login), r->login);
	text_copy(r->version, sizeof(r->version), id);
	return ENGINE_ON_OK;
}

/* A gateway that knows nothing of the login yet takes the one that is given. */
static enum status make_password(struct runner *r, struct secret **ret,
				 struct reason *why)
{
	if (r->job->mode == ENGINE_MODE_IMPORT)
		return secret_copy(r->job->password, ret);
	/* It goes back to the one before, which has just logged in. */
	if (r->engine.gateway && r->job->mode == ENGINE_MODE_ROLLBACK)
		return secret_copy(r->password, ret);
	return policy_make(r->job->policy, r->env->o.random, ret, why);
}

enum engine_event runner_store_generate(struct runner *r, struct reason *why)
{
	char id[RANDOM_UUID_SIZE];
	struct secret *password = NULL;

	if (random_uuid(r->env->o.random, id) != STATUS_OK ||
	    make_password(r, &password, why) != STATUS_OK) {
		secret_free(password);
		return ENGINE_ON_FAILED;
	}
	runner_store_drop_password(r);
	r->password = password;
	text_copy(r->own, sizeof(r->own), id);
	if (r->engine.gateway && r->job->mode == ENGINE_MODE_ROLLBACK)
		text_copy(r->recalled, sizeof(r->recalled), id);
	text_copy(r->own_login, sizeof(r->own_login), r->idle);
	text_copy(r->version, sizeof(r->version), id);
	return ENGINE_ON_OK;
}

enum engine_event runner_store_stage(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	struct store_entry entry;
	enum status st;

	runner_member_own(r);
	st = fresh_state(r, why);
	if (st != STATUS_OK)
		return runner_store_read_event(st);
	fill_entry(r, &entry);
	st = s->ops->stage(s, r->job->role, r->state.revision, r->version,
			   &entry, &r->state, why);
	runner_store_keep(r, st, why);
	return runner_store_event(st);
}

/*
 * No claim of a gateway's keeps others away, and a store that compares labels
 * takes a staging after an old answer: what is CURRENT and PREVIOUS now must be
 * what was concluded from.
 */
static bool has_moved(const struct runner *r)
{
	return strcmp(runner_store_id(r, STORE_LABEL_CURRENT),
		      r->marker.live_version) != 0 ||
	       strcmp(runner_store_id(r, STORE_LABEL_PREVIOUS),
		      r->marker.previous_version) != 0;
}

enum engine_event runner_store_readback(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	struct store_entry entry;
	enum engine_event ev;
	enum status st;

	st = fresh_state(r, why);
	if (st != STATUS_OK)
		return runner_store_read_event(st);
	if (strcmp(runner_store_id(r, STORE_LABEL_PENDING), r->version) != 0) {
		r->state_stale = true; /* look again on the next attempt */
		reason_set(why, STATUS_STORE_UNAVAILABLE,
			   "the staged version of role %s is not in the "
			   "store%s%s",
			   r->job->role, r->store_why.text[0] ? ": " : "",
			   r->store_why.text);
		return ENGINE_ON_ABSENT;
	}
	if (r->engine.gateway && has_moved(r)) {
		reason_set(why, STATUS_BUSY,
			   "another rotation of role %s moved CURRENT since "
			   "this one looked",
			   r->job->role);
		return ENGINE_ON_CONFLICT;
	}
	memset(&entry, 0, sizeof(entry)); /* not secret */
	st = s->ops->fetch(s, r->job->role, r->version, &entry, why);
	if (st == STATUS_NOT_FOUND)
		return ENGINE_ON_ABSENT;
	if (st != STATUS_OK)
		return runner_store_read_event(st);
	ev = secret_equal(entry.password, r->password) &&
			     strcmp(entry.username, runner_member_login(r)) ==
				     0 ?
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

/* A renewal is no rotation, whoever finishes it: the password is as old as it
 * was. */
static void note_moved(struct runner *r)
{
	if (!r->same)
		r->promoted_us = now_wall(r->env->o.now);
}

static bool is_same(struct runner *r)
{
	struct store *s = r->job->store;
	struct store_entry entry;
	bool same;

	if (!r->job->pair || !s->ops->by_label || !*r->current || !r->password)
		return false;
	if (r->engine.renewing)
		return true;
	memset(&entry, 0, sizeof(entry)); /* not secret */
	if (s->ops->fetch(s, r->job->role, r->current, &entry, NULL) !=
	    STATUS_OK)
		return false;
	same = secret_equal(entry.password, r->password) &&
	       strcmp(entry.username, runner_member_login(r)) == 0;
	secret_free(entry.password);
	return same;
}

/* The evidence is durable before CURRENT moves (INV7). */
static enum engine_event move_current(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	enum status st;

	st = fresh_state(r, why);
	if (st != STATUS_OK)
		return runner_store_read_event(st);
	st = s->ops->promote(s, r->job->role, r->state.revision, r->version,
			     &r->state, why);
	runner_store_keep(r, st, why);
	/* A store that says yes and shows another CURRENT has told nothing. */
	if (st == STATUS_OK && strcmp(r->current, r->version) != 0) {
		r->state_stale = true;
		st = STATUS_UNKNOWN;
	}
	if (st == STATUS_OK)
		note_moved(r);
	return runner_store_event(st);
}

static enum status note_evidence(struct runner *r, struct reason *why)
{
	if (r->engine.gateway)
		return runner_fact_promotion(r, why);
	return runner_ledger_note_durably(
		r, AUDIT_EVIDENCE, r->version,
		r->engine.mode == ENGINE_MODE_IMPORT ?
			"the imported password logs in and the marker names it" :
			"the password logs in and the marker names it",
		why);
}

enum engine_event runner_store_promote(struct runner *r, struct reason *why)
{
	if (note_evidence(r, why) != STATUS_OK)
		return ENGINE_ON_LEDGER_DOWN;
	r->same = is_same(r);
	return move_current(r, why);
}

enum engine_event runner_store_confirm(struct runner *r, struct reason *why)
{
	enum status s = runner_store_describe(r, why);

	if (s != STATUS_OK)
		return runner_store_read_event(s);
	if (strcmp(r->current, r->version) == 0) {
		note_moved(r);
		return ENGINE_ON_PROMOTED;
	}
	if (strcmp(runner_store_id(r, STORE_LABEL_PENDING), r->version) == 0) {
		reason_set(why, STATUS_UNKNOWN, "CURRENT does not move%s%s",
			   r->store_why.text[0] ? ": " : "", r->store_why.text);
		return ENGINE_ON_STILL_STAGED;
	}
	reason_set(why, STATUS_BUSY,
		   "another rotation of role %s moved CURRENT on",
		   r->job->role);
	return ENGINE_ON_OVERTAKEN;
}

enum engine_event runner_store_repoint(struct runner *r, struct reason *why)
{
	text_copy(r->version, sizeof(r->version), r->marker.live_version);
	if (runner_ledger_note_durably(
		    r, AUDIT_EVIDENCE, r->version,
		    "the marker names this version as live after a restore",
		    why) != STATUS_OK)
		return ENGINE_ON_LEDGER_DOWN;
	r->same = false;
	return move_current(r, why);
}

enum engine_event runner_store_retire(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	char id[RANDOM_UUID_SIZE];
	enum status st;

	text_copy(id, sizeof(id), runner_store_id(r, STORE_LABEL_PENDING));
	st = s->ops->retire(s, r->job->role, r->state.revision, id, &r->state,
			    why);
	runner_store_keep(r, st, why);
	return runner_store_event(st);
}

/*
 * Is whatever was sent before refused from here on?  By the revision, which has
 * moved; or where labels are compared, since CURRENT is a version that only this
 * run knows, and that PREVIOUS cannot come back to but when CURRENT leaves it.
 * No one goes back to the password before of one role: what a late write would
 * move back there is refused by the server.
 */
static bool is_closed(const struct runner *r, const char *before,
		      const char *revision)
{
	if (*runner_store_id(r, STORE_LABEL_PREVIOUS))
		return false;
	if (!r->job->pair || (r->engine.stale && r->job->store->ops->by_label))
		return true;
	if (r->job->store->ops->by_label)
		return strcmp(r->current, r->renewed) == 0;
	return strcmp(revision, r->state.revision) == 0 &&
	       strcmp(revision, before) != 0;
}

/* Read back, never taken for done by the reply alone. */
enum engine_event runner_store_withdraw(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	char before[STORE_REVISION_SIZE], revision[STORE_REVISION_SIZE];
	enum status st = fresh_state(r, why);

	if (st != STATUS_OK)
		return runner_store_read_event(st);
	/* What is withdrawn for itself comes before no end. */
	if (r->job->pair && s->ops->by_label && !r->engine.stale &&
	    !r->renewed[0])
		return ENGINE_ON_EXPOSED;
	/* What is to end may have ended, and another be in its grace. */
	if (r->engine.gateway && *runner_store_id(r, STORE_LABEL_PREVIOUS) &&
	    strcmp(runner_store_id(r, STORE_LABEL_PREVIOUS), r->ended) != 0) {
		r->state_stale = true;
		return ENGINE_ON_CONFLICT;
	}
	if (r->engine.gateway && runner_fact_end(r, why) != STATUS_OK)
		return ENGINE_ON_LEDGER_DOWN;
	text_copy(before, sizeof(before), r->state.revision);
	st = s->ops->withdraw(s, r->job->role, r->state.revision, &r->state,
			      why);
	runner_store_keep(r, st, why);
	if (st != STATUS_OK)
		return runner_store_event(st);
	text_copy(revision, sizeof(revision), r->state.revision);
	st = runner_store_describe(r, why);
	if (st != STATUS_OK)
		return runner_store_read_event(st);
	if (is_closed(r, before, revision))
		return ENGINE_ON_OK;
	r->state_stale = true;
	return ENGINE_ON_CONFLICT;
}
