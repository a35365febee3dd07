/* SPDX-License-Identifier: PostgreSQL */
/*
 * A lock per role, for the processes of this host: the second one waits and then
 * looks again, instead of rotating what was rotated just now.  It saves a needless
 * rotation and nothing else depends on it: two rotators are kept from harming
 * each other by the claim, the only thing that two hosts share.
 */
#ifndef KEYTURN_ROLE_LOCK_H
#define KEYTURN_ROLE_LOCK_H

#include "open/open.h"

/*
 * Lock a role, waiting up to wait_us.  STATUS_BUSY when another process, or
 * thread, holds the lock for longer.  *ret_lock is a descriptor for
 * role_lock_end(); -1, with STATUS_OK, when the file of locks cannot be made (a
 * folder that cannot be written).  The end of the process ends it.
 */
enum status role_lock_take(const struct opened *b, const char *role,
			   int64_t wait_us, int *ret_lock, struct reason *why);
void role_lock_end(int lock); /* takes -1 */

#endif
