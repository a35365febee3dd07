/* SPDX-License-Identifier: PostgreSQL */
/* What a failed call of the system says of a file; for the files of file.h. */
#ifndef KEYTURN_FILE_ERROR_H
#define KEYTURN_FILE_ERROR_H

#include <unistd.h>

#include "base/reason.h"

/* "cannot <act> <path>: <what errno says>", with the status of errno. */
enum status file_error(struct reason *why, const char *act, const char *path);

/* Close fd unless it is negative, which is none. */
static inline void file_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

#endif
