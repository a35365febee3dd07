/* SPDX-License-Identifier: PostgreSQL */
/*
 * One at a time on this host: who sees to a role holds its turn, and who comes
 * second waits and looks again, instead of rotating what was rotated just now.
 * Only that: what keeps two rotators from harm is the claim, and two hosts know
 * of each other by nothing else.
 */
#ifndef KEYTURN_ROLE_LOCK_H
#define KEYTURN_ROLE_LOCK_H

#include "open/open.h"

/*
 * Take a role's turn: wait for it up to wait_us.  STATUS_BUSY when another
 * process, or thread, has it for longer.  *ret_turn is a descriptor for
 * role_lock_end(); -1, with STATUS_OK, when there is no place to keep turns (a
 * folder that cannot be written).  The end of the process ends it.
 */
enum status role_lock_take(const struct opened *b, const char *role,
			   int64_t wait_us, int *ret_turn, struct reason *why);
void role_lock_end(int turn); /* takes -1 */

#endif
