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

/* Why a role is not in the file, the worst last. */
enum bad {
	BAD_NONE,
	BAD_NOT_FOR_USER, /* no fault of the agent's */
	BAD_ANSWER,
	BAD_LINE /* a role that the file cannot hold */
};

struct writer {
	const struct pam_passfile_work *work;
	struct timespec begun;
	struct pam_child_report *report;
	int fd;	      /* the new file; -1 until there is a role */
	enum bad bad; /* the first of the worst */
	int bad_code; /* PAM_* of a session without a role */
	struct reason bad_why;
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

struct login {
	char hosts[VALUE_SIZE], port[8], dbname[64], user[VALUE_SIZE];
	const char *password;
	size_t n;
};

/* The next host of a list that is not empty, NULL behind the last. */
static char *next_host(char **list)
{
	char *host;

	do
		host = strsep(list, ",");
	while (host != NULL && host[0] == '\0');
	return host;
}

static bool hosts_fit(const struct login *g)
{
	char hosts[VALUE_SIZE], *list = hosts, *host;
	bool some = false;

	memcpy(hosts, g->hosts, sizeof(hosts));
	while ((host = next_host(&list)) != NULL) {
		if (is_any(host) || host[0] == '#' || host[0] == ' ')
			return false;
		some = true;
	}
	/* A line for any host would give the password to any server. */
	return some;
}

/* False for what a pgpass file would say differently. */
static bool read_login(const struct wire_message *m, struct login *ret)
{
	*ret = (struct login){ .n = 0 };
	wire_text(m, WIRE_TAG_HOST, ret->hosts, sizeof(ret->hosts));
	if (!wire_text(m, WIRE_TAG_PORT, ret->port, sizeof(ret->port)))
		snprintf(ret->port, sizeof(ret->port), "5432");
	wire_text(m, WIRE_TAG_DBNAME, ret->dbname, sizeof(ret->dbname));
	if (is_any(ret->dbname))
		return false;
	if (ret->dbname[0] == '\0')
		snprintf(ret->dbname, sizeof(ret->dbname), "*");
	ret->password = wire_find(m, WIRE_TAG_PASSWORD, &ret->n);
	return wire_text(m, WIRE_TAG_USER, ret->user, sizeof(ret->user)) &&
	       !is_any(ret->user) && ret->password && ret->n > 0 &&
	       ret->password[ret->n - 1] != ' ' && hosts_fit(ret);
}

static void put_line(struct line *l, const struct login *g, const char *host)
{
	/* libpq looks its own socket folder up by this name. */
	if (strcmp(host, "/var/run/postgresql") == 0 ||
	    strcmp(host, "/tmp") == 0)
		host = "localhost";
	l->len = 0;
	put(l, host, strlen(host), ':');
	put(l, g->port, strlen(g->port), ':');
	put(l, g->dbname, strlen(g->dbname), ':');
	put(l, g->user, strlen(g->user), ':');
	put(l, g->password, g->n, '\n');
}

/* libpq looks up each host of a list. */
static int write_login(struct writer *w, struct login *g)
{
	char *list = g->hosts, *host;
	int rc = PAM_SUCCESS;
	struct line line;

	while (rc == PAM_SUCCESS && (host = next_host(&list)) != NULL) {
		put_line(&line, g, host);
		rc = write_all(w, line.bytes, line.len);
	}
	explicit_bzero(&line, sizeof(line));
	return rc;
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

static void note_bad(struct writer *w, enum bad bad, int code,
		     const struct reason *why)
{
	if (bad <= w->bad)
		return;
	w->bad = bad;
	w->bad_code = code == PAM_SUCCESS ? PAM_SESSION_ERR : code;
	w->bad_why = *why;
}

static void note_answer(struct writer *w, const struct pam_answer *a,
			const struct reason *why)
{
	bool not_for_user = a->status == STATUS_OK &&
			    (a->result == WIRE_RESULT_DENIED ||
			     a->result == WIRE_RESULT_NOT_FOUND);

	note_bad(w, not_for_user ? BAD_NOT_FOR_USER : BAD_ANSWER,
		 pam_agent_code(w->work->o, a), why);
}

/* PAM_SUCCESS also when the role cannot be had: others may. */
static int add_role(struct writer *w, const char *role)
{
	unsigned char request[WIRE_REQUEST_MAX], reply[WIRE_REPLY_MAX];
	struct wire_message m = { 0 };
	struct pam_answer a;
	struct reason why;
	struct wire_out out;
	struct login login;
	int rc = PAM_SUCCESS;

	wire_begin(&out, request, sizeof(request), WIRE_GET);
	wire_put_text(&out, WIRE_TAG_ROLE, role);
	a = ask(w, &out, reply, sizeof(reply), &m, &why);
	if (a.status != STATUS_OK || a.result != WIRE_RESULT_OK) {
		note_answer(w, &a, &why);
		return PAM_SUCCESS;
	}
	if (read_login(&m, &login)) {
		if (w->fd < 0)
			rc = make_file(w);
		if (rc == PAM_SUCCESS)
			rc = write_login(w, &login);
		if (rc == PAM_SUCCESS)
			w->report->done++;
	} else {
		reason_set(&why, STATUS_REFUSED,
			   "role %s has no host, or a value that a pgpass file "
			   "cannot hold",
			   role);
		note_bad(w, BAD_LINE, PAM_SESSION_ERR, &why);
	}
	explicit_bzero(reply, sizeof(reply));
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
		note_answer(w, &a, &why);
		return PAM_SUCCESS;
	}
	while (rc == PAM_SUCCESS && wire_entry(&m, &at, &entry)) {
		if (!wire_text(&entry, WIRE_TAG_ROLE, role, sizeof(role)))
			continue;
		if (wire_number(&m, WIRE_TAG_MORE, 0) == 1)
			memcpy(after, role, sizeof(role));
		wire_text(&entry, WIRE_TAG_REALM, of, sizeof(of));
		if (realm != NULL && strcmp(realm, of) != 0)
			continue;
		if (w->report->done == ROLES_MAX) {
			reason_set(&why, STATUS_REFUSED,
				   "the user may list more than %d roles",
				   ROLES_MAX);
			note_bad(w, BAD_ANSWER, PAM_SESSION_ERR, &why);
			after[0] = '\0';
			break;
		}
		rc = add_role(w, role);
	}
	return rc;
}

static int no_role(struct writer *w)
{
	const struct pam_options *o = w->work->o;
	const struct pam_answer none = { .status = STATUS_OK,
					 .result = WIRE_RESULT_NOT_FOUND };

	if (w->bad > BAD_NOT_FOR_USER) {
		w->report->why = w->bad_why;
		return w->bad_code;
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
	else if (rc == PAM_SUCCESS && w.bad > BAD_NOT_FOR_USER)
		report->why = w.bad_why;
	if (rc != PAM_SUCCESS && w.fd >= 0)
		unlinkat(w.work->folder, report->name, 0);
	report->code = rc;
}
