/* SPDX-License-Identifier: PostgreSQL */
/* What the files of file.h share; no one else includes it. */
#ifndef KEYTURN_FILE_INTERNAL_H
#define KEYTURN_FILE_INTERNAL_H

#include <unistd.h>

#include "base/file.h"

/* What is read or written at a time, through memory of our own. */
#define FILE_BOUNCE_BYTES 4096

/* The name of a temporary file, with its NUL: file_temp_open() says which. */
#define FILE_TEMP_NAME_SIZE 30

/* "cannot <act> <path>: <what errno says>", with the status of errno. */
enum status file_error(struct reason *why, const char *act, const char *path);

/* Close fd unless it is negative, which is none. */
static inline void file_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* --- file_folder.c ------------------------------------------------------- */

/* Split path into its folder ("." when it has no slash) and the name in it.
 * folder has PATH_MAX bytes, name NAME_MAX + 1. */
enum status file_folder_split(const char *path, char *folder, char *name,
			      struct reason *why);

/* openat() of one component that must be a folder and no symbolic link;
 * -1 with errno, which is ELOOP if it is one. */
int file_folder_step(int at, const char *name, int flags);

/*
 * The folder of a file that is to be written.  Where others may write and the
 * sticky bit does not hold them off, they could put another file in its place:
 * STATUS_REFUSED.  *ret_fd is the caller's to close.
 */
enum status file_folder_open(const char *folder, int *ret_fd,
			     struct reason *why);

/* The part of that which is about others who may write. */
enum status file_folder_check(int fd, const char *folder, struct reason *why);

/* --- file_like.c --------------------------------------------------------- */

/* The ACL, security label and user attributes of the file `from` to the file
 * `to`, which has no others of those kinds afterwards; path is for sentences.
 * A file system that has none is no error. */
enum status file_like_copy(int from, int to, const char *path,
			   struct reason *why);

/* --- file_try.c ---------------------------------------------------------- */

/* What a rename over name would stumble over; STATUS_REFUSED with the cure. */
enum status file_try_rename(int folder, const char *path, const char *name,
			    struct reason *why);

/* --- file_temp.c --------------------------------------------------------- */

/* A new empty file in the folder, open and locked.  The lock says that its
 * writer lives.  name gets FILE_TEMP_NAME_SIZE bytes.  -1 with errno. */
int file_temp_open(int folder, char *name);

/*
 * A writer that was killed leaves its temporary file, which may hold a
 * password.  The next writer in the folder removes it; failing to is no error.
 */
void file_temp_sweep(int folder);

/* Content, owner and mode of the temporary file, on disk; and the attributes of
 * the file `like`, which is -1 when there is none. */
enum status file_temp_fill(int fd, const char *path, const void *bytes,
			   size_t n, const struct file_owner *owner, int like,
			   struct reason *why);

#endif
