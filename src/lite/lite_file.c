/* SPDX-License-Identifier: PostgreSQL */
/*
 * Decides whether a path may be used as a private database.  Must never open
 * an existing database file: closing any descriptor of it would drop the POSIX
 * locks that SQLite holds in this process.
 */
#include "lite/lite_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRAFT_TRIES 100

static enum status from_errno(int e)
{
	if (e == ENOSPC || e == EDQUOT)
		return STATUS_LIMIT;
	if (e == EACCES || e == EPERM || e == EROFS)
		return STATUS_DENIED;
	return STATUS_ERROR;
}

char *lite_file_join(const char *path, const char *suffix)
{
	size_t a = strlen(path), b = strlen(suffix);
	char *s = malloc(a + b + 1);

	if (s) {
		memcpy(s, path, a);
		memcpy(s + a, suffix, b + 1);
	}
	return s;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *s;

	if (!slash)
		return strdup(".");
	if (slash == path)
		return strdup("/");
	s = strndup(path, (size_t)(slash - path));
	return s;
}

static enum status check_folder(const char *path, bool read_only,
				struct reason *why)
{
	char *folder = folder_of(path);
	enum status st = STATUS_OK;
	uid_t me = geteuid();
	struct stat sb;

	if (!folder)
		return reason_no_memory(why);
	if (stat(folder, &sb) != 0) {
		st = errno == ENOENT ? STATUS_NOT_FOUND : from_errno(errno);
		reason_set(why, st, "the folder %s cannot be used: %s", folder,
			   strerror(errno));
	} else if (!S_ISDIR(sb.st_mode)) {
		st = reason_set(why, STATUS_CONFIG, "%s is not a folder",
				folder);
	} else if (sb.st_uid != 0 && sb.st_uid != me &&
		   !(read_only && me == 0)) {
		st = reason_set(why, STATUS_CONFIG,
				"the folder %s belongs to uid %lu, not to uid "
				"%lu: run as its owner or give it a folder of "
				"its own",
				folder, (unsigned long)sb.st_uid,
				(unsigned long)me);
	} else if (sb.st_mode & (S_IWGRP | S_IWOTH)) {
		st = reason_set(why, STATUS_CONFIG,
				"the folder %s is writable by others: "
				"chmod go-w %s",
				folder, folder);
	}
	free(folder);
	return st;
}

enum status lite_file_check(const char *path, bool read_only,
			    struct reason *why)
{
	uid_t me = geteuid();
	enum status st;
	struct stat sb;

	st = check_folder(path, read_only, why);
	if (st != STATUS_OK)
		return st;
	if (lstat(path, &sb) != 0) {
		if (errno == ENOENT)
			return reason_set(why, STATUS_NOT_FOUND,
					  "there is no file %s", path);
		st = from_errno(errno);
		return reason_set(why, st, "%s cannot be used: %s", path,
				  strerror(errno));
	}
	if (!S_ISREG(sb.st_mode))
		return reason_set(why, STATUS_CONFIG,
				  "%s is not a regular file: name the database "
				  "itself, without symbolic links",
				  path);
	if (sb.st_uid != me && !(read_only && me == 0))
		return reason_set(why, STATUS_CONFIG,
				  "%s belongs to uid %lu, not to uid %lu: run "
				  "keyturn as its owner",
				  path, (unsigned long)sb.st_uid,
				  (unsigned long)me);
	if (sb.st_mode & (S_IRWXG | S_IRWXO))
		return reason_set(why, STATUS_CONFIG,
				  "%s is open to others (mode %04o): "
				  "chmod 600 %s",
				  path, (unsigned)(sb.st_mode & 07777), path);
	/* Before SQLite makes its side files with the same mode. */
	if (!read_only && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
		return reason_set(why, STATUS_DENIED,
				  "%s is read-only: mend its mode or the mount",
				  path);
	if (sb.st_size == 0)
		return reason_set(
			why, STATUS_CORRUPT,
			"%s is empty: it was truncated; " LITE_RESTORE, path);
	return STATUS_OK;
}

enum status lite_file_draft(const char *path, char **ret_temporary,
			    struct reason *why)
{
	char suffix[64];
	char *name;
	enum status st;
	int fd, i, e = EEXIST;

	st = check_folder(path, false, why);
	if (st != STATUS_OK)
		return st;
	for (i = 0; i < DRAFT_TRIES; i++) {
		snprintf(suffix, sizeof suffix, ".draft-%ld-%d", (long)getpid(),
			 i);
		name = lite_file_join(path, suffix);
		if (!name)
			return reason_no_memory(why);
		fd = open(name,
			  O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			  0600);
		if (fd >= 0) {
			close(fd);
			*ret_temporary = name;
			return STATUS_OK;
		}
		e = errno;
		free(name);
		if (e != EEXIST)
			break;
	}
	st = from_errno(e);
	return reason_set(why, st, "%s cannot be created: %s", path,
			  strerror(e));
}

static enum status sync_path(const char *path, int flags, struct reason *why)
{
	enum status st = STATUS_OK;
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0) {
		st = from_errno(errno);
		reason_set(why, st, "%s cannot be made durable: %s", path,
			   strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return st;
}

enum status lite_file_publish(const char *temporary, const char *path,
			      struct reason *why)
{
	char *folder = NULL;
	enum status st;

	st = sync_path(temporary, O_RDONLY | O_NOFOLLOW, why);
	if (st != STATUS_OK)
		return st;
	/* link(), not rename(): it never takes the place of another's file. */
	if (link(temporary, path) != 0 && errno != EEXIST) {
		st = from_errno(errno);
		return reason_set(why, st, "%s cannot be created: %s", path,
				  strerror(errno));
	}
	if (unlink(temporary) != 0 && errno != ENOENT)
		return reason_set(why, STATUS_ERROR, "%s cannot be removed: %s",
				  temporary, strerror(errno));
	folder = folder_of(path);
	if (!folder)
		return reason_no_memory(why);
	st = sync_path(folder, O_RDONLY | O_DIRECTORY, why);
	free(folder);
	return st;
}

static int identify_file(const char *path, const char *suffix,
			 struct lite_file *ret_file)
{
	char *name = lite_file_join(path, suffix);
	struct stat sb;
	int rc;

	if (!name) {
		errno = ENOMEM;
		return -1;
	}
	rc = lstat(name, &sb);
	free(name);
	if (rc != 0)
		return -1;
	ret_file->dev = sb.st_dev;
	ret_file->ino = sb.st_ino;
	return 0;
}

enum status lite_file_identify(const char *path, const char *suffix,
			       struct lite_file *ret_file, struct reason *why)
{
	if (identify_file(path, suffix, ret_file) != 0)
		return reason_set(why, STATUS_ERROR, "%s%s: %s", path, suffix,
				  strerror(errno));
	return STATUS_OK;
}

enum status lite_file_same(const char *path, const char *suffix,
			   const struct lite_file *file, struct reason *why)
{
	struct lite_file now;

	if (identify_file(path, suffix, &now) == 0 && now.dev == file->dev &&
	    now.ino == file->ino)
		return STATUS_OK;
	return reason_set(why, STATUS_ERROR,
			  "the file %s%s was deleted or replaced while it was "
			  "in use: put it back, or stop keyturn and start it "
			  "again",
			  path, suffix);
}
