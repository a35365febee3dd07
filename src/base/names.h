/* SPDX-License-Identifier: PostgreSQL */
/*
 * Users and groups by name, from wherever this host has them.  A directory
 * service may take its time, or be away.
 */
#ifndef KEYTURN_NAMES_H
#define KEYTURN_NAMES_H

#include <sys/types.h>

#include "base/reason.h"

/*
 * STATUS_NOT_FOUND: there is none of that name.  STATUS_ERROR: that could not
 * be asked, and another time there may be one.
 */
enum status names_user(const char *name, uid_t *ret, struct reason *why);
enum status names_group(const char *name, gid_t *ret, struct reason *why);
/* The primary group of a user, who is named. */
enum status names_group_of_user(const char *name, gid_t *ret,
				struct reason *why);

#endif
