/* SPDX-License-Identifier: PostgreSQL */
/*
 * Files that must be whole, private and durable.  Every durable write of the
 * project goes through file_replace().
 */
#ifndef KEYTURN_FILE_H
#define KEYTURN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/reason.h"
#include "base/secret.h"
#include "base/text.h"

struct file_owner {
	uid_t uid; /* (uid_t)-1: leave as created */
	gid_t gid; /* (gid_t)-1: leave as created */
	mode_t mode;
};

/*
 * Replace path by bytes, or leave it as it was: a temporary file in the same
 * folder (O_EXCL, O_NOFOLLOW, mode 0600), fchown and fchmod to owner, write,
 * fsync, rename, fsync of the folder.  The folder is opened first without
 * following symbolic links in any component (openat2 RESOLVE_NO_SYMLINKS), and
 * everything else is relative to it, so a swapped folder cannot redirect the
 * write (rotation-safety.md L15).  Wipes nothing: bytes may point into a secret.
 *
 * STATUS_REFUSED: path is a symbolic link or no regular file, a folder of it is
 * a link, or others may write to the folder and it has no sticky bit.
 * STATUS_NOT_FOUND: no such folder.  STATUS_DENIED: no permission.  owner may
 * be NULL: mode 0600, owner as created.  Temporary files of writers that were
 * killed are removed from the folder on the way.
 */
enum status file_replace(const char *path, const void *bytes, size_t n,
			 const struct file_owner *owner, struct reason *why);

/*
 * The same in a folder that is open already (O_RDONLY), so that its path is
 * resolved once; path is for sentences, and its last part is the file's name.
 * What the present file has of ACL, security label and user attributes goes
 * over to the new one; the mode is owner's nevertheless, and with it the mask
 * of the ACL.
 */
enum status file_replace_at(int folder, const char *path, const void *bytes,
			    size_t n, const struct file_owner *owner,
			    struct reason *why);

/*
 * Would file_replace_at() do it?  All of it but the rename: the temporary file
 * is written to disk and removed.  What a rename would stumble over is
 * STATUS_REFUSED with how to mend it: a mount point, a file or folder that is
 * immutable or append-only (chattr), another's file in a sticky folder.
 */
enum status file_try_at(int folder, const char *path, const void *bytes,
			size_t n, const struct file_owner *owner,
			struct reason *why);

/* The same for a file that must not exist yet, which is STATUS_REFUSED: the
 * file appears whole or not at all.  mode is exact, whatever the umask. */
enum status file_create(const char *path, const void *bytes, size_t n,
			mode_t mode, struct reason *why);

/*
 * Read a file that must be private: regular, owned by root or the effective
 * user, no symbolic link, no permission for group or others, at most max bytes
 * (1 to SECRET_CAP_MAX).  The content is exact, a newline at its end included.
 * STATUS_NOT_FOUND, STATUS_CONFIG (mode or owner; says chmod), STATUS_LIMIT.
 */
enum status file_read_private(const char *path, size_t max,
			      struct secret **ret_content, struct reason *why);

/* Read any regular file of at most t->max bytes into t, replacing its content.
 * STATUS_NOT_FOUND, STATUS_CONFIG (not regular), STATUS_DENIED, STATUS_LIMIT. */
enum status file_read(const char *path, struct text *t, struct reason *why);

/* mkdir -p with mode for what is created, whatever the umask.  Existing folders
 * are left alone; a symbolic link on the way is STATUS_REFUSED. */
enum status file_make_folder(const char *path, mode_t mode, struct reason *why);

/* Write all n bytes to fd, whatever signals come.  False: errno says why. */
bool file_write_all(int fd, const void *bytes, size_t n);

/* The same for what is in a secret's memory: some file systems read the caller's
 * pages from the kernel's side, where memfd_secret memory does not exist, so it
 * goes through a buffer that is wiped. */
bool file_write_secret(int fd, const void *bytes, size_t n);

#endif
