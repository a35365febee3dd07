/* SPDX-License-Identifier: PostgreSQL */
/*
 * What keeps a role from being rotated when it is due: a person who put it off
 * (keyturn postpone), and blackouts.  Neither stops a run that recovers, nor a
 * rotation of a password that got out.
 */
#ifndef KEYTURN_HOLD_H
#define KEYTURN_HOLD_H

#include "open/engine/engine.h"
#include "schedule/schedule_course.h"

#define HOLD_REASON_SIZE 256
#define HOLD_WHO_SIZE	 128

struct hold {
	struct schedule_turn turn; /* the next rotation; due_us 0: there is none
				      by itself */
	int64_t blackout_us;  /* there is a blackout, until then; 0: none */
	const char *blackout; /* ... and its name, which is the engine's */
	int64_t begins_us;    /* the next blackout does; INT64_MAX: none */
	int64_t postponed_us; /* until then; 0: it is not */
	int64_t postponed_at_us;
	char who[HOLD_WHO_SIZE];
	char reason[HOLD_REASON_SIZE];
	char fact[LEDGER_TEXT_SIZE]; /* of the ledger, for its next change */
};

/*
 * What holds a role at now.  known is what the ledger has of it; s its schedule,
 * or NULL.  A postponement that cannot be read is none: one that the ledger
 * cannot tell of is STATUS_LEDGER_UNAVAILABLE.
 */
enum status hold_look(struct open_engine *w, const struct config_group *role,
		      const struct ledger_role *known, const struct schedule *s,
		      int64_t now_us, struct hold *ret, struct reason *why);

/* Is it held now? */
bool hold_is(const struct hold *h);

/* "it is postponed until ... by ...: REASON", "there is a blackout until ...:
 * NAME", or both; "" when it is not held. */
void hold_say(const struct hold *h, struct reason *ret);

/*
 * Put the next rotation off until until_us; 0: take that back.  Recorded, and
 * told to hooks.  STATUS_REFUSED with what stands against it: the time is over,
 * not later than it is due, or later than the setting postpone_max or the
 * policy's max_life allow; there is no schedule, or a run was begun and not
 * closed.  STATUS_FROZEN.  STATUS_CONFLICT: somebody else did so just now.
 */
struct hold_wish {
	int64_t until_us;
	const char *actor;
	const char *reason; /* less than HOLD_REASON_SIZE bytes */
};
enum status hold_postpone(struct open_engine *w,
			  const struct config_group *role,
			  const struct hold_wish *wish, int64_t now_us,
			  struct hold *ret_hold, struct reason *why);

#endif
