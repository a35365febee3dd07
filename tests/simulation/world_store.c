/* SPDX-License-Identifier: PostgreSQL */
/* The simulated store and sink.  Must never write without a compare-and-swap
 * on the revision, or lose a version, unless a test says so. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_versions.h"
#include "world_internal.h"

#define LONG_RING 32

static struct world *of_store(struct store *s)
{
	return (struct world *)((char *)s - offsetof(struct world, store_if));
}

void world_labels(struct world *w)
{
	static struct store_ops ops;

	ops = world_store_ops;
	ops.type = "simulated by labels";
	ops.by_label = true;
	w->labels = true;
	w->store_if.ops = &ops;
}

void world_forget_labels(struct world *w)
{
	w->store_if.ops = &world_store_ops;
}

/* ---- effects ---- */

/* As a store of AWS's kind says it: the same again when the labels are; before the
 * stroke CURRENT, which is what a promotion is compared with. */
static void write_labels(const struct world_store *s, char *ret, size_t size)
{
	const char *current = "";
	unsigned long long hash = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].label == STORE_LABEL_RING)
			continue;
		if (s->v[i].label == STORE_LABEL_CURRENT)
			current = s->v[i].id;
		for (const char *c = s->v[i].id; *c; c++)
			hash = hash * 1099511628211ULL + (unsigned char)*c;
		hash += (unsigned long long)s->v[i].label;
	}
	snprintf(ret, size, "%s/%llx", current, hash);
}

static void fill_state(const struct world *w, const struct world_store *s,
		       struct store_state *ret)
{
	memset(ret, 0, sizeof(*ret)); /* not secret */
	if (w->labels)
		write_labels(s, ret->revision, sizeof(ret->revision));
	else
		snprintf(ret->revision, sizeof(ret->revision), "%lld",
			 (long long)s->revision);
	ret->n = s->n;
	for (size_t i = 0; i < s->n; i++) {
		memcpy(ret->versions[i].id, s->v[i].id, RANDOM_UUID_SIZE);
		ret->versions[i].label = s->v[i].label;
		ret->versions[i].created_us = s->v[i].created_us;
		ret->versions[i].lived = s->v[i].lived ||
					 s->v[i].label == STORE_LABEL_CURRENT ||
					 s->v[i].label == STORE_LABEL_PREVIOUS;
	}
}

/* The list as it was changed; a version that is new has the flight's password. */
static void take_state(struct world *w, const struct store_state *s,
		       const struct flight *f)
{
	const struct world_store before = w->store;
	const struct world_version *old;
	struct world_version *v;

	w->store.n = 0;
	for (size_t i = 0; i < s->n; i++) {
		if (s->versions[i].label == STORE_LABEL_RING &&
		    w->mutation == WORLD_SHORT_RING)
			continue;
		if (w->store.n == WORLD_VERSIONS)
			abort();
		v = &w->store.v[w->store.n++];
		for (old = before.v; old < before.v + before.n; old++)
			if (strcmp(old->id, s->versions[i].id) == 0)
				break;
		memcpy(v->password,
		       old < before.v + before.n ? old->password : f->password,
		       sizeof(v->password));
		memcpy(v->login,
		       old < before.v + before.n ? old->login : f->login,
		       sizeof(v->login));
		memcpy(v->id, s->versions[i].id, sizeof(v->id));
		v->label = s->versions[i].label;
		v->created_us = s->versions[i].created_us;
		v->lived = s->versions[i].lived;
	}
}

/* INV2: no password is staged while an earlier apply may still commit. */
static void check_inv2(struct world *w, const char *id)
{
	for (int i = 0; i < WORLD_FLIGHTS; i++) {
		const struct flight *f = &w->flights[i];

		if (f->used && f->op == WORLD_APPLY &&
		    f->kind <= CLUSTER_CHANGE_REVERT &&
		    strcmp(f->claim, w->db.claim) == 0 &&
		    strcmp(f->version, id) != 0)
			world_violate(w,
				      "INV2: staged while an apply may commit",
				      "stage");
	}
}

static void stage(struct world *w, const struct flight *f,
		  struct store_state *s)
{
	const char *pending = world_label(w, STORE_LABEL_PENDING);

	check_inv2(w, f->version);
	if (w->mutation == WORLD_PENDING_DROPPED ||
	    w->mutation == WORLD_NO_SESSION_BINDING_NO_RETIRE)
		store_versions_drop(s, pending);
	if (store_versions_stage(s, f->version, w->clock,
				 w->labels ? LONG_RING : STORE_RING_MIN) !=
	    STATUS_OK)
		abort();
}

/* What loses the label has it; to stage compares nothing. */
static bool takes_label(const struct world *w, const struct flight *f)
{
	static const enum store_label labels[] = {
		[WORLD_PROMOTE] = STORE_LABEL_CURRENT,
		[WORLD_RETIRE] = STORE_LABEL_PENDING,
		[WORLD_WITHDRAW] = STORE_LABEL_PREVIOUS,
	};

	return f->op == WORLD_STAGE ||
	       strcmp(f->from, world_label(w, labels[f->op])) == 0;
}

bool world_store_takes(const struct world *w, const struct flight *f)
{
	if (w->labels && w->mutation != WORLD_NO_STORE_CAS)
		return takes_label(w, f);
	return w->mutation == WORLD_NO_STORE_CAS ||
	       f->revision == w->store.revision ||
	       (w->mutation == WORLD_PAIR_NO_WITHDRAWAL && w->withdrawn &&
		f->revision == w->store.revision - 1);
}

/* The label stays on what became CURRENT, and is seen again when that has no other
 * any more. */
static void keep_pending(struct world *w, const struct flight *f,
			 struct store_state *s)
{
	if (f->op == WORLD_STAGE)
		memcpy(w->store.pending, f->version, sizeof(w->store.pending));
	else if (f->op == WORLD_RETIRE)
		w->store.pending[0] = '\0';
	for (size_t i = 0; i < s->n; i++)
		if (s->versions[i].label == STORE_LABEL_RING &&
		    strcmp(s->versions[i].id, w->store.pending) == 0)
			s->versions[i].label = STORE_LABEL_PENDING;
}

enum status world_store_write(struct world *w, const struct flight *f)
{
	const struct world_version *v = world_find(w, f->version);
	struct store_state s;

	if (w->labels && v && f->op == WORLD_STAGE)
		return STATUS_OK; /* and moves nothing */
	/* A repeat of what already happened is well; that of a staging moves the
	 * revision, so that whoever read it before is fenced. */
	if (v && f->op == WORLD_STAGE && v->label == STORE_LABEL_PENDING) {
		w->store.revision += f->revision == w->store.revision;
		return STATUS_OK;
	}
	if (v && f->op == WORLD_PROMOTE && v->label == STORE_LABEL_CURRENT)
		return STATUS_OK;
	if (!world_store_takes(w, f) && !(w->labels && f->op == WORLD_RETIRE))
		return STATUS_CONFLICT;
	if (f->op == WORLD_PROMOTE && !v)
		return STATUS_REFUSED;
	if (f->op == WORLD_RETIRE && (!v || v->label != STORE_LABEL_PENDING))
		return v && v->label == STORE_LABEL_RING ? STATUS_OK :
							   STATUS_REFUSED;
	w->store_before = w->store;
	fill_state(w, &w->store, &s);
	if (f->op == WORLD_STAGE)
		stage(w, f, &s);
	else if (f->op == WORLD_PROMOTE)
		store_versions_promote(&s, f->version);
	else if (f->op == WORLD_WITHDRAW)
		store_versions_withdraw(&s);
	else
		store_versions_retire(&s, f->version);
	store_versions_prune(&s, w->labels ? LONG_RING : STORE_RING_MIN);
	if (w->labels)
		keep_pending(w, f, &s);
	take_state(w, &s, f);
	w->store.revision++;
	w->withdrawn = f->op == WORLD_WITHDRAW;
	world_check(w, "a store write");
	return STATUS_OK;
}

/* ---- the interface ---- */

/* What a read fails with. */
static enum status read_status(enum fate f)
{
	switch (f) {
	case FATE_GOOD:
	case FATE_LIE:
		return STATUS_OK;
	case FATE_CORRUPT:
		return STATUS_CORRUPT;
	case FATE_REFUSED:
		return STATUS_REFUSED;
	default:
		return STATUS_STORE_UNAVAILABLE;
	}
}

static enum status s_canary(struct store *s, struct reason *why)
{
	struct world *w = of_store(s);

	(void)why;
	if (world_dead(w))
		return STATUS_STORE_UNAVAILABLE;
	return read_status(world_fate(w, "canary"));
}

/* What can be asked for without writing is told by the canary already. */
static enum status s_ready(struct store *s, const char *name,
			   struct reason *why)
{
	(void)s, (void)name, (void)why;
	return STATUS_OK;
}

static enum status s_describe(struct store *s, const char *name,
			      struct store_state *ret, struct reason *why)
{
	struct world *w = of_store(s);
	enum status st;
	enum fate f;

	(void)name, (void)why;
	if (world_dead(w))
		return STATUS_STORE_UNAVAILABLE;
	f = world_fate(w, "describe");
	st = read_status(f);
	w->stale_reads += f == FATE_LIE;
	if (st == STATUS_OK) /* the lie is a stale read */
		fill_state(w,
			   f == FATE_LIE || w->remembers ? &w->store_before :
							   &w->store,
			   ret);
	ret->remembered = w->remembers;
	w->remembers = false;
	return st;
}

static enum status s_fetch(struct store *s, const char *name, const char *id,
			   struct store_entry *ret, struct reason *why)
{
	struct world *w = of_store(s);
	const struct world_version *v;
	enum status st;
	enum fate f;

	(void)name, (void)why;
	if (world_dead(w))
		return STATUS_STORE_UNAVAILABLE;
	f = world_fate(w, "fetch");
	if (f == FATE_GONE)
		return STATUS_NOT_FOUND;
	st = read_status(f);
	if (st != STATUS_OK)
		return st;
	v = world_find(w, id);
	if (!v)
		return STATUS_NOT_FOUND;
	snprintf(ret->username, sizeof(ret->username), "%s", v->login);
	if (secret_new(WORLD_PASSWORD, &ret->password) != STATUS_OK ||
	    secret_set(ret->password, v->password, strlen(v->password)) !=
		    STATUS_OK)
		abort();
	if (f == FATE_LIE) {
		/* Damage never looks the same twice. */
		char wrong = (char)('a' + w->lies++ % 26);

		if (secret_append(ret->password, &wrong, 1) != STATUS_OK)
			abort();
	}
	return STATUS_OK;
}

/* The label that a write moves is where the caller has seen it; PREVIOUS, where it
 * is when that is sent. */
static void compare_with(const struct world *w, struct flight *f,
			 const char *revision)
{
	if (f->op == WORLD_PROMOTE)
		snprintf(f->from, sizeof(f->from), "%.*s",
			 (int)strcspn(revision, "/"), revision);
	else if (f->op == WORLD_RETIRE)
		snprintf(f->from, sizeof(f->from), "%s", f->version);
	else if (f->op == WORLD_WITHDRAW)
		snprintf(f->from, sizeof(f->from), "%s",
			 world_label(w, STORE_LABEL_PREVIOUS));
}

static enum status write_act(struct world *w, const char *act, struct flight *f,
			     const char *revision, const char *id,
			     struct store_state *ret_state)
{
	enum status st = STATUS_OK;

	if (world_dead(w))
		return STATUS_UNKNOWN;
	f->revision = strtoll(revision, NULL, 10);
	snprintf(f->version, sizeof(f->version), "%s", id);
	if (w->labels)
		compare_with(w, f, revision);
	switch (world_fate(w, act)) {
	case FATE_DOWN:
	case FATE_BUSY:
		return STATUS_STORE_UNAVAILABLE;
	case FATE_REFUSED:
	case FATE_GONE:
		return STATUS_REFUSED;
	case FATE_CORRUPT:
		return STATUS_CORRUPT;
	case FATE_LATE:
		world_fly(w, f);
		return STATUS_UNKNOWN;
	case FATE_LOST_BEFORE:
	case FATE_CRASH_BEFORE:
		return STATUS_UNKNOWN;
	case FATE_LOST_AFTER:
	case FATE_CRASH_AFTER:
		world_store_write(w, f);
		return STATUS_UNKNOWN;
	case FATE_LIE: /* says done and did nothing */
		break;
	default:
		st = world_store_write(w, f);
		break;
	}
	if (st == STATUS_OK && ret_state)
		fill_state(w, &w->store, ret_state);
	return st;
}

static enum status s_stage(struct store *s, const char *name,
			   const char *revision, const char *id,
			   const struct store_entry *entry,
			   struct store_state *ret_state, struct reason *why)
{
	struct world *w = of_store(s);
	struct flight f = { .op = WORLD_STAGE };

	(void)name, (void)why;
	w->staged += !world_dead(w) && !world_find(w, id);
	snprintf(f.password, sizeof(f.password), "%s",
		 secret_bytes(entry->password));
	snprintf(f.login, sizeof(f.login), "%s", entry->username);
	return write_act(w, "stage", &f, revision, id, ret_state);
}

static bool was_proved(const struct world *w, const char *password)
{
	for (unsigned i = 0; i < w->n_proved && i < 8; i++)
		if (strcmp(w->proved[i], password) == 0)
			return true;
	return false;
}

/* INV7: evidence is durable before CURRENT moves; and it is a login, unless a
 * restore made the marker speak. */
static void check_inv7(struct world *w, const char *id)
{
	const struct world_version *v = world_find(w, id);

	/* A gateway's password cannot log in before it is CURRENT; what it goes
	 * back from is known to be given up. */
	if (w->gateway) {
		if (!w->evidence || (strcmp(w->evidence_for, id) != 0 &&
				     w->gateway_fact[0] != 'a'))
			world_violate(w, "CURRENT moves, and no one knows why",
				      "promote");
		if (w->controls == 0)
			world_violate(w, "CURRENT moves without a control",
				      "promote");
		return;
	}
	if (!w->evidence || strcmp(w->evidence_for, id) != 0)
		world_violate(w, "INV7: CURRENT moves without evidence",
			      "promote");
	if (v && v->label == STORE_LABEL_PENDING && !was_proved(w, v->password))
		world_violate(w, "INV7: CURRENT moves without a login",
			      "promote");
	if (v && v->label == STORE_LABEL_PENDING && w->controls == 0)
		world_violate(w, "CURRENT moves without a control", "promote");
}

static enum status s_promote(struct store *s, const char *name,
			     const char *revision, const char *id,
			     struct store_state *ret_state, struct reason *why)
{
	struct world *w = of_store(s);
	struct flight f = { .op = WORLD_PROMOTE };

	(void)name, (void)why;
	if (!world_dead(w))
		check_inv7(w, id);
	return write_act(w, "promote", &f, revision, id, ret_state);
}

static enum status s_retire(struct store *s, const char *name,
			    const char *revision, const char *id,
			    struct store_state *ret_state, struct reason *why)
{
	struct flight f = { .op = WORLD_RETIRE };

	(void)name, (void)why;
	return write_act(of_store(s), "retire", &f, revision, id, ret_state);
}

static enum status s_withdraw(struct store *s, const char *name,
			      const char *revision,
			      struct store_state *ret_state, struct reason *why)
{
	struct world *w = of_store(s);
	struct flight f = { .op = WORLD_WITHDRAW };
	char present[STORE_REVISION_SIZE];

	(void)name, (void)why;
	write_labels(&w->store, present, sizeof(present));
	if (w->labels && !world_dead(w) && strcmp(present, revision) != 0)
		return STATUS_CONFLICT;
	/* Else its refusal would not be shown by who comes after. */
	if (w->gateway && !world_dead(w) &&
	    (w->labels || strtoll(revision, NULL, 10) == w->store.revision) &&
	    *world_label(w, STORE_LABEL_PREVIOUS) &&
	    !strstr(w->gateway_fact, world_label(w, STORE_LABEL_PREVIOUS)))
		world_violate(w, "PREVIOUS ends, and no one knows of it",
			      "withdraw");
	return write_act(w, "withdraw", &f, revision, "", ret_state);
}

const struct store_ops world_store_ops = {
	.type = "simulated",
	.canary = s_canary,
	.ready = s_ready,
	.describe = s_describe,
	.fetch = s_fetch,
	.stage = s_stage,
	.promote = s_promote,
	.retire = s_retire,
	.withdraw = s_withdraw,
};

/* ---- the sink: linked with --wrap, for a file could not tell fates ---- */

static struct world *sink_world;

void world_sink_of(struct world *w)
{
	sink_world = w;
}

enum status __wrap_sink_deliver(const struct sink *s,
				const struct sink_delivery *d,
				bool *ret_changed, struct reason *why);

enum status __wrap_sink_deliver(const struct sink *s,
				const struct sink_delivery *d,
				bool *ret_changed, struct reason *why)
{
	struct world *w = sink_world;
	enum fate f = FATE_DOWN;

	(void)s;
	if (!world_dead(w))
		f = world_fate(w, "sink");
	if (f == FATE_GOOD && d->epoch < w->sink_epoch && !d->overrule)
		return STATUS_CONFLICT;
	if (w->gateway && w->lies == 0 &&
	    !was_proved(w, secret_bytes(d->credential->password)))
		world_violate(w, "consumers are told what never logged in",
			      "a delivery");
	if (f == FATE_GOOD || f == FATE_LOST_AFTER || f == FATE_CRASH_AFTER) {
		*ret_changed = strcmp(w->sink_version, d->version) != 0;
		snprintf(w->sink_version, sizeof(w->sink_version), "%s",
			 d->version);
		snprintf(w->sink_password, sizeof(w->sink_password), "%s",
			 secret_bytes(d->credential->password));
		snprintf(w->sink_before, sizeof(w->sink_before), "%s",
			 d->before ? secret_bytes(d->before->password) : "");
		w->sink_epoch = d->epoch;
	}
	if (f == FATE_GOOD)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED, "the sink cannot be written");
}

enum status __wrap_sink_try(const struct sink *s, const struct sink_delivery *d,
			    struct reason *why);

enum status __wrap_sink_try(const struct sink *s, const struct sink_delivery *d,
			    struct reason *why)
{
	struct world *w = sink_world;
	enum fate f = FATE_DOWN;

	(void)s, (void)d;
	if (!world_dead(w))
		f = world_fate(w, "try");
	if (f == FATE_GOOD)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED, "the sink could not be written");
}
