/* SPDX-License-Identifier: PostgreSQL */
/* How long to wait before the next attempt. */
#ifndef KEYTURN_BACKOFF_H
#define KEYTURN_BACKOFF_H

#include "base/random.h"

/*
 * After `failures` in a row (1 and more): first_us doubled with each but the
 * first one, at most most_us; of that a half, and up to another half by chance,
 * so that those who failed together do not come back together.  Without
 * randomness (NULL, or its source fails) the whole.
 */
int64_t backoff_us(const struct random *r, int64_t first_us, int64_t most_us,
		   unsigned failures);

#endif
