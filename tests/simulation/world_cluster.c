/* SPDX-License-Identifier: PostgreSQL */
/* The simulated database: a marker row, a password, logins.  Must never let an
 * apply through without its compare-and-swap, unless a test says so. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

struct cluster_session {
	int id;
	char live[RANDOM_UUID_SIZE]; /* without a marker: what logged in */
	bool lost; /* a reply did not come: it is not to be used again */
};

static struct world *of_cluster(struct cluster *t)
{
	return (struct world *)((char *)t - offsetof(struct world, cluster));
}

/* ---- effects ---- */

void world_db_claim(struct world *w, const struct flight *f)
{
	if (w->db.epoch < f->revision)
		w->db.epoch = f->revision;
	w->db.epoch++;
	memcpy(w->db.claim, f->claim, sizeof(w->db.claim));
	w->session_of_claim = f->session;
}

/* What is applied under a version id is what the store has under it. */
static void check_apply(struct world *w, const struct flight *f)
{
	const struct world_version *v = world_find(w, f->version);

	if (w->rollbacks > 0)
		return;
	if (!v)
		world_violate(w, "applied before it was stored", "apply");
	else if (f->sets_password && strcmp(v->password, f->password) != 0)
		world_violate(w,
			      "the store has another password for this "
			      "version",
			      "apply");
	else if (!f->sets_password && !w->foreigns && !w->restores &&
		 strcmp(v->password, w->db.password) != 0)
		world_violate(w, "a version is adopted that is not live",
			      "adopt");
}

static void set_password(struct world *w, const struct flight *f)
{
	memcpy(w->db.before, w->db.password, sizeof(w->db.before));
	w->db.proxy_until = w->clock + w->lag_us;
	memcpy(w->db.password, f->password, sizeof(w->db.password));
}

/* The service has the new password, and the transaction is rolled back: the
 * marker says nothing of it (rotation-safety.md X13). */
static void forward(struct world *w, const struct flight *f)
{
	if (!w->forwards || f->op != WORLD_APPLY || !f->sets_password ||
	    strcmp(w->db.claim, f->claim) != 0)
		return;
	check_apply(w, f);
	set_password(w, f);
	w->db.by_hand = false;
	world_was_live(w, f->version);
	world_check(w, "forward");
}

bool world_db_apply(struct world *w, const struct flight *f)
{
	const struct world_version *v = world_find(w, f->version);

	if (w->mutation != WORLD_NO_DB_CAS &&
	    strcmp(w->db.claim, f->claim) != 0)
		return false;
	check_apply(w, f);
	memcpy(w->db.live, f->version, sizeof(w->db.live));
	w->db.renamed = w->db.foreign = w->db.branched = false;
	if (f->sets_password)
		set_password(w, f);
	if (f->sets_password || (v && strcmp(v->password, w->db.password) == 0))
		w->db.by_hand = false;
	if (v && strcmp(v->password, w->db.password) == 0)
		world_was_live(w, f->version);
	world_check(w, "apply");
	return true;
}

static bool claim_done(struct world *w, const struct flight *f)
{
	world_db_claim(w, f);
	return true;
}

static enum status on_session(struct world *w, struct cluster_session *s,
			      const char *act, enum status st)
{
	if (s->lost)
		world_violate(w, "a lost session is used again", act);
	s->lost = st == STATUS_UNKNOWN;
	return st;
}

/* Shared by every act on the database: do f now, later, or not. */
static enum status db_act(struct world *w, const char *act,
			  const struct flight *f,
			  bool (*done)(struct world *, const struct flight *))
{
	enum fate fate = world_fate(w, act);

	if (f->session <= w->dead_below &&
	    w->mutation != WORLD_NO_SESSION_BINDING_NO_RETIRE)
		return STATUS_UNKNOWN;
	switch (fate) {
	case FATE_DOWN:
	case FATE_CORRUPT:
		return STATUS_CLUSTER_UNAVAILABLE;
	case FATE_REFUSED:
		return STATUS_REFUSED;
	case FATE_BUSY:
		return STATUS_BUSY;
	case FATE_GONE:
		return STATUS_NOT_FOUND;
	case FATE_LATE:
		world_fly(w, f);
		return STATUS_UNKNOWN;
	case FATE_LOST_BEFORE:
	case FATE_CRASH_BEFORE:
		forward(w, f);
		return STATUS_UNKNOWN;
	case FATE_LOST_AFTER:
	case FATE_CRASH_AFTER:
		done(w, f);
		return STATUS_UNKNOWN;
	default:
		return done(w, f) ? STATUS_OK : STATUS_CONFLICT;
	}
}

/* ---- the interface ---- */

static enum status t_open(struct cluster *t, struct cluster_session **ret,
			  struct reason *why)
{
	struct world *w = of_cluster(t);
	struct cluster_session *s;
	enum fate f;

	(void)why;
	if (world_dead(w))
		return STATUS_CLUSTER_UNAVAILABLE;
	f = world_fate(w, "open");
	if (f == FATE_REFUSED)
		return STATUS_REFUSED;
	if (f != FATE_GOOD)
		return STATUS_CLUSTER_UNAVAILABLE;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->id = ++w->next_session;
	*ret = s;
	return STATUS_OK;
}

static enum status t_open_as(struct cluster *t, const char *role,
			     const struct cluster_candidate *candidates,
			     size_t n, struct cluster_session **ret,
			     struct reason *why)
{
	struct world *w = of_cluster(t);
	const char *good = w->clock < w->db.proxy_until ? w->db.before :
							  w->db.password;
	struct cluster_session *s = NULL;
	enum status st;

	(void)role;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(secret_bytes(candidates[i].password), good) != 0)
			continue;
		st = t_open(t, &s, why);
		if (st == STATUS_OK) {
			snprintf(s->live, sizeof(s->live), "%s",
				 candidates[i].version);
			*ret = s;
		}
		return st;
	}
	return world_dead(w) ? STATUS_CLUSTER_UNAVAILABLE : STATUS_REFUSED;
}

static void t_release(struct cluster *t, struct cluster_session *s, bool clean)
{
	struct world *w = of_cluster(t);

	(void)clean;
	if (s->id == w->session_of_claim)
		w->session_of_claim = 0;
	free(s);
}

static enum status t_preflight(struct cluster *t, struct cluster_session *s,
			       const char *role,
			       const struct cluster_pair *pair,
			       cluster_finding_fn *finding, void *arg,
			       struct reason *why)
{
	struct world *w = of_cluster(t);

	(void)s, (void)role, (void)pair, (void)finding, (void)arg, (void)why;
	if (world_dead(w))
		return STATUS_CLUSTER_UNAVAILABLE;
	switch (world_fate(w, "preflight")) {
	case FATE_GOOD:
		return STATUS_OK;
	case FATE_REFUSED:
		return STATUS_REFUSED;
	case FATE_GONE:
		return STATUS_NOT_FOUND;
	default:
		return STATUS_CLUSTER_UNAVAILABLE;
	}
}

static void fill_marker(const struct world *w, const struct cluster_session *s,
			struct cluster_marker *m)
{
	memset(m, 0, sizeof(*m)); /* not secret */
	m->role_oid = 1;
	m->found = true;
	memcpy(m->live_version, w->db.live, sizeof(m->live_version));
	memcpy(m->claim, w->db.claim, sizeof(m->claim));
	m->epoch = w->db.epoch;
	if (w->none) {
		memcpy(m->live_version, s->live, sizeof(m->live_version));
		return;
	}
	if (w->pair && w->db.live[0]) {
		if (w->db.active != WORLD_OWNER)
			snprintf(m->active, sizeof(m->active), "%s",
				 world_names[w->db.active]);
		memcpy(m->previous_version, w->db.previous,
		       sizeof(m->previous_version));
		if (w->db.previous[0])
			snprintf(m->previous, sizeof(m->previous), "%s",
				 world_names[w->db.previous_of]);
		m->retired_us = w->db.retired_us;
	}
	m->foreign = w->readable && w->db.foreign;
	m->renamed = w->db.renamed;
	m->branched = w->db.branched;
}

static enum status t_claim(struct cluster *t, struct cluster_session *s,
			   const struct cluster_claim *c,
			   struct cluster_marker *ret, struct reason *why)
{
	struct world *w = of_cluster(t);
	struct flight f = { .op = WORLD_CLAIM,
			    .session = s->id,
			    .revision = c->floor };
	int64_t was = w->db.epoch;
	enum status st;

	(void)why;
	if (world_dead(w))
		return STATUS_UNKNOWN;
	if (w->polite && !c->takeover && w->session_of_claim != 0 &&
	    w->session_of_claim != s->id)
		return STATUS_BUSY;
	snprintf(f.claim, sizeof(f.claim), "%s", c->claim);
	st = on_session(w, s, "claim", db_act(w, "claim", &f, claim_done));
	if (st == STATUS_OK) {
		fill_marker(w, s, ret);
		ret->epoch_was = was;
	}
	return st;
}

static enum status read_marker(struct cluster *t, const char *act,
			       struct cluster_session *s,
			       struct cluster_marker *ret)
{
	struct world *w = of_cluster(t);
	enum fate f;

	if (world_dead(w))
		return STATUS_UNKNOWN;
	f = world_fate(w, act);
	if (f == FATE_GONE)
		return on_session(w, s, act, STATUS_NOT_FOUND);
	if (f != FATE_GOOD || s->id <= w->dead_below)
		return on_session(w, s, act, STATUS_UNKNOWN);
	fill_marker(w, s, ret);
	return on_session(w, s, act, STATUS_OK);
}

static enum status t_look(struct cluster *t, struct cluster_session *s,
			  const char *role, struct cluster_marker *ret,
			  struct reason *why)
{
	(void)role, (void)why;
	return read_marker(t, "look", s, ret);
}

static enum status t_inspect(struct cluster *t, struct cluster_session *s,
			     const char *role, struct cluster_marker *ret,
			     struct reason *why)
{
	(void)role, (void)why;
	return read_marker(t, "inspect", s, ret);
}

static enum status t_peek(struct cluster *t, struct cluster_session *s,
			  const char *role, const struct cluster_pair *pair,
			  struct cluster_member ret[WORLD_ROLES],
			  struct reason *why)
{
	struct world *w = of_cluster(t);
	enum fate f;

	(void)role, (void)pair, (void)why;
	if (world_dead(w))
		return STATUS_UNKNOWN;
	f = world_fate(w, "peek");
	if (s->id <= w->dead_below)
		f = FATE_DOWN;
	return on_session(w, s, "peek", world_pair_peek(w, f, ret));
}

/* What may not be ended is left. */
static enum status t_end_sessions(struct cluster *t, struct cluster_session *s,
				  const char *role, unsigned *ret_left,
				  struct reason *why)
{
	struct world *w = of_cluster(t);
	int i = world_role_of(role);
	enum fate f;

	(void)why;
	if (world_dead(w))
		return STATUS_UNKNOWN;
	f = world_fate(w, "evict");
	if (s->id <= w->dead_below)
		f = FATE_DOWN;
	if (f == FATE_GOOD || f == FATE_LOST_AFTER || f == FATE_CRASH_AFTER)
		w->use[i].sessions = 0;
	*ret_left = w->use[i].sessions;
	if (f == FATE_GOOD)
		return on_session(w, s, "evict", STATUS_OK);
	return f == FATE_REFUSED ? STATUS_REFUSED :
				   on_session(w, s, "evict", STATUS_UNKNOWN);
}

static enum status t_apply(struct cluster *t, struct cluster_session *s,
			   const struct cluster_change *c, bool *ret_alone,
			   struct reason *why)
{
	static const char *const acts[] = { "apply",  "adopt",	 "renew",
					    "revert", "nologin", "clear" };
	struct world *w = of_cluster(t);
	struct flight f = { .op = WORLD_APPLY,
			    .session = s->id,
			    .sets_password = c->password != NULL,
			    .kind = c->kind,
			    .by_command = w->by_command[w->acting] };
	const struct secret *password = c->password;
	bool ends = c->kind == CLUSTER_CHANGE_NOLOGIN ||
		    c->kind == CLUSTER_CHANGE_CLEAR;
	const char *act = ends && password ? "seal" : acts[c->kind];
	enum status st;

	(void)ret_alone, (void)why;
	if (world_dead(w))
		return STATUS_UNKNOWN;
	if (!password &&
	    ((w->no_nologin && c->kind == CLUSTER_CHANGE_NOLOGIN) ||
	     (w->no_null && c->kind == CLUSTER_CHANGE_CLEAR)))
		return STATUS_REFUSED;
	if (w->reject && password)
		return STATUS_REJECTED;
	snprintf(f.claim, sizeof(f.claim), "%s", c->claim);
	snprintf(f.version, sizeof(f.version), "%s", c->version);
	if (password)
		snprintf(f.password, sizeof(f.password), "%s",
			 secret_bytes(password));
	if (w->pair)
		f.member = c->member ? world_role_of(c->member) : WORLD_OWNER;
	st = on_session(w, s, act,
			db_act(w, act, &f,
			       w->pair ? world_pair_apply : world_db_apply));
	if (st == STATUS_OK)
		snprintf(s->live, sizeof(s->live), "%s", c->version);
	return st;
}

/* Of a pair the password is asked for before LOGIN. */
static const char *password_of(struct world *w, const struct cluster_who *who)
{
	if (w->pair) {
		if (strcmp(who->role, world_names[WORLD_OWNER]) != 0 &&
		    !who->owner)
			world_violate(w, "a member is not to be its owner",
				      "a login");
		return w->db.role[world_role_of(who->role)].password;
	}
	return w->clock < w->db.proxy_until ? w->db.before : w->db.password;
}

void world_proved(struct world *w, const char *password)
{
	for (size_t i = 0; i < 8 && w->gateway; i++)
		if (strcmp(w->proved[i], password) == 0)
			return;
	snprintf(w->proved[w->n_proved++ % 8], WORLD_PASSWORD, "%s", password);
}

static void log_in(struct world *w, const struct cluster_who *who,
		   const struct secret *password, bool control,
		   enum cluster_login *ret)
{
	const char *good = w->gateway ? secret_bytes(password) :
					password_of(w, who);

	if (w->gateway ? world_gateway_takes(w, good) :
			 strcmp(secret_bytes(password), good) == 0) {
		*ret = CLUSTER_LOGIN_RIGHT;
		world_proved(w, w->pair || w->gateway ? good : w->db.password);
		w->nologins += w->pair &&
			       !w->db.role[world_role_of(who->role)].can_login;
		return;
	}
	*ret = CLUSTER_LOGIN_WRONG;
	if (control)
		w->controls++;
	else
		w->wrong_logins++;
}

static enum status t_prove(struct cluster *t, const struct cluster_who *who,
			   const struct secret *password,
			   enum cluster_proof kind, enum cluster_login *ret,
			   struct reason *why)
{
	static const char *const acts[] = { "prove", "login", "control" };
	struct world *w = of_cluster(t);
	bool control = kind == CLUSTER_PROOF_WRONG;
	enum fate f;

	(void)why;
	*ret = CLUSTER_LOGIN_NO_EVIDENCE;
	if (world_dead(w))
		return STATUS_OK;
	f = world_fate(w, acts[kind]);
	w->clock += 5000;
	if (f == FATE_REFUSED)
		return STATUS_ERROR; /* something local failed */
	/* PAM says so when an agent has not heard of it, or is not there. */
	if (w->gateway && f == FATE_GONE) {
		*ret = CLUSTER_LOGIN_WRONG;
		w->controls += control;
		return STATUS_OK;
	}
	if (w->shut || (f != FATE_GOOD && f != FATE_LIE))
		return STATUS_OK;
	if (w->pooler && !who->direct &&
	    !w->db.role[world_role_of(who->role)].can_login)
		return STATUS_OK;
	if (w->trust)
		*ret = CLUSTER_LOGIN_NOT_ASKED;
	else if (f == FATE_LIE) /* a control that passes, or a trust rule */
		*ret = control ? CLUSTER_LOGIN_RIGHT : CLUSTER_LOGIN_NOT_ASKED;
	else
		log_in(w, who, password, control, ret);
	return STATUS_OK;
}

static enum status t_way(struct cluster *t, const struct cluster_who *who,
			 char ret_way[CLUSTER_WAY_SIZE])
{
	(void)who;
	snprintf(ret_way, CLUSTER_WAY_SIZE, "%s", of_cluster(t)->way);
	return STATUS_OK;
}

const struct cluster_ops world_cluster_ops = {
	.type = "simulated",
	.open = t_open,
	.open_as = t_open_as,
	.release = t_release,
	.preflight = t_preflight,
	.claim = t_claim,
	.look = t_look,
	.peek = t_peek,
	.end_sessions = t_end_sessions,
	.apply = t_apply,
	.prove = t_prove,
	.way = t_way,
	.inspect = t_inspect,
};
