/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit of what is handed out.  The first hand-out to a user, of a version
 * of a role, by an operation, fresh or stale, is durable in the ledger before
 * the reply; the same again within a minute is counted, and the count is one
 * event at the end of that minute or when the agent stops.  What was counted
 * and not yet written is lost when the agent is killed; that it was handed out
 * at all never is.
 *
 * Checked passwords are recorded in the same way, but not waited for: nothing
 * is handed out by them.
 *
 * Events are written by one thread, so that the event loop never waits for a
 * disk; those that come together share one commit.  When a count cannot be
 * written, nothing more is handed out until it can.
 */
#ifndef KEYTURN_AGENT_TRAIL_TRAIL_H
#define KEYTURN_AGENT_TRAIL_TRAIL_H

#include <stdint.h>
#include <sys/types.h>

#include "base/now.h"
#include "ledger/ledger.h"

#define AGENT_TRAIL_WINDOW_US (60 * NOW_SECOND)

struct agent_trail;

/* What is done, and for whom.  All texts are copied; NULL is "". */
struct agent_act {
	enum audit_kind kind; /* AUDIT_HANDOUT, AUDIT_VERIFY, AUDIT_REQUEST */
	const char *operation;
	const char *status; /* status_name() */
	uid_t uid;
	pid_t pid; /* not looked at for "the same" */
	const char *role;
	const char *version;
	bool stale;
	const char *label;   /* of the version, or "" */
	const char *host;    /* as the asker says, or "" */
	const char *service; /* the same, or a unit */
	const char *detail;  /* a sentence, or "" */
	bool each;	     /* never counted: each has an event of its own */
};

enum agent_trail_may {
	AGENT_TRAIL_GO,	    /* it is recorded, or counted */
	AGENT_TRAIL_WAIT,   /* it is being recorded: ask again when told */
	AGENT_TRAIL_BROKEN, /* it cannot be recorded */
};

/* Told in the writer's thread that agent_trail_collect() has something. */
typedef void agent_trail_wake_fn(void *arg);

/* The ledger must outlive it. */
enum status agent_trail_new(struct ledger *ledger, const struct now *now,
			    agent_trail_wake_fn *wake, void *arg,
			    struct agent_trail **ret, struct reason *why);
/* Writes what is left, signs a checkpoint, and ends. */
void agent_trail_free(struct agent_trail *t);

/*
 * May this be handed out?  *ticket is the asker's, 0 at first: with it the one
 * whose hand-out was recorded is known when it asks again.
 */
enum agent_trail_may agent_trail_hand_out(struct agent_trail *t,
					  const struct agent_act *act,
					  uint64_t *ticket);

/* Record or count, and do not wait.  Hand-outs have half of the room to
 * themselves. */
void agent_trail_note(struct agent_trail *t, const struct agent_act *act);
/* Would it only be counted? */
bool agent_trail_has(struct agent_trail *t, const struct agent_act *act);

/* Take in what the writer has done; true when those who wait should ask
 * again. */
bool agent_trail_collect(struct agent_trail *t);

/* Write counts whose minute is over.  Call about every second. */
void agent_trail_tick(struct agent_trail *t);
/* Write all counts now (reload). */
void agent_trail_flush(struct agent_trail *t);

/* Why nothing can be recorded, or "". */
const char *agent_trail_trouble(const struct agent_trail *t);

#endif
