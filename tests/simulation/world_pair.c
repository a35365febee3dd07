/* SPDX-License-Identifier: PostgreSQL */
/* The simulated pair: two members and their owner, of whom one is active.  Must
 * never let a statement through without its compare-and-swap, unless a test says
 * so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

const char *const world_names[WORLD_ROLES] = { "m_a", "m_b", "partner" };

int world_role_of(const char *name)
{
	for (int i = 0; i < WORLD_ROLES; i++)
		if (strcmp(name, world_names[i]) == 0)
			return i;
	abort();
}

void world_pair(struct world *w)
{
	struct world_role *owner = &w->db.role[WORLD_OWNER];

	w->pair = true;
	w->members =
		(struct cluster_pair){ { world_names[0], world_names[1] } };
	memcpy(owner->password, w->db.password, sizeof(owner->password));
	owner->can_login = true;
	w->db.active = WORLD_OWNER;
	world_backup(w);
}

/* ---- the checks ---- */

static bool logs_in(const struct world *w, const struct world_version *v)
{
	const struct world_role *r = &w->db.role[world_role_of(v->login)];

	return r->can_login && strcmp(r->password, v->password) == 0;
}

static bool in_store(const struct world *w, const struct world_role *r)
{
	for (size_t i = 0; i < w->store.n; i++)
		if (strcmp(w->store.v[i].password, r->password) == 0)
			return true;
	return false;
}

/* As in the model of the protocol; but for what a person set, and after the
 * store forgot. */
void world_pair_check(struct world *w, const char *after)
{
	const struct world_version *current =
		world_labelled(w, STORE_LABEL_CURRENT);
	const struct world_version *live = world_find(w, w->db.live);
	const struct world_role *active = &w->db.role[w->db.active];

	for (int i = 0; i < WORLD_ROLES; i++) {
		const struct world_role *r = &w->db.role[i];

		if (r->nobodys && in_store(w, r))
			world_violate(w,
				      "what nobody is to have is in the store",
				      after);
		if (r->can_login && r->password[0] && !r->by_hand &&
		    !r->nobodys && w->rollbacks == 0 && !in_store(w, r))
			world_violate(w,
				      "INV1: a password that logs in is not "
				      "in the store",
				      after);
	}
	if (current && !w->hurt && !logs_in(w, current))
		world_violate(w, "INV2: CURRENT does not log in", after);
	if (w->db.live[0] && !active->by_hand && w->rollbacks == 0 &&
	    (!active->can_login || (live && !logs_in(w, live))))
		world_violate(w, "INV3: the live version does not log in",
			      after);
	if (!current || world_ever_live(w, current->id))
		return;
	if (logs_in(w, current))
		world_was_live(w, current->id);
	else
		world_violate(w, "INV4: CURRENT was never live", after);
}

bool world_pair_settled(const struct world *w)
{
	const struct world_version *current =
		world_labelled(w, STORE_LABEL_CURRENT);

	return current && strcmp(current->id, w->db.live) == 0 &&
	       world_role_of(current->login) == w->db.active &&
	       logs_in(w, current);
}

bool world_lives(const struct world *w, const char *id)
{
	const struct world_version *v = world_find(w, id);

	return v && world_role_of(v->login) == w->db.active && logs_in(w, v);
}

unsigned world_others(const struct world *w)
{
	unsigned n = 0;

	for (int i = 0; i < WORLD_ROLES; i++)
		n += i != w->db.active && w->db.role[i].can_login &&
		     !w->db.role[i].sealed;
	return n;
}

void world_rest(struct world *w)
{
	const struct world_version *current =
		world_labelled(w, STORE_LABEL_CURRENT);

	if (w->pair && current && !w->db.by_hand && world_in_flight(w) == 0 &&
	    logs_in(w, current))
		w->hurt = false;
}

/* ---- what happens ---- */

/* The active one's: the other's would only be found by who goes back to it. */
void world_pair_by_hand(struct world *w)
{
	struct world_role *r = &w->db.role[w->db.active];

	snprintf(r->password, sizeof(r->password), "by hand %u", ++w->foreigns);
	r->by_hand = w->db.by_hand = true;
	w->db.foreign = w->db.live[0] != '\0';
}

static bool is_fenced(const struct world *w, const struct flight *f)
{
	static const enum world_mutation open[] = {
		[CLUSTER_CHANGE_PASSWORD] = WORLD_PAIR_NO_APPLY_CAS,
		[CLUSTER_CHANGE_MARKER] = WORLD_PAIR_NO_APPLY_CAS,
		[CLUSTER_CHANGE_RENEW] = WORLD_PAIR_NO_APPLY_CAS,
		[CLUSTER_CHANGE_REVERT] = WORLD_PAIR_NO_REVERT_CAS,
		[CLUSTER_CHANGE_NOLOGIN] = WORLD_PAIR_NO_NOLOGIN_CAS,
		[CLUSTER_CHANGE_CLEAR] = WORLD_PAIR_NO_CLEAR_CAS,
	};

	return w->mutation != open[f->kind] &&
	       strcmp(w->db.claim, f->claim) != 0;
}

static void make_live(struct world *w, const struct flight *f)
{
	memcpy(w->db.live, f->version, sizeof(w->db.live));
	w->db.active = f->member;
	w->db.renamed = w->db.branched = w->db.foreign = false;
	w->db.by_hand = w->db.role[f->member].by_hand;
	w->db.role[f->member].sealed = false;
}

static void set_password(struct world *w, const struct flight *f)
{
	struct world_role *r = &w->db.role[f->member];
	const struct world_version *v = world_find(w, f->version);

	if (w->rollbacks == 0 &&
	    (!v || strcmp(v->password, f->password) != 0 ||
	     strcmp(v->login, world_names[f->member]) != 0))
		world_violate(w, "applied what the store does not have",
			      "apply");
	if (r->can_login && !f->by_command && !r->nobodys &&
	    strcmp(r->password, f->password) != 0)
		world_violate(w,
			      "INV5: a password is replaced while its member "
			      "may log in",
			      "apply");
	/* What is live nobody can say: any of them may be CURRENT's. */
	if (f->by_command && !world_find(w, w->db.live))
		w->hurt = true;
	memcpy(r->password, f->password, sizeof(r->password));
	r->can_login = true;
	r->by_hand = r->nobodys = false;
	/* The same login role again: the one before stays that. */
	if (!w->db.live[0] || w->db.active != f->member) {
		memcpy(w->db.previous, w->db.live, sizeof(w->db.previous));
		w->db.previous_of = w->db.active;
		w->db.retired_us = 0;
	}
	make_live(w, f);
	world_was_live(w, f->version);
}

static void revert(struct world *w, const struct flight *f)
{
	const struct world_version *v = world_find(w, f->version);

	if (w->rollbacks == 0 && !w->db.role[f->member].by_hand &&
	    (!v || strcmp(w->db.previous, f->version) != 0))
		world_violate(w, "reverted to what was not before", "revert");
	memcpy(w->db.previous, w->db.live, sizeof(w->db.previous));
	w->db.previous_of = w->db.active;
	w->db.role[f->member].can_login = true;
	w->db.retired_us = 0;
	make_live(w, f);
	if (v && strcmp(v->password, w->db.role[f->member].password) != 0)
		world_violate(w, "INV3: reverted to what does not log in",
			      "revert");
}

/* The database would not do it for another member. */
static void renew(struct world *w, const struct flight *f)
{
	const struct world_version *v = world_find(w, f->version);

	if (f->member != w->db.active || !w->db.live[0])
		world_violate(w, "another member is to be made live", "renew");
	if (w->rollbacks == 0 && (!v || !logs_in(w, v)) &&
	    !w->db.role[f->member].by_hand)
		world_violate(w, "INV3: renewed by what does not log in",
			      "renew");
	memcpy(w->db.live, f->version, sizeof(w->db.live));
	if (v && logs_in(w, v))
		world_was_live(w, f->version);
}

/* What is handed out no more: no late write may move CURRENT back to it. */
static void check_withdrawn(struct world *w, int member)
{
	for (int i = 0; i < WORLD_FLIGHTS; i++) {
		const struct flight *f = &w->flights[i];
		const struct world_version *v = world_find(w, f->version);

		if (f->used && f->op == WORLD_PROMOTE && v &&
		    world_store_takes(w, f) &&
		    v->label != STORE_LABEL_CURRENT &&
		    strcmp(v->login, world_names[member]) == 0)
			world_violate(w,
				      "retired while a late write may move "
				      "CURRENT to it",
				      "nologin");
	}
}

/* A member that is not active; the database would not do it to that one. */
static bool end_member(struct world *w, const struct flight *f)
{
	struct world_role *r = &w->db.role[f->member];
	bool active = w->db.live[0] && f->member == w->db.active;
	bool in_time = strcmp(w->db.claim, f->claim) == 0;

	if (active && in_time) {
		world_violate(w, "the active member is to be retired",
			      "an end");
		return false;
	}
	if (f->kind == CLUSTER_CHANGE_NOLOGIN) {
		if (in_time)
			check_withdrawn(w, f->member);
		r->can_login &= f->sets_password;
		if (f->member == w->db.previous_of)
			w->db.retired_us = w->clock;
	} else if (r->can_login && in_time) {
		world_violate(w, "cleared while it may log in", "clear");
	}
	r->sealed = f->sets_password && f->kind == CLUSTER_CHANGE_NOLOGIN;
	if (!f->sets_password && f->kind == CLUSTER_CHANGE_NOLOGIN)
		return true;
	memcpy(r->password, f->password, sizeof(r->password));
	r->nobodys = f->sets_password;
	r->by_hand = false;
	if (f->member == w->db.previous_of)
		w->db.previous[0] = '\0';
	return true;
}

bool world_pair_apply(struct world *w, const struct flight *f)
{
	bool done = true;

	if (is_fenced(w, f))
		return false;
	switch (f->kind) {
	case CLUSTER_CHANGE_PASSWORD:
		set_password(w, f);
		break;
	case CLUSTER_CHANGE_MARKER:
		make_live(w, f);
		if (world_find(w, f->version) &&
		    logs_in(w, world_find(w, f->version)))
			world_was_live(w, f->version);
		break;
	case CLUSTER_CHANGE_RENEW:
		renew(w, f);
		break;
	case CLUSTER_CHANGE_REVERT:
		revert(w, f);
		break;
	default:
		done = end_member(w, f);
		break;
	}
	world_check(w, "a change of the pair");
	return done;
}

enum status world_pair_peek(struct world *w, enum fate f,
			    struct cluster_member ret[WORLD_ROLES])
{
	if (f == FATE_REFUSED)
		return STATUS_REFUSED;
	if (f == FATE_GONE)
		return STATUS_NOT_FOUND;
	if (f != FATE_GOOD && f != FATE_LIE)
		return STATUS_UNKNOWN;
	for (int i = 0; i < WORLD_ROLES; i++) {
		ret[i] = (struct cluster_member){
			.found = f == FATE_GOOD || i != 1,
			.can_login = w->db.role[i].can_login,
			.keeps = !w->readable || w->db.role[i].password[0],
			.sealed = w->db.role[i].sealed,
			.sessions = w->use[i].sessions,
			.prepared = w->use[i].prepared,
			.senders = w->use[i].senders,
		};
		snprintf(ret[i].name, sizeof(ret[i].name), "%s",
			 world_names[i]);
	}
	return STATUS_OK;
}
