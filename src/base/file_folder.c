/* SPDX-License-Identifier: PostgreSQL */
/*
 * Folders on the way to a file.  Must never follow a symbolic link, nor take a
 * folder in which others could swap what we write.
 */
#include "base/file_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum status file_folder_split(const char *path, char *folder, char *name,
			      struct reason *why)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash != NULL ? slash + 1 : path;

	if (*last == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "\"%s\" is not the name of a file", path);
	if (strlen(path) >= PATH_MAX || strlen(last) > NAME_MAX)
		return reason_set(why, STATUS_LIMIT,
				  "the file name %s is too long", path);
	memcpy(name, last, strlen(last) + 1);
	if (slash == NULL) {
		memcpy(folder, ".", 2);
	} else if (slash == path) {
		memcpy(folder, "/", 2);
	} else {
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = '\0';
	}
	return STATUS_OK;
}

int file_folder_step(int at, const char *name, int flags)
{
	struct stat st;
	int fd;

	fd = openat(at, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOTDIR) {
		if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISLNK(st.st_mode))
			errno = ELOOP;
		else
			errno = ENOTDIR;
	}
	return fd;
}

/* What RESOLVE_NO_SYMLINKS does, for kernels before 5.6. */
static int walk_folder(const char *folder)
{
	char copy[PATH_MAX], *rest = copy, *name;
	int fd, next;

	memcpy(copy, folder, strlen(folder) + 1);
	fd = file_folder_step(AT_FDCWD, *folder == '/' ? "/" : ".", O_PATH);
	while (fd >= 0 && (name = strsep(&rest, "/")) != NULL) {
		if (*name == '\0')
			continue;
		next = file_folder_step(fd, name, O_PATH);
		if (next < 0) {
			int error = errno;

			close(fd);
			errno = error;
			return -1;
		}
		close(fd);
		fd = next;
	}
	if (fd < 0)
		return -1;
	/* The descriptor so far can only be looked up from, not synced. */
	next = file_folder_step(fd, ".", O_RDONLY);
	close(fd);
	return next;
}

static int open_no_symlinks(const char *folder)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, AT_FDCWD, folder, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	/* EPERM: a system call filter that is older than openat2(). */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		return walk_folder(folder);
	return (int)fd;
}

enum status file_folder_check(int fd, const char *folder, struct reason *why)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return file_error(why, "look at the folder", folder);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    (st.st_mode & S_ISVTX) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "the folder %s can be written by others "
				  "(mode %04o); chmod go-w it",
				  folder, (unsigned)st.st_mode & 07777);
	return STATUS_OK;
}

enum status file_folder_open(const char *folder, int *ret_fd,
			     struct reason *why)
{
	enum status s;
	int fd;

	fd = open_no_symlinks(folder);
	if (fd < 0 && errno == ELOOP)
		return reason_set(why, STATUS_REFUSED,
				  "a part of the folder %s is a symbolic link; "
				  "give the path without links",
				  folder);
	if (fd < 0)
		return file_error(why, "open the folder", folder);
	s = file_folder_check(fd, folder, why);
	if (s != STATUS_OK)
		close(fd);
	else
		*ret_fd = fd;
	return s;
}
