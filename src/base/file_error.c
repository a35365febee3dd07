/* SPDX-License-Identifier: PostgreSQL */
/* What a failed call of the system says of a file. */
#include "base/file_internal.h"

#include <errno.h>
#include <string.h>

static enum status status_of(int error)
{
	switch (error) {
	case ENOENT:
		return STATUS_NOT_FOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return STATUS_DENIED;
	case ELOOP:
		return STATUS_REFUSED;
	case ENOMEM:
		return STATUS_NO_MEMORY;
	default:
		return STATUS_ERROR;
	}
}

enum status file_error(struct reason *why, const char *act, const char *path)
{
	int error = errno;

	return reason_set(why, status_of(error), "cannot %s %s: %s", act, path,
			  strerror(error));
}
