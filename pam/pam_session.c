/* SPDX-License-Identifier: PostgreSQL */
/* The pgpass file of a session; must never ask the agent with more rights than
 * the session's user has. */
#include "pam/pam_session.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modutil.h>

#include "pam/pam_agent.h"
#include "pam/pam_child.h"
#include "pam/pam_passfile.h"
#include "pam/pam_place.h"

#define SESSION	   "keyturn:session"
#define PATH_SIZE  256
#define GROUPS_MAX 1024

/* Kept in the handle from open to close. */
struct session {
	uid_t uid;
	char folder[PATH_SIZE];
	char name[PAM_PLACE_NAME_MAX];
	int fd; /* of the file: its lock is what keeps it from a sweep */
};

/* Not the file: a handle is also given up in the child that becomes the session,
 * and the session goes on. */
static void forget_session(pam_handle_t *pamh, void *data, int status)
{
	struct session *s = data;

	(void)pamh;
	if (!(status & PAM_DATA_SILENT))
		close(s->fd);
	free(s);
}

/* ---- Open ---------------------------------------------------------------- */

static int remember_session(pam_handle_t *pamh, const char *folder, uid_t uid,
			    const struct pam_place_file *f)
{
	struct session *s = calloc(1, sizeof(*s));
	char variable[sizeof("PGPASSFILE=") + PATH_SIZE];
	int n, rc;

	if (s == NULL)
		return PAM_BUF_ERR;
	s->uid = uid;
	s->fd = f->fd;
	snprintf(s->name, sizeof(s->name), "%s", f->name);
	snprintf(s->folder, sizeof(s->folder), "%s", folder);
	n = snprintf(variable, sizeof(variable), "PGPASSFILE=%s/%u/%s", folder,
		     (unsigned)uid, f->name);
	rc = n < 0 || (size_t)n >= sizeof(variable) ? PAM_SESSION_ERR :
						      PAM_SUCCESS;
	if (rc == PAM_SUCCESS)
		rc = pam_set_data(pamh, SESSION, s, forget_session);
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

/* What the file shall hold, asked for by the user. */
static int ask_child(const struct pam_options *o, const struct passwd *pw,
		     struct pam_passfile_memory *m,
		     struct pam_child_report *ret, struct reason *why)
{
	gid_t groups[GROUPS_MAX];
	/* Without root there is no other group to become. */
	struct pam_child_user user = { .uid = pw->pw_uid,
				       .gid = geteuid() == 0 ? pw->pw_gid :
							       getgid(),
				       .groups = groups };
	struct pam_passfile_work work = { .o = o, .m = m };
	int rc;

	user.n_groups = groups_of(pw, groups, GROUPS_MAX);
	rc = pam_child_run(&user, o->timeout_ms, pam_passfile_write, &work, ret,
			   why);
	if (rc == PAM_SUCCESS) {
		rc = ret->code;
		*why = ret->why;
	}
	if (rc == PAM_SUCCESS && m->len > sizeof(m->text))
		rc = PAM_SESSION_ERR;
	return rc;
}

static int hand_over(pam_handle_t *pamh, const char *folder,
		     const struct passwd *pw,
		     const struct pam_passfile_memory *m, unsigned wait_ms,
		     struct reason *why)
{
	const struct pam_place p = { folder, pw->pw_uid, pw->pw_gid };
	struct pam_place_file f = { .fd = -1 };
	int rc;

	if (pam_place_make(&p, m->text, m->len, wait_ms, &f, why) != 0)
		return PAM_SESSION_ERR;
	if (!f.bounded)
		pam_syslog(pamh, LOG_WARNING,
			   "session: no tmpfs can be mounted here, so that the "
			   "user may fill that of %s",
			   folder);
	rc = remember_session(pamh, folder, pw->pw_uid, &f);
	if (rc == PAM_SUCCESS)
		return rc;
	pam_place_remove(folder, pw->pw_uid, f.name, NULL);
	close(f.fd);
	reason_set(why, STATUS_ERROR, "the file cannot be handed over");
	return rc;
}

static int provision_file(pam_handle_t *pamh, const struct pam_options *o,
			  const char *folder, const struct passwd *pw)
{
	struct pam_child_report report = { 0 };
	struct pam_passfile_memory *m;
	struct timespec begun;
	struct reason why, missing;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (m == MAP_FAILED)
		return PAM_BUF_ERR;
	madvise(m, sizeof(*m), MADV_DONTDUMP);
	reason_clear(&why);
	rc = ask_child(o, pw, m, &report, &why);
	missing = why;
	if (rc == PAM_SUCCESS)
		rc = hand_over(pamh, folder, pw, m,
			       pam_agent_left(&begun, o->timeout_ms), &why);
	if (m->len <= sizeof(m->text))
		explicit_bzero(m->text, m->len);
	munmap(m, sizeof(*m));
	if (rc == PAM_SYSTEM_ERR)
		rc = PAM_SESSION_ERR;
	if (rc != PAM_SUCCESS && rc != PAM_IGNORE &&
	    !(rc == PAM_USER_UNKNOWN && o->quiet))
		pam_syslog(pamh, LOG_ERR, "session: %s", why.text);
	else if (rc == PAM_SUCCESS && missing.text[0] != '\0')
		pam_syslog(pamh, LOG_WARNING, "session: a role is missing: %s",
			   missing.text);
	if (o->debug && (rc == PAM_SUCCESS || rc == PAM_IGNORE))
		pam_syslog(pamh, LOG_DEBUG, "session: %u roles", report.done);
	return rc;
}

int pam_session_open(pam_handle_t *pamh, const struct pam_options *o,
		     const char *folder)
{
	const struct passwd *pw;
	char user[256];
	int rc;

	rc = pam_agent_user(pamh, user, sizeof(user));
	if (rc != PAM_SUCCESS) {
		/* Not the name: people type passwords there. */
		if (rc == PAM_USER_UNKNOWN)
			pam_syslog(
				pamh, LOG_NOTICE,
				"session: the user's name is empty, longer "
				"than 255 bytes, no UTF-8 or holds a control "
				"character");
		return rc;
	}
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
	return rc == PAM_SUCCESS ? provision_file(pamh, o, folder, pw) : rc;
}

/* ---- Close --------------------------------------------------------------- */

int pam_session_close(pam_handle_t *pamh, const struct pam_options *o)
{
	const void *data = NULL;
	struct session s;
	struct reason why;
	int rc;

	if (pam_get_data(pamh, SESSION, &data) != PAM_SUCCESS || data == NULL)
		return PAM_SUCCESS;
	s = *(const struct session *)data;
	if (pam_place_remove(s.folder, s.uid, s.name, &why) < 0) {
		pam_syslog(pamh, LOG_ERR, "session: %s", why.text);
		return PAM_SESSION_ERR;
	}
	if (o->debug)
		pam_syslog(pamh, LOG_DEBUG, "session: the file is removed");
	pam_putenv(pamh, "PGPASSFILE");
	rc = pam_set_data(pamh, SESSION, NULL, NULL);
	pam_place_leave(s.folder, s.uid);
	return rc;
}
