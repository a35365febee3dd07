/* SPDX-License-Identifier: PostgreSQL */
/*
 * What should be done with a role now, by its schedule, the ledger and, when
 * the ledger is new, the store: for `rotate --due` and keyturnd alike.
 */
#ifndef KEYTURN_DUE_H
#define KEYTURN_DUE_H

#include "assembly/workshop.h"

struct due {
	bool wanted; /* a run should begin now, of this mode */
	enum engine_mode mode;
	bool untaken;	   /* never taken over: only a person begins with it */
	int64_t next_us;   /* wall clock of the next due point, in the past when
			    it was missed; 0: none */
	enum status doubt; /* not STATUS_OK: ledger or store could not say; a
			      run that only recovers does no harm then, and
			      tells what ails them */
	struct ledger_role known; /* ->role is always set */
};

/* *why explains ret->doubt.  STATUS_CONFIG for a bad schedule. */
enum status due_look(struct workshop *w, const struct config_group *role,
		     int64_t now_us, struct due *ret, struct reason *why);

#endif
