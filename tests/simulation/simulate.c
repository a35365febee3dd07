/* SPDX-License-Identifier: PostgreSQL */
/*
 * The shipped engine and runner in the simulated world: every single fault and
 * every pair of faults of one run, each act failing for as long as one likes,
 * a rotator paused anywhere while another works, then storms of interleaved
 * rotators, late effects and restores.  Prints how much was survived.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* ---- what the engine did: rows taken, by whom (linked with --wrap) ---- */

enum status __real_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row);
enum status __wrap_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row);

static const struct engine_row *last_row;
static unsigned long rows_taken[512];
static unsigned long runs, faults, crashes;
static bool overtaken; /* this run read that another moved CURRENT on */
static char plan_text[400] = "";

/* Every failure says under which plan it came. */
#define fail_plan(format, ...) \
	fail_msg("[%s] " format, plan_text, ##__VA_ARGS__)

enum status __wrap_engine_step(struct engine *e, enum engine_event event,
			       const struct engine_row **ret_row)
{
	const struct engine_row *row = NULL;
	enum engine_state was = e->state;
	enum status s = __real_engine_step(e, event, &row);
	size_t n;

	if (s != STATUS_OK)
		fail_plan("no row for %s in %s", engine_event_name(event),
			  engine_state_name(was));
	rows_taken[row - engine_rows(&n)]++;
	last_row = row;
	overtaken = overtaken || event == ENGINE_ON_OVERTAKEN;
	if (ret_row)
		*ret_row = row;
	return s;
}

/* ---- plans: which act meets which fate ---- */

static const char *const act_names[] = {
	"role",	 "intent",   "canary",	"open",	    "preflight", "claim",
	"look",	 "describe", "fetch",	"stage",    "apply",	 "adopt",
	"prove", "control",  "inspect", "evidence", "promote",	 "retire",
	"try",	 "sink",     "freeze",	"close",    "login",
};

#define ACTS (sizeof(act_names) / sizeof(act_names[0]))

struct fault {
	const char *act; /* NULL: any */
	enum fate fate;
	unsigned from;	/* the first act of this name is 0 */
	unsigned times; /* how many from there */
	bool then; /* counts only what comes after the plan's first fault */
};

#define ALWAYS 1000

struct plan {
	struct fault fault[2];
	unsigned n;
	unsigned seen[2]; /* acts of this name so far */
	unsigned acts;	  /* acts so far */
	bool begun;	  /* the first fault has happened */
	bool record;
	bool occurred[ACTS]; /* without a fault, or after the first one */
};

static void record(struct plan *p, const char *act)
{
	for (size_t i = 0; i < ACTS; i++)
		if (strcmp(act_names[i], act) == 0)
			p->occurred[i] = true;
}

static enum fate planned(struct world *w, const char *act, void *arg)
{
	struct plan *p = arg;
	enum fate fate = FATE_GOOD;
	bool begun = p->begun;

	(void)w;
	p->acts++;
	if (p->record && (begun || p->n == 0))
		record(p, act);
	for (unsigned i = 0; i < p->n; i++) {
		const struct fault *f = &p->fault[i];
		unsigned now;

		if ((f->act && strcmp(f->act, act) != 0) || (f->then && !begun))
			continue;
		now = p->seen[i]++;
		if (now < f->from || now - f->from >= f->times ||
		    fate != FATE_GOOD)
			continue;
		fate = f->fate;
		p->begun = true;
		faults++;
	}
	return fate;
}

static void under(struct world *w, struct plan *p)
{
	w->fate = planned;
	w->fate_arg = p;
}

static struct plan one_fault(const char *act, enum fate fate, unsigned times)
{
	return (struct plan){ .fault = { { act, fate, 0, times, false } },
			      .n = 1 };
}

/* ---- one run, and what must be true when it is over ---- */

struct order {
	const char *name;
	enum engine_mode mode;
	bool fresh, emergency;
};

static const struct order orders[] = {
	{ "rotate", ENGINE_MODE_ROTATE, true, false },
	{ "rotate when due", ENGINE_MODE_ROTATE, false, false },
	{ "rotate in an emergency", ENGINE_MODE_ROTATE, true, true },
	{ "recover", ENGINE_MODE_RECOVER, false, false },
	{ "import", ENGINE_MODE_IMPORT, false, false },
};

#define ORDERS	  (sizeof(orders) / sizeof(orders[0]))
#define ROTATE	  (&orders[0])
#define DUE	  (&orders[1])
#define EMERGENCY (&orders[2])
#define RECOVER	  (&orders[3])
#define IMPORT	  (&orders[4])

/* What was before a run. */
struct before {
	char password[WORLD_PASSWORD];
	unsigned history, wrong_logins; /* but for what the store lied */
	unsigned rollbacks;
	int64_t clock;
	bool by_hand;
	bool astray; /* the marker did not name what logs in */
};

static unsigned history(const struct world *w)
{
	return w->restores + w->foreigns + w->rollbacks;
}

static struct before remember(const struct world *w)
{
	struct before b = { .history = history(w),
			    .wrong_logins = w->wrong_logins - w->lies,
			    .rollbacks = w->rollbacks,
			    .clock = w->clock,
			    .by_hand = w->db.by_hand,
			    .astray = !world_truthful(w) };

	memcpy(b.password, w->db.password, sizeof(b.password));
	return b;
}

static const char *row_text(const struct engine_row *row)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s on %s to %s",
		 engine_state_name(row->from), engine_event_name(row->event),
		 engine_state_name(row->to));
	return text;
}

/* At a service that forwards: is PENDING live, whatever the marker says, or was
 * a left-over one resumed and made CURRENT? */
static bool forwarded(const struct world *w)
{
	const struct world_version *v = NULL;

	for (size_t i = 0; i < w->store.n; i++)
		if (w->store.v[i].label == STORE_LABEL_PENDING)
			v = &w->store.v[i];
	if (!w->forwards && !w->none)
		return false;
	return world_settled(w) ||
	       (v && strcmp(v->password, w->db.password) == 0);
}

/* A service has a password that its marker does not name, and the store forgot
 * it or shows an older state: nobody can know, and the next rotation mends it. */
static bool forgotten(const struct world *w)
{
	return (w->forwards || w->none) &&
	       (w->rollbacks > 0 || w->stale_reads > 0);
}

/* What states.def promises of a death in a row's target state. */
static void check_died(const struct world *w, const struct before *b)
{
	const char *pending = world_label(w, STORE_LABEL_PENDING);
	const char *current = world_label(w, STORE_LABEL_CURRENT);

	switch (last_row->died) {
	case ENGINE_DIED_RESTARTS:
		if (strcmp(w->db.password, b->password) != 0 && !forwarded(w))
			fail_plan("%s: RESTARTS, but another password is live",
				  row_text(last_row));
		break;
	case ENGINE_DIED_FINISHES:
		/* An import's version and CURRENT may be one password. */
		if (w->none ? !forwarded(w) :
			      strcmp(w->db.live, pending) != 0 &&
				      strcmp(w->db.live, current) != 0)
			fail_plan("%s: FINISHES, but the live version is "
				  "neither PENDING nor CURRENT",
				  row_text(last_row));
		break;
	case ENGINE_DIED_SETTLED:
		if (w->none ? !world_settled(w) :
			      strcmp(w->db.live, current) != 0)
			fail_plan("%s: SETTLED, but CURRENT is not live",
				  row_text(last_row));
		break;
	case ENGINE_DIED_RESOLVES:
		break;
	}
}

/* Whatever happened behind our back: a rotation that was asked for and ends well
 * has made a password. */
static void check_rotated(const struct world *w, const struct order *o,
			  const struct before *b, enum status s)
{
	if (s == STATUS_OK && o->mode == ENGINE_MODE_ROTATE && o->fresh &&
	    w->rollbacks == b->rollbacks && world_current_since(w) < b->clock)
		fail_plan("the run ends well, but CURRENT is an old one");
}

/* A status is a promise, too. */
static void check_status(const struct world *w, const struct order *o,
			 const struct before *b, enum status s)
{
	switch (s) {
	case STATUS_OK:
		if (!world_settled(w) && !forgotten(w) &&
		    !(o->mode == ENGINE_MODE_RECOVER &&
		      (b->by_hand || !world_managed(w))))
			fail_plan("the run ends well, but CURRENT is not live");
		break;
	case STATUS_UNKNOWN:
		if (!w->role.open_run[0])
			fail_plan("an unknown outcome is not kept open");
		break;
	case STATUS_FROZEN:
	case STATUS_CORRUPT:
		break;
	default: /* nothing was changed, and nothing will be */
		if (overtaken)
			break;
		if (strcmp(w->db.password, b->password) != 0 && !forwarded(w))
			fail_plan("%s, but another password is live",
				  status_name(s));
		if (world_may_land(w))
			fail_plan("%s, but the apply may still land",
				  status_name(s));
		break;
	}
	/* The marker, where it is right, is asked before a login is tried. */
	if (!b->astray && w->lag_us == 0 &&
	    (int)(w->wrong_logins - w->lies) > (int)b->wrong_logins)
		fail_plan("a wrong password was tried");
}

static struct secret *copy_of(const char *password)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(WORLD_PASSWORD, &s), STATUS_OK);
	assert_int_equal(secret_set(s, password, strlen(password)), STATUS_OK);
	return s;
}

/* A run from here to its end.  `alone`: nobody else acted meanwhile, so that
 * its outcome can be checked against what it says. */
static enum status finish(struct world *w, int i, const struct order *o,
			  struct runner *r, const struct before *b, bool alone)
{
	struct runner_result result;
	unsigned steps = 0;
	enum status s;

	last_row = NULL;
	overtaken = false;
	while (world_step(w, i, r))
		if (++steps > 500)
			fail_plan("the run does not end");
	runner_result(r, &result);
	runner_free(r);
	/* What a sink lacks changes nothing in store and cluster. */
	s = result.status == STATUS_UNDELIVERED ? STATUS_OK : result.status;
	runs++;
	crashes += w->dead[i];
	if (w->violation[0])
		fail_plan("%s", w->violation);
	if (alone && !w->dead[i])
		check_rotated(w, o, b, s);
	if (alone && history(w) == b->history) {
		if (!w->dead[i])
			check_status(w, o, b, s);
		else if (last_row)
			check_died(w, b);
	}
	return w->dead[i] ? STATUS_UNKNOWN : result.status;
}

static enum status run(struct world *w, int i, const struct order *o)
{
	struct secret *given = copy_of(w->db.password);
	struct runner_job job = { .mode = o->mode,
				  .fresh = o->fresh,
				  .emergency = o->emergency,
				  .password = given };
	struct before b = remember(w);
	enum status s;

	s = finish(w, i, o, world_runner(w, i, &job), &b, true);
	secret_free(given);
	return s;
}

enum landing { LAND_FIRST, LAND_LATER, LAND_NEVER, LANDINGS };

static void land_all(struct world *w, bool lost)
{
	while (world_in_flight(w))
		world_land(w, 0, lost);
	if (w->violation[0])
		fail_plan("%s", w->violation);
}

static void quiet(struct world *w)
{
	w->fate = NULL;
	w->trust = w->reject = w->polite = w->shut = false;
	w->random_from = w->random_until = 0;
}

/* What `recover` leaves behind. */
static void check_recovered(const struct world *w, enum landing landing,
			    bool by_hand)
{
	if (!world_managed(w))
		return;
	if (!by_hand && !forgotten(w) && !world_settled(w))
		fail_plan("recovered, but CURRENT is not live");
	if (landing != LAND_LATER && *world_label(w, STORE_LABEL_PENDING))
		fail_plan("recovered, but a PENDING is left");
}

/* After any fault: recover by another process, then a clean rotation. */
static void must_converge(struct world *w, enum landing landing)
{
	bool by_hand;
	enum status s;

	quiet(w);
	if (landing == LAND_FIRST)
		land_all(w, false);
	s = w->role.frozen ? STATUS_FROZEN : run(w, 1, RECOVER);
	land_all(w, landing != LAND_LATER);
	if (s == STATUS_FROZEN) {
		w->role.frozen = false;
		s = run(w, 1, EMERGENCY);
	}
	/* What a person did is only seen where pg_authid can be read, and not
	 * when it was between PROBE's login and READOPT's marker. */
	by_hand = w->db.by_hand && !(w->readable && w->db.foreign);
	/* A zombie's late claim may fence one run, no more. */
	for (int i = 0; i < 2 && s != STATUS_OK; i++)
		s = run(w, 1, RECOVER);
	if (s != STATUS_OK)
		fail_plan("recover ends with %s", status_name(s));
	check_recovered(w, landing, by_hand);
	s = run(w, 1, ROTATE);
	/* What a person did, or a store forgot, and only a login can tell. */
	if (s == STATUS_REFUSED && (w->db.by_hand || forgotten(w)))
		s = run(w, 1, EMERGENCY);
	if (s != STATUS_OK || !world_settled(w))
		fail_plan("the next rotation ends with %s", status_name(s));
	if (*world_label(w, STORE_LABEL_PENDING))
		fail_plan("rotated, but a PENDING is left");
	if (strcmp(w->sink_version, w->db.live) != 0 ||
	    strcmp(w->sink_password, w->db.password) != 0)
		fail_plan("rotated, but the sink is not in step");
}

/* ---- what a run finds ---- */

enum scene {
	SCENE_MANAGED,
	SCENE_DOUBTED,	 /* a service that forwards: nothing is left over */
	SCENE_FORWARDED, /* ... a run died after a commit that failed */
	SCENE_DOUBTED_STAGED, /* ... or after it staged */
	SCENE_DOUBTED_NEW,    /* ... in its very first rotation */
	SCENE_NO_MARKER,      /* the role changes its own password, unmarked */
	SCENE_NO_MARKER_APPLIED,
	SCENE_NO_MARKER_STAGED,
	SCENE_APPLIED,	/* a run died after its apply */
	SCENE_STAGED,	/* a run died after it staged */
	SCENE_RESTORED, /* the database is two rotations back */
	SCENE_UNMARKED, /* the marker is missing */
	SCENE_UNMARKED_BY_HAND,
	SCENE_NEW,	   /* keyturn never had to do with the role */
	SCENE_BY_HAND,	   /* somebody changed the password */
	SCENE_RENAMED,	   /* the role was called otherwise */
	SCENE_ROLLED_BACK, /* the store is two rotations back */
	SCENES
};

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

	under(w, &p);
	run(w, 0, ROTATE);
	w->fate = NULL;
}

/* A run dies, and the service has its password while the marker has not. */
static void die_forwarding(struct world *w)
{
	struct plan p = one_fault("apply", FATE_CRASH_BEFORE, 1);

	under(w, &p);
	run(w, 0, ROTATE);
	w->fate = NULL;
}

static void rotate_twice(struct world *w)
{
	assert_int_equal(run(w, 0, ROTATE), STATUS_OK);
	assert_int_equal(run(w, 0, ROTATE), STATUS_OK);
}

static void new_to_keyturn(struct world *w)
{
	w->store.n = 0;
	w->store_before = w->store;
	w->have_role = false;
	w->db.live[0] = '\0';
	world_by_hand(w);
}

static void prepare(struct world *w, enum scene scene, bool readable)
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

static void say_plan(enum scene scene, const struct order *o,
		     const struct plan *p, enum landing landing, bool readable)
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
static unsigned play(enum scene scene, const struct order *o,
		     const struct plan *plan, enum landing landing,
		     bool readable, struct plan *ret_seen)
{
	static struct world w;
	struct plan p = *plan;

	p.record = ret_seen != NULL;
	prepare(&w, scene, readable);
	say_plan(scene, o, &p, landing, readable);
	under(&w, &p);
	run(&w, 0, o);
	if (ret_seen)
		*ret_seen = p;
	must_converge(&w, landing);
	world_free(&w);
	return p.acts;
}

/* ---- the sweeps ---- */

/* Without a marker, what others do behind our back goes unseen; docs/lakebase.md
 * says so. */
static int fates_of(enum scene scene)
{
	return scene >= SCENE_NO_MARKER && scene <= SCENE_NO_MARKER_STAGED ?
		       FATE_USURP :
		       FATE_COUNT;
}

static void single_faults(enum scene scene, const struct order *o,
			  bool readable)
{
	struct plan p = { .n = 0 };
	unsigned acts = play(scene, o, &p, LAND_FIRST, readable, NULL);

	p = one_fault(NULL, FATE_GOOD, 1);
	for (unsigned a = 0; a < acts; a++)
		for (int f = FATE_DOWN; f < fates_of(scene); f++)
			for (int l = 0; l < LANDINGS; l++) {
				p.fault[0].from = a;
				p.fault[0].fate = (enum fate)f;
				play(scene, o, &p, (enum landing)l, readable,
				     NULL);
			}
}

static void every_single_fault_is_survived(void **state)
{
	(void)state;
	for (int scene = 0; scene < SCENES; scene++)
		for (size_t o = 0; o < ORDERS; o++)
			for (int readable = 0; readable <= 1; readable++)
				single_faults((enum scene)scene, &orders[o],
					      readable);
}

/* All pairs of acts for two fates; ends early where a run does. */
static void pairs(enum scene scene, const struct order *o, enum fate f,
		  enum fate g)
{
	for (unsigned a = 0;; a++)
		for (unsigned b = a + 1;; b++) {
			struct plan p = { .fault = { { NULL, f, a, 1, false },
						     { NULL, g, b, 1, false } },
					  .n = 2 };
			unsigned acts = play(scene, o, &p,
					     (enum landing)((a + b) % LANDINGS),
					     (a + b) % 2, NULL);

			if (acts <= a)
				return;
			if (acts <= b)
				break;
		}
}

static void every_pair_of_faults_is_survived(void **state)
{
	static const struct {
		enum scene scene;
		const struct order *order;
	} settings[] = {
		{ SCENE_MANAGED, ROTATE },    { SCENE_MANAGED, IMPORT },
		{ SCENE_APPLIED, ROTATE },    { SCENE_APPLIED, RECOVER },
		{ SCENE_STAGED, RECOVER },    { SCENE_RESTORED, ROTATE },
		{ SCENE_UNMARKED, ROTATE },   { SCENE_NEW, IMPORT },
		{ SCENE_BY_HAND, EMERGENCY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		for (int f = FATE_DOWN; f < FATE_COUNT; f++)
			for (int g = FATE_DOWN; g < FATE_COUNT; g++)
				pairs(settings[i].scene, settings[i].order,
				      (enum fate)f, (enum fate)g);
}

/* Once, often enough to be retried, always. */
static void failing_act(enum scene scene, const struct order *o,
			const char *act, enum fate fate)
{
	static const unsigned times[] = { 1, 2, ENGINE_RETRIES, ALWAYS };
	struct plan p = one_fault(act, fate, 1);

	for (unsigned from = 0; from <= 1; from++)
		for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++) {
			unsigned mix = from + (unsigned)t + fate;

			p.fault[0].from = from;
			p.fault[0].times = times[t];
			play(scene, o, &p, (enum landing)(mix % LANDINGS),
			     mix / LANDINGS % 2, NULL);
		}
}

/* The acts after the plan's fault: another cannot be the next to fail. */
static void which_occur(enum scene scene, const struct order *o,
			const struct plan *p, bool ret_occurs[ACTS])
{
	struct plan seen[2];

	for (int readable = 0; readable <= 1; readable++)
		play(scene, o, p, LAND_NEVER, readable, &seen[readable]);
	for (size_t a = 0; a < ACTS; a++)
		ret_occurs[a] = seen[0].occurred[a] || seen[1].occurred[a];
}

static void failing_acts(enum scene scene, const struct order *o)
{
	struct plan none = { .n = 0 };
	bool occurs[ACTS];

	which_occur(scene, o, &none, occurs);
	for (size_t a = 0; a < ACTS; a++)
		for (int f = FATE_DOWN; f < fates_of(scene) && occurs[a]; f++)
			failing_act(scene, o, act_names[a], (enum fate)f);
}

static void every_act_may_fail_for_as_long_as_it_likes(void **state)
{
	(void)state;
	for (int scene = 0; scene < SCENES; scene++)
		for (size_t o = 0; o < ORDERS; o++)
			failing_acts((enum scene)scene, &orders[o]);
}

/* After an open outcome, or a change behind our back, an act that fails until
 * the run gives up. */
static void failing_after(enum scene scene, const struct order *o,
			  const char *first, enum fate fate)
{
	struct plan p = one_fault(first, fate, 1);
	bool occurs[ACTS];

	if ((int)fate >= fates_of(scene))
		return;
	which_occur(scene, o, &p, occurs);
	p.n = 2;
	for (size_t a = 0; a < ACTS; a++)
		for (int f = FATE_DOWN; f < fates_of(scene) && occurs[a]; f++) {
			p.fault[1] = (struct fault){ act_names[a], (enum fate)f,
						     0, ALWAYS, true };
			play(scene, o, &p, (enum landing)(f % LANDINGS),
			     (f + a) % 2, NULL);
		}
}

static void an_open_outcome_survives_whatever_fails_next(void **state)
{
	static const char *const first[] = { "claim", "apply", "adopt", "prove",
					     "promote" };
	static const enum fate fates[] = { FATE_LOST_BEFORE, FATE_LOST_AFTER,
					   FATE_LATE, FATE_RESTORE,
					   FATE_FOREIGN };

	(void)state;
	for (int scene = 0; scene < SCENES; scene++)
		for (size_t o = 0; o < ORDERS; o++)
			for (size_t i = 0; i < 5; i++)
				for (size_t f = 0; f < 5; f++)
					failing_after((enum scene)scene,
						      &orders[o], first[i],
						      fates[f]);
}

/* Rotator 0 stands still after k steps while rotator 1 runs and meets a fate;
 * returns false when rotator 0 had ended before. */
static bool paused(enum scene scene, const struct order *o, unsigned k,
		   const struct order *other, struct plan *p,
		   enum landing landing)
{
	static struct world w;
	struct secret *given;
	struct runner_job job = { .mode = o->mode,
				  .fresh = o->fresh,
				  .emergency = o->emergency };
	struct before b;
	struct runner *r;
	bool more = true;

	prepare(&w, scene, k % 2);
	say_plan(scene, other, p, landing, k % 2);
	given = copy_of(w.db.password);
	job.password = given;
	b = remember(&w);
	r = world_runner(&w, 0, &job);
	while (k-- > 0 && more)
		more = world_step(&w, 0, r);
	under(&w, p);
	run(&w, 1, other);
	w.fate = NULL;
	if (landing == LAND_FIRST)
		land_all(&w, false);
	finish(&w, 0, o, r, &b, false);
	secret_free(given);
	must_converge(&w, landing);
	world_free(&w);
	return more;
}

static void a_rotator_may_stand_still_anywhere_while_another_works(void **state)
{
	static const enum scene scenes[] = { SCENE_MANAGED,  SCENE_APPLIED,
					     SCENE_STAGED,   SCENE_RESTORED,
					     SCENE_UNMARKED, SCENE_NO_MARKER };
	static const enum fate fates[] = { FATE_GOOD, FATE_LATE,
					   FATE_CRASH_BEFORE,
					   FATE_CRASH_AFTER };
	unsigned mix = 0;

	(void)state;
	for (size_t s = 0; s < 6; s++)
		for (size_t o = 0; o < ORDERS; o++)
			for (size_t f = 0; f < 4; f++)
				for (unsigned act = 0; act < 18; act++) {
					struct plan p =
						one_fault(NULL, fates[f], 1);
					unsigned k = 1;

					p.fault[0].from = act;
					do {
						struct plan again = p;

						mix++;
						if (!paused(scenes[s],
							    &orders[o], k++,
							    &orders[mix % 5],
							    &again,
							    (enum landing)(
								    mix / 5 %
								    LANDINGS)))
							break;
					} while (k < 40);
				}
}

/* ---- scenes of their own ---- */

static void each_lost_reply_is_resolved_within_the_run(void **state)
{
	static const struct fault some[] = {
		{ "claim", FATE_LOST_BEFORE, 0, 2, false },
		{ "claim", FATE_LOST_AFTER, 0, 2, false },
		{ "apply", FATE_LOST_BEFORE, 0, 2, false },
		{ "apply", FATE_LOST_AFTER, 0, 1, false },
		{ "apply", FATE_DOWN, 0, 2, false },
		{ "prove", FATE_DOWN, 0, 3, false },
		{ "promote", FATE_LOST_BEFORE, 0, 2, false },
		{ "promote", FATE_LOST_AFTER, 0, 1, false },
		{ "promote", FATE_DOWN, 0, 2, false },
		{ "promote", FATE_LIE, 0, 1, false },
		{ "stage", FATE_LOST_AFTER, 0, 1, false },
		{ "fetch", FATE_DOWN, 0, 2, false },
	};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		struct plan p = { .fault = { some[i] }, .n = 1 };

		world_make(&w, 11);
		say_plan(SCENE_MANAGED, ROTATE, &p, LAND_NEVER, false);
		under(&w, &p);
		if (run(&w, 0, ROTATE) != STATUS_OK)
			fail_plan("it was not resolved");
		assert_true(world_settled(&w));
		/* No third password: one run, one version. */
		assert_int_equal(w.staged, 1);
		world_free(&w);
	}
}

static void a_commit_that_fails_and_was_forwarded_costs_no_password(
	void **state)
{
	static struct world w;

	(void)state;
	/* Within the run, then over several. */
	for (unsigned times = 1; times <= 20; times++) {
		struct plan p = one_fault("apply", FATE_LOST_BEFORE, times);
		enum status s = STATUS_ERROR;

		prepare(&w, SCENE_DOUBTED, false);
		say_plan(SCENE_DOUBTED, RECOVER, &p, LAND_NEVER, false);
		under(&w, &p);
		run(&w, 0, ROTATE);
		for (int i = 0; i < 6 && s != STATUS_OK; i++)
			s = run(&w, 1, RECOVER);
		if (s != STATUS_OK || !world_settled(&w))
			fail_plan("it was not resolved");
		assert_int_equal(w.staged, 1);
		world_free(&w);
	}
}

static void a_proxy_that_remembers_is_waited_for(void **state)
{
	static struct world w;
	static const int64_t lags[] = { NOW_SECOND / 2, 4 * 60 * NOW_SECOND };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		prepare(&w, SCENE_MANAGED, false);
		w.lag_us = lags[i];
		assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
		assert_true(w.wrong_logins > 0);
		assert_true(world_settled(&w));
		assert_int_equal(w.staged, 1);
		world_free(&w);
	}
}

static void a_branch_is_never_rotated_into_its_parents_secret(void **state)
{
	static const struct order *const some[] = { ROTATE, DUE, RECOVER };
	static struct world w;
	const char *current;

	(void)state;
	for (size_t o = 0; o < 3; o++) {
		prepare(&w, SCENE_MANAGED, o % 2);
		w.db.branched = true;
		assert_int_equal(run(&w, 0, some[o]), STATUS_REFUSED);
		assert_int_equal(w.staged, 0);
		assert_false(w.role.frozen);
		/* A secret of its own: new there, whatever was brought along. */
		new_to_keyturn(&w);
		w.db.branched = true;
		snprintf(w.db.live, sizeof(w.db.live), "the parent's");
		assert_int_equal(run(&w, 0, &orders[o]), STATUS_OK);
		assert_true(world_settled(&w));
		/* Reset to the parent: the branch's own secret goes on. */
		w.db.branched = true;
		world_by_hand(&w);
		snprintf(w.db.live, sizeof(w.db.live), "the parent's");
		current = world_label(&w, STORE_LABEL_CURRENT);
		assert_true(*current);
		assert_int_equal(run(&w, 0, &orders[o]), STATUS_OK);
		assert_true(world_settled(&w));
		world_free(&w);
	}
}

/* It took the place of the one that the secret was for, and a person says so. */
static void a_branch_gets_the_secret_by_command(void **state)
{
	static const struct order *const commands[] = { EMERGENCY, IMPORT };
	static struct world w;

	(void)state;
	for (size_t o = 0; o < 2; o++) {
		prepare(&w, SCENE_MANAGED, false);
		w.db.branched = true;
		assert_int_equal(run(&w, 0, ROTATE), STATUS_REFUSED);
		assert_int_equal(run(&w, 0, commands[o]), STATUS_OK);
		assert_true(world_settled(&w));
		assert_int_equal(w.staged, 1);
		assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
		assert_true(world_settled(&w));
		world_free(&w);
	}
}

/* What may become live later would win over what is imported now. */
static void nothing_is_imported_over_a_doubted_rotation(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_DOUBTED_STAGED, false);
	assert_int_equal(run(&w, 0, IMPORT), STATUS_REFUSED);
	assert_int_equal(w.staged, 1);
	assert_int_equal(run(&w, 0, RECOVER), STATUS_OK);
	assert_int_equal(run(&w, 0, IMPORT), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* Without a marker a login tells what is live, and another may have rotated
 * between that and the claim. */
static void a_login_older_than_the_claim_is_made_again(void **state)
{
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE, .fresh = true };
	static struct world w;
	struct before b;
	struct runner *r;

	(void)state;
	prepare(&w, SCENE_NO_MARKER, false);
	b = remember(&w);
	r = world_runner(&w, 0, &job);
	while (runner_state(r) != ENGINE_CLAIM)
		assert_true(world_step(&w, 0, r));
	assert_int_equal(run(&w, 1, ROTATE), STATUS_OK);
	assert_int_equal(finish(&w, 0, ROTATE, r, &b, false), STATUS_OK);
	assert_int_equal(w.restores_noted, 0);
	assert_int_equal(w.staged, 2);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* The proxy still takes the old password: no restore, and CURRENT stays. */
static void what_a_proxy_remembers_is_no_restore(void **state)
{
	char current[RANDOM_UUID_SIZE];
	static struct world w;

	(void)state;
	prepare(&w, SCENE_NO_MARKER, false);
	w.lag_us = 4 * 60 * NOW_SECOND;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	snprintf(current, sizeof(current), "%s",
		 world_label(&w, STORE_LABEL_CURRENT));
	w.db.proxy_until = w.clock + NOW_SECOND;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_BUSY);
	assert_int_equal(w.restores_noted, 0);
	assert_string_equal(world_label(&w, STORE_LABEL_CURRENT), current);
	w.db.proxy_until = 0;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* A daemon that remembers the store as it was two rotations ago. */
static void an_old_memory_of_the_store_is_no_reason_to_refuse(void **state)
{
	static struct world w;
	struct world_store old;

	(void)state;
	prepare(&w, SCENE_NO_MARKER, false);
	old = w.store;
	rotate_twice(&w);
	w.store_before = old;
	w.remembers = true;
	assert_int_equal(run(&w, 1, ROTATE), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* The reply to the apply is lost, and then the database is a branch. */
static enum fate becomes_a_branch(struct world *w, const char *act, void *arg)
{
	(void)arg;
	if (strcmp(act, "apply") != 0)
		return FATE_GOOD;
	w->db.branched = true;
	return FATE_LOST_BEFORE;
}

static void a_branch_that_appears_leaves_the_outcome_open(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	w.fate = becomes_a_branch;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_UNKNOWN);
	world_free(&w);
}

static void a_refusal_that_lasts_freezes_the_role(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	w.lag_us = NOW_SECOND;
	{
		struct plan p = one_fault("prove", FATE_FOREIGN, 1);

		under(&w, &p);
		assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
	}
	assert_true(w.wrong_logins > 1);
	world_free(&w);
}

static void a_rejected_password_is_made_anew_at_most_twice(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	w.reject = true;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_REJECTED);
	assert_int_equal(w.staged, 1 + ENGINE_REJECTIONS);
	assert_true(world_settled(&w));
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* The rule came between what was tried and the proof. */
static void a_server_that_does_not_ask_freezes_the_role(void **state)
{
	static struct world w;

	(void)state;
	for (int readable = 0; readable <= 1; readable++) {
		struct plan p = one_fault("prove", FATE_LIE, ALWAYS);

		prepare(&w, SCENE_MANAGED, readable);
		under(&w, &p);
		assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
		assert_true(w.role.frozen);
		assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
		assert_int_equal(run(&w, 0, RECOVER), STATUS_FROZEN);
		assert_int_equal(w.staged, 1);
		w.role.frozen = false;
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void a_server_that_takes_any_password_freezes_the_role(void **state)
{
	static struct world w;

	(void)state;
	for (size_t o = 0; o < 3; o++) {
		struct plan p = one_fault("control", FATE_LIE, ALWAYS);

		prepare(&w, SCENE_APPLIED, false);
		under(&w, &p);
		assert_int_equal(run(&w, 0, &orders[o]), STATUS_FROZEN);
		assert_true(w.role.frozen);
		w.role.frozen = false;
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

/* ---- what is tried before anything is changed ---- */

static const enum scene untouched[] = { SCENE_MANAGED,	  SCENE_DOUBTED,
					SCENE_NO_MARKER,  SCENE_STAGED,
					SCENE_UNMARKED,	  SCENE_NEW,
					SCENE_ROLLED_BACK };

/* Nothing happens to the role, and the run says so. */
static void must_refuse(struct world *w, enum scene scene,
			const struct order *o, struct plan *p)
{
	char live[WORLD_PASSWORD];
	unsigned staged = w->staged;

	memcpy(live, w->db.password, sizeof(live));
	say_plan(scene, o, p, LAND_NEVER, false);
	under(w, p);
	if (run(w, 0, o) != STATUS_REFUSED)
		fail_plan("it was not refused");
	assert_string_equal(w->db.password, live);
	assert_int_equal(w->staged, staged);
	assert_false(w->role.frozen);
	must_converge(w, LAND_NEVER);
}

static void what_could_not_be_proved_is_not_begun(void **state)
{
	static const struct {
		const char *act;
		enum fate fate;
	} faults_of[] = {
		{ "login", FATE_DOWN },	   /* an endpoint is away */
		{ "login", FATE_LIE },	   /* it asks for no password */
		{ "login", FATE_FOREIGN }, /* CURRENT is refused */
		{ "control", FATE_DOWN },  /* the same, with a wrong one */
		{ "control", FATE_LIE },   /* it takes any password */
		{ "try", FATE_REFUSED },   /* a sink cannot be written */
	};
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(faults_of) / sizeof(faults_of[0]); i++)
		for (int due = 0; due <= 1; due++) {
			struct plan p = one_fault(faults_of[i].act,
						  faults_of[i].fate, ALWAYS);
			char live[WORLD_PASSWORD];

			prepare(&w, SCENE_MANAGED, false);
			memcpy(live, w.db.password, sizeof(live));
			if (faults_of[i].fate != FATE_FOREIGN) {
				must_refuse(&w, SCENE_MANAGED,
					    due ? DUE : ROTATE, &p);
			} else {
				under(&w, &p);
				assert_int_equal(run(&w, 0, due ? DUE : ROTATE),
						 STATUS_REFUSED);
				assert_int_equal(w.staged, 0);
				must_converge(&w, LAND_NEVER);
			}
			world_free(&w);
		}
}

/* pg_hba.conf has no line for the role, whatever keyturn knows of it. */
static void who_cannot_log_in_from_here_is_not_locked_out(void **state)
{
	static const struct order *const some[] = { ROTATE, DUE, EMERGENCY };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < sizeof(untouched) / sizeof(untouched[0]); i++)
		for (size_t o = 0; o < 3; o++) {
			struct plan p = { .n = 0 };
			char live[WORLD_PASSWORD];
			unsigned staged;
			enum status s;

			prepare(&w, untouched[i], false);
			say_plan(untouched[i], some[o], &p, LAND_NEVER, false);
			staged = w.staged;
			memcpy(live, w.db.password, sizeof(live));
			w.shut = true;
			s = run(&w, 0, some[o]);
			if (s == STATUS_OK)
				fail_plan("it went on");
			assert_string_equal(w.db.password, live);
			assert_int_equal(w.staged, staged);
			must_converge(&w, LAND_NEVER);
			world_free(&w);
		}
}

/* CURRENT may be dead there, and a new password waits to be proved. */
static void what_was_applied_is_finished_without_a_try(void **state)
{
	static const enum scene scenes[] = { SCENE_APPLIED, SCENE_FORWARDED,
					     SCENE_NO_MARKER_APPLIED };
	static const struct order *const some[] = { DUE, RECOVER };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t o = 0; o < 2; o++) {
			struct plan p = one_fault("login", FATE_DOWN, ALWAYS);

			prepare(&w, scenes[i], false);
			say_plan(scenes[i], some[o], &p, LAND_NEVER, false);
			under(&w, &p);
			if (run(&w, 1, some[o]) != STATUS_OK)
				fail_plan("it was not finished");
			assert_true(world_settled(&w));
			assert_int_equal(w.staged, 1);
			world_free(&w);
		}
}

static void an_emergency_passes_over_a_bad_sink_and_a_dead_password(
	void **state)
{
	struct plan p = one_fault("try", FATE_REFUSED, ALWAYS);
	static struct world w;

	(void)state;
	prepare(&w, SCENE_BY_HAND, false);
	under(&w, &p);
	assert_int_equal(run(&w, 0, EMERGENCY), STATUS_OK);
	assert_true(world_settled(&w));
	/* The one password that it tried was made up. */
	assert_int_equal(w.wrong_logins, 0);
	assert_int_equal(w.controls, 1);
	world_free(&w);
}

/* One login more, and one that fails; none when they were had lately. */
static void what_was_proved_lately_is_not_tried_again(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	world_remembers(&w, 3600 * NOW_SECOND);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 2);
	assert_int_equal(w.controls, 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 5);
	assert_int_equal(w.controls, 1);
	/* Written once, and not with each rotation. */
	assert_int_equal(w.remembered, 1);
	/* Another way, then a failure, then time: tried again. */
	w.way = "another";
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 7);
	assert_int_equal(w.controls, 2);
	w.role.rotated_us = w.clock + NOW_SECOND;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 9);
	assert_int_equal(w.controls, 2);
	w.clock += 3600 * NOW_SECOND;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.n_proved, 11);
	assert_int_equal(w.controls, 3);
	world_free(&w);
}

/* What it refuses now it will take when it has forgotten. */
static void a_proxy_that_does_not_know_current_yet_is_no_reason_to_refuse(
	void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	w.lag_us = 4 * 60 * NOW_SECOND;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	w.db.proxy_until = w.clock + NOW_SECOND;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_BUSY);
	assert_int_equal(w.staged, 1);
	w.db.proxy_until = 0;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	world_free(&w);
}

/* Its own failure is all that a run may believe. */
static void a_try_that_failed_is_made_again(void **state)
{
	struct plan p = one_fault("login", FATE_DOWN, 1);
	static struct world w;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	world_remembers(&w, 3600 * NOW_SECOND);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	w.way = "another";
	under(&w, &p);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_REFUSED);
	w.fate = NULL;
	assert_int_equal(run(&w, 0, RECOVER), STATUS_OK);
	w.shut = true;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_REFUSED);
	assert_int_equal(w.staged, 1);
	world_free(&w);
}

static void nothing_is_imported_from_a_server_that_does_not_ask(void **state)
{
	static struct world w;

	(void)state;
	for (int control = 0; control <= 1; control++) {
		struct plan p = one_fault(control ? "control" : "login",
					  FATE_LIE, ALWAYS);

		prepare(&w, SCENE_NEW, true);
		under(&w, &p);
		assert_int_equal(run(&w, 0, IMPORT), STATUS_REFUSED);
		assert_int_equal(w.staged, 0);
		world_free(&w);
	}
}

static void a_wrong_password_is_not_imported(void **state)
{
	struct plan p = one_fault("login", FATE_FOREIGN, 1);
	static struct world w;

	(void)state;
	prepare(&w, SCENE_NEW, true);
	under(&w, &p);
	assert_int_equal(run(&w, 0, IMPORT), STATUS_REFUSED);
	assert_int_equal(w.staged, 0);
	assert_false(w.role.frozen);
	world_free(&w);
}

static void a_password_changed_by_hand_after_the_apply_freezes_it(void **state)
{
	static struct world w;

	(void)state;
	for (int readable = 0; readable <= 1; readable++) {
		struct plan p = one_fault("prove", FATE_FOREIGN, 1);

		prepare(&w, SCENE_MANAGED, readable);
		under(&w, &p);
		assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
		assert_true(w.role.frozen);
		/* Import of the password that a person set heals it. */
		w.role.frozen = false;
		assert_int_equal(run(&w, 0, IMPORT), STATUS_OK);
		assert_true(world_settled(&w));
		world_free(&w);
	}
}

/* The login before the marker is no proof of what the marker then names. */
static void an_import_is_proved_after_it_is_marked(void **state)
{
	static const enum fate fates[] = { FATE_FOREIGN, FATE_RESTORE };
	static struct world w;

	(void)state;
	for (int readable = 0; readable <= 1; readable++)
		for (size_t f = 0; f < 2; f++) {
			struct plan p = one_fault("adopt", fates[f], 1);

			prepare(&w, SCENE_APPLIED, readable);
			under(&w, &p);
			assert_int_equal(run(&w, 0, IMPORT), STATUS_FROZEN);
			assert_string_not_equal(
				world_label(&w, STORE_LABEL_CURRENT),
				w.db.live);
			must_converge(&w, LAND_NEVER);
			world_free(&w);
		}
}

static void a_password_changed_by_hand_is_seen_where_it_can_be_read(
	void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_BY_HAND, true);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 0);
	world_free(&w);
	/* Else by the login that comes before anything is changed. */
	prepare(&w, SCENE_BY_HAND, false);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_REFUSED);
	assert_int_equal(w.staged, 0);
	assert_int_equal(run(&w, 0, EMERGENCY), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_missing_marker_costs_one_login_and_no_password(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_UNMARKED, false);
	assert_int_equal(run(&w, 0, RECOVER), STATUS_OK);
	assert_int_equal(w.staged, 0);
	assert_int_equal(w.n_proved, 1);
	assert_true(world_settled(&w));
	world_free(&w);
	prepare(&w, SCENE_UNMARKED_BY_HAND, false);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 0);
	assert_int_equal(w.wrong_logins, 1);
	world_free(&w);
}

/* The database goes back to where the marker is missing after our password was
 * applied: the probe logs in with CURRENT, and ours is applied again. */
static void a_probe_leaves_our_password_alone(void **state)
{
	struct plan p = one_fault("prove", FATE_RESTORE, 1);
	static struct world w;

	(void)state;
	prepare(&w, SCENE_UNMARKED, false);
	under(&w, &p);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_renamed_role_is_known_by_its_version(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_RENAMED, false);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_role_made_again_is_known_by_its_password(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_UNMARKED, false);
	w.db.renamed = true;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void a_renamed_role_with_another_password_is_frozen(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_UNMARKED_BY_HAND, false);
	w.db.renamed = true;
	assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 0);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void a_restore_is_repointed_alarmed_and_rotated(void **state)
{
	static struct world w;

	(void)state;
	for (size_t o = 0; o < ORDERS - 1; o++) {
		unsigned before;
		int64_t seen;

		prepare(&w, SCENE_RESTORED, false);
		before = w.staged;
		seen = w.role.epoch;
		assert_int_equal(run(&w, 0, &orders[o]), STATUS_OK);
		assert_true(w.restores_noted > 0);
		assert_int_equal(w.staged, before + 1);
		assert_true(world_settled(&w));
		/* INV5: what comes later has the higher epoch all the same. */
		assert_true(seen > 0 && w.db.epoch > seen);
		world_free(&w);
	}
}

static void a_store_rolled_back_freezes_and_an_emergency_heals(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_ROLLED_BACK, true);
	assert_int_equal(run(&w, 0, ROTATE), STATUS_FROZEN);
	assert_int_equal(w.staged, 2);
	w.role.frozen = false;
	assert_int_equal(run(&w, 0, EMERGENCY), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

static void finishing_is_enough_when_due(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_APPLIED, false);
	assert_int_equal(run(&w, 1, DUE), STATUS_OK);
	assert_int_equal(w.staged, 1);
	world_free(&w);
	/* Asked for by a person it is followed by a new one. */
	prepare(&w, SCENE_APPLIED, false);
	assert_int_equal(run(&w, 1, ROTATE), STATUS_OK);
	assert_int_equal(w.staged, 2);
	world_free(&w);
}

static void a_role_new_to_keyturn_has_nothing_to_recover(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, SCENE_NEW, true);
	assert_int_equal(run(&w, 0, RECOVER), STATUS_OK);
	assert_int_equal(w.staged, 0);
	assert_false(world_managed(&w));
	assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
	assert_true(world_settled(&w));
	world_free(&w);
}

/* From the claim of one rotator to its staging, another comes in between. */
static void who_lost_the_claim_stages_nothing(void **state)
{
	static const enum engine_state at[] = { ENGINE_RESOLVE, ENGINE_GENERATE,
						ENGINE_STAGE };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct runner_job job = { .mode = ENGINE_MODE_ROTATE,
					  .fresh = true };
		struct plan p = {
			.fault = { { "apply", FATE_LATE, 0, 1, false },
				   { NULL, FATE_CRASH_BEFORE, 0, 1, true } },
			.n = 2
		};
		struct before b;
		struct runner *r;

		prepare(&w, SCENE_MANAGED, false);
		b = remember(&w);
		r = world_runner(&w, 0, &job);
		while (runner_state(r) != at[i])
			assert_true(world_step(&w, 0, r));
		under(&w, &p);
		run(&w, 1, ROTATE);
		w.fate = NULL;
		assert_int_equal(w.staged, 1);
		assert_int_equal(finish(&w, 0, ROTATE, r, &b, false),
				 STATUS_BUSY);
		must_converge(&w, LAND_FIRST);
		world_free(&w);
	}
}

/* Fenced by our second claim it still holds the store's revision: what we apply
 * again must not be staged over. */
static void who_was_fenced_does_not_stage_over_what_is_applied_again(
	void **state)
{
	struct runner_job mine = { .mode = ENGINE_MODE_ROTATE, .fresh = true };
	struct runner_job other = mine;
	struct plan p = one_fault("apply", FATE_LATE, ALWAYS);
	static struct world w;
	struct runner *a, *b;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	a = world_runner(&w, 0, &mine);
	while (runner_state(a) != ENGINE_APPLY)
		assert_true(world_step(&w, 0, a));
	b = world_runner(&w, 1, &other);
	while (runner_state(b) != ENGINE_STAGE)
		assert_true(world_step(&w, 1, b));
	under(&w, &p);
	for (int sent = 0; sent < 2;) {
		sent += runner_state(a) == ENGINE_APPLY;
		assert_true(world_step(&w, 0, a));
	}
	w.fate = NULL;
	assert_int_equal(finish(&w, 1, ROTATE, b, NULL, false), STATUS_BUSY);
	runner_free(a);
	must_converge(&w, LAND_FIRST);
	world_free(&w);
}

static void what_did_not_log_in_is_not_delivered(void **state)
{
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE, .fresh = true };
	struct plan p = one_fault("fetch", FATE_LIE, ALWAYS);
	static struct world w;
	char before[WORLD_PASSWORD];
	struct before b;
	struct runner *r;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	snprintf(before, sizeof(before), "%s", w.sink_password);
	b = remember(&w);
	r = world_runner(&w, 0, &job);
	while (runner_state(r) != ENGINE_DELIVER)
		assert_true(world_step(&w, 0, r));
	under(&w, &p);
	assert_true(world_step(&w, 0, r));
	assert_int_equal(w.lies, 1);
	assert_string_equal(w.sink_password, before);
	assert_true(runner_engine(r)->sink_bad);
	w.fate = NULL;
	assert_int_equal(finish(&w, 0, ROTATE, r, &b, true),
			 STATUS_UNDELIVERED);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void a_living_rotator_is_waited_for_but_not_by_recover(void **state)
{
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE };
	static struct world w;
	struct before b;
	struct runner *r;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	w.polite = true;
	b = remember(&w);
	r = world_runner(&w, 0, &job);
	while (runner_state(r) != ENGINE_APPLY)
		assert_true(world_step(&w, 0, r));
	assert_int_equal(run(&w, 1, ROTATE), STATUS_BUSY);
	assert_int_equal(run(&w, 1, RECOVER), STATUS_OK);
	assert_int_equal(finish(&w, 0, ROTATE, r, &b, false), STATUS_BUSY);
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

/* Draw by draw, once and from then on. */
static void without_randomness_nothing_is_made_up(void **state)
{
	static struct world w;

	(void)state;
	for (size_t o = 0; o < ORDERS; o++)
		for (int stays = 0; stays <= 1; stays++) {
			unsigned last = 2;

			for (unsigned n = 1; n <= last; n++) {
				struct plan p = { .n = 0 };

				prepare(&w, SCENE_MANAGED, n % 2);
				say_plan(SCENE_MANAGED, &orders[o], &p,
					 LAND_NEVER, n % 2);
				w.random_from = w.draws + 1 + n;
				w.random_until = stays ? UINT32_MAX :
							 w.random_from + 1;
				run(&w, 0, &orders[o]);
				if (w.draws >= w.random_from)
					last = n + 1;
				must_converge(&w, LAND_NEVER);
				world_free(&w);
			}
		}
}

static void a_sink_that_cannot_be_written_undoes_nothing_and_is_remembered(
	void **state)
{
	struct plan p = one_fault("sink", FATE_DOWN, ALWAYS);
	struct runner_job job = { .mode = ENGINE_MODE_ROTATE };
	struct runner_result result;
	static struct world w;
	struct runner *r;

	(void)state;
	prepare(&w, SCENE_MANAGED, false);
	under(&w, &p);
	r = world_runner(&w, 0, &job);
	while (world_step(&w, 0, r))
		;
	runner_result(r, &result);
	runner_free(r);
	assert_int_equal(result.status, STATUS_UNDELIVERED);
	assert_true(w.role.undelivered_us > 0);
	assert_true(world_settled(&w));
	assert_string_equal(w.sink_version, "");
	w.fate = NULL;
	/* The next run brings it in step, whatever it is. */
	assert_int_equal(run(&w, 0, RECOVER), STATUS_OK);
	assert_string_equal(w.sink_version, w.db.live);
	assert_int_equal(w.role.undelivered_us, 0);
	world_free(&w);
}

static void a_sink_that_could_not_take_it_stops_the_run_before_it_begins(
	void **state)
{
	char before[WORLD_PASSWORD];

	(void)state;
	for (int emergency = 0; emergency < 2; emergency++) {
		struct plan p = one_fault("try", FATE_DOWN, ALWAYS);
		static struct world w;

		prepare(&w, SCENE_MANAGED, false);
		snprintf(before, sizeof(before), "%s", w.db.password);
		under(&w, &p);
		/* A password that leaked goes whatever its consumers have. */
		assert_int_equal(run(&w, 0, emergency ? EMERGENCY : ROTATE),
				 emergency ? STATUS_OK : STATUS_REFUSED);
		assert_int_equal(strcmp(w.db.password, before) == 0,
				 !emergency);
		assert_true(world_settled(&w));
		w.fate = NULL;
		assert_int_equal(run(&w, 0, ROTATE), STATUS_OK);
		assert_string_not_equal(w.db.password, before);
		world_free(&w);
	}
}

/* ---- storms ---- */

static enum fate stormy(struct world *w, const char *act, void *arg)
{
	static const enum fate some[] = { FATE_DOWN,	    FATE_LOST_BEFORE,
					  FATE_LOST_AFTER,  FATE_LATE,
					  FATE_LATE,	    FATE_CRASH_BEFORE,
					  FATE_CRASH_AFTER, FATE_LIE };

	(void)arg;
	if (world_random(w) % 1000 >= 60)
		return FATE_GOOD;
	/* A lying login freezes, which is right but ends the storm. */
	for (;;) {
		enum fate f = some[world_random(w) % 8];

		if (f == FATE_LIE && strcmp(act, "stage") != 0 &&
		    strcmp(act, "fetch") != 0)
			continue;
		faults++;
		return f;
	}
}

struct storm {
	struct world w;
	struct runner *r[WORLD_ROTATORS];
	struct runner_job job[WORLD_ROTATORS];
	unsigned since_backup;
};

/* What happens without any rotator's doing. */
static void weather(struct storm *s, enum world_mutation mutation)
{
	struct world *w = &s->w;

	if (world_in_flight(w) && world_random(w) % 8 == 0) {
		unsigned which =
			(unsigned)(world_random(w) % world_in_flight(w));

		world_land(w, which, world_random(w) % 4 == 0);
	}
	if (world_random(w) % 400 == 0) {
		world_backup(w);
		s->since_backup = w->staged;
	}
	/* Within the ring: fewer stagings than it holds. */
	if (world_random(w) % 300 == 0 &&
	    (mutation == WORLD_SHORT_RING ||
	     w->staged - s->since_backup < STORE_RING_MIN))
		world_restore(w);
}

static void turn(struct storm *s)
{
	struct world *w = &s->w;
	int i = (int)(world_random(w) % WORLD_ROTATORS);

	if (!s->r[i]) {
		/* A line each: the order of initialisers is the compiler's. */
		s->job[i] = (struct runner_job){ .fresh = false };
		s->job[i].mode = world_random(w) % 3 ? ENGINE_MODE_ROTATE :
						       ENGINE_MODE_RECOVER;
		s->job[i].fresh = world_random(w) % 2;
		s->r[i] = world_runner(w, i, &s->job[i]);
		w->role.frozen = false;
		runs++;
	}
	if (world_step(w, i, s->r[i]))
		return;
	crashes += w->dead[i];
	runner_free(s->r[i]);
	s->r[i] = NULL;
}

/*
 * Up to three rotators take turns at random, effects land late and in any
 * order, the database is restored now and then.  Returns false on a violation
 * (left in *ret_violation).
 */
static bool storm(uint64_t seed, enum world_mutation mutation, unsigned turns,
		  char ret_violation[200])
{
	static struct storm s;
	bool good = true;

	memset(&s, 0, sizeof(s)); /* not secret */
	snprintf(plan_text, sizeof(plan_text), "storm %llu",
		 (unsigned long long)seed);
	world_make(&s.w, seed);
	s.w.mutation = mutation;
	s.w.fate = stormy;
	s.w.polite = seed % 4 == 0;
	if (seed % 3 == 0 && mutation == WORLD_SOUND)
		world_forwards(&s.w);
	for (unsigned t = 0; t < turns && good; t++) {
		weather(&s, mutation);
		turn(&s);
		good = s.w.violation[0] == '\0';
	}
	for (int i = 0; i < WORLD_ROTATORS; i++)
		runner_free(s.r[i]);
	if (good && mutation == WORLD_SOUND)
		must_converge(&s.w, LAND_FIRST);
	memcpy(ret_violation, s.w.violation, sizeof(s.w.violation));
	world_free(&s.w);
	return good;
}

static void storms_of_rotators_faults_and_restores_break_nothing(void **state)
{
	const char *many = getenv("KEYTURN_SIMULATE_STORMS");
	unsigned long n = many ? strtoul(many, NULL, 10) : 3000;
	char violation[200];

	(void)state;
	for (unsigned long seed = 1; seed <= n; seed++)
		if (!storm(seed, WORLD_SOUND, 400, violation))
			fail_plan("%s", violation);
}

static void the_checks_notice_each_defence_that_is_switched_off(void **state)
{
	static const char *const names[] = {
		"sound",
		"no database CAS",
		"no store CAS",
		"PENDING dropped when superseded",
		"no session binding and PENDING dropped",
		"a ring of none"
	};

	(void)state;
	for (int m = WORLD_NO_DB_CAS; m < WORLD_MUTATIONS; m++) {
		char violation[200] = "";
		uint64_t seed;

		for (seed = 1; seed < 40000; seed++)
			if (!storm(seed, (enum world_mutation)m, 400,
				   violation))
				break;
		if (!violation[0])
			fail_msg("%s: nothing noticed", names[m]);
		printf("defence off: %s: caught in storm %llu: %s\n", names[m],
		       (unsigned long long)seed, violation);
	}
}

/* A row that nobody can walk is a row that nobody has tested. */
static void every_row_of_the_table_was_walked(void **state)
{
	size_t n, missed = 0;
	const struct engine_row *rows = engine_rows(&n);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		if (rows_taken[i])
			continue;
		missed++;
		printf("not walked: %s (guard %d)\n", row_text(&rows[i]),
		       (int)rows[i].guard);
	}
	printf("rows walked: %zu of %zu\n", n - missed, n);
	assert_int_equal(missed, 0);
}

/* Cheap ones first: a mutant is to be caught soon. */
static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_lost_reply_is_resolved_within_the_run),
	cmocka_unit_test(
		a_commit_that_fails_and_was_forwarded_costs_no_password),
	cmocka_unit_test(a_proxy_that_remembers_is_waited_for),
	cmocka_unit_test(a_refusal_that_lasts_freezes_the_role),
	cmocka_unit_test(a_branch_is_never_rotated_into_its_parents_secret),
	cmocka_unit_test(a_branch_that_appears_leaves_the_outcome_open),
	cmocka_unit_test(a_branch_gets_the_secret_by_command),
	cmocka_unit_test(nothing_is_imported_over_a_doubted_rotation),
	cmocka_unit_test(a_login_older_than_the_claim_is_made_again),
	cmocka_unit_test(what_a_proxy_remembers_is_no_restore),
	cmocka_unit_test(an_old_memory_of_the_store_is_no_reason_to_refuse),
	cmocka_unit_test(a_rejected_password_is_made_anew_at_most_twice),
	cmocka_unit_test(a_server_that_does_not_ask_freezes_the_role),
	cmocka_unit_test(a_server_that_takes_any_password_freezes_the_role),
	cmocka_unit_test(what_could_not_be_proved_is_not_begun),
	cmocka_unit_test(who_cannot_log_in_from_here_is_not_locked_out),
	cmocka_unit_test(what_was_applied_is_finished_without_a_try),
	cmocka_unit_test(
		an_emergency_passes_over_a_bad_sink_and_a_dead_password),
	cmocka_unit_test(what_was_proved_lately_is_not_tried_again),
	cmocka_unit_test(
		a_proxy_that_does_not_know_current_yet_is_no_reason_to_refuse),
	cmocka_unit_test(a_try_that_failed_is_made_again),
	cmocka_unit_test(nothing_is_imported_from_a_server_that_does_not_ask),
	cmocka_unit_test(a_wrong_password_is_not_imported),
	cmocka_unit_test(a_password_changed_by_hand_after_the_apply_freezes_it),
	cmocka_unit_test(
		a_password_changed_by_hand_is_seen_where_it_can_be_read),
	cmocka_unit_test(an_import_is_proved_after_it_is_marked),
	cmocka_unit_test(a_missing_marker_costs_one_login_and_no_password),
	cmocka_unit_test(a_probe_leaves_our_password_alone),
	cmocka_unit_test(a_renamed_role_is_known_by_its_version),
	cmocka_unit_test(a_role_made_again_is_known_by_its_password),
	cmocka_unit_test(a_renamed_role_with_another_password_is_frozen),
	cmocka_unit_test(a_restore_is_repointed_alarmed_and_rotated),
	cmocka_unit_test(a_store_rolled_back_freezes_and_an_emergency_heals),
	cmocka_unit_test(finishing_is_enough_when_due),
	cmocka_unit_test(a_role_new_to_keyturn_has_nothing_to_recover),
	cmocka_unit_test(who_lost_the_claim_stages_nothing),
	cmocka_unit_test(what_did_not_log_in_is_not_delivered),
	cmocka_unit_test(
		who_was_fenced_does_not_stage_over_what_is_applied_again),
	cmocka_unit_test(a_living_rotator_is_waited_for_but_not_by_recover),
	cmocka_unit_test(
		a_sink_that_cannot_be_written_undoes_nothing_and_is_remembered),
	cmocka_unit_test(
		a_sink_that_could_not_take_it_stops_the_run_before_it_begins),
	cmocka_unit_test(without_randomness_nothing_is_made_up),
	cmocka_unit_test(every_single_fault_is_survived),
	cmocka_unit_test(
		a_rotator_may_stand_still_anywhere_while_another_works),
	cmocka_unit_test(every_act_may_fail_for_as_long_as_it_likes),
	cmocka_unit_test(an_open_outcome_survives_whatever_fails_next),
	cmocka_unit_test(every_pair_of_faults_is_survived),
	cmocka_unit_test(storms_of_rotators_faults_and_restores_break_nothing),
	cmocka_unit_test(the_checks_notice_each_defence_that_is_switched_off),
	cmocka_unit_test(every_row_of_the_table_was_walked),
};

int main(void)
{
	int failed = 0;

	/* tests/mutations/simulate wants to know whether, not how often. */
	if (getenv("KEYTURN_SIMULATE_STOP"))
		for (size_t i = 0;
		     i < sizeof(tests) / sizeof(tests[0]) && failed == 0; i++)
			failed = _cmocka_run_group_tests(
				"first failure", &tests[i], 1, NULL, NULL);
	else
		failed = cmocka_run_group_tests(tests, NULL, NULL);
	printf("simulated %lu runs, %lu faults, %lu crashes\n", runs, faults,
	       crashes);
	return failed;
}
