/* SPDX-License-Identifier: PostgreSQL */
/*
 * A file of nothing that occupies the room a later record will need.  Must
 * never pretend: a sparse file reserves nothing.
 */
#include "lite/lite_ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lite/lite_file.h"

#define STAT_BLOCK 512 /* stat(2): st_blocks counts these, always */

static enum status say_failed(const char *database, int e, struct reason *why)
{
	enum status st = STATUS_ERROR;

	if (e == ENOSPC || e == EDQUOT)
		return reason_set(why, STATUS_LIMIT,
				  "no room left on the disk of %s for its "
				  "reserve: free some space and try again",
				  database);
	if (e == EACCES || e == EPERM || e == EROFS)
		st = STATUS_DENIED;
	return reason_set(why, st, "%s.reserve cannot be used: %s", database,
			  strerror(e));
}

enum status lite_ballast_open(const char *database, int *ret_fd,
			      struct reason *why)
{
	char *name = lite_file_join(database, ".reserve");
	struct stat sb;
	int fd;

	if (!name)
		return reason_no_memory(why);
	fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
		  0600);
	free(name);
	if (fd < 0)
		return say_failed(database, errno, why);
	if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode) ||
	    sb.st_uid != geteuid()) {
		close(fd);
		return reason_set(why, STATUS_CONFIG,
				  "%s.reserve is not a file of ours: remove it",
				  database);
	}
	*ret_fd = fd;
	return STATUS_OK;
}

enum status lite_ballast_fill(const char *database, int fd, size_t n,
			      struct reason *why)
{
	struct stat sb;
	int e;

	if (fstat(fd, &sb) != 0)
		return say_failed(database, errno, why);
	if ((size_t)sb.st_size >= n && (size_t)sb.st_blocks * STAT_BLOCK >= n)
		return STATUS_OK;
	do
		e = posix_fallocate(fd, 0, (off_t)n);
	while (e == EINTR);
	if (e == 0)
		return STATUS_OK;
	/* A part of a reserve is of no use and takes the room of others. */
	if (ftruncate(fd, 0) != 0)
		return say_failed(database, errno, why);
	return say_failed(database, e, why);
}

enum status lite_ballast_release(const char *database, int fd,
				 struct reason *why)
{
	/* Not unlink(): another process may hold it open, and then no block
	 * would come free. */
	if (ftruncate(fd, 0) != 0)
		return say_failed(database, errno, why);
	return STATUS_OK;
}
