/* SPDX-License-Identifier: PostgreSQL */
/* The simulated world; see world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- small helpers ---- */

uint64_t world_random(struct world *w)
{
	/* splitmix64 */
	uint64_t z = (w->rng += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static enum status sim_random(void *self, void *p, size_t n)
{
	unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		b[i] = (unsigned char)(world_random(self) >> 32);
	return STATUS_OK;
}

static int64_t sim_clock(void *self)
{
	struct world *w = self;

	return w->clock += 10;
}

static void sim_sleep(void *self, int64_t us)
{
	((struct world *)self)->clock += us;
}

static void violate(struct world *w, const char *what, const char *after)
{
	if (!w->violation[0])
		snprintf(w->violation, sizeof(w->violation), "%s after %s",
			 what, after);
}

static struct world_version *find(struct world *w, const char *id)
{
	for (size_t i = 0; i < w->store.n; i++)
		if (strcmp(w->store.v[i].id, id) == 0)
			return &w->store.v[i];
	return NULL;
}

static struct world_version *labelled(const struct world *w,
				      enum store_label label)
{
	for (size_t i = 0; i < w->store.n; i++)
		if (w->store.v[i].label == label)
			return (struct world_version *)&w->store.v[i];
	return NULL;
}

bool world_label(const struct world *w, enum store_label label,
		 const char **ret_id)
{
	const struct world_version *v = labelled(w, label);

	if (v)
		*ret_id = v->id;
	return v != NULL;
}

static bool listed(char (*list)[RANDOM_UUID_SIZE], unsigned n, unsigned max,
		   const char *id)
{
	for (unsigned i = 0; i < n && i < max; i++)
		if (strcmp(list[i % max], id) == 0)
			return true;
	return false;
}

/* ---- the checks ---- */

void world_check(struct world *w, const char *after)
{
	const struct world_version *current = labelled(w, STORE_LABEL_CURRENT);
	bool known = false;

	/* INV1: whatever logs in is in the store under a known label. */
	for (size_t i = 0; i < w->store.n; i++)
		if (strcmp(w->store.v[i].password, w->db.password) == 0)
			known = true;
	if (!known && !w->db.foreign)
		violate(w, "INV1: the live password is not in the store",
			after);
	/* INV4: CURRENT never names a password that never was live. */
	if (current && !listed(w->ever_live, w->n_live, 64, current->id))
		violate(w, "INV4: CURRENT was never live", after);
}

bool world_settled(const struct world *w)
{
	const struct world_version *current = labelled(w, STORE_LABEL_CURRENT);

	return current && strcmp(current->password, w->db.password) == 0 &&
	       strcmp(current->id, w->db.live) == 0;
}

/* ---- effects on database and store ---- */

static void became_live(struct world *w, const char *id)
{
	snprintf(w->ever_live[w->n_live % 64], RANDOM_UUID_SIZE, "%s", id);
	w->n_live++;
}

static bool db_apply(struct world *w, const struct flight *f)
{
	if (w->mutation != WORLD_NO_DB_CAS &&
	    strcmp(w->db.claim, f->claim) != 0)
		return false;
	snprintf(w->db.live, sizeof(w->db.live), "%s", f->version);
	if (f->sets_password) {
		snprintf(w->db.password, sizeof(w->db.password), "%s",
			 f->password);
		w->db.foreign = false;
	}
	became_live(w, f->version);
	world_check(w, "apply");
	return true;
}

static void db_claim(struct world *w, const struct flight *f)
{
	/* `revision` carries the floor. */
	if (w->db.epoch < f->revision)
		w->db.epoch = f->revision;
	w->db.epoch++;
	snprintf(w->db.claim, sizeof(w->db.claim), "%s", f->claim);
	w->session_of_claim = f->session;
}

static unsigned ring_depth(const struct world *w)
{
	return w->mutation == WORLD_SHORT_RING ? 0 : STORE_RING_MIN;
}

/* Versions are kept newest first; the oldest of the ring falls out. */
static void prune(struct world *w)
{
	unsigned kept = 0;

	for (size_t i = 0; i < w->store.n; i++) {
		if (w->store.v[i].label != STORE_LABEL_RING)
			continue;
		if (++kept <= ring_depth(w))
			continue;
		memmove(&w->store.v[i], &w->store.v[i + 1],
			(w->store.n - i - 1) * sizeof(w->store.v[0]));
		w->store.n--;
		i--;
	}
}

/* Into the ring, as its newest: what was live last is what a restore brings
 * back first. */
static void to_ring(struct world *w, const char *id)
{
	struct world_version v = *find(w, id);
	size_t i = (size_t)(find(w, id) - w->store.v);

	memmove(&w->store.v[1], &w->store.v[0], i * sizeof(v));
	v.label = STORE_LABEL_RING;
	w->store.v[0] = v;
}

static void drop_version(struct world *w, struct world_version *v)
{
	size_t i = (size_t)(v - w->store.v);

	memmove(v, v + 1, (w->store.n - i - 1) * sizeof(*v));
	w->store.n--;
}

/* INV2: no password is staged while an earlier apply may still commit. */
static void check_inv2(struct world *w, const char *id)
{
	for (int i = 0; i < WORLD_FLIGHTS; i++) {
		const struct flight *f = &w->flights[i];

		if (f->used && !f->to_store && f->apply &&
		    strcmp(f->claim, w->db.claim) == 0 &&
		    strcmp(f->version, id) != 0)
			violate(w, "INV2: staged while an apply may commit",
				"stage");
	}
}

static enum status store_write(struct world *w, const struct flight *f)
{
	struct world_version *v = find(w, f->version);
	struct world_version *pending = labelled(w, STORE_LABEL_PENDING);
	bool drops = w->mutation == WORLD_PENDING_DROPPED ||
		     w->mutation == WORLD_NO_SESSION_BINDING_NO_RETIRE;

	if (f->op == 0 && v && v->label == STORE_LABEL_PENDING)
		return STATUS_OK;
	if (f->op == 1 && v && v->label == STORE_LABEL_CURRENT)
		return STATUS_OK;
	if (w->mutation != WORLD_NO_STORE_CAS &&
	    f->revision != w->store.revision)
		return STATUS_CONFLICT;
	if (f->op == 0) {
		check_inv2(w, f->version);
		if (pending && drops)
			drop_version(w, pending);
		else if (pending)
			to_ring(w, pending->id);
		memmove(&w->store.v[1], &w->store.v[0],
			w->store.n * sizeof(w->store.v[0]));
		w->store.n++;
		v = &w->store.v[0];
		snprintf(v->id, sizeof(v->id), "%s", f->version);
		snprintf(v->password, sizeof(v->password), "%s", f->password);
		v->label = STORE_LABEL_PENDING;
		v->created_us = w->clock;
	} else if (f->op == 1) {
		struct world_version *c, *p;

		if (!v)
			return STATUS_REFUSED;
		p = labelled(w, STORE_LABEL_PREVIOUS);
		if (p && p != v)
			to_ring(w, p->id);
		c = labelled(w, STORE_LABEL_CURRENT);
		if (c)
			c->label = STORE_LABEL_PREVIOUS;
		find(w, f->version)->label = STORE_LABEL_CURRENT;
	} else {
		if (!v || v->label != STORE_LABEL_PENDING)
			return STATUS_OK;
		to_ring(w, v->id);
	}
	prune(w);
	w->store.revision++;
	world_check(w, "a store write");
	return STATUS_OK;
}

/* ---- what becomes of an act ---- */

static enum fate fate_of(struct world *w, const char *act)
{
	enum fate f = FATE_GOOD;

	w->acts++;
	if (w->fate)
		f = w->fate(w, act, w->fate_arg);
	if (f == FATE_RESTORE) {
		world_restore(w);
		f = FATE_GOOD;
	} else if (f == FATE_FOREIGN) {
		snprintf(w->db.password, sizeof(w->db.password), "by hand %u",
			 ++w->foreigns);
		w->db.foreign = true;
		f = FATE_GOOD;
	}
	if (f == FATE_CRASH_BEFORE || f == FATE_CRASH_AFTER)
		w->dead[w->acting] = true;
	return f;
}

static bool is_dead(const struct world *w)
{
	return w->dead[w->acting];
}

static void fly(struct world *w, const struct flight *f)
{
	for (int i = 0; i < WORLD_FLIGHTS; i++)
		if (!w->flights[i].used) {
			w->flights[i] = *f;
			w->flights[i].used = true;
			return;
		}
}

unsigned world_in_flight(const struct world *w)
{
	unsigned n = 0;

	for (int i = 0; i < WORLD_FLIGHTS; i++)
		n += w->flights[i].used;
	return n;
}

void world_land(struct world *w, unsigned which, bool lost)
{
	for (int i = 0; i < WORLD_FLIGHTS; i++) {
		struct flight *f = &w->flights[i];

		if (!f->used || which-- > 0)
			continue;
		f->used = false;
		if (lost)
			return;
		if (f->to_store)
			store_write(w, f);
		else if (f->apply)
			db_apply(w, f);
		else
			db_claim(w, f);
		return;
	}
}

void world_backup(struct world *w)
{
	w->snapshot = w->db;
	w->have_snapshot = true;
}

void world_restore(struct world *w)
{
	if (!w->have_snapshot)
		return;
	w->db = w->snapshot;
	w->restores++;
	/* No session and no transaction outlives a restore. */
	if (w->mutation != WORLD_NO_SESSION_BINDING_NO_RETIRE) {
		w->dead_below = w->next_session;
		for (int i = 0; i < WORLD_FLIGHTS; i++)
			if (!w->flights[i].to_store)
				w->flights[i].used = false;
	}
	world_check(w, "a restore");
}

/* ---- target ---- */

struct target_session {
	int id;
};

static struct world *of_target(struct target *t)
{
	return (struct world *)((char *)t - offsetof(struct world, target));
}

static enum status t_open(struct target *t, struct target_session **ret,
			  struct reason *why)
{
	struct world *w = of_target(t);
	struct target_session *s;

	(void)why;
	if (is_dead(w) || fate_of(w, "open") != FATE_GOOD)
		return STATUS_CLUSTER_UNAVAILABLE;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->id = ++w->next_session;
	*ret = s;
	return STATUS_OK;
}

static void t_release(struct target *t, struct target_session *s, bool clean)
{
	(void)t;
	(void)clean;
	free(s);
}

static bool lost_session(const struct world *w, const struct target_session *s)
{
	return s->id <= w->dead_below;
}

static enum status t_preflight(struct target *t, struct target_session *s,
			       const char *role, target_finding_fn *finding,
			       void *arg, struct reason *why)
{
	struct world *w = of_target(t);
	enum fate f;

	(void)s, (void)role, (void)finding, (void)arg, (void)why;
	if (is_dead(w))
		return STATUS_CLUSTER_UNAVAILABLE;
	f = fate_of(w, "preflight");
	if (f == FATE_REFUSED)
		return STATUS_REFUSED;
	return f == FATE_GOOD ? STATUS_OK : STATUS_CLUSTER_UNAVAILABLE;
}

static void fill_marker(const struct world *w, struct target_marker *m)
{
	memset(m, 0, sizeof(*m));
	m->role_oid = 1;
	m->found = true;
	snprintf(m->live_version, sizeof(m->live_version), "%s", w->db.live);
	snprintf(m->claim, sizeof(m->claim), "%s", w->db.claim);
	m->epoch = w->db.epoch;
	m->foreign = w->readable && w->db.foreign && w->db.live[0];
}

/* Shared tail of every act on the database: do f now, later, or not. */
static enum status db_act(struct world *w, const char *act,
			  const struct flight *f,
			  bool (*done)(struct world *, const struct flight *),
			  bool *ret_hit)
{
	enum fate fate = fate_of(w, act);

	*ret_hit = true;
	if (f->session <= w->dead_below &&
	    w->mutation != WORLD_NO_SESSION_BINDING_NO_RETIRE)
		return STATUS_UNKNOWN;
	switch (fate) {
	case FATE_DOWN:
		return STATUS_CLUSTER_UNAVAILABLE;
	case FATE_REFUSED:
		return STATUS_REFUSED;
	case FATE_LATE:
		fly(w, f);
		return STATUS_UNKNOWN;
	case FATE_LOST_BEFORE:
	case FATE_CRASH_BEFORE:
		return STATUS_UNKNOWN;
	case FATE_LOST_AFTER:
	case FATE_CRASH_AFTER:
		done(w, f);
		return STATUS_UNKNOWN;
	default:
		*ret_hit = done(w, f);
		return STATUS_OK;
	}
}

static bool claim_done(struct world *w, const struct flight *f)
{
	db_claim(w, f);
	return true;
}

static enum status t_claim(struct target *t, struct target_session *s,
			   const char *role, const char *claim, bool takeover,
			   int64_t floor, struct target_marker *ret,
			   struct reason *why)
{
	struct world *w = of_target(t);
	struct flight f = { .rotator = w->acting, .session = s->id };
	int64_t was;
	bool hit;
	enum status st;

	(void)role, (void)takeover, (void)why;
	if (is_dead(w))
		return STATUS_UNKNOWN;
	snprintf(f.claim, sizeof(f.claim), "%s", claim);
	f.revision = floor;
	was = w->db.epoch;
	st = db_act(w, "claim", &f, claim_done, &hit);
	if (st == STATUS_OK) {
		fill_marker(w, ret);
		ret->epoch_was = was;
	}
	return st;
}

static enum status t_look(struct target *t, struct target_session *s,
			  const char *role, struct target_marker *ret,
			  struct reason *why)
{
	struct world *w = of_target(t);

	(void)role, (void)why;
	if (is_dead(w) || fate_of(w, "look") != FATE_GOOD || lost_session(w, s))
		return STATUS_UNKNOWN;
	fill_marker(w, ret);
	return STATUS_OK;
}

static enum status t_apply(struct target *t, struct target_session *s,
			   const char *role, const char *claim,
			   const char *version, const struct secret *password,
			   struct reason *why)
{
	struct world *w = of_target(t);
	struct flight f = { .rotator = w->acting,
			    .apply = true,
			    .session = s->id,
			    .sets_password = password != NULL };
	bool hit;
	enum status st;

	(void)role, (void)why;
	if (is_dead(w))
		return STATUS_UNKNOWN;
	if (w->reject && password)
		return STATUS_REJECTED;
	snprintf(f.claim, sizeof(f.claim), "%s", claim);
	snprintf(f.version, sizeof(f.version), "%s", version);
	if (password)
		snprintf(f.password, sizeof(f.password), "%s",
			 secret_bytes(password));
	if (lost_session(w, s) &&
	    w->mutation != WORLD_NO_SESSION_BINDING_NO_RETIRE) {
		fate_of(w, "apply");
		return STATUS_UNKNOWN;
	}
	st = db_act(w, "apply", &f, db_apply, &hit);
	if (st == STATUS_OK && !hit)
		return STATUS_CONFLICT;
	return st;
}

static enum status t_prove(struct target *t, const char *role,
			   const struct secret *password, bool control,
			   enum target_login *ret, struct reason *why)
{
	struct world *w = of_target(t);
	enum fate f;

	(void)role, (void)why;
	*ret = TARGET_LOGIN_NO_EVIDENCE;
	if (is_dead(w))
		return STATUS_OK;
	f = fate_of(w, control ? "control" : "prove");
	if (is_dead(w) || (f != FATE_GOOD && f != FATE_LIE))
		return STATUS_OK;
	w->clock += 5000;
	if (w->trust || f == FATE_LIE)
		*ret = TARGET_LOGIN_NOT_ASKED;
	else if (strcmp(secret_bytes(password), w->db.password) == 0) {
		*ret = TARGET_LOGIN_RIGHT;
		snprintf(w->proved[w->n_proved++ % 8], sizeof(w->proved[0]),
			 "%s", w->db.password);
	} else
		*ret = TARGET_LOGIN_WRONG;
	return STATUS_OK;
}

static enum status t_inspect(struct target *t, struct target_session *s,
			     const char *role, struct target_marker *ret,
			     struct reason *why)
{
	struct world *w = of_target(t);

	(void)role, (void)why;
	if (is_dead(w) || fate_of(w, "inspect") != FATE_GOOD ||
	    lost_session(w, s))
		return STATUS_UNKNOWN;
	fill_marker(w, ret);
	return STATUS_OK;
}

static const struct target_ops target_ops = {
	.type = "simulated",
	.open = t_open,
	.release = t_release,
	.preflight = t_preflight,
	.claim = t_claim,
	.look = t_look,
	.apply = t_apply,
	.prove = t_prove,
	.inspect = t_inspect,
};

/* ---- store ---- */

static struct world *of_store(struct store *s)
{
	return (struct world *)((char *)s - offsetof(struct world, store_if));
}

static void fill_state(const struct world *w, struct store_state *ret)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->revision, sizeof(ret->revision), "%lld",
		 (long long)w->store.revision);
	ret->n = w->store.n;
	for (size_t i = 0; i < w->store.n; i++) {
		snprintf(ret->versions[i].id, RANDOM_UUID_SIZE, "%s",
			 w->store.v[i].id);
		ret->versions[i].label = w->store.v[i].label;
		ret->versions[i].created_us = w->store.v[i].created_us;
	}
}

static enum status s_canary(struct store *s, struct reason *why)
{
	struct world *w = of_store(s);

	(void)why;
	if (is_dead(w) || fate_of(w, "canary") != FATE_GOOD)
		return STATUS_STORE_UNAVAILABLE;
	return STATUS_OK;
}

static enum status s_describe(struct store *s, const char *name,
			      struct store_state *ret, struct reason *why)
{
	struct world *w = of_store(s);

	(void)name, (void)why;
	if (is_dead(w) || fate_of(w, "describe") != FATE_GOOD)
		return STATUS_STORE_UNAVAILABLE;
	fill_state(w, ret);
	return STATUS_OK;
}

static enum status s_fetch(struct store *s, const char *name, const char *id,
			   struct store_entry *ret, struct reason *why)
{
	struct world *w = of_store(s);
	struct world_version *v;
	enum fate f;

	(void)name, (void)why;
	if (is_dead(w))
		return STATUS_STORE_UNAVAILABLE;
	f = fate_of(w, "fetch");
	if (is_dead(w) || (f != FATE_GOOD && f != FATE_LIE))
		return STATUS_STORE_UNAVAILABLE;
	v = find(w, id);
	if (!v)
		return STATUS_NOT_FOUND;
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->username, sizeof(ret->username), "partner");
	if (secret_new(600, &ret->password) != STATUS_OK)
		abort();
	secret_set(ret->password, v->password, strlen(v->password));
	if (f == FATE_LIE)
		secret_append(ret->password, "x", 1);
	return STATUS_OK;
}

static enum status write_act(struct store *s, const char *act, struct flight *f,
			     const char *revision, const char *id,
			     struct store_state *ret_state)
{
	struct world *w = of_store(s);
	enum status st;

	if (is_dead(w))
		return STATUS_UNKNOWN;
	f->to_store = true;
	f->rotator = w->acting;
	f->revision = strtoll(revision, NULL, 10);
	snprintf(f->version, sizeof(f->version), "%s", id);
	switch (fate_of(w, act)) {
	case FATE_DOWN:
		return STATUS_STORE_UNAVAILABLE;
	case FATE_REFUSED:
		return STATUS_REFUSED;
	case FATE_LATE:
		fly(w, f);
		return STATUS_UNKNOWN;
	case FATE_LOST_BEFORE:
	case FATE_CRASH_BEFORE:
		return STATUS_UNKNOWN;
	case FATE_LOST_AFTER:
	case FATE_CRASH_AFTER:
		store_write(w, f);
		return STATUS_UNKNOWN;
	case FATE_LIE: /* says done and did nothing */
		if (ret_state)
			fill_state(w, ret_state);
		return STATUS_OK;
	default:
		st = store_write(w, f);
		if (st == STATUS_OK && ret_state)
			fill_state(w, ret_state);
		return st;
	}
}

static enum status s_stage(struct store *s, const char *name,
			   const char *revision, const char *id,
			   const struct store_entry *entry,
			   struct store_state *ret_state, struct reason *why)
{
	struct flight f = { .op = 0 };

	(void)name, (void)why;
	of_store(s)->generated++;
	snprintf(f.password, sizeof(f.password), "%s",
		 secret_bytes(entry->password));
	return write_act(s, "stage", &f, revision, id, ret_state);
}

static bool was_proved(const struct world *w, const char *password)
{
	for (unsigned i = 0; i < w->n_proved && i < 8; i++)
		if (strcmp(w->proved[i], password) == 0)
			return true;
	return false;
}

static enum status s_promote(struct store *s, const char *name,
			     const char *revision, const char *id,
			     struct store_state *ret_state, struct reason *why)
{
	struct world *w = of_store(s);
	struct flight f = { .op = 1 };
	const struct world_version *v = find(w, id);

	(void)name, (void)why;
	/* INV7: evidence is durable before CURRENT moves; and it is a login,
	 * unless a restore made the marker speak. */
	if (!is_dead(w)) {
		if (!w->evidence || strcmp(w->evidence_for, id) != 0)
			violate(w, "INV7: CURRENT moves without evidence",
				"promote");
		if (v && v->label == STORE_LABEL_PENDING &&
		    !was_proved(w, v->password))
			violate(w, "CURRENT moves without a proven login",
				"promote");
	}
	return write_act(s, "promote", &f, revision, id, ret_state);
}

static enum status s_retire(struct store *s, const char *name,
			    const char *revision, const char *id,
			    struct store_state *ret_state, struct reason *why)
{
	struct flight f = { .op = 2 };

	(void)name, (void)why;
	return write_act(s, "retire", &f, revision, id, ret_state);
}

static const struct store_ops store_ops = {
	.type = "simulated",
	.canary = s_canary,
	.describe = s_describe,
	.fetch = s_fetch,
	.stage = s_stage,
	.promote = s_promote,
	.retire = s_retire,
};

/* ---- ledger ---- */

static struct world *of_ledger(struct ledger *l)
{
	return (struct world *)((char *)l - offsetof(struct world, ledger));
}

static enum status l_begin(struct ledger *l, const char *run, const char *role,
			   const char *mode, const char *actor,
			   const char *reason, struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)role, (void)mode, (void)actor, (void)reason, (void)why;
	if (is_dead(w) || fate_of(w, "intent") != FATE_GOOD)
		return STATUS_LEDGER_UNAVAILABLE;
	snprintf(w->role.open_run, sizeof(w->role.open_run), "%s", run);
	w->have_role = true;
	return STATUS_OK;
}

static enum status l_note(struct ledger *l, const struct ledger_event *events,
			  size_t n, bool durable, struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)why;
	if (is_dead(w))
		return STATUS_LEDGER_UNAVAILABLE;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(events[i].kind, "restore") == 0)
			w->restores_noted++;
		if (strcmp(events[i].kind, "evidence") != 0)
			continue;
		if (!durable)
			violate(w, "INV7: evidence is not durable", "note");
		if (fate_of(w, "evidence") != FATE_GOOD)
			return STATUS_LEDGER_UNAVAILABLE;
		w->evidence = true;
		snprintf(w->evidence_for, sizeof(w->evidence_for), "%s",
			 events[i].version);
	}
	return STATUS_OK;
}

static enum status l_close(struct ledger *l, const char *run,
			   const struct ledger_event *events, size_t n,
			   const struct ledger_role *role, const char *status,
			   const char *version, const char *error,
			   const char *steps, bool keep_open,
			   struct reason *why)
{
	struct world *w = of_ledger(l);
	bool frozen = w->role.frozen;
	int64_t epoch = w->role.epoch;

	(void)run, (void)events, (void)n, (void)status, (void)version;
	(void)error, (void)steps, (void)why;
	if (is_dead(w) || fate_of(w, "close") != FATE_GOOD)
		return STATUS_LEDGER_UNAVAILABLE;
	w->role = *role;
	/* A slower run's record does not take the ledger back. */
	if (w->role.epoch < epoch)
		w->role.epoch = epoch;
	w->role.frozen = frozen;
	if (!keep_open)
		w->role.open_run[0] = '\0';
	w->have_role = true;
	return STATUS_OK;
}

static enum status l_role(struct ledger *l, const char *role,
			  struct ledger_role *ret, struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)role, (void)why;
	if (is_dead(w))
		return STATUS_LEDGER_UNAVAILABLE;
	*ret = w->role;
	return w->have_role ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status l_freeze(struct ledger *l, const char *role,
			    const char *actor, const char *reason,
			    struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)role, (void)actor, (void)reason, (void)why;
	if (is_dead(w) || fate_of(w, "freeze") != FATE_GOOD)
		return STATUS_LEDGER_UNAVAILABLE;
	w->role.frozen = true;
	w->frozen_times++;
	return STATUS_OK;
}

static enum status l_remember(struct ledger *l, const char *key,
			      const char *value, int64_t until_us,
			      struct reason *why)
{
	(void)key, (void)value, (void)until_us, (void)why;
	of_ledger(l)->control_remembered = true;
	return STATUS_OK;
}

static enum status l_recall(struct ledger *l, const char *key, int64_t now_us,
			    char ret_value[LEDGER_TEXT_SIZE],
			    struct reason *why)
{
	(void)key, (void)now_us, (void)why;
	snprintf(ret_value, LEDGER_TEXT_SIZE, "refused");
	return of_ledger(l)->control_remembered ? STATUS_OK : STATUS_NOT_FOUND;
}

static const struct ledger_ops ledger_ops = {
	.type = "simulated",
	.begin = l_begin,
	.note = l_note,
	.close_run = l_close,
	.role = l_role,
	.freeze = l_freeze,
	.remember = l_remember,
	.recall = l_recall,
};

/* ---- making and running ---- */

void world_make(struct world *w, uint64_t seed)
{
	struct runner_env_options o;

	memset(w, 0, sizeof(*w));
	w->rng = seed;
	w->clock = INT64_C(1800000000) * NOW_SECOND;
	w->now = (struct now){ sim_clock, sim_clock, sim_sleep, w };
	w->random = (struct random){ sim_random, w };
	w->target = (struct target){ .ops = &target_ops,
				     .name = "sim",
				     .host = "db",
				     .port = "5432",
				     .dbname = "app",
				     .sslmode = "verify-full" };
	w->store_if = (struct store){ &store_ops, "sim" };
	w->ledger = (struct ledger){ &ledger_ops };
	w->policy = policy_default();
	o = (struct runner_env_options){ .ledger = &w->ledger,
					 .now = &w->now,
					 .random = &w->random,
					 .control_interval_us = 0,
					 .actor = "simulator" };
	if (runner_env_new(&o, &w->env) != STATUS_OK)
		abort();
	/* One managed role: CURRENT is live. */
	w->store.n = 1;
	w->store.revision = 1;
	random_uuid(&w->random, w->store.v[0].id);
	snprintf(w->store.v[0].password, sizeof(w->store.v[0].password),
		 "first-password");
	w->store.v[0].label = STORE_LABEL_CURRENT;
	snprintf(w->db.password, sizeof(w->db.password), "first-password");
	snprintf(w->db.live, sizeof(w->db.live), "%s", w->store.v[0].id);
	became_live(w, w->db.live);
	snprintf(w->role.role, sizeof(w->role.role), "partner");
}

void world_free(struct world *w)
{
	runner_env_free(w->env);
	w->env = NULL;
}

struct runner *world_runner(struct world *w, int i, struct runner_job *job,
			    enum engine_mode mode, bool fresh)
{
	struct runner *r = NULL;

	*job = (struct runner_job){ .role = "partner",
				    .rolname = "partner",
				    .target = &w->target,
				    .store = &w->store_if,
				    .policy = &w->policy,
				    .prove_deadline_us = 5 * NOW_SECOND,
				    .mode = mode,
				    .fresh = fresh,
				    .reason = "" };
	w->dead[i] = false;
	w->acting = i;
	if (runner_new(w->env, job, &r) != STATUS_OK)
		abort();
	return r;
}

bool world_step(struct world *w, int i, struct runner *r)
{
	w->acting = i;
	w->evidence = false;
	if (w->dead[i])
		return false;
	return runner_step(r) && !w->dead[i];
}
