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

/* What becomes of the temporary file once it is written. */
enum then { THEN_REPLACE, THEN_CREATE, THEN_NOTHING };

static int put_in_place(int folder, const char *temp, const char *name,
			enum then then)
{
	switch (then) {
	case THEN_REPLACE:
		return renameat(folder, temp, folder, name);
	case THEN_CREATE:
		return rename_new(folder, temp, name);
	case THEN_NOTHING:
		break;
	}
	return unlinkat(folder, temp, 0);
}

struct writing {
	int folder;
	const char *path; /* for sentences */
	const char *name; /* in the folder */
	const struct file_owner *owner;
	int like;
	enum then then;
};

/* Write a temporary file, with the attributes of `like` unless that is -1, and
 * give it its name. */
static enum status write_file(const struct writing *w, const void *bytes,
			      size_t n, struct reason *why)
{
	char temp[FILE_TEMP_NAME_SIZE];
	enum status s;
	int fd;

	file_temp_sweep(w->folder);
	fd = file_temp_open(w->folder, temp);
	if (fd < 0)
		return file_error(why, "create a temporary file beside",
				  w->path);
	s = file_temp_fill(fd, w->path, bytes, n, w->owner, w->like, why);
	if (s != STATUS_OK) {
		unlinkat(w->folder, temp, 0);
		goto out;
	}
	if (put_in_place(w->folder, temp, w->name, w->then) != 0) {
		s = errno == EEXIST ?
			    reason_set(why, STATUS_REFUSED,
				       "%s exists; it is not overwritten",
				       w->path) :
			    file_error(why, "put in place", w->path);
		unlinkat(w->folder, temp, 0);
		goto out;
	}
	if (w->then != THEN_NOTHING && fsync(w->folder) != 0)
		s = reason_set(why, STATUS_ERROR,
			       "%s was written, but its folder not to disk: %s",
			       w->path, strerror(errno));
out:
	file_close(fd);
	return s;
}

/* The file that is to be replaced; *ret_fd is -1 when there is none. */
static enum status open_present(int folder, const char *path, const char *name,
				int *ret_fd, struct reason *why)
{
	struct stat st;
	int fd;

	if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT)
			return file_error(why, "look at", path);
		*ret_fd = -1;
		return STATUS_OK;
	}
	if (!S_ISREG(st.st_mode))
		return reason_set(why, STATUS_REFUSED,
				  "%s is %s, not a regular file; it is "
				  "not replaced",
				  path,
				  S_ISLNK(st.st_mode) ? "a symbolic link" :
							"something else");
	fd = openat(folder, name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return file_error(why, "look at the attributes of", path);
	*ret_fd = fd;
	return STATUS_OK;
}

static enum status replace(int folder, const char *path, const void *bytes,
			   size_t n, const struct file_owner *owner,
			   enum then then, struct reason *why)
{
	char unused[PATH_MAX], name[NAME_MAX + 1];
	int like = -1;
	enum status s = file_folder_split(path, unused, name, why);

	if (s == STATUS_OK)
		s = file_folder_check(folder, unused, why);
	if (s == STATUS_OK)
		s = open_present(folder, path, name, &like, why);
	if (s == STATUS_OK && then == THEN_NOTHING)
		s = file_try_rename(folder, path, name, why);
	if (s == STATUS_OK)
		s = write_file(&(struct writing){ folder, path, name, owner,
						  like, then },
			       bytes, n, why);
	file_close(like);
	return s;
}

enum status file_replace_at(int folder, const char *path, const void *bytes,
			    size_t n, const struct file_owner *owner,
			    struct reason *why)
{
	return replace(folder, path, bytes, n, owner, THEN_REPLACE, why);
}

enum status file_try_at(int folder, const char *path, const void *bytes,
			size_t n, const struct file_owner *owner,
			struct reason *why)
{
	return replace(folder, path, bytes, n, owner, THEN_NOTHING, why);
}

enum status file_replace(const char *path, const void *bytes, size_t n,
			 const struct file_owner *owner, struct reason *why)
{
	char folder[PATH_MAX], name[NAME_MAX + 1];
	enum status s;
	int fd = -1;

	s = file_folder_split(path, folder, name, why);
	if (s == STATUS_OK)
		s = file_folder_open(folder, &fd, why);
	if (s == STATUS_OK)
		s = file_replace_at(fd, path, bytes, n, owner, why);
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
		s = write_file(&(struct writing){ fd, path, name, &owner, -1,
						  THEN_CREATE },
			       bytes, n, why);
	file_close(fd);
	return s;
}
