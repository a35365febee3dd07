/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the simulation share: plans, orders, scenes, and one run with
 * what must be true when it is over.
 */
#ifndef KEYTURN_SIMULATE_H
#define KEYTURN_SIMULATE_H

#include "world.h"

/* ---- simulate_rows.c ---- */

extern const struct engine_row *last_row; /* taken by whoever acted last */
extern bool overtaken; /* this run read that another moved CURRENT on */

/* "RESOLVE on NEVER to TRY"; static. */
const char *row_text(const struct engine_row *row);

/* ---- simulate_plan.c ---- */

#define ACTS 33
extern const char *const act_names[ACTS];

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

/* The acts of this world meet what is planned; *p must outlive that. */
void put_under(struct world *w, struct plan *p);
struct plan one_fault(const char *act, enum fate fate, unsigned times);

/* Of the plans some are left out on request, by KEYTURN_SIMULATE_EVERY: they are
 * many, and the same wherever they are tried.  Of those with one fault a quarter
 * as often as of those with several. */
bool is_left_out(void);
bool is_one_left_out(void);

/* ---- simulate_run.c ---- */

/* How much was survived, printed at the end. */
extern struct simulated {
	unsigned long runs, faults, crashes;
} simulated;

extern char plan_text[400];

/* Where finish_run() leaves what a run ended with; NULL: nowhere. */
extern struct runner_result *last_result;

/* Every failure says under which plan it came. */
#define fail_plan(format, ...) \
	fail_msg("[%s] " format, plan_text, ##__VA_ARGS__)

struct order {
	const char *name;
	enum engine_mode mode;
	bool fresh, emergency;
	bool at_once; /* RETIRE: without waiting, and sessions end */
	bool unpair;  /* ROTATE: to the owner */
};

#define ORDERS 5
extern const struct order orders[ORDERS];

/* Only of a pair; its other ones are the first PAIR_SHARED of the above. */
#define PAIR_SHARED 4
#define PAIR_ORDERS 4
extern const struct order pair_orders[PAIR_ORDERS];

#define RETIRE	   (&pair_orders[0])
#define RETIRE_NOW (&pair_orders[1])
#define ROLLBACK   (&pair_orders[2])
#define UNPAIR	   (&pair_orders[3])

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
	bool settled;
	char previous[RANDOM_UUID_SIZE]; /* of a pair */
	unsigned others; /* of a pair: who may log in beside the active one */
};

enum landing { LAND_FIRST, LAND_LATER, LAND_NEVER, LANDINGS };

/* Restores, changes by hand and rollbacks so far. */
unsigned count_history(const struct world *w);
struct before remember_before(const struct world *w);
/* A job for world_runner(). */
struct runner_job order_job(const struct order *o, const struct secret *given);
/* The caller's. */
struct secret *copy_password(const char *password);
/* Steps of rotator i until it is about to perform that state's effect. */
void step_to(struct world *w, int i, struct runner *r, enum engine_state state);
/* A run from here to its end.  `alone`: nobody else acted meanwhile, so that
 * its outcome can be checked against what it says. */
enum status finish_run(struct world *w, int i, const struct order *o,
		       struct runner *r, const struct before *b, bool alone);
/* A run of rotator i, alone. */
enum status run_order(struct world *w, int i, const struct order *o);
void land_all(struct world *w, bool lost);
/* After any fault: recover by another process, then a clean rotation. */
void must_converge(struct world *w, enum landing landing);

/* ---- simulate_scene.c ---- */

/* What a run finds. */
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
	SCENES,

	/* Of a pair. */
	SCENE_PAIR_NEW = SCENES, /* keyturn never had to do with it */
	SCENE_PAIR_ADOPTED,	 /* the owner was a role that is managed */
	SCENE_PAIR_FIRST,    /* ... and may log in beside the first member */
	SCENE_PAIR_ROTATED,  /* both members may log in */
	SCENE_PAIR_RETIRED,  /* the old one may not, its password is kept */
	SCENE_PAIR_CLEARED,  /* ... and is not */
	SCENE_PAIR_REVERTED, /* a rotation was rolled back */
	SCENE_PAIR_STAGED,   /* a run died after it staged, ... */
	SCENE_PAIR_APPLIED,
	SCENE_PAIR_WITHDREW,
	SCENE_PAIR_TOMBSTONED,
	SCENE_PAIR_CLEARING,
	SCENE_PAIR_REVERTING,
	SCENE_PAIR_UNROTATED, /* the database is where it was before that */
	SCENE_PAIR_UNRETIRED,
	SCENE_PAIR_UNCLEARED,
	SCENE_PAIR_UNREVERTED,
	SCENE_PAIR_UNMARKED, /* the marker is missing */
	SCENE_PAIR_BY_HAND,  /* somebody changed the active one's password */
	SCENE_PAIR_ADDED,    /* NOLOGIN is refused: owner and first member, */
	SCENE_PAIR_OPEN,     /* ... or both members may log in, */
	SCENE_PAIR_SEALED,   /* ... no one has the old one's password, */
	SCENE_PAIR_SEALING,  /* ... a run died after it saw to that, */
	SCENE_PAIR_UNSEALED, /* ... or the database is where it was before */
	SCENE_PAIR_FULL,     /* PASSWORD NULL is refused: the old one is kept */
	SCENE_PAIR_NULLED,   /* ... and is not */
	PAIR_SCENES
};

/* The nth order that is tried in a scene; NULL: there are no more. */
const struct order *order_in(enum scene scene, size_t n);
void rotate_twice(struct world *w);
void new_to_keyturn(struct world *w);
/* Scenes of a pair have a store that compares labels. */
extern bool scene_labels;
/* A world in that scene; the caller's. */
void prepare_scene(struct world *w, enum scene scene, bool readable);
/* Set plan_text. */
void name_plan(enum scene scene, const struct order *o, const struct plan *p,
	       enum landing landing, bool readable);
/* One run under a plan in a scene, and convergence.  Returns its acts, and in
 * *ret_seen, when not NULL, the plan with what was seen. */
unsigned play_plan(enum scene scene, const struct order *o,
		   const struct plan *plan, enum landing landing, bool readable,
		   struct plan *ret_seen);

/* ---- simulate_sweep.c ---- */

/* Each act of one run fails, once, often enough to be retried, always. */
void fail_acts(enum scene scene, const struct order *o);
/* After an open outcome, or a change behind our back, an act that fails until
 * the run gives up. */
void fail_after(enum scene scene, const struct order *o, const char *first,
		enum fate fate);
/* Rotator 0 stands still after k steps while rotator 1 runs and meets a fate;
 * returns false when rotator 0 had ended before, and true for what is left
 * out. */
bool survive_pause(enum scene scene, const struct order *o, unsigned k,
		   const struct order *other, struct plan *p,
		   enum landing landing);

/* ---- the tests, by subject ---- */

struct simulate_group {
	const struct CMUnitTest *tests;
	size_t n;
};

extern const struct simulate_group simulate_outcome, simulate_live,
	simulate_login, simulate_others, simulate_leak, simulate_pair,
	simulate_gateway, simulate_gateway_sweep, simulate_pair_sweep,
	simulate_sweep, simulate_storm, simulate_rows;

#endif
