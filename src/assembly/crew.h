/* SPDX-License-Identifier: PostgreSQL */
/*
 * Threads that work on what they are given, one thing each at a time.  Who is
 * given what, and when, is the caller's to decide: there is no queue.
 */
#ifndef KEYTURN_CREW_H
#define KEYTURN_CREW_H

#include "base/status.h"

#define CREW_MAX 192

struct crew;

/* Work on one thing, in a thread of the crew.  The thread counts as free again
 * only after this has returned. */
typedef void crew_work_fn(void *arg, void *thing);

/* Of at most `most` threads (1 to CREW_MAX), which are started as they are
 * needed, with all signals blocked. */
enum status crew_new(unsigned most, crew_work_fn *work, void *arg,
		     struct crew **ret);

/* Give a thing to a free thread.  STATUS_BUSY when all are at work;
 * STATUS_NO_MEMORY when there is none and none can be started. */
enum status crew_give(struct crew *c, void *thing);

/* How many are at work. */
unsigned crew_busy(struct crew *c);

/* Wait until they are free, end and release them.  Takes NULL. */
void crew_free(struct crew *c);

#endif
