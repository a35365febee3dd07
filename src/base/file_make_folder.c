/* SPDX-License-Identifier: PostgreSQL */
/*
 * mkdir -p.  Must never follow a symbolic link, nor change a folder that is
 * there.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_internal.h"

/* The entry of a new folder, on disk.  A parent that may be written but not
 * read cannot be synced; that is its owner's choice. */
static void sync_parent(int parent)
{
	int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* One level: make name in parent if it is missing, and open it. */
static int make_step(int parent, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(parent, name, mode) != 0) {
		if (errno != EEXIST)
			return -1;
		return file_folder_step(parent, name, O_PATH);
	}
	fd = file_folder_step(parent, name, O_RDONLY);
	/* The umask took bits away from the mode that was asked for. */
	if (fd >= 0 && fchmod(fd, mode) != 0) {
		file_close(fd);
		return -1;
	}
	sync_parent(parent);
	return fd;
}

enum status file_make_folder(const char *path, mode_t mode, struct reason *why)
{
	char copy[PATH_MAX], *rest = copy, *name;
	int fd, next;

	if (*path == '\0' || strlen(path) >= sizeof(copy))
		return reason_set(why, STATUS_LIMIT,
				  "\"%s\" cannot be the name of a folder",
				  path);
	memcpy(copy, path, strlen(path) + 1);
	fd = file_folder_step(AT_FDCWD, *path == '/' ? "/" : ".", O_PATH);
	while (fd >= 0 && (name = strsep(&rest, "/")) != NULL) {
		if (*name == '\0')
			continue;
		next = make_step(fd, name, mode);
		if (next < 0) {
			enum status s;

			s = errno == ELOOP ?
				    reason_set(why, STATUS_REFUSED,
					       "%s: \"%s\" is a symbolic link; "
					       "give the path without links",
					       path, name) :
				    file_error(why, "make the folder", path);
			close(fd);
			return s;
		}
		close(fd);
		fd = next;
	}
	if (fd < 0)
		return file_error(why, "make the folder", path);
	close(fd);
	return STATUS_OK;
}
