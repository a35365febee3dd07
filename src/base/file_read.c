/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads whole files.  Must never give the content of a file that should be
 * private and is not.
 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_internal.h"

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
		return file_error(why, "open", path);
	if (fstat(fd, &st) != 0) {
		s = file_error(why, "look at", path);
		goto out;
	}
	s = check_private(path, &st, max, why);
	if (s != STATUS_OK)
		goto out;
	s = secret_new(st.st_size > 0 ? (size_t)st.st_size : 1, &content);
	if (s != STATUS_OK) {
		reason_set(why, s, "no locked memory for %s", path);
		goto out;
	}
	s = secret_append_fd(content, fd);
	if (s == STATUS_LIMIT)
		s = reason_set(why, STATUS_ERROR,
			       "%s grew while it was read; try again", path);
	else if (s != STATUS_OK)
		s = file_error(why, "read", path);
	if (s == STATUS_OK) {
		*ret_content = content;
		content = NULL;
	}
out:
	secret_free(content);
	file_close(fd);
	return s;
}

static enum status read_text(int fd, const char *path, struct text *t,
			     struct reason *why)
{
	char buffer[FILE_BOUNCE_BYTES];
	ssize_t got;

	for (;;) {
		got = read(fd, buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(why, "read", path);
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
		return file_error(why, "open", path);
	text_reset(t);
	if (fstat(fd, &st) != 0)
		s = file_error(why, "look at", path);
	else if (!S_ISREG(st.st_mode))
		s = reason_set(why, STATUS_CONFIG, "%s is not a regular file",
			       path);
	else
		s = read_text(fd, path, t, why);
	file_close(fd);
	return s;
}
