/* SPDX-License-Identifier: PostgreSQL */
/*
 * The file of a sink lies in a folder of its consumer, who may be hostile.
 * This must never follow a link there, wait for a FIFO, or take over the
 * content of a file that its present owner could not have put there.
 */
#include "sink/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/now.h"
#include "base/text.h"

#define BOUNCE	    4096
#define LOCK_NAP_US INT64_C(10000)

static enum status explain_errno(struct reason *why, const char *act,
				 const char *path)
{
	int error = errno;
	enum status st = STATUS_ERROR;

	if (error == ENOENT)
		st = STATUS_NOT_FOUND;
	else if (error == EACCES || error == EPERM || error == EROFS)
		st = STATUS_DENIED;
	return reason_set(why, st, "sink %s: cannot %s: %s", path, act,
			  strerror(error));
}

/* One part of the path.  O_NOFOLLOW with O_DIRECTORY makes a link fail. */
static int open_part(int at, const char *name)
{
	return openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static enum status folder_failed(const char *path, const char *part, int at,
				 int error, struct reason *why)
{
	struct stat st;

	if (error == ENOENT)
		return reason_set(why, STATUS_NOT_FOUND,
				  "sink %s: there is no folder \"%s\"; create "
				  "it",
				  path, part);
	if ((error == ENOTDIR || error == ELOOP) &&
	    fstatat(at, part, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st.st_mode))
		return reason_set(
			why, STATUS_REFUSED,
			"sink %s: \"%s\" is a symbolic link; give the "
			"path without links",
			path, part);
	errno = error;
	return explain_errno(why, "open its folder", path);
}

/* The folder, part by part from the root. */
static enum status open_folder(struct sink_file *f, struct reason *why)
{
	char *copy = strndup(f->path, (size_t)(f->name - f->path));
	enum status st = STATUS_OK;
	char *rest = copy, *part;
	int next;

	if (copy == NULL)
		return reason_set(why, STATUS_NO_MEMORY, "sink %s: no memory",
				  f->path);
	f->folder = open_part(AT_FDCWD, "/");
	while (f->folder >= 0 && (part = strsep(&rest, "/")) != NULL) {
		if (*part == '\0')
			continue;
		next = open_part(f->folder, part);
		if (next < 0) {
			st = folder_failed(f->path, part, f->folder, errno,
					   why);
			break;
		}
		close(f->folder);
		f->folder = next;
	}
	free(copy);
	if (st != STATUS_OK)
		return st;
	/* The descriptor so far can only be looked up from, not synced. */
	next = f->folder < 0 ? -1 :
			       openat(f->folder, ".",
				      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (next >= 0) {
		close(f->folder);
		f->folder = next;
	}
	if (next < 0 || fstat(f->folder, &f->folder_stat) != 0)
		st = explain_errno(why, "open its folder", f->path);
	return st;
}

/*
 * The lock file stays, because removing it would let two writers hold two
 * different ones.  It goes to the owner of the folder, so that whichever of
 * root and the owner came first, the other can open it.
 */
static enum status open_lock(struct sink_file *f, struct reason *why)
{
	const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	char name[NAME_MAX + 1];
	struct text t = text_make(NAME_MAX);
	struct stat st;

	text_printf(&t, "%s%s%s", SINK_FILE_LOCK_PREFIX, f->name,
		    SINK_FILE_LOCK_SUFFIX);
	if (text_status(&t) != STATUS_OK ||
	    text_copy(name, sizeof(name), text_str(&t)) != STATUS_OK) {
		text_free(&t);
		return reason_set(why, STATUS_LIMIT,
				  "sink %s: its name is too long", f->path);
	}
	text_free(&t);
	f->lock = openat(f->folder, name, flags | O_CREAT | O_EXCL, 0600);
	if (f->lock >= 0) {
		if (fchown(f->lock, f->folder_stat.st_uid,
			   f->folder_stat.st_gid) != 0 &&
		    errno != EPERM)
			return explain_errno(why, "set the owner of its lock",
					     f->path);
	} else if (errno == EEXIST) {
		f->lock = openat(f->folder, name, flags);
	}
	if (f->lock < 0 && errno != ELOOP && errno != EISDIR)
		return explain_errno(why, "open its lock", f->path);
	if (f->lock < 0 || fstat(f->lock, &st) != 0 || !S_ISREG(st.st_mode))
		return reason_set(why, STATUS_REFUSED,
				  "sink %s: its lock %s is not a regular file; "
				  "remove it",
				  f->path, name);
	return STATUS_OK;
}

static enum status take_lock(struct sink_file *f, struct reason *why)
{
	const struct now *now = now_system();
	int64_t until = now_boot(now) + SINK_FILE_LOCK_US;

	while (flock(f->lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return explain_errno(why, "lock it", f->path);
		if (now_boot(now) >= until)
			return reason_set(
				why, STATUS_TIMEOUT,
				"sink %s: another writer has held its "
				"lock for %d seconds",
				f->path, (int)(SINK_FILE_LOCK_US / NOW_SECOND));
		now_sleep(now, LOCK_NAP_US);
	}
	return STATUS_OK;
}

enum status sink_file_open(struct sink_file *f, const struct sink *s,
			   struct reason *why)
{
	const char *slash = strrchr(s->path, '/');
	enum status st;

	*f = (struct sink_file){ .path = s->path, .folder = -1, .lock = -1 };
	if (s->path[0] != '/' || slash[1] == '\0')
		return reason_set(
			why, STATUS_CONFIG,
			"sink \"%s\": not the absolute path of a file",
			s->path);
	f->name = slash + 1;
	st = open_folder(f, why);
	if (st == STATUS_OK)
		st = open_lock(f, why);
	if (st == STATUS_OK)
		st = take_lock(f, why);
	return st;
}

void sink_file_close(struct sink_file *f)
{
	if (f->lock >= 0)
		close(f->lock);
	if (f->folder >= 0)
		close(f->folder);
	f->lock = f->folder = -1;
}

static enum status read_all(int fd, const struct sink_file *f,
			    struct secret *to, struct reason *why)
{
	unsigned char bounce[BOUNCE];
	enum status st = STATUS_OK;
	ssize_t got;

	/* Not into the secret itself: some file systems cannot write there. */
	do {
		got = read(fd, bounce, sizeof(bounce));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			st = explain_errno(why, "read it", f->path);
		else if (secret_append(to, bounce, (size_t)got) != STATUS_OK)
			st = reason_set(why, STATUS_CONFLICT,
					"sink %s: it grew while it was read",
					f->path);
	} while (st == STATUS_OK && got != 0);
	secret_wipe(bounce, sizeof(bounce));
	return st;
}

static enum status check_size(const struct sink_file *f, struct reason *why)
{
	if (!S_ISREG(f->stat.st_mode))
		return reason_set(why, STATUS_REFUSED,
				  "sink %s: it is not a regular file", f->path);
	if (f->stat.st_size > SECRET_CAP_MAX)
		return reason_set(why, STATUS_LIMIT,
				  "sink %s: it has %lld bytes; a sink is held "
				  "in locked memory, at most %d bytes: name "
				  "another file",
				  f->path, (long long)f->stat.st_size,
				  SECRET_CAP_MAX);
	return STATUS_OK;
}

enum status sink_file_read(struct sink_file *f, struct secret **ret_content,
			   struct reason *why)
{
	struct secret *content = NULL;
	enum status st = STATUS_OK;
	size_t cap = 1;
	int fd;

	fd = openat(f->folder, f->name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	f->exists = fd >= 0;
	if (fd < 0 && errno == ELOOP)
		return reason_set(why, STATUS_REFUSED,
				  "sink %s: it is a symbolic link, not a file",
				  f->path);
	if (fd < 0 && errno != ENOENT)
		return explain_errno(why, "open it", f->path);
	if (fd >= 0) {
		st = fstat(fd, &f->stat) != 0 ?
			     explain_errno(why, "look at it", f->path) :
			     check_size(f, why);
		if (st == STATUS_OK && f->stat.st_size > 0)
			cap = (size_t)f->stat.st_size;
	}
	if (st == STATUS_OK && secret_new(cap, &content) != STATUS_OK)
		st = reason_set(why, STATUS_NO_MEMORY,
				"sink %s: no locked memory", f->path);
	if (st == STATUS_OK && fd >= 0)
		st = read_all(fd, f, content, why);
	if (st == STATUS_OK) {
		*ret_content = content;
		content = NULL;
	}
	secret_free(content);
	if (fd >= 0)
		close(fd);
	return st;
}

bool sink_file_unchanged(const struct sink_file *f)
{
	struct stat st;

	if (fstatat(f->folder, f->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT && !f->exists;
	return f->exists && st.st_dev == f->stat.st_dev &&
	       st.st_ino == f->stat.st_ino && st.st_size == f->stat.st_size &&
	       st.st_ctim.tv_sec == f->stat.st_ctim.tv_sec &&
	       st.st_ctim.tv_nsec == f->stat.st_ctim.tv_nsec;
}

/* CAP_CHOWN, which root has and a service may have been given. */
static bool may_chown(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
						 0 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &head, data) != 0)
		return geteuid() == 0;
	return data[CAP_TO_INDEX(CAP_CHOWN)].effective & CAP_TO_MASK(CAP_CHOWN);
}

static bool in_group(gid_t gid)
{
	gid_t groups[1024];
	int n = getgroups(1024, groups);

	for (int i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return gid == getegid();
}

/*
 * Could only root or we have put a file into this folder?  If not, its owner
 * may have linked or moved another's file there, for us to copy into a file
 * that he can read.
 */
static bool folder_is_ours(const struct sink_file *f)
{
	const struct stat *st = &f->folder_stat;

	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static enum status check_present(const struct sink_file *f,
				 const struct sink *s, uid_t uid,
				 struct reason *why)
{
	bool known = f->stat.st_uid == f->folder_stat.st_uid ||
		     f->stat.st_uid == 0 || f->stat.st_uid == geteuid();

	if (!f->exists || folder_is_ours(f))
		return STATUS_OK;
	if (f->stat.st_nlink > 1)
		return reason_set(why, STATUS_REFUSED,
				  "sink %s: the file has other names (hard "
				  "links); remove it",
				  f->path);
	if (s->uid == (uid_t)-1 ? !known : f->stat.st_uid != uid)
		return reason_set(
			why, STATUS_REFUSED,
			"sink %s: the file belongs to user %u, who is "
			"not to have this password; chown or remove "
			"it",
			f->path, (unsigned)f->stat.st_uid);
	return STATUS_OK;
}

/* Its reader could read it as it was: to close it behind him would be worse than
 * to say so. */
static enum status check_mode(const struct sink_file *f, const struct sink *s,
			      struct reason *why)
{
	mode_t has = f->stat.st_mode & 07777;

	if (!sink_has_database(s->kind) || s->mode != SINK_MODE_KEEP ||
	    !f->exists || (has & ~sink_mode_most(s->kind)) == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "sink %s: its mode %04o lets others read the "
			  "password; chmod it to 0640 or 0600, so that "
			  "PgBouncer can still read it, or set mode=",
			  f->path, (unsigned)has);
}

/* What the file had, unless that is too open for what is in it. */
static mode_t find_mode(const struct sink_file *f, const struct sink *s)
{
	mode_t most = sink_mode_most(s->kind);
	mode_t has = f->exists ? f->stat.st_mode & 07777 : 0;

	if (s->mode != SINK_MODE_KEEP)
		return s->mode;
	return (has & S_IRUSR) && (has & ~most) == 0 ? has : 0600;
}

enum status sink_file_owner(const struct sink_file *f, const struct sink *s,
			    struct file_owner *ret_owner, struct reason *why)
{
	const struct stat *like = f->exists ? &f->stat : &f->folder_stat;
	struct file_owner o = { s->uid, s->gid, find_mode(f, s) };
	enum status st;

	if (o.uid == (uid_t)-1)
		o.uid = like->st_uid;
	if (o.gid == (gid_t)-1)
		o.gid = like->st_gid;
	st = check_present(f, s, o.uid, why);
	if (st == STATUS_OK)
		st = check_mode(f, s, why);
	if (st != STATUS_OK)
		return st;
	if (!may_chown() && o.uid != geteuid())
		return reason_set(
			why, STATUS_REFUSED,
			"sink %s: it is to belong to user %u, but keyturn "
			"runs as user %u without the right to give files away "
			"(CAP_CHOWN)",
			f->path, (unsigned)o.uid, (unsigned)geteuid());
	if (!may_chown() && !in_group(o.gid)) {
		/* A group that no one asked for and that gets no right. */
		if (s->gid != (gid_t)-1 || (o.mode & S_IRWXG) != 0)
			return reason_set(why, STATUS_REFUSED,
					  "sink %s: it is to have group %u, "
					  "of which user %u is not a member",
					  f->path, (unsigned)o.gid,
					  (unsigned)geteuid());
		o.gid = (gid_t)-1;
	}
	*ret_owner = o;
	return STATUS_OK;
}
