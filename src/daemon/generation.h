/* SPDX-License-Identifier: PostgreSQL */
/*
 * A configuration with everything that was opened by it.  A new configuration,
 * or a ledger that came back, makes a new generation; runs finish in the one that they
 * began in.
 */
#ifndef KEYTURN_GENERATION_H
#define KEYTURN_GENERATION_H

#include "jobs/hook_dispatch.h"
#include "open/engine/engine.h"
#include "open/open_schedule.h"

struct generation {
	const struct config *config;
	const struct config_group **roles; /* by name (strcmp) */
	size_t n_roles;
	struct opened *opened;
	/* NULL until the ledger was opened: */
	struct ledger *ledger;
	struct open_engine *engine;
	int64_t opened_us;		/* boot clock */
	struct hook_dispatch *dispatch; /* NULL without hooks, too */
	struct schedule_life
		*lives;	      /* one a role; zeros before it was opened */
	int64_t *store_asked; /* boot clock: when the store was asked for a role
				 that the ledger does not know; by LOOK only */
	int64_t *store_away;  /* one a [store], as store_asked: when it was last
				 found unavailable, 0: it was not */
};

/* Load and check a configuration; opens nothing. */
enum status generation_load(const char *path, struct generation **ret,
			    struct reason *why);

/* Open what its roles and tokens name, as far as that needs no connection.  What
 * is away may come back; STATUS_CONFIG and STATUS_DENIED will not by themselves. */
enum status generation_judge(struct generation *s, struct reason *why);

/* Another one of the same configuration, not opened. */
enum status generation_again(struct generation *s, struct generation **ret,
			     struct reason *why);

/*
 * Open the ledger, and what needs it.  make: a ledger that is not there is made
 * again, and *ret_lost says so.
 */
enum status generation_open(struct generation *s, bool make, const char *actor,
			    hook_dispatch_tell_fn *tell, bool *ret_lost,
			    struct reason *why);

void generation_hold(struct generation *s);
void generation_drop(struct generation *s);
/* Is no one left who holds it but the caller, and does no hook run? */
bool generation_idle(struct generation *s);
/* Takes NULL; it must be idle, or the program at its end. */
void generation_free(struct generation *s);

/* Where it is kept when the store of a role was away. */
int64_t *generation_store_away(const struct generation *s,
			       const struct config_group *role);

/* A setting of [keyturn]. */
int64_t generation_duration_us(const struct generation *s, enum config_key k);
const char *generation_string(const struct generation *s, enum config_key k);

#endif
