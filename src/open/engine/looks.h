/* SPDX-License-Identifier: PostgreSQL */
/* What this process has seen of pairs that are retired by themselves, and has not
 * noted in the ledger since nothing changed.  Thread-safe. */
#ifndef KEYTURN_OPEN_ENGINE_LOOKS_H
#define KEYTURN_OPEN_ENGINE_LOOKS_H

#include <stdbool.h>

#include "schedule/schedule_retire.h"

struct open_engine_looks;

/* NULL without memory. */
struct open_engine_looks *open_engine_looks_new(void);
void open_engine_looks_free(struct open_engine_looks *l);

/* The last look at the pair of this [role NAME] takes the place of the one before.
 * Without memory it is not kept: what was not seen is not quiet. */
void open_engine_looks_keep(struct open_engine_looks *l, const char *role,
			    const struct schedule_retire_seen *seen);
/* False, and *ret as it was, when there was none. */
bool open_engine_looks_last(struct open_engine_looks *l, const char *role,
			    struct schedule_retire_seen *ret);

#endif
