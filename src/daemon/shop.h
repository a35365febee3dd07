/* SPDX-License-Identifier: PostgreSQL */
/*
 * A configuration with everything that was opened by it.  A new configuration,
 * or a ledger that came back, makes a new shop; runs finish in the one that they
 * began in.
 */
#ifndef KEYTURN_SHOP_H
#define KEYTURN_SHOP_H

#include "assembly/courier.h"
#include "assembly/workshop.h"

struct shop {
	const struct config *config;
	const struct config_group **roles; /* by name (strcmp) */
	size_t n_roles;
	struct backends *backends;
	/* NULL until the ledger was opened: */
	struct ledger *ledger;
	struct workshop *workshop;
	struct courier *courier; /* NULL without hooks, too */
	int64_t *store_asked; /* boot clock: when the store was asked for a role
				 that the ledger does not know; by LOOK only */
	int64_t *store_away;  /* one a [store], as store_asked: when it was last
				 found unavailable, 0: it was not */
};

/* Load and check a configuration; opens nothing. */
enum status shop_load(const char *path, struct shop **ret, struct reason *why);

/* Open what its roles and tokens name, as far as that needs no connection.  What
 * is away may come back; STATUS_CONFIG and STATUS_DENIED will not by themselves. */
enum status shop_judge(struct shop *s, struct reason *why);

/* Another one of the same configuration, not opened. */
enum status shop_again(struct shop *s, struct shop **ret, struct reason *why);

/*
 * Open the ledger, and what needs it.  make: a ledger that is not there is made
 * anew, and *ret_lost says so.
 */
enum status shop_open(struct shop *s, bool make, const char *actor,
		      courier_tell_fn *tell, bool *ret_lost,
		      struct reason *why);

void shop_hold(struct shop *s);
void shop_drop(struct shop *s);
/* Is nobody left who holds it but the caller, and does no hook run? */
bool shop_idle(struct shop *s);
/* Takes NULL; it must be idle, or the program at its end. */
void shop_free(struct shop *s);

/* Where it is kept when the store of a role was away. */
int64_t *shop_store_away(const struct shop *s, const struct config_group *role);

/* A setting of [keyturn]. */
int64_t shop_duration_us(const struct shop *s, enum config_key k);
const char *shop_string(const struct shop *s, enum config_key k);

#endif
