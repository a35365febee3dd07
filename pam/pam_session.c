/* SPDX-License-Identifier: PostgreSQL */
/*
 * The pgpass file of a session.  What root does is confined to a folder that
 * only root may write; it must never touch what a user could have put there.
 * The file itself is the user's own affair, done as that user.
 */
#include "pam/pam_session.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "pam/pam_agent.h"
#include "pam/pam_child.h"
#include "pam/pam_passfile.h"

#define SESSION	   "keyturn:session"
#define PATH_SIZE  256
#define GROUPS_MAX 1024

/* Kept in the handle from open to close. */
struct session {
	uid_t uid;
	char folder[PATH_SIZE];
	char name[PAM_CHILD_NAME_MAX];
};

static void forget(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	/* Not the file: a handle is also given up in the child that becomes
	 * the session, and the session goes on. */
	free(data);
}

static int fail(struct reason *why, const char *what, const char *path)
{
	reason_set(why, STATUS_ERROR, "%s %s: %s", what, path,
		   strerrordesc_np(errno));
	return -1;
}

/* ---- Folders ------------------------------------------------------------- */

/* The folder of all users: root's (or, for who is not root, our own), and
 * writable by nobody else.  O_PATH: a user may pass through it, not list it. */
static int open_top(const char *folder, struct reason *why)
{
	struct stat st;
	int fd;

	if (mkdir(folder, 0711) == 0) {
		/* The program's umask does not count; only root can have put
		 * anything else there meanwhile. */
		if (chmod(folder, 0711) < 0)
			return fail(why, "cannot chmod", folder);
	} else if (errno != EEXIST) {
		return fail(why, "cannot make the folder", folder);
	}
	fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(why, "cannot open the folder", folder);
	if (fstat(fd, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return fd;
	reason_set(why, STATUS_DENIED,
		   "the folder %s must be root's and writable by nobody else",
		   folder);
	close(fd);
	return -1;
}

static bool is_private(const struct stat *st, uid_t uid)
{
	return S_ISDIR(st->st_mode) && st->st_uid == uid &&
	       (st->st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/* The user's own folder below it, made by us. */
static int open_own(int top, uid_t uid, gid_t gid, struct reason *why)
{
	char name[16];
	struct stat st;
	int fd;

	snprintf(name, sizeof(name), "%u", (unsigned)uid);
	if (mkdirat(top, name, 0700) < 0) {
		if (errno != EEXIST)
			return fail(why, "cannot make the folder of uid", name);
	} else if (fchmodat(top, name, 0700, 0) < 0) {
		return fail(why, "cannot chmod the folder of uid", name);
	}
	/* Made a moment ago, or by one of us who died just then. */
	if (fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_uid == 0 && uid != 0 && S_ISDIR(st.st_mode) &&
	    fchownat(top, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(why, "cannot give away the folder of uid", name);
	fd = openat(top, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return fail(why, "cannot open the folder of uid", name);
	if (fstat(fd, &st) == 0 && is_private(&st, uid))
		return fd;
	reason_set(why, STATUS_DENIED,
		   "the folder of uid %s must be that user's and mode 0700",
		   name);
	close(fd);
	return -1;
}

static int open_folder(const char *folder, uid_t uid, gid_t gid,
		       struct reason *why)
{
	int top = open_top(folder, why), own;

	if (top < 0)
		return -1;
	own = open_own(top, uid, gid, why);
	close(top);
	return own;
}

/* ---- Open ---------------------------------------------------------------- */

static int remember(pam_handle_t *pamh, const char *folder, uid_t uid,
		    const char *name)
{
	struct session *s = calloc(1, sizeof(*s));
	char variable[sizeof("PGPASSFILE=") + PATH_SIZE];
	int n, rc;

	if (s == NULL)
		return PAM_BUF_ERR;
	s->uid = uid;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->folder, sizeof(s->folder), "%s", folder);
	n = snprintf(variable, sizeof(variable), "PGPASSFILE=%s/%u/%s", folder,
		     (unsigned)uid, name);
	rc = n < 0 || (size_t)n >= sizeof(variable) ? PAM_SESSION_ERR :
						      PAM_SUCCESS;
	if (rc == PAM_SUCCESS)
		rc = pam_set_data(pamh, SESSION, s, forget);
	if (rc != PAM_SUCCESS) {
		free(s);
		return rc;
	}
	return pam_putenv(pamh, variable);
}

/* The child's groups; looked up here, where a lookup may allocate. */
static size_t groups_of(const struct passwd *pw, gid_t *ret, size_t max)
{
	int n = (int)max;

	if (getgrouplist(pw->pw_name, pw->pw_gid, ret, &n) >= 0)
		return (size_t)n;
	/* More than fit: the first ones are still the user's. */
	return max;
}

static int provision(pam_handle_t *pamh, const struct pam_options *o,
		     const char *folder, const struct passwd *pw)
{
	gid_t groups[GROUPS_MAX];
	/* Who is not root has no other group to become. */
	struct pam_child_user user = { .uid = pw->pw_uid,
				       .gid = geteuid() == 0 ? pw->pw_gid :
							       getgid(),
				       .groups = groups };
	struct pam_child_report report = { 0 };
	struct pam_passfile_work work = { .o = o, .opener = getpid() };
	struct reason why;
	int rc;

	reason_clear(&why);
	work.folder = open_folder(folder, pw->pw_uid, pw->pw_gid, &why);
	if (work.folder < 0) {
		pam_syslog(pamh, LOG_ERR, "session: %s", why.text);
		return PAM_SESSION_ERR;
	}
	user.n_groups = groups_of(pw, groups, GROUPS_MAX);
	rc = pam_child_run(&user, o->timeout_ms, pam_passfile_write, &work,
			   &report, &why);
	if (rc == PAM_SUCCESS) {
		rc = report.code;
		why = report.why;
	}
	if (rc == PAM_SUCCESS) {
		rc = remember(pamh, folder, pw->pw_uid, report.name);
		if (rc != PAM_SUCCESS) {
			unlinkat(work.folder, report.name, 0);
			reason_set(&why, STATUS_ERROR,
				   "the file cannot be handed over");
		}
	}
	close(work.folder);
	if (rc == PAM_SYSTEM_ERR)
		rc = PAM_SESSION_ERR;
	if (rc != PAM_SUCCESS && rc != PAM_IGNORE &&
	    !(rc == PAM_USER_UNKNOWN && o->quiet))
		pam_syslog(pamh, LOG_ERR, "session: %s", why.text);
	else if (rc == PAM_SUCCESS && why.text[0] != '\0')
		pam_syslog(pamh, LOG_WARNING, "session: a role is missing: %s",
			   why.text);
	if (o->debug && (rc == PAM_SUCCESS || rc == PAM_IGNORE))
		pam_syslog(pamh, LOG_DEBUG, "session: %u roles in %s",
			   report.done, report.name);
	return rc;
}

int pam_session_open(pam_handle_t *pamh, const struct pam_options *o,
		     const char *folder)
{
	const struct passwd *pw;
	char user[256];
	int rc;

	rc = pam_agent_user(pamh, user, sizeof(user));
	if (rc != PAM_SUCCESS)
		return rc;
	/* Here the user is an account of the system: a service's login. */
	pw = pam_modutil_getpwnam(pamh, user);
	if (pw == NULL)
		return PAM_USER_UNKNOWN;
	if (geteuid() != 0 && geteuid() != pw->pw_uid) {
		pam_syslog(pamh, LOG_ERR,
			   "session: uid %u cannot open one for uid %u",
			   (unsigned)geteuid(), (unsigned)pw->pw_uid);
		return PAM_SESSION_ERR;
	}
	/* A handle has one file. */
	rc = pam_session_close(pamh, o);
	return rc == PAM_SUCCESS ? provision(pamh, o, folder, pw) : rc;
}

/* ---- Close --------------------------------------------------------------- */

/* Not as the user: a name below a folder that is the user's, below one that is
 * root's, can only be taken away from that user.  The process may be that user
 * by now (systemd's). */
static int remove_file(const struct session *s, struct reason *why)
{
	char own[16];
	int top, fd, rc;

	snprintf(own, sizeof(own), "%u", (unsigned)s->uid);
	top = open(s->folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fd = top < 0 ? -1 :
		       openat(top, own,
			      O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		rc = errno == ENOENT ? 0 : fail(why, "cannot open", s->folder);
	else if (unlinkat(fd, s->name, 0) < 0 && errno != ENOENT)
		rc = fail(why, "cannot remove", s->name);
	else
		rc = 0;
	if (fd >= 0)
		close(fd);
	if (top >= 0)
		close(top);
	return rc;
}

int pam_session_close(pam_handle_t *pamh, const struct pam_options *o)
{
	const void *data = NULL;
	struct reason why;

	if (pam_get_data(pamh, SESSION, &data) != PAM_SUCCESS || data == NULL)
		return PAM_SUCCESS;
	if (remove_file(data, &why) < 0) {
		pam_syslog(pamh, LOG_ERR, "session: %s", why.text);
		return PAM_SESSION_ERR;
	}
	if (o->debug)
		pam_syslog(pamh, LOG_DEBUG, "session: the file is removed");
	pam_putenv(pamh, "PGPASSFILE");
	return pam_set_data(pamh, SESSION, NULL, NULL);
}
