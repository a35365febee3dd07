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

enum engine_state {
#define STATE(name, audit, does) ENGINE_##name,
#define ROW(from, event, guard, to, action, died, sentence)
#include "rotation/states.def"
#undef STATE
#undef ROW
	ENGINE_STATE_COUNT
};

enum engine_event {
	ENGINE_ON_BEGIN,
	ENGINE_ON_OK,
	ENGINE_ON_FAILED,
	ENGINE_ON_FROZEN,
	ENGINE_ON_REFUSED,
	ENGINE_ON_REJECTED,
	ENGINE_ON_CONFLICT,
	ENGINE_ON_BUSY,
	ENGINE_ON_GONE,
	ENGINE_ON_UNKNOWN,
	ENGINE_ON_CORRUPT,
	ENGINE_ON_CLUSTER_DOWN,
	ENGINE_ON_STORE_DOWN,
	ENGINE_ON_LEDGER_DOWN,
	/* what RESOLVE found */
	ENGINE_ON_NEVER,
	ENGINE_ON_UNMARKED,
	ENGINE_ON_CURRENT_LIVE,
	ENGINE_ON_PENDING_DEAD,
	ENGINE_ON_PENDING_DOUBTED, /* the marker says it is not live, and a
				      failed commit may have made it so */
	ENGINE_ON_PENDING_LIVE,
	ENGINE_ON_BRANCHED, /* a branch, and the store has its parent's secret */
	ENGINE_ON_RING_LIVE,
	ENGINE_ON_FOREIGN,
	ENGINE_ON_LOST,
	/* what READBACK and CONFIRM found */
	ENGINE_ON_SAME,
	ENGINE_ON_ABSENT,
	ENGINE_ON_DIFFERENT,
	ENGINE_ON_PROMOTED,
	ENGINE_ON_STILL_STAGED,
	ENGINE_ON_OVERTAKEN,
	/* what a login showed */
	ENGINE_ON_RIGHT,
	ENGINE_ON_WRONG,
	ENGINE_ON_NOT_ASKED,
	ENGINE_ON_CONTROL_PASSED,
	ENGINE_ON_NO_EVIDENCE,
	ENGINE_ON_EXPIRED,
	/* what INSPECT found */
	ENGINE_ON_OURS_LIVE,
	ENGINE_ON_OTHER_LIVE,
	ENGINE_EVENT_COUNT
};

enum engine_guard {
	ENGINE_IF_ALWAYS,
	ENGINE_IF_ROTATES,	 /* the run may make a password of its own */
	ENGINE_IF_IMPORTS,	 /* the run takes a given password over */
	ENGINE_IF_EMERGENCY,	 /* an unknown live password may be replaced */
	ENGINE_IF_EMERGENCY_NEW, /* EMERGENCY and WANTS_NEW */
	ENGINE_IF_WANTS_NEW,	/* a password of this run is still to be made */
	ENGINE_IF_THEN_NEW,	/* finishing or resuming an earlier one, and
				   WANTS_NEW */
	ENGINE_IF_FINISHED_ONE, /* this run has finished an earlier one */
	ENGINE_IF_OURS,		/* our version is staged and read back, its
				     application is open; not an import */
	ENGINE_IF_OURS_IMPORT,	/* likewise, of an import */
	ENGINE_IF_OURS_EMERGENCY, /* OURS and EMERGENCY */
	ENGINE_IF_OUTCOME_OPEN,	  /* an apply was sent and not answered */
	ENGINE_IF_MAY_RETRY,	  /* this state was not retried too often */
	ENGINE_IF_MAY_RETRY_OPEN, /* MAY_RETRY and OUTCOME_OPEN */
	ENGINE_IF_MAY_REJECT,	  /* under two rejections so far */
	ENGINE_GUARD_COUNT
};

enum engine_action {
	ENGINE_DO_NONE,
	ENGINE_DO_RETRY,   /* count, and wait before the effect */
	ENGINE_DO_RECLAIM, /* the session is lost: count, claim anew */
	ENGINE_DO_FINISH,  /* go on with the version an earlier run staged */
	ENGINE_DO_RESUME,  /* apply an earlier run's version again */
	ENGINE_DO_RESTORED, /* a restore was seen: an alarm, and a new password */
	ENGINE_DO_NEW_VERSION,
	ENGINE_DO_STAGED,
	ENGINE_DO_APPLIED,
	ENGINE_DO_REJECTED,
	ENGINE_DO_PROVED,
	ENGINE_DO_FINISHED, /* CURRENT moved */
	ENGINE_DO_UNDONE,
	ENGINE_DO_END_OK,
	ENGINE_DO_END_OK_SINK_BAD,
	ENGINE_DO_END_ERROR,
	ENGINE_DO_END_REFUSED,
	ENGINE_DO_END_REJECTED,
	ENGINE_DO_END_FROZEN,
	ENGINE_DO_END_BUSY,
	ENGINE_DO_END_UNKNOWN,
	ENGINE_DO_END_CORRUPT,
	ENGINE_DO_END_CLUSTER_DOWN,
	ENGINE_DO_END_STORE_DOWN,
	ENGINE_DO_END_LEDGER_DOWN,
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
	ENGINE_MODE_IMPORT
};

/* The most often a state is tried again, and a password made anew. */
#define ENGINE_RETRIES	  4
#define ENGINE_REJECTIONS 2

struct engine {
	enum engine_state state;
	enum engine_mode mode;
	bool fresh;	/* ROTATE: make a new password even after finishing an
			   earlier rotation (false: finishing is enough) */
	bool emergency; /* replace a live password the store does not know */
	/* The engine's own memory; read only for everybody else. */
	bool have_version; /* a version of this run exists */
	bool staged;	   /* it is in the store, read back */
	bool open;	   /* an apply was sent and not answered */
	bool applied;	   /* it is live */
	bool proved;	   /* a login proved the version at hand */
	bool finishing;	   /* working on an earlier run's version */
	bool resuming;	   /* likewise, and it is to be applied again */
	bool finished;	   /* ... and promoted it */
	bool restored;	   /* a restore was seen */
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

/* Names for audit, progress, tests and diagrams; static. */
const char *engine_state_name(enum engine_state s);  /* "RESOLVE" */
const char *engine_state_audit(enum engine_state s); /* "resolve" */
const char *engine_state_does(enum engine_state s);
const char *engine_event_name(enum engine_event e);

/* The table, for tests and diagrams. */
const struct engine_row *engine_rows(size_t *ret_n);

#endif
