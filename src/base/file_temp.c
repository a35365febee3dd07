/* SPDX-License-Identifier: PostgreSQL */
/*
 * The temporary files beside those that are written.  Must never remove one
 * whose writer lives.
 */
#include "base/file_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_TRIES 16

/* And 16 hex digits.  Not made from the target's name, which may already be
 * as long as a name can be. */
#define TEMP_PREFIX ".keyturn-tmp-"

_Static_assert(FILE_TEMP_NAME_SIZE == sizeof(TEMP_PREFIX) + 16,
	       "a temporary name is the prefix and 16 hex digits");

int file_temp_open(int folder, char *name)
{
	unsigned long long id;
	struct stat st;
	int fd, i;

	for (i = 0; i < TEMP_TRIES; i++) {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return -1;
		snprintf(name, FILE_TEMP_NAME_SIZE, TEMP_PREFIX "%016llx", id);
		fd = openat(folder, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
				    O_CLOEXEC,
			    0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return -1;
		/* Someone's sweep may have come before our lock. */
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 &&
		    st.st_nlink == 1)
			return fd;
		unlinkat(folder, name, 0);
		close(fd);
	}
	errno = EEXIST;
	return -1;
}

/* Remove name if it is a temporary file of ours whose writer has died. */
static void temp_sweep_one(int folder, const char *name)
{
	struct stat st;
	int fd;

	fd = openat(folder, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (st.st_uid == geteuid() || geteuid() == 0) &&
	    flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(folder, name, 0);
	close(fd);
}

void file_temp_sweep(int folder)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (strncmp(entry->d_name, TEMP_PREFIX,
			    sizeof(TEMP_PREFIX) - 1) == 0)
			temp_sweep_one(folder, entry->d_name);
	closedir(dir);
}

enum status file_temp_fill(int fd, const char *path, const void *bytes,
			   size_t n, const struct file_owner *owner, int like,
			   struct reason *why)
{
	/* Before it is given away, after which it may not be ours to change,
	 * and before its mode, which an ACL would change. */
	if (like >= 0) {
		enum status s = file_like_copy(like, fd, path, why);

		if (s != STATUS_OK)
			return s;
	}
	if (owner != NULL &&
	    (owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1) &&
	    fchown(fd, owner->uid, owner->gid) != 0)
		return file_error(why, "set the owner of", path);
	if (fchmod(fd, owner != NULL ? owner->mode & 07777 : 0600) != 0)
		return file_error(why, "set the mode of", path);
	if (!file_write_secret(fd, bytes, n))
		return file_error(why, "write", path);
	if (fsync(fd) != 0)
		return file_error(why, "write to disk", path);
	return STATUS_OK;
}
