/* SPDX-License-Identifier: PostgreSQL */
/*
 * Folders and files of sessions.  What root does is confined to a folder that
 * only root may write, and to new files and names below a user's own; it must
 * never follow what a user could have put there.
 */
#include "pam/pam_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define PREFIX	  "pgpass."
#define NAMES_MAX 100 /* sessions of one process */
#define PATH_SIZE 300
#define PAUSE_MS  5

/* Of one user's tmpfs; a session takes a page and an inode. */
#define LIMITS "size=1m,nr_inodes=512"

static int set_error(struct reason *why, const char *what, const char *path)
{
	reason_set(why, STATUS_ERROR, "%s %s: %s", what, path,
		   strerrordesc_np(errno));
	return -1;
}

/* ---- Folders ------------------------------------------------------------- */

/* The folder of all users: root's (or, for who is not root, our own), and
 * writable by no one else. */
static int open_top(const char *folder, struct reason *why)
{
	struct stat st;
	int fd;

	if (mkdir(folder, 0711) == 0) {
		/* The program's umask does not count; only root can have put
		 * anything else there meanwhile. */
		if (chmod(folder, 0711) < 0)
			return set_error(why, "cannot chmod", folder);
	} else if (errno != EEXIST) {
		return set_error(why, "cannot make the folder", folder);
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return set_error(why, "cannot open the folder", folder);
	if (fstat(fd, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return fd;
	reason_set(why, STATUS_DENIED,
		   "the folder %s must belong to root, and no other user may "
		   "write to it",
		   folder);
	close(fd);
	return -1;
}

/* One of us at a time: only who may read the folder can lock it. */
static int lock_folder(int top, const char *folder, unsigned wait_ms,
		       struct reason *why)
{
	while (flock(top, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return set_error(why, "cannot lock", folder);
		if (wait_ms < PAUSE_MS) {
			reason_set(why, STATUS_TIMEOUT,
				   "the folder %s stays locked", folder);
			return -1;
		}
		poll(NULL, 0, PAUSE_MS);
		wait_ms -= PAUSE_MS;
	}
	return 0;
}

static bool own_path(const char *folder, uid_t uid, char ret[PATH_SIZE])
{
	int n = snprintf(ret, PATH_SIZE, "%s/%u", folder, (unsigned)uid);

	return n > 0 && n < PATH_SIZE;
}

/* Is it a file system of its own?  *ret is of what was found. */
static bool is_mounted(int top, int own, struct stat *ret)
{
	struct stat above;

	return fstat(own, ret) == 0 && fstat(top, &above) == 0 &&
	       ret->st_dev != above.st_dev;
}

static int open_below(int top, const char *name, struct reason *why)
{
	int fd = openat(top, name,
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return set_error(why, "cannot open the folder of uid", name);
	return fd;
}

static int make_own(int top, const char *name, struct reason *why)
{
	if (mkdirat(top, name, 0700) == 0) {
		if (fchmodat(top, name, 0700, 0) < 0)
			return set_error(why, "cannot chmod the folder of uid",
					 name);
	} else if (errno != EEXIST) {
		return set_error(why, "cannot make the folder of uid", name);
	}
	return open_below(top, name, why);
}

static int refuse_folder(int fd, const char *name, struct reason *why)
{
	reason_set(why, STATUS_DENIED,
		   "the folder of uid %s must be that user's and mode 0700",
		   name);
	close(fd);
	return -1;
}

/* A tmpfs of the user's, or, where none can be mounted, the folder itself. */
static int bound_folder(int top, int fd, const struct pam_place *p,
			bool *ret_bounded, struct reason *why)
{
	char path[PATH_SIZE], name[16], options[128];
	struct stat st;

	snprintf(name, sizeof(name), "%u", (unsigned)p->uid);
	snprintf(options, sizeof(options), LIMITS ",mode=0700,uid=%u,gid=%u",
		 (unsigned)p->uid, (unsigned)p->gid);
	if (own_path(p->folder, p->uid, path) &&
	    mount("keyturn-pam", path, "tmpfs",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC, options) == 0) {
		close(fd);
		*ret_bounded = true;
		return open_below(top, name, why);
	}
	*ret_bounded = false;
	/* Made a moment ago, or by one of us who died just then. */
	if (fstat(fd, &st) == 0 && st.st_uid == 0 && p->uid != 0 &&
	    fchown(fd, p->uid, p->gid) < 0) {
		set_error(why, "cannot give away the folder of uid", name);
		close(fd);
		return -1;
	}
	return fd;
}

/* The user's own folder below it, made by us. */
static int open_own(int top, const struct pam_place *p, bool *ret_bounded,
		    struct reason *why)
{
	char name[16];
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "%u", (unsigned)p->uid);
	*ret_bounded = true;
	fd = make_own(top, name, why);
	if (fd < 0)
		return -1;
	if (!is_mounted(top, fd, &st)) {
		if ((st.st_uid != 0 && st.st_uid != p->uid) ||
		    (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
			return refuse_folder(fd, name, why);
		if (geteuid() == 0)
			fd = bound_folder(top, fd, p, ret_bounded, why);
		if (fd < 0)
			return -1;
	}
	if (fstat(fd, &st) == 0 && st.st_uid == p->uid &&
	    (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return fd;
	return refuse_folder(fd, name, why);
}

/* ---- Files --------------------------------------------------------------- */

/* The session's process may be in another PID namespace, or in the background:
 * in either case it has the file open and locked. */
static bool is_held(int own, const char *name)
{
	int fd = openat(own, name,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 &&
		    errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return held;
}

/* Whether a program that kept no descriptor is still there.  kill() sees other
 * users' processes even where /proc hides them. */
static bool is_left(int own, const char *name)
{
	int pid, end = 0;

	return sscanf(name, PREFIX "%9d.%*9d%n", &pid, &end) == 1 && end > 0 &&
	       name[end] == '\0' && pid > 0 && kill(pid, 0) < 0 &&
	       errno == ESRCH && !is_held(own, name);
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Remove what is left; true when the folder holds nothing at all. */
static bool sweep_files(int own, bool remove)
{
	char buf[4096] __attribute__((aligned(8)));
	int fd = openat(own, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool empty = fd >= 0;
	ssize_t n, at;

	while (fd >= 0 && (n = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n;) {
			const struct dirent64 *e =
				(const struct dirent64 *)(buf + at);

			at += e->d_reclen;
			empty = empty && is_dots(e->d_name);
			if (remove && is_left(own, e->d_name))
				unlinkat(own, e->d_name, 0);
		}
	}
	if (fd >= 0)
		close(fd);
	return empty;
}

static int open_new(int own, char name[PAM_PLACE_NAME_MAX], struct reason *why)
{
	int fd = -1, high;

	for (int i = 0; i < NAMES_MAX && fd < 0; i++) {
		snprintf(name, PAM_PLACE_NAME_MAX, PREFIX "%d.%d",
			 (int)getpid(), i);
		fd = openat(own, name,
			    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
				    O_CLOEXEC,
			    0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	/* Standard descriptors that are closed stay closed. */
	high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (high < 0)
		set_error(why, "cannot make the file", name);
	if (fd >= 0) {
		close(fd);
		if (high < 0)
			unlinkat(own, name, 0);
	}
	return high;
}

/* Whole before it is the user's. */
static int make_file(int own, const struct pam_place *p, const char *bytes,
		     size_t n, struct pam_place_file *ret, struct reason *why)
{
	int fd = open_new(own, ret->name, why);

	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0 && file_write_all(fd, bytes, n) &&
	    /* The umask of the program may have taken bits away. */
	    fchmod(fd, 0600) == 0 &&
	    (geteuid() == p->uid || fchown(fd, p->uid, p->gid) == 0)) {
		ret->fd = fd;
		return 0;
	}
	set_error(why, "cannot write the file", ret->name);
	unlinkat(own, ret->name, 0);
	close(fd);
	return -1;
}

int pam_place_make(const struct pam_place *p, const char *bytes, size_t n,
		   unsigned wait_ms, struct pam_place_file *ret,
		   struct reason *why)
{
	struct pam_place_file f = { .fd = -1 };
	int top = open_top(p->folder, why), own = -1, rc = -1;

	if (top >= 0 && lock_folder(top, p->folder, wait_ms, why) == 0)
		own = open_own(top, p, &f.bounded, why);
	if (own >= 0) {
		sweep_files(own, true);
		rc = make_file(own, p, bytes, n, &f, why);
		close(own);
	}
	if (top >= 0)
		close(top);
	if (rc == 0)
		*ret = f;
	return rc;
}

/* Not as the user: a name below a folder that is the user's, below one that is
 * root's, can only be taken away from that user.  The process may be that user
 * by now (systemd's). */
int pam_place_remove(const char *folder, uid_t uid, const char *name,
		     struct reason *why)
{
	char own[16];
	int top, fd, rc;

	snprintf(own, sizeof(own), "%u", (unsigned)uid);
	top = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = top < 0 ? -1 :
		       openat(top, own,
			      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		rc = errno == ENOENT ? 0 :
				       set_error(why, "cannot open", folder);
	else if (unlinkat(fd, name, 0) < 0 && errno != ENOENT)
		rc = set_error(why, "cannot remove", name);
	else
		rc = 0;
	if (fd >= 0)
		close(fd);
	if (top >= 0)
		close(top);
	return rc;
}

void pam_place_leave(const char *folder, uid_t uid)
{
	char path[PATH_SIZE], name[16];
	bool empty = false;
	struct stat st;
	int top, own;

	if (geteuid() != 0 || !own_path(folder, uid, path))
		return;
	snprintf(name, sizeof(name), "%u", (unsigned)uid);
	top = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (top < 0)
		return;
	/* Another process that holds the lock is about to use the folder. */
	if (flock(top, LOCK_EX | LOCK_NB) == 0) {
		own = open_below(top, name, NULL);
		if (own >= 0) {
			empty = is_mounted(top, own, &st) &&
				sweep_files(own, false);
			close(own);
		}
		if (empty)
			umount2(path, UMOUNT_NOFOLLOW);
	}
	close(top);
}
