/* SPDX-License-Identifier: PostgreSQL */
/* Whole, private, durable files; must never write through a symbolic link or
 * leave half a file under its final name. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOUNCE_BYTES 4096
#define TEMP_TRIES   16

/* And 16 hex digits.  Not made from the target's name, which may already be
 * as long as a name can be. */
#define TEMP_PREFIX    ".keyturn-tmp-"
#define TEMP_NAME_SIZE (sizeof(TEMP_PREFIX) + 16)

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

/* "cannot <act> <path>: <what errno says>" */
static enum status fail(struct reason *why, const char *act, const char *path)
{
	int error = errno;

	return reason_set(why, status_of(error), "cannot %s %s: %s", act, path,
			  strerror(error));
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* path as folder and name in it; "." when it has no slash. */
static enum status split(const char *path, char *folder, char *name,
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

/* openat() of one component that must be a folder and no symbolic link;
 * ELOOP if it is one. */
static int open_step(int at, const char *name, int flags)
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
	fd = open_step(AT_FDCWD, *folder == '/' ? "/" : ".", O_PATH);
	while (fd >= 0 && (name = strsep(&rest, "/")) != NULL) {
		if (*name == '\0')
			continue;
		next = open_step(fd, name, O_PATH);
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
	next = open_step(fd, ".", O_RDONLY);
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

/*
 * The folder of a file that is to be written.  Where others may write and the
 * sticky bit does not hold them off, they could put another file in its place.
 */
static enum status open_folder(const char *folder, int *ret_fd,
			       struct reason *why)
{
	struct stat st;
	int fd;

	fd = open_no_symlinks(folder);
	if (fd < 0 && errno == ELOOP)
		return reason_set(why, STATUS_REFUSED,
				  "a part of the folder %s is a symbolic link; "
				  "give the path without links",
				  folder);
	if (fd < 0)
		return fail(why, "open the folder", folder);
	if (fstat(fd, &st) != 0) {
		enum status s = fail(why, "look at the folder", folder);

		close(fd);
		return s;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
	    (st.st_mode & S_ISVTX) == 0) {
		close(fd);
		return reason_set(why, STATUS_REFUSED,
				  "the folder %s can be written by others "
				  "(mode %04o); chmod go-w it",
				  folder, (unsigned)st.st_mode & 07777);
	}
	*ret_fd = fd;
	return STATUS_OK;
}

/* Through a wiped buffer: bytes may be memfd_secret memory, which some file
 * systems cannot read. */
static int write_all(int fd, const unsigned char *p, size_t n)
{
	unsigned char bounce[BOUNCE_BYTES];
	ssize_t done = 0;
	size_t part;
	int error;

	while (n > 0) {
		part = n < sizeof(bounce) ? n : sizeof(bounce);
		memcpy(bounce, p, part);
		done = write(fd, bounce, part);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			break;
		p += done;
		n -= (size_t)done;
	}
	error = errno;
	secret_wipe(bounce, sizeof(bounce));
	errno = error;
	return done < 0 ? -1 : 0;
}

/* A new empty file in the folder, open and locked.  The lock says that its
 * writer lives. */
static int temp_open(int folder, char *name)
{
	unsigned long long id;
	struct stat st;
	int fd, i;

	for (i = 0; i < TEMP_TRIES; i++) {
		if (getrandom(&id, sizeof(id), 0) != sizeof(id))
			return -1;
		snprintf(name, TEMP_NAME_SIZE, TEMP_PREFIX "%016llx", id);
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

/*
 * A writer that was killed leaves its temporary file, which may hold a
 * password.  The next writer in the folder removes it; failing to is no error.
 */
static void temp_sweep(int folder)
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

/* Content, owner and mode of the temporary file, on disk. */
static enum status temp_fill(int fd, const char *path, const void *bytes,
			     size_t n, const struct file_owner *owner,
			     struct reason *why)
{
	if (owner != NULL &&
	    (owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1) &&
	    fchown(fd, owner->uid, owner->gid) != 0)
		return fail(why, "set the owner of", path);
	if (owner != NULL && fchmod(fd, owner->mode & 07777) != 0)
		return fail(why, "set the mode of", path);
	if (write_all(fd, bytes, n) != 0)
		return fail(why, "write", path);
	if (fsync(fd) != 0)
		return fail(why, "write to disk", path);
	return STATUS_OK;
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
	char temp[TEMP_NAME_SIZE];
	enum status s;
	int fd, failed;

	temp_sweep(folder);
	fd = temp_open(folder, temp);
	if (fd < 0)
		return fail(why, "create a temporary file beside", path);
	s = temp_fill(fd, path, bytes, n, owner, why);
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
			    fail(why, "put in place", path);
		unlinkat(folder, temp, 0);
		goto out;
	}
	if (fsync(folder) != 0)
		s = reason_set(why, STATUS_ERROR,
			       "%s was written, but its folder not to disk: %s",
			       path, strerror(errno));
out:
	close_fd(fd);
	return s;
}

enum status file_replace(const char *path, const void *bytes, size_t n,
			 const struct file_owner *owner, struct reason *why)
{
	char folder[PATH_MAX], name[NAME_MAX + 1];
	struct stat st;
	enum status s;
	int fd = -1;

	s = split(path, folder, name, why);
	if (s != STATUS_OK)
		return s;
	s = open_folder(folder, &fd, why);
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
		s = fail(why, "look at", path);
		goto out;
	}
	s = put(fd, path, name, bytes, n, owner, true, why);
out:
	close_fd(fd);
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

	s = split(path, folder, name, why);
	if (s != STATUS_OK)
		return s;
	s = open_folder(folder, &fd, why);
	if (s != STATUS_OK)
		return s;
	/* Only to say so early; that it is not replaced, rename_new() knows. */
	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		s = reason_set(why, STATUS_REFUSED,
			       "%s exists; it is not overwritten", path);
	else
		s = put(fd, path, name, bytes, n, &owner, false, why);
	close_fd(fd);
	return s;
}

/* Not blocking: a FIFO must be refused, not waited for. */
#define READ_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static enum status check_private(const char *path, const struct stat *st,
				 size_t max, struct reason *why)
{
	if (!S_ISREG(st->st_mode))
		return reason_set(why, STATUS_CONFIG,
				  "%s is not a regular file", path);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return reason_set(why, STATUS_CONFIG,
				  "%s belongs to user %ju; it must belong to "
				  "root or to user %ju: chown it",
				  path, (uintmax_t)st->st_uid,
				  (uintmax_t)geteuid());
	if ((st->st_mode & 077) != 0)
		return reason_set(why, STATUS_CONFIG,
				  "%s is open to others (mode %04o); "
				  "chmod 600 it",
				  path, (unsigned)st->st_mode & 07777);
	if ((uintmax_t)st->st_size > max)
		return reason_set(why, STATUS_LIMIT,
				  "%s has %jd bytes; at most %zu are taken",
				  path, (intmax_t)st->st_size, max);
	return STATUS_OK;
}

/* All of fd into s, whose capacity is the size that the file had. */
static enum status read_secret(int fd, const char *path, struct secret *s,
			       struct reason *why)
{
	unsigned char bounce[BOUNCE_BYTES];
	enum status st = STATUS_OK;
	ssize_t got;

	for (;;) {
		got = read(fd, bounce, sizeof(bounce));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			st = fail(why, "read", path);
		if (got <= 0)
			break;
		if (secret_append(s, bounce, (size_t)got) != STATUS_OK) {
			st = reason_set(why, STATUS_ERROR,
					"%s grew while it was read; try again",
					path);
			break;
		}
	}
	secret_wipe(bounce, sizeof(bounce));
	return st;
}

enum status file_read_private(const char *path, size_t max,
			      struct secret **ret_content, struct reason *why)
{
	struct secret *content = NULL;
	struct stat st;
	enum status s;
	int fd;

	fd = open(path, READ_FLAGS | O_NOFOLLOW);
	if (fd < 0 && errno == ELOOP)
		return reason_set(why, STATUS_CONFIG,
				  "%s is a symbolic link; name the file itself",
				  path);
	if (fd < 0)
		return fail(why, "open", path);
	if (fstat(fd, &st) != 0) {
		s = fail(why, "look at", path);
		goto out;
	}
	s = check_private(path, &st, max, why);
	if (s != STATUS_OK)
		goto out;
	s = secret_new(st.st_size > 0 ? (size_t)st.st_size : 1, &content);
	if (s != STATUS_OK) {
		reason_set(why, s, "no locked memory for %s: %s", path,
			   status_sentence(s));
		goto out;
	}
	s = read_secret(fd, path, content, why);
	if (s == STATUS_OK) {
		*ret_content = content;
		content = NULL;
	}
out:
	secret_free(content);
	close_fd(fd);
	return s;
}

static enum status read_text(int fd, const char *path, struct text *t,
			     struct reason *why)
{
	char buffer[BOUNCE_BYTES];
	ssize_t got;

	for (;;) {
		got = read(fd, buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(why, "read", path);
		if (got == 0)
			return STATUS_OK;
		text_add_bytes(t, buffer, (size_t)got);
		if (text_status(t) == STATUS_LIMIT)
			return reason_set(why, STATUS_LIMIT,
					  "%s has more than %zu bytes", path,
					  t->max);
		if (text_status(t) != STATUS_OK)
			return reason_set(why, text_status(t),
					  "no memory to read %s", path);
	}
}

enum status file_read(const char *path, struct text *t, struct reason *why)
{
	struct stat st;
	enum status s;
	int fd;

	fd = open(path, READ_FLAGS);
	if (fd < 0)
		return fail(why, "open", path);
	text_reset(t);
	if (fstat(fd, &st) != 0)
		s = fail(why, "look at", path);
	else if (!S_ISREG(st.st_mode))
		s = reason_set(why, STATUS_CONFIG, "%s is not a regular file",
			       path);
	else
		s = read_text(fd, path, t, why);
	close_fd(fd);
	return s;
}

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
		return open_step(parent, name, O_PATH);
	}
	fd = open_step(parent, name, O_RDONLY);
	/* The umask took bits away from the mode that was asked for. */
	if (fd >= 0 && fchmod(fd, mode) != 0) {
		close_fd(fd);
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
	fd = open_step(AT_FDCWD, *path == '/' ? "/" : ".", O_PATH);
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
				    fail(why, "make the folder", path);
			close(fd);
			return s;
		}
		close(fd);
		fd = next;
	}
	if (fd < 0)
		return fail(why, "make the folder", path);
	close(fd);
	return STATUS_OK;
}
