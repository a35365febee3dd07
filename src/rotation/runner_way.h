/* SPDX-License-Identifier: PostgreSQL */
/* The way that the logins of a role go, and what is remembered of it. */
#ifndef KEYTURN_RUNNER_WAY_H
#define KEYTURN_RUNNER_WAY_H

#include "rotation/runner.h"

/* Who logs in for a proof, and where. */
struct cluster_who runner_way_who(const struct runner *r);
/* Was CURRENT proved by the same way less than control_interval ago? */
bool runner_way_was_proved(struct runner *r);
/* Was a wrong password refused by the same way less than control_interval ago? */
bool runner_way_was_controlled(struct runner *r);
/* Remember the way of the logins that were made, and what they showed. */
void runner_way_remember(struct runner *r, bool proved);

#endif
