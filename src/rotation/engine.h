/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rotation protocol as a pure state machine: step(state, event) gives the
 * next state, whose name is the effect to perform.  No clock, no randomness,
 * no secret, no allocation: what the simulator runs is what ships.
 */
#ifndef KEYTURN_ENGINE_H
#define KEYTURN_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* ENGINE_RESOLVE */
enum engine_state {
#define STATE(name, audit, effect, does) ENGINE_##name,
#include "rotation/states.def"
	ENGINE_STATE_COUNT
};

/* ENGINE_ON_PENDING_LIVE */
enum engine_event {
#define EVENT(name, status, meaning) ENGINE_ON_##name,
#include "rotation/states.def"
	ENGINE_EVENT_COUNT
};

/* ENGINE_IF_WANTS_NEW */
enum engine_guard {
#define GUARD(name, condition, meaning) ENGINE_IF_##name,
#include "rotation/states.def"
	ENGINE_GUARD_COUNT
};

/* ENGINE_DO_RETRY */
enum engine_action {
#define ACTION(name, change, meaning) ENGINE_DO_##name,
#include "rotation/states.def"
	ENGINE_ACTION_COUNT
};

/* What the next run does if we died inside a row's target state. */
enum engine_died {
	ENGINE_DIED_RESTARTS,
	ENGINE_DIED_RESOLVES,
	ENGINE_DIED_FINISHES,
	ENGINE_DIED_SETTLED
};

struct engine_row {
	enum engine_state from;
	enum engine_event event;
	enum engine_guard guard;
	enum engine_state to;
	enum engine_action action;
	enum engine_died died;
	const char *sentence;
};

enum engine_mode {
	ENGINE_MODE_ROTATE,
	ENGINE_MODE_RECOVER,
	ENGINE_MODE_IMPORT,
	ENGINE_MODE_RETIRE,  /* end the old password: of a pair, or one that
				got out */
	ENGINE_MODE_ROLLBACK /* of a pair: go back to it */
};

/* At most so often a state is retried, and a rejected password replaced. */
#define ENGINE_RETRIES	  4
#define ENGINE_REJECTIONS 2

struct engine {
	enum engine_state state;
	enum engine_mode mode;
	bool fresh;	  /* ROTATE: make a new password even after finishing an
			   earlier rotation (false: finishing is enough) */
	bool emergency;	  /* replace a live password the store does not know */
	bool pair;	  /* two login roles take turns */
	bool force;	  /* a member that is in use may be changed */
	bool spares;	  /* RETIRE: no password whose grace is not over */
	bool evict;	  /* RETIRE: end the old member's sessions */
	bool at_once;	  /* RETIRE: its LOGIN and its password by one run */
	bool compromised; /* the old password got out: it ends at once, and is
			     shown to be refused */
	bool gateway;	  /* the login is a gateway's: there is no claim, and
			     CURRENT and PREVIOUS are both good */
	/* The engine's own memory; read only for everybody else. */
	bool have_version; /* a version of this run exists */
	bool staged;	   /* it is in the store, read back */
	bool open;	   /* an apply, or a gateway's promotion, was sent and
			    * not answered */
	bool applied;	   /* it is live */
	bool proved;	   /* a login proved the version at hand */
	bool finishing;	   /* working on an earlier run's version */
	bool resuming;	   /* likewise, and it is to be applied again */
	bool finished;	   /* ... and promoted it */
	bool restored;	   /* a restore was seen */
	bool went_back;	   /* ... by the marker's epoch alone */
	bool stale;	   /* PREVIOUS is being withdrawn, being none */
	bool disowned;	   /* ... and was */
	bool reverting;	   /* going back to the version before */
	bool renewing;	   /* the version at hand is another one of CURRENT's
			    * password */
	bool vacant;	   /* the idle member was free, under this claim */
	bool deferred;	   /* what was asked for was not begun */
	bool shown;	   /* the old password was seen to be refused */
	bool gives_up;	   /* a gateway did not take what was promoted */
	bool overdue;	   /* the grace of the password before is over, and it
			      ends before the rotation */
	bool undone;	   /* a left-over PENDING was retired */
	bool sink_bad;
	unsigned rejections;
	unsigned retries[ENGINE_STATE_COUNT];
	enum status outcome; /* valid in ENGINE_ENDED */
};

/* A machine at ENGINE_START. */
struct engine engine_make(enum engine_mode mode, bool fresh, bool emergency);

/*
 * Take the event that e->state's effect ended with.  STATUS_OK: e->state is
 * the next effect, *ret_row (may be NULL) the row taken.  STATUS_ERROR: the
 * table has no row; the machine went to CLOSE with STATUS_ERROR, or stays where
 * it is when it had ended.
 */
enum status engine_step(struct engine *e, enum engine_event event,
			const struct engine_row **ret_row);

/* How the run ended, or stands: e->outcome, or for a good one STATUS_UNDELIVERED
 * when it left a sink behind, and STATUS_DEFERRED when it did not begin. */
enum status engine_outcome(const struct engine *e);

/* Names for audit, progress, tests and diagrams; static. */
const char *engine_state_name(enum engine_state s);  /* "RESOLVE" */
const char *engine_state_audit(enum engine_state s); /* "resolve" */
const char *engine_state_does(enum engine_state s);
const char *engine_event_name(enum engine_event e);

/* How a step that ended with this event is recorded. */
enum status engine_event_status(enum engine_event e);

/* The table, for tests and diagrams. */
const struct engine_row *engine_rows(size_t *ret_n);

#endif
