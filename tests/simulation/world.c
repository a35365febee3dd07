/* SPDX-License-Identifier: PostgreSQL */
/* The simulated world: what exists, what happens to it, what must hold.  Must
 * never use a clock or randomness but its own: a seed repeats a run. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

const char *fate_name(enum fate f)
{
	static const char *const names[] = {
		"good",	   "down",	   "lost before", "lost after",
		"late",	   "crash before", "crash after", "refused",
		"busy",	   "gone",	   "corrupt",	  "lie",
		"usurped", "restore",	   "foreign",	  "rollback",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == FATE_COUNT,
		       "every fate has a name");
	return names[f];
}

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
	struct world *w = self;
	unsigned char *b = p;

	w->draws++;
	if (w->draws >= w->random_from && w->draws < w->random_until)
		return STATUS_ERROR;
	for (size_t i = 0; i < n; i++)
		b[i] = (unsigned char)(world_random(w) >> 32);
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

void world_violate(struct world *w, const char *what, const char *after)
{
	if (!w->violation[0])
		snprintf(w->violation, sizeof(w->violation), "%s, after %s",
			 what, after);
}

struct world_version *world_find(const struct world *w, const char *id)
{
	for (size_t i = 0; i < w->store.n; i++)
		if (strcmp(w->store.v[i].id, id) == 0)
			return (struct world_version *)&w->store.v[i];
	return NULL;
}

const struct world_version *world_labelled(const struct world *w,
					   enum store_label label)
{
	for (size_t i = 0; i < w->store.n; i++)
		if (w->store.v[i].label == label)
			return &w->store.v[i];
	return NULL;
}

const char *world_label(const struct world *w, enum store_label label)
{
	const struct world_version *v = world_labelled(w, label);

	return v ? v->id : "";
}

int64_t world_current_since(const struct world *w)
{
	const struct world_version *v = world_labelled(w, STORE_LABEL_CURRENT);

	return v ? v->created_us : 0;
}

/* ---- the checks ---- */

bool world_ever_live(const struct world *w, const char *id)
{
	for (unsigned i = 0; i < w->n_live && i < WORLD_LIVES; i++)
		if (strcmp(w->ever_live[i], id) == 0)
			return true;
	return false;
}

void world_was_live(struct world *w, const char *id)
{
	snprintf(w->ever_live[w->n_live++ % WORLD_LIVES], RANDOM_UUID_SIZE,
		 "%s", id);
}

void world_check(struct world *w, const char *after)
{
	const struct world_version *current =
		world_labelled(w, STORE_LABEL_CURRENT);
	bool known = w->db.by_hand || w->rollbacks > 0;

	if (w->gateway) {
		world_gateway_check(w, after);
		return;
	}
	if (w->pair) {
		world_pair_check(w, after);
		return;
	}
	/* INV1: whatever logs in is in the store under a known label; but for
	 * what a person set, and after the store forgot. */
	for (size_t i = 0; i < w->store.n && !known; i++)
		known = strcmp(w->store.v[i].password, w->db.password) == 0;
	if (!known)
		world_violate(w, "INV1: the live password is not in the store",
			      after);
	/* INV4: CURRENT never names a password that never was live. */
	if (!current || world_ever_live(w, current->id))
		return;
	if (strcmp(current->password, w->db.password) == 0)
		world_was_live(w, current->id);
	else
		world_violate(w, "INV4: CURRENT was never live", after);
}

const char *world_password(const struct world *w)
{
	return w->pair ? w->db.role[w->db.active].password : w->db.password;
}

bool world_settled(const struct world *w)
{
	const struct world_version *current =
		world_labelled(w, STORE_LABEL_CURRENT);

	if (w->pair)
		return world_pair_settled(w);
	return current && strcmp(current->password, w->db.password) == 0 &&
	       (w->none || strcmp(current->id, w->db.live) == 0);
}

bool world_truthful(const struct world *w)
{
	const struct world_version *v = world_find(w, w->db.live);

	return v && strcmp(v->password, world_password(w)) == 0;
}

bool world_managed(const struct world *w)
{
	return w->db.live[0] || world_labelled(w, STORE_LABEL_CURRENT);
}

/* ---- what happens ---- */

bool world_dead(const struct world *w)
{
	return w->dead[w->acting];
}

/* Another rotator comes first: it takes the claim and stops there; or writes
 * the store, and only the revision shows it. */
static void usurp(struct world *w, const char *act)
{
	struct flight f = { .op = WORLD_CLAIM };

	if (strcmp(act, "settle") == 0) { /* it notes a version of its own */
		snprintf(w->gateway_fact, sizeof(w->gateway_fact),
			 "promoted an-usurpers");
		return;
	}
	if (strcmp(act, "stage") == 0 || strcmp(act, "promote") == 0 ||
	    strcmp(act, "retire") == 0 || strcmp(act, "withdraw") == 0) {
		w->store.revision++; /* which no one sees who compares labels */
		return;
	}
	snprintf(f.claim, sizeof(f.claim), "usurper %llx",
		 (unsigned long long)world_random(w));
	world_db_claim(w, &f);
}

enum fate world_fate(struct world *w, const char *act)
{
	enum fate f = w->fate ? w->fate(w, act, w->fate_arg) : FATE_GOOD;

	switch (f) {
	case FATE_USURP:
		usurp(w, act);
		return FATE_GOOD;
	case FATE_RESTORE:
		world_restore(w);
		return FATE_GOOD;
	case FATE_FOREIGN:
		world_by_hand(w);
		return FATE_GOOD;
	case FATE_ROLLBACK:
		world_store_rollback(w);
		return FATE_GOOD;
	case FATE_CRASH_BEFORE:
	case FATE_CRASH_AFTER:
		w->dead[w->acting] = true;
		return f;
	default:
		return f;
	}
}

void world_fly(struct world *w, const struct flight *f)
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

bool world_may_land(const struct world *w)
{
	for (int i = 0; i < WORLD_FLIGHTS; i++) {
		const struct flight *f = &w->flights[i];

		if (f->used && f->op == WORLD_APPLY &&
		    (f->sets_password || f->kind == CLUSTER_CHANGE_REVERT) &&
		    strcmp(f->claim, w->db.claim) == 0)
			return true;
	}
	return false;
}

static void land(struct world *w, const struct flight *f)
{
	if (f->op == WORLD_CLAIM) {
		world_db_claim(w, f);
		w->session_of_claim = 0; /* its client is long gone */
	} else if (f->op == WORLD_APPLY) {
		(w->pair ? world_pair_apply : world_db_apply)(w, f);
	} else {
		world_store_write(w, f);
	}
}

void world_land(struct world *w, unsigned which, bool lost)
{
	for (int i = 0; i < WORLD_FLIGHTS; i++) {
		if (!w->flights[i].used || which-- > 0)
			continue;
		w->flights[i].used = false;
		if (!lost)
			land(w, &w->flights[i]);
		return;
	}
}

void world_backup(struct world *w)
{
	w->db_backup = w->db;
}

void world_restore(struct world *w)
{
	w->db = w->db_backup;
	w->restores++;
	w->hurt = true;
	/* No session and no transaction outlives a restore. */
	if (w->mutation != WORLD_NO_SESSION_BINDING_NO_RETIRE) {
		w->dead_below = w->next_session;
		w->session_of_claim = 0;
		for (int i = 0; i < WORLD_FLIGHTS; i++)
			if (w->flights[i].op <= WORLD_APPLY)
				w->flights[i].used = false;
	}
	world_check(w, "a restore");
}

void world_store_backup(struct world *w)
{
	w->store_backup = w->store;
}

void world_store_rollback(struct world *w)
{
	int64_t revision = w->store.revision + 100;

	w->store = w->store_backup;
	w->store.revision = revision;
	w->rollbacks++;
	w->hurt = true;
}

void world_by_hand(struct world *w)
{
	w->hurt = true;
	if (w->pair) {
		world_pair_by_hand(w);
		return;
	}
	snprintf(w->db.password, sizeof(w->db.password), "by hand %u",
		 ++w->foreigns);
	w->db.by_hand = true;
	w->db.foreign = w->db.live[0] != '\0';
}

/* ---- making and running ---- */

void world_remembers(struct world *w, int64_t interval_us)
{
	const struct runner_env_options o = { .ledger = &w->ledger,
					      .now = &w->now,
					      .random = &w->random,
					      .control_interval_us =
						      interval_us,
					      .actor = "simulator" };

	runner_env_free(w->env);
	w->env = NULL;
	if (runner_env_new(&o, &w->env) != STATUS_OK)
		abort();
}

static void make_interfaces(struct world *w)
{
	w->now = (struct now){ sim_clock, sim_clock, sim_sleep, w };
	w->random = (struct random){ sim_random, w };
	w->cluster = (struct cluster){ .ops = &world_cluster_ops,
				       .name = "sim",
				       .host = "db",
				       .port = "5432",
				       .dbname = "app",
				       .sslmode = "verify-full",
				       .endpoints = 1 };
	w->store_if = (struct store){ &world_store_ops, "sim" };
	w->ledger = (struct ledger){ &world_ledger_ops };
	w->policy = policy_default();
	w->way = "the-one-way";
	world_remembers(w, 0);
}

void world_make(struct world *w, uint64_t seed)
{
	struct world_version *first = &w->store.v[0];

	memset(w, 0, sizeof(*w)); /* not secret */
	w->rng = seed;
	w->clock = INT64_C(1800000000) * NOW_SECOND;
	make_interfaces(w);
	/* One managed role: CURRENT is live. */
	w->store.n = 1;
	w->store.revision = 1;
	if (random_uuid(&w->random, first->id) != STATUS_OK)
		abort();
	snprintf(first->password, sizeof(first->password), "first-password");
	snprintf(first->login, sizeof(first->login), "partner");
	first->label = STORE_LABEL_CURRENT;
	memcpy(w->db.password, first->password, sizeof(w->db.password));
	memcpy(w->db.live, first->id, sizeof(w->db.live));
	world_was_live(w, first->id);
	w->store_before = w->store;
	snprintf(w->role.role, sizeof(w->role.role), "partner");
	world_backup(w);
	world_store_backup(w);
}

void world_forwards(struct world *w)
{
	w->forwards = w->cluster.doubts = true;
}

void world_no_marker(struct world *w)
{
	w->none = w->cluster.self = w->cluster.doubts = true;
	w->cluster.unmarked = true;
}

void world_free(struct world *w)
{
	runner_env_free(w->env);
	w->env = NULL;
}

struct runner *world_runner(struct world *w, int i, struct runner_job *job)
{
	struct runner *r = NULL;

	w->steps[i] = 0;
	job->role = "partner";
	job->rolname = "partner";
	job->cluster = &w->cluster;
	job->store = &w->store_if;
	job->policy = &w->policy;
	job->sinks = &w->sink;
	job->n_sinks = 1;
	job->prove_deadline_us = 5 * NOW_SECOND + 2 * w->lag_us;
	job->refusal_wait_us = 2 * w->lag_us;
	job->reason = "";
	job->takeover = job->mode == ENGINE_MODE_RECOVER;
	job->pair = w->pair ? &w->members : NULL;
	job->grace_us = WORLD_GRACE;
	job->tombstone_us = 3600 * NOW_SECOND;
	w->by_command[i] = job->emergency || job->compromised;
	w->replaced = w->replaced || job->emergency;
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
	world_sink_of(w);
	if (w->dead[i])
		return false;
	if (++w->steps[i] > WORLD_STEPS) {
		world_violate(w, "a run without an end", "a step");
		return false;
	}
	return runner_step(r) && !w->dead[i];
}
