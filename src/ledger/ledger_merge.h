/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a ledger remembers of a role after something happened to it.  Every
 * driver loads the role, asks here, and stores the answer, in one transaction:
 * so no two of them can disagree.
 */
#ifndef KEYTURN_LEDGER_MERGE_H
#define KEYTURN_LEDGER_MERGE_H

#include "ledger/ledger.h"

/* A run began, and is the role's open one. */
void ledger_merge_begin(struct ledger_role *role, const char *run,
			int64_t now_us);

/* What the driver knows of a run that ends, besides struct ledger_close. */
struct ledger_merge_run {
	int64_t begun_us;
	int64_t now_us;
	bool open_was_busy; /* the run that is the role's open one ended with
			       STATUS_BUSY */
};

/* `role` is what was remembered (only its name is set if nothing was), and
 * becomes what is from now on. */
void ledger_merge_close(struct ledger_role *role, const struct ledger_close *c,
			const struct ledger_merge_run *run);

/* A longer reason is cut. */
void ledger_merge_freeze(struct ledger_role *role, const char *reason,
			 int64_t now_us);
void ledger_merge_thaw(struct ledger_role *role);

/* The same consumer, version, login and source were seen again. */
void ledger_merge_sighting(struct ledger_sighting *known,
			   const struct ledger_sighting *seen);

#endif
