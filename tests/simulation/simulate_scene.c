/* SPDX-License-Identifier: PostgreSQL */
/* The scenes in which a run may find the world. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"

bool scene_labels;

static const char *const scene_names[PAIR_SCENES] = {
	"managed",
	"forwarding service",
	"forwarded",
	"staged at a service",
	"first at a service",
	"no marker",
	"no marker, applied",
	"no marker, staged",
	"applied",
	"staged",
	"restored",
	"unmarked",
	"unmarked and changed by hand",
	"new",
	"changed by hand",
	"renamed",
	"rolled back",
	"new pair",
	"adopted pair",
	"pair rotated first",
	"pair rotated",
	"pair retired",
	"pair cleared",
	"pair reverted",
	"pair staged",
	"pair applied",
	"pair withdrew",
	"pair tombstoned",
	"pair being cleared",
	"pair being reverted",
	"pair before its rotation",
	"pair before it was retired",
	"pair before it was cleared",
	"pair before it was reverted",
	"unmarked pair",
	"pair changed by hand",
	"owner without NOLOGIN",
	"pair without NOLOGIN",
	"pair sealed",
	"pair being sealed",
	"pair before it was sealed",
	"pair without PASSWORD NULL",
	"pair replaced",
};

const struct order *order_in(enum scene scene, size_t n)
{
	if (scene < SCENES)
		return n < ORDERS ? &orders[n] : NULL;
	if (n < PAIR_ORDERS)
		return &pair_orders[n];
	n -= PAIR_ORDERS;
	return n < PAIR_SHARED ? &orders[n] : NULL;
}

static void die_in(struct world *w, const struct order *o, const char *act)
{
	struct plan p = one_fault(act, FATE_CRASH_AFTER, 1);

	put_under(w, &p);
	run_order(w, 0, o);
	w->fate = NULL;
}

static void die_at(struct world *w, const char *act)
{
	die_in(w, ROTATE, act);
}

/* A run dies, and the service has its password while the marker has not. */
static void die_forwarding(struct world *w)
{
	struct plan p = one_fault("apply", FATE_CRASH_BEFORE, 1);

	put_under(w, &p);
	run_order(w, 0, ROTATE);
	w->fate = NULL;
}

void rotate_twice(struct world *w)
{
	assert_int_equal(run_order(w, 0, ROTATE), STATUS_OK);
	assert_int_equal(run_order(w, 0, ROTATE), STATUS_OK);
}

void new_to_keyturn(struct world *w)
{
	w->store.n = 0;
	w->store_before = w->store;
	w->have_role = false;
	w->db.live[0] = '\0';
	world_by_hand(w);
}

static void must_end_well(struct world *w, const struct order *o)
{
	enum status s = run_order(w, 0, o);

	if (s != STATUS_OK)
		fail_plan("%s ends with %s", o->name, status_name(s));
}

/* Nobody may log in, and nothing is stored. */
static void new_pair(struct world *w)
{
	memset(w->db.role, 0, sizeof(w->db.role)); /* not secret */
	w->db.live[0] = '\0';
	w->store.n = 0;
	w->store_before = w->store;
	w->have_role = false;
	world_store_backup(w);
}

/* Both members may log in.  A step is made beforehand or by who dies in it; the
 * backup of the database is from before it. */
static void prepare_rotated(struct world *w, enum scene scene)
{
	bool whole = scene <= SCENE_PAIR_REVERTED ||
		     scene >= SCENE_PAIR_UNROTATED;

	must_end_well(w, ROTATE);
	must_end_well(w, RETIRE);
	world_backup(w);
	if (scene == SCENE_PAIR_STAGED || scene == SCENE_PAIR_APPLIED) {
		die_at(w, scene == SCENE_PAIR_STAGED ? "stage" : "apply");
		return;
	}
	must_end_well(w, ROTATE);
	if (scene == SCENE_PAIR_ROTATED || scene == SCENE_PAIR_UNROTATED)
		return;
	world_backup(w);
	if (scene == SCENE_PAIR_REVERTED || scene == SCENE_PAIR_UNREVERTED)
		must_end_well(w, ROLLBACK);
	else if (scene == SCENE_PAIR_REVERTING)
		die_in(w, ROLLBACK, "revert");
	else if (scene == SCENE_PAIR_WITHDREW)
		die_in(w, RETIRE, "withdraw");
	else if (scene == SCENE_PAIR_TOMBSTONED)
		die_in(w, RETIRE, "nologin");
	else if (scene < SCENE_PAIR_UNMARKED)
		must_end_well(w, RETIRE);
	if (scene != SCENE_PAIR_CLEARED && scene != SCENE_PAIR_CLEARING &&
	    scene != SCENE_PAIR_UNCLEARED)
		return;
	world_backup(w);
	if (whole)
		must_end_well(w, RETIRE_NOW);
	else
		die_in(w, RETIRE_NOW, "clear");
}

/* Both members may log in, of a server that refuses a way to end that. */
static void prepare_refusing(struct world *w, enum scene scene)
{
	w->no_nologin = scene < SCENE_PAIR_FULL;
	w->no_null = true;
	world_backup(w);
	if (scene == SCENE_PAIR_ADDED)
		must_end_well(w, ROTATE);
	else if (scene == SCENE_PAIR_SEALING)
		die_in(w, RETIRE, "seal");
	else if (scene != SCENE_PAIR_OPEN)
		must_end_well(w, RETIRE);
	if (scene == SCENE_PAIR_UNSEALED)
		world_restore(w);
	if (scene != SCENE_PAIR_NULLED)
		return;
	world_backup(w);
	must_end_well(w, RETIRE_NOW);
}

static void prepare_pair(struct world *w, enum scene scene)
{
	world_pair(w);
	if (scene_labels)
		world_labels(w);
	if (scene == SCENE_PAIR_NEW)
		new_pair(w);
	else if (scene == SCENE_PAIR_FIRST)
		must_end_well(w, ROTATE);
	else if (scene != SCENE_PAIR_ADOPTED && scene != SCENE_PAIR_ADDED) {
		must_end_well(w, ROTATE);
		must_end_well(w, RETIRE);
		prepare_rotated(w, scene >= SCENE_PAIR_OPEN ?
					   SCENE_PAIR_ROTATED :
					   scene);
	}
	if (scene >= SCENE_PAIR_ADDED) {
		prepare_refusing(w, scene);
		return;
	}
	if (scene >= SCENE_PAIR_UNROTATED && scene <= SCENE_PAIR_UNREVERTED)
		world_restore(w);
	if (scene == SCENE_PAIR_UNMARKED)
		w->db.live[0] = w->db.previous[0] = '\0';
	if (scene == SCENE_PAIR_BY_HAND)
		world_by_hand(w);
	if (scene == SCENE_PAIR_NEW || scene >= SCENE_PAIR_UNMARKED)
		world_backup(w);
}

void prepare_scene(struct world *w, enum scene scene, bool readable)
{
	snprintf(plan_text, sizeof(plan_text), "preparing %s",
		 scene_names[scene]);
	world_make(w, 42 + scene);
	w->readable = readable;
	if (scene >= SCENES) {
		prepare_pair(w, scene);
		return;
	}
	if (scene >= SCENE_DOUBTED && scene <= SCENE_DOUBTED_NEW)
		world_forwards(w);
	if (scene == SCENE_DOUBTED_NEW) {
		new_to_keyturn(w);
		world_backup(w);
		world_store_backup(w);
	}
	if (scene >= SCENE_NO_MARKER && scene <= SCENE_NO_MARKER_STAGED)
		world_no_marker(w);
	if (scene == SCENE_FORWARDED || scene == SCENE_DOUBTED_NEW)
		die_forwarding(w);
	if (scene == SCENE_APPLIED || scene == SCENE_NO_MARKER_APPLIED)
		die_at(w, "apply");
	else if (scene == SCENE_STAGED || scene == SCENE_DOUBTED_STAGED ||
		 scene == SCENE_NO_MARKER_STAGED)
		die_at(w, "stage");
	if (scene == SCENE_RESTORED || scene == SCENE_ROLLED_BACK)
		rotate_twice(w);
	if (scene == SCENE_RESTORED)
		world_restore(w);
	else if (scene == SCENE_ROLLED_BACK)
		world_store_rollback(w);
	else if (scene == SCENE_NEW)
		new_to_keyturn(w);
	else if (scene == SCENE_RENAMED)
		w->db.renamed = true;
	if (scene == SCENE_UNMARKED || scene == SCENE_UNMARKED_BY_HAND)
		w->db.live[0] = '\0';
	if (scene == SCENE_BY_HAND || scene == SCENE_UNMARKED_BY_HAND)
		world_by_hand(w);
	if (scene == SCENE_MANAGED || scene == SCENE_DOUBTED ||
	    scene == SCENE_NO_MARKER || scene >= SCENE_RESTORED)
		world_backup(w);
	if (scene == SCENE_NEW)
		world_store_backup(w);
}

void name_plan(enum scene scene, const struct order *o, const struct plan *p,
	       enum landing landing, bool readable)
{
	int n = snprintf(plan_text, sizeof(plan_text), "%s%s, %s%s, landing %d",
			 scene_names[scene], scene_labels ? ", labels" : "",
			 o->name, readable ? ", readable" : "", (int)landing);

	for (unsigned i = 0; i < p->n; i++)
		n += snprintf(plan_text + n, sizeof(plan_text) - (size_t)n,
			      ", %s %u times %u: %s",
			      p->fault[i].act ? p->fault[i].act : "act",
			      p->fault[i].from, p->fault[i].times,
			      fate_name(p->fault[i].fate));
}

/* One run under a plan in a scene, and convergence.  Returns its acts, and in
 * *ret_seen, when not NULL, the plan with what was seen. */
unsigned play_plan(enum scene scene, const struct order *o,
		   const struct plan *plan, enum landing landing, bool readable,
		   struct plan *ret_seen)
{
	static struct world w;
	struct plan p = *plan;

	p.record = ret_seen != NULL;
	prepare_scene(&w, scene, readable);
	name_plan(scene, o, &p, landing, readable);
	put_under(&w, &p);
	run_order(&w, 0, o);
	if (ret_seen)
		*ret_seen = p;
	must_converge(&w, landing);
	world_free(&w);
	return p.acts;
}
