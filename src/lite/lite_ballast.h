/* SPDX-License-Identifier: PostgreSQL */
/* Disk room set aside for the records that must not fail. */
#ifndef KEYTURN_LITE_BALLAST_H
#define KEYTURN_LITE_BALLAST_H

#include <stddef.h>

#include "base/reason.h"

/*
 * Open or create the file "<database>.reserve" (0600) without filling it.
 * *ret_fd is the caller's to close.  STATUS_DENIED, STATUS_LIMIT, STATUS_CONFIG
 * (it is a symbolic link or somebody else's).
 */
enum status lite_ballast_open(const char *database, int *ret_fd,
			      struct reason *why);

/* Make it n bytes of real blocks; only an fstat() when it is already whole.
 * STATUS_LIMIT when the disk has no room for it. */
enum status lite_ballast_fill(const char *database, int fd, size_t n,
			      struct reason *why);

/* Give the room back to the file system, so that a record can have it. */
enum status lite_ballast_release(const char *database, int fd,
				 struct reason *why);

#endif
