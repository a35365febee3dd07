/* SPDX-License-Identifier: PostgreSQL */
/* What the parts of the simulated world share; see world.h. */
#ifndef KEYTURN_WORLD_INTERNAL_H
#define KEYTURN_WORLD_INTERNAL_H

#include "world.h"

/* world.c */
void world_violate(struct world *w, const char *what, const char *after);
const struct world_version *world_labelled(const struct world *w,
					   enum store_label label);
struct world_version *world_find(const struct world *w, const char *id);
/* Ask the test, and let happen what happens before the act. */
enum fate world_fate(struct world *w, const char *act);
bool world_ever_live(const struct world *w, const char *id);
void world_was_live(struct world *w, const char *id);
bool world_dead(const struct world *w); /* the acting rotator */
void world_fly(struct world *w, const struct flight *f);

/* world_pair.c */
int world_role_of(const char *name); /* abort()s when it is none of them */
bool world_pair_apply(struct world *w, const struct flight *f);
void world_pair_check(struct world *w, const char *after);
void world_pair_by_hand(struct world *w);
bool world_pair_settled(const struct world *w);
enum status world_pair_peek(struct world *w, enum fate f,
			    struct cluster_member ret[WORLD_ROLES]);

/* world_gateway.c */
void world_gateway_check(struct world *w, const char *after);

/* world_cluster.c */
extern const struct cluster_ops world_cluster_ops;
void world_proved(struct world *w, const char *password); /* by a login */
void world_db_claim(struct world *w, const struct flight *f);
bool world_db_apply(struct world *w, const struct flight *f);

/* world_store.c */
extern const struct store_ops world_store_ops;
bool world_store_takes(const struct world *w, const struct flight *f);
enum status world_store_write(struct world *w, const struct flight *f);
void world_sink_of(struct world *w); /* deliveries go into this world */

/* world_ledger.c */
extern const struct ledger_ops world_ledger_ops;

#endif
