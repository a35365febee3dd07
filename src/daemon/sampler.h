/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks each poll who uses the roles, in a thread of its own: a cluster that
 * hangs must hold up no rotation and no look at the ledger.
 */
#ifndef KEYTURN_SAMPLER_H
#define KEYTURN_SAMPLER_H

#include "daemon/generation.h"

struct sampler;

/* Start the thread, which holds the generation until it ends; *ret is NULL when
 * no cluster is looked at. */
enum status sampler_start(struct generation *generation, struct sampler **ret,
			  struct reason *why);

/* Begin nothing more; what is under way ends with its timeout.  Takes NULL. */
void sampler_stop(struct sampler *p);
/* Has it ended?  True for NULL. */
bool sampler_stopped(struct sampler *p);
/* Stop, wait and release.  Takes NULL. */
void sampler_free(struct sampler *p);

#endif
