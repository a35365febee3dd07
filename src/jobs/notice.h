/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tells of rotations that are to come: event `upcoming`, each step of the setting
 * notice once, by one of all that share the ledger.  What was missed is told
 * once, the latest step only, with the time that is really left.
 */
#ifndef KEYTURN_NOTICE_H
#define KEYTURN_NOTICE_H

#include "jobs/due.h"

/*
 * Tell of the role's next rotation if that is due.  d is what due_look() said at
 * now.  *ret_told: it was told, by this call.
 */
enum status notice_tell(struct open_engine *w, const struct config_group *role,
			const struct due *d, const char *actor, int64_t now_us,
			bool *ret_told, struct reason *why);

/* When something changes for the role by time alone: it is due, held no longer, or
 * to be told of.  INT64_MAX: never. */
int64_t notice_wake(struct open_engine *w, const struct config_group *role,
		    const struct due *d, int64_t now_us);

/* "the password of ROLE is changed in 2d 23h, on Sunday ... (Europe/Berlin)". */
void notice_sentence(const struct config_group *role, const char *when,
		     const char *zone, int64_t left_us, struct reason *ret);

#endif
