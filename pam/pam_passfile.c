/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writes what libpq reads as a pgpass file.  Runs in a child of a process that
 * may have threads: must never allocate, nor leave a file that is half written.
 */
#include "pam/pam_passfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pam/pam_agent.h"

#define PREFIX	   "pgpass."
#define NAMES_MAX  100	 /* sessions of one process */
#define ROLES_MAX  64	 /* in one file */
#define LINE_SIZE  67584 /* a secret of 32 KiB, every byte escaped, and names */
#define ROLE_SIZE  128
#define VALUE_SIZE 256

struct writer {
	const struct pam_passfile_work *work;
	struct timespec begun;
	struct pam_child_report *report;
	int fd;		       /* the new file; -1 until there is a role */
	struct pam_answer bad; /* the first answer that gave no role */
	struct reason bad_why;
	bool has_bad;
};

/* ---- The file ------------------------------------------------------------ */

/* Files of processes that are gone.  kill() sees other users' processes even
 * where /proc hides them. */
static void sweep(int folder)
{
	char buf[4096] __attribute__((aligned(8)));
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n, at;

	while (fd >= 0 && (n = getdents64(fd, buf, sizeof(buf))) > 0) {
		for (at = 0; at < n;) {
			const struct dirent64 *e =
				(const struct dirent64 *)(buf + at);
			int pid, end = 0;

			at += e->d_reclen;
			if (sscanf(e->d_name, PREFIX "%9d.%*9d%n", &pid,
				   &end) != 1 ||
			    e->d_name[end] != '\0' || end == 0 || pid <= 0)
				continue;
			if (kill(pid, 0) < 0 && errno == ESRCH)
				unlinkat(folder, e->d_name, 0);
		}
	}
	if (fd >= 0)
		close(fd);
}

static int make_file(struct writer *w)
{
	char *name = w->report->name;
	int i;

	for (i = 0; i < NAMES_MAX && w->fd < 0; i++) {
		snprintf(name, PAM_CHILD_NAME_MAX, PREFIX "%d.%d",
			 (int)w->work->opener, i);
		w->fd = openat(w->work->folder, name,
			       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
				       O_CLOEXEC,
			       0600);
		if (w->fd < 0 && errno != EEXIST)
			break;
	}
	/* The umask of the program may have taken bits away. */
	if (w->fd >= 0 && fchmod(w->fd, 0600) == 0)
		return PAM_SUCCESS;
	reason_set(&w->report->why, STATUS_ERROR, "cannot make the file: %s",
		   strerrordesc_np(errno));
	return PAM_SESSION_ERR;
}

static int write_all(struct writer *w, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(w->fd, bytes, n);

		if (done > 0) {
			bytes += done;
			n -= (size_t)done;
		} else if (done < 0 && errno != EINTR) {
			reason_set(&w->report->why, STATUS_ERROR,
				   "cannot write the file: %s",
				   strerrordesc_np(errno));
			return PAM_SESSION_ERR;
		}
	}
	return PAM_SUCCESS;
}

/* ---- A line -------------------------------------------------------------- */

struct line {
	char bytes[LINE_SIZE];
	size_t len;
};

/* One value with libpq's two escapes (consumers.md section 3.1). */
static void put(struct line *l, const char *value, size_t n, char after)
{
	for (size_t i = 0; i < n && l->len + 3 < sizeof(l->bytes); i++) {
		if (value[i] == ':' || value[i] == '\\')
			l->bytes[l->len++] = '\\';
		l->bytes[l->len++] = value[i];
	}
	l->bytes[l->len++] = after;
}

static bool is_any(const char *value)
{
	return strcmp(value, "*") == 0;
}

/* False for what a pgpass file would say differently. */
static bool put_line(struct line *l, const struct wire_message *m)
{
	char host[VALUE_SIZE], port[8], dbname[64], user[VALUE_SIZE];
	const char *password;
	size_t n = 0;

	wire_text(m, WIRE_TAG_HOST, host, sizeof(host));
	if (!wire_text(m, WIRE_TAG_PORT, port, sizeof(port)))
		snprintf(port, sizeof(port), "5432");
	wire_text(m, WIRE_TAG_DBNAME, dbname, sizeof(dbname));
	password = wire_find(m, WIRE_TAG_PASSWORD, &n);
	if (!wire_text(m, WIRE_TAG_USER, user, sizeof(user)) || !password ||
	    n == 0 || is_any(host) || is_any(dbname) || is_any(user) ||
	    host[0] == '#' || host[0] == ' ' || password[n - 1] == ' ')
		return false;
	/* libpq looks its own socket folder up by this name. */
	if (strcmp(host, "/var/run/postgresql") == 0 ||
	    strcmp(host, "/tmp") == 0)
		snprintf(host, sizeof(host), "localhost");
	l->len = 0;
	if (host[0] == '\0')
		snprintf(host, sizeof(host), "*");
	if (dbname[0] == '\0')
		snprintf(dbname, sizeof(dbname), "*");
	put(l, host, strlen(host), ':');
	put(l, port, strlen(port), ':');
	put(l, dbname, strlen(dbname), ':');
	put(l, user, strlen(user), ':');
	put(l, password, n, '\n');
	return true;
}

/* ---- Roles --------------------------------------------------------------- */

static struct pam_answer ask(struct writer *w, struct wire_out *out,
			     void *reply, size_t size, struct wire_message *m,
			     struct reason *why)
{
	const struct pam_options *o = w->work->o;

	return pam_agent_ask(o, out, pam_agent_left(&w->begun, o->timeout_ms),
			     reply, size, m, why);
}

static void note_bad(struct writer *w, const struct pam_answer *a,
		     const struct reason *why)
{
	if (w->has_bad)
		return;
	w->has_bad = true;
	w->bad = *a;
	w->bad_why = *why;
}

/* PAM_SUCCESS also when the role cannot be had: others may. */
static int add_role(struct writer *w, const char *role)
{
	unsigned char request[WIRE_REQUEST_MAX], reply[WIRE_REPLY_MAX];
	struct wire_message m = { 0 };
	struct pam_answer a;
	struct reason why;
	struct wire_out out;
	struct line line;
	int rc = PAM_SUCCESS;

	wire_begin(&out, request, sizeof(request), WIRE_GET);
	wire_put_text(&out, WIRE_TAG_ROLE, role);
	a = ask(w, &out, reply, sizeof(reply), &m, &why);
	if (a.status != STATUS_OK || a.result != WIRE_RESULT_OK) {
		note_bad(w, &a, &why);
		return PAM_SUCCESS;
	}
	if (put_line(&line, &m)) {
		if (w->fd < 0)
			rc = make_file(w);
		if (rc == PAM_SUCCESS)
			rc = write_all(w, line.bytes, line.len);
		if (rc == PAM_SUCCESS)
			w->report->done++;
	}
	explicit_bzero(reply, sizeof(reply));
	explicit_bzero(&line, sizeof(line));
	return rc;
}

/* One reply of LIST; `after` becomes its last role, or "" when it was the
 * last reply. */
static int add_roles(struct writer *w, char after[ROLE_SIZE])
{
	unsigned char request[WIRE_REQUEST_MAX], reply[WIRE_REPLY_MAX];
	const char *realm = w->work->o->realm;
	struct wire_message m = { 0 }, entry;
	struct pam_answer a;
	struct reason why;
	struct wire_out out;
	char role[ROLE_SIZE], of[41];
	int rc = PAM_SUCCESS;
	size_t at = 0;

	wire_begin(&out, request, sizeof(request), WIRE_LIST);
	wire_put_text(&out, WIRE_TAG_AFTER, after);
	a = ask(w, &out, reply, sizeof(reply), &m, &why);
	after[0] = '\0';
	if (a.status != STATUS_OK || a.result != WIRE_RESULT_OK) {
		note_bad(w, &a, &why);
		return PAM_SUCCESS;
	}
	while (rc == PAM_SUCCESS && w->report->done < ROLES_MAX &&
	       wire_entry(&m, &at, &entry)) {
		if (!wire_text(&entry, WIRE_TAG_ROLE, role, sizeof(role)))
			continue;
		if (wire_number(&m, WIRE_TAG_MORE, 0) == 1)
			memcpy(after, role, sizeof(role));
		wire_text(&entry, WIRE_TAG_REALM, of, sizeof(of));
		if (realm == NULL || strcmp(realm, of) == 0)
			rc = add_role(w, role);
	}
	return rc;
}

static int no_role(struct writer *w)
{
	const struct pam_options *o = w->work->o;
	const struct pam_answer none = { .status = STATUS_OK,
					 .result = WIRE_RESULT_NOT_FOUND };

	/* A user who may have nothing is no fault of the agent's. */
	if (w->has_bad && !(w->bad.status == STATUS_OK &&
			    w->bad.result == WIRE_RESULT_DENIED)) {
		w->report->why = w->bad_why;
		return pam_agent_code(o, &w->bad);
	}
	reason_set(&w->report->why, STATUS_NOT_FOUND,
		   "the user may read no role");
	return pam_agent_code(o, &none);
}

void pam_passfile_write(void *arg, struct pam_child_report *report)
{
	struct writer w = { .work = arg, .report = report, .fd = -1 };
	char after[ROLE_SIZE] = "";
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &w.begun);
	sweep(w.work->folder);
	do
		rc = add_roles(&w, after);
	while (rc == PAM_SUCCESS && after[0] != '\0');
	if (rc == PAM_SUCCESS && report->done == 0)
		rc = no_role(&w);
	else if (rc == PAM_SUCCESS && w.has_bad)
		report->why = w.bad_why;
	if (rc != PAM_SUCCESS && w.fd >= 0)
		unlinkat(w.work->folder, report->name, 0);
	report->code = rc;
}
