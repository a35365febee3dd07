/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whole, private, durable files; must never write through a symbolic link or
 * leave half a file under its final name.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_internal.h"

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

enum status file_fail(struct reason *why, const char *act, const char *path)
{
	int error = errno;

	return reason_set(why, status_of(error), "cannot %s %s: %s", act, path,
			  strerror(error));
}

void file_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int rename_new(int folder, const char *from, const char *to)
{
	if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	/* A file system without RENAME_NOREPLACE: a link never replaces. */
	if (linkat(folder, from, folder, to, 0) != 0)
		return -1;
	unlinkat(folder, from, 0);
	return 0;
}

/* Write a temporary file and give it its name; replace says whether there may
 * be one of that name. */
static enum status put(int folder, const char *path, const char *name,
		       const void *bytes, size_t n,
		       const struct file_owner *owner, bool replace,
		       struct reason *why)
{
	char temp[FILE_TEMP_NAME_SIZE];
	enum status s;
	int fd, failed;

	file_temp_sweep(folder);
	fd = file_temp_open(folder, temp);
	if (fd < 0)
		return file_fail(why, "create a temporary file beside", path);
	s = file_temp_fill(fd, path, bytes, n, owner, why);
	if (s != STATUS_OK) {
		unlinkat(folder, temp, 0);
		goto out;
	}
	failed = replace ? renameat(folder, temp, folder, name) :
			   rename_new(folder, temp, name);
	if (failed) {
		s = errno == EEXIST ?
			    reason_set(why, STATUS_REFUSED,
				       "%s exists; it is not overwritten",
				       path) :
			    file_fail(why, "put in place", path);
		unlinkat(folder, temp, 0);
		goto out;
	}
	if (fsync(folder) != 0)
		s = reason_set(why, STATUS_ERROR,
			       "%s was written, but its folder not to disk: %s",
			       path, strerror(errno));
out:
	file_close(fd);
	return s;
}

enum status file_replace(const char *path, const void *bytes, size_t n,
			 const struct file_owner *owner, struct reason *why)
{
	char folder[PATH_MAX], name[NAME_MAX + 1];
	struct stat st;
	enum status s;
	int fd = -1;

	s = file_folder_split(path, folder, name, why);
	if (s != STATUS_OK)
		return s;
	s = file_folder_open(folder, &fd, why);
	if (s != STATUS_OK)
		return s;
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISREG(st.st_mode)) {
			s = reason_set(why, STATUS_REFUSED,
				       "%s is %s, not a regular file; it is "
				       "not replaced",
				       path,
				       S_ISLNK(st.st_mode) ? "a symbolic link" :
							     "something else");
			goto out;
		}
	} else if (errno != ENOENT) {
		s = file_fail(why, "look at", path);
		goto out;
	}
	s = put(fd, path, name, bytes, n, owner, true, why);
out:
	file_close(fd);
	return s;
}

enum status file_create(const char *path, const void *bytes, size_t n,
			mode_t mode, struct reason *why)
{
	const struct file_owner owner = { (uid_t)-1, (gid_t)-1, mode };
	char folder[PATH_MAX], name[NAME_MAX + 1];
	struct stat st;
	enum status s;
	int fd = -1;

	s = file_folder_split(path, folder, name, why);
	if (s != STATUS_OK)
		return s;
	s = file_folder_open(folder, &fd, why);
	if (s != STATUS_OK)
		return s;
	/* Only to say so early; that it is not replaced, rename_new() knows. */
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		s = reason_set(why, STATUS_REFUSED,
			       "%s exists; it is not overwritten", path);
	else
		s = put(fd, path, name, bytes, n, &owner, false, why);
	file_close(fd);
	return s;
}
