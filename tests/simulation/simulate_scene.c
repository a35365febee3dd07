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

static const char *const scene_names[SCENES] = {
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
};

static void die_at(struct world *w, const char *act)
{
	struct plan p = one_fault(act, FATE_CRASH_AFTER, 1);

	put_under(w, &p);
	run_order(w, 0, ROTATE);
	w->fate = NULL;
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

void prepare_scene(struct world *w, enum scene scene, bool readable)
{
	snprintf(plan_text, sizeof(plan_text), "preparing %s",
		 scene_names[scene]);
	world_make(w, 42 + scene);
	w->readable = readable;
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
	int n = snprintf(plan_text, sizeof(plan_text), "%s, %s%s, landing %d",
			 scene_names[scene], o->name,
			 readable ? ", readable" : "", (int)landing);

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
