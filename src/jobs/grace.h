/* SPDX-License-Identifier: PostgreSQL */
/*
 * The end of the time in which gateways accept the password before the current one,
 * and who still comes with it: event `grace`, told at the times of the setting notice
 * that lie within the grace, or else when a quarter of it is left; each once, by one of
 * all that share the ledger, and only while somebody uses the old one, or while that
 * is not known.
 */
#ifndef KEYTURN_GRACE_H
#define KEYTURN_GRACE_H

#include "open/engine/engine.h"

/* Until when the old password is accepted (wall clock), by what the ledger knows of
 * the role; 0: it is not, or there was none. */
int64_t grace_until(struct open_engine *w, const struct config_group *role,
		    const struct ledger_role *known, int64_t now_us);

struct grace_watch {
	const struct config_group *role;
	const struct ledger_role *known;
	bool looked; /* whoever looks at the gateways has had the time to; before
			that nothing is said of those that were not heard */
	const char *actor;
	int64_t now_us; /* wall clock */
};

/* Tell of its end if that is due.  *ret_told: it was told, by this call. */
enum status grace_tell(struct open_engine *w, const struct grace_watch *g,
		       bool *ret_told, struct reason *why);

#endif
