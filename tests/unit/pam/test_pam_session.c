/* SPDX-License-Identifier: PostgreSQL */
/* The module's session: a private file for as long as the session lasts, asked
 * for and written as its user, and nobody's link is followed.  The module here
 * has its folder in the build tree; as root the sessions are those of "nobody",
 * else our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pam_rig.h"
#include "tests/unit/base/child.h"
#include "tests/unit/base/sanitized.h"

#define FOLDER PAM_SESSION_FOLDER

struct site {
	struct pam_rig *r;
	struct passwd *pw;
	char user[64];
	char own[400]; /* the user's folder */
	char victim[64];
	struct pam_rig_talk talk;
	bool page;	   /* LIST in two replies */
	bool none;	   /* nothing to list */
	bool refused;	   /* every GET */
	bool away;	   /* one of the GETs */
	bool mixed;	   /* the first GET is denied, all others are away */
	bool denied;	   /* the first GET */
	bool alone;	   /* only the first role is listed */
	bool many;	   /* it is listed once more than a file holds */
	bool hangs;	   /* the first role's store does not answer */
	const char *hosts; /* of the first role; NULL: as above */
};

/* ---- An agent with some roles ---------------------------------------------- */

static const struct role {
	const char *role, *realm, *user, *host, *port, *dbname, *password;
} roles[] = {
	{ "erp", "main", "erp", "db.example.com", "5433", "shop", "Erp-1.x" },
	{ "odd", "other", "od:d", "::1", "5432", "a\\b", "p:a\\s" },
	{ "sap", "main", "sap", "/var/run/postgresql", "5432", NULL,
	  "Sap-1.y" },
};

#define ROLES (sizeof(roles) / sizeof(*roles))

static void list(struct site *s, const struct wire_message *m,
		 struct wire_out *out)
{
	char after[128];
	size_t first = 0, last = s->none ? 0 : ROLES;

	if (wire_text(m, WIRE_TAG_AFTER, after, sizeof(after)))
		first = 2;
	else if (s->page)
		last = 2;
	else if (s->alone)
		last = 1;
	wire_put_number(out, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	if (last == 2)
		wire_put_number(out, WIRE_TAG_MORE, 1);
	for (size_t i = 0; i < (s->many ? 64 : 0); i++) {
		wire_put_text(out, WIRE_TAG_ROLE, roles[0].role);
		wire_put_text(out, WIRE_TAG_REALM, roles[0].realm);
	}
	for (size_t i = first; i < last; i++) {
		wire_put_text(out, WIRE_TAG_ROLE, roles[i].role);
		wire_put_text(out, WIRE_TAG_REALM, roles[i].realm);
	}
}

static void get(struct site *s, const struct wire_message *m,
		struct wire_out *out)
{
	char name[128];
	size_t i = 0;

	wire_text(m, WIRE_TAG_ROLE, name, sizeof(name));
	while (i < ROLES && strcmp(roles[i].role, name) != 0)
		i++;
	if (i == 0 && s->hangs) {
		/* As the agent waits for it. */
		usleep((useconds_t)wire_number(m, WIRE_TAG_WAIT_MS, 5000) *
		       1000);
		wire_put_number(out, WIRE_TAG_RESULT, WIRE_RESULT_UNAVAILABLE);
		return;
	}
	if (i == ROLES || s->refused || (i == 0 && (s->mixed || s->denied))) {
		wire_put_number(out, WIRE_TAG_RESULT, WIRE_RESULT_DENIED);
		return;
	}
	if (s->mixed || (s->away && i == 1)) {
		wire_put_number(out, WIRE_TAG_RESULT, WIRE_RESULT_UNAVAILABLE);
		return;
	}
	wire_put_number(out, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	wire_put_text(out, WIRE_TAG_ROLE, roles[i].role);
	wire_put_text(out, WIRE_TAG_USER, roles[i].user);
	wire_put_text(out, WIRE_TAG_HOST,
		      i == 0 && s->hosts ? s->hosts : roles[i].host);
	wire_put_text(out, WIRE_TAG_PORT, roles[i].port);
	wire_put_text(out, WIRE_TAG_DBNAME, roles[i].dbname);
	wire_put_text(out, WIRE_TAG_PASSWORD, roles[i].password);
}

static size_t answer(void *arg, const unsigned char *request, size_t n,
		     unsigned char *reply, size_t size)
{
	struct site *s = arg;
	struct wire_message m;
	struct wire_out out;
	size_t len = 0;

	if (wire_parse(request, n, false, &m, NULL) != STATUS_OK)
		abort();
	wire_begin(&out, reply, size, m.operation | WIRE_REPLY);
	if (m.operation == WIRE_LIST)
		list(s, &m, &out);
	else if (m.operation == WIRE_GET)
		get(s, &m, &out);
	else
		wire_put_number(&out, WIRE_TAG_RESULT, WIRE_RESULT_OK);
	if (wire_end(&out, &len) != STATUS_OK)
		abort();
	return len;
}

/* ---- Helpers ---------------------------------------------------------------- */

static void empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		char inner[700];

		if (e->d_name[0] == '.')
			continue;
		snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name);
		if (unlink(inner) < 0) {
			umount2(inner, MNT_DETACH | UMOUNT_NOFOLLOW);
			empty(inner);
			rmdir(inner);
		}
	}
	if (dir != NULL)
		closedir(dir);
}

static void remove_folder(void)
{
	if (unlink(FOLDER) < 0) {
		chmod(FOLDER, 0700);
		empty(FOLDER);
		rmdir(FOLDER);
	}
}

static int set_up(void **state)
{
	struct site *s = calloc(1, sizeof(*s));
	const struct fake_agent_options o = { .act = FAKE_AGENT_ANSWER,
					      .answer = answer,
					      .arg = s,
					      .for_all = true };

	s->r = pam_rig_start();
	pam_rig_agent(s->r, &o);
	pam_rig_alone(s->r, "timeout=5000");
	s->pw = geteuid() == 0 ? getpwnam("nobody") : getpwuid(geteuid());
	if (s->pw == NULL)
		return -1;
	snprintf(s->user, sizeof(s->user), "%s", s->pw->pw_name);
	remove_folder();
	snprintf(s->own, sizeof(s->own), "%s/%u", FOLDER,
		 (unsigned)s->pw->pw_uid);
	snprintf(s->victim, sizeof(s->victim), "/tmp/test_session.XXXXXX");
	if (mkdtemp(s->victim) == NULL ||
	    chown(s->victim, s->pw->pw_uid, s->pw->pw_gid) < 0)
		return -1;
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct site *s = *state;

	remove_folder();
	empty(s->victim);
	rmdir(s->victim);
	pam_rig_stop(s->r);
	free(s);
	return 0;
}

#define assert_pam(expression, code)                                          \
	do {                                                                  \
		int got_ = (expression);                                      \
		if (got_ != (code))                                           \
			print_error("%s: %d, %s\nlog: %s", #expression, got_, \
				    pam_strerror(NULL, got_), pam_rig_log()); \
		assert_int_equal(got_, code);                                 \
	} while (0)

static pam_handle_t *handle(struct site *s)
{
	return pam_rig_handle(s->r, "alone", s->user, &s->talk);
}

/* The way to the build tree, by all of which libpam loads the module, may be
 * closed to the session's user. */
static bool is_closed_to(const struct site *s)
{
	char above[] = FOLDER, way[PATH_MAX];
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		return false;
	/* The folder itself may not be there yet. */
	assert_non_null(realpath(dirname(above), way));
	pid = fork();
	if (pid == 0) {
		if (setgid(s->pw->pw_gid) || setuid(s->pw->pw_uid))
			_exit(2);
		_exit(access(way, X_OK) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	return status != 0;
}

/* How many files there are in a folder. */
static unsigned files_in(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	unsigned n = 0;

	while (dir != NULL && (e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	if (dir != NULL)
		closedir(dir);
	return n;
}

static const char *passfile(pam_handle_t *h)
{
	const char *path = pam_getenv(h, "PGPASSFILE");

	assert_non_null(path);
	return path;
}

static void assert_content(const char *path, const char *content)
{
	char buf[4096] = "";
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(buf, content);
}

#define ERP "db.example.com:5433:shop:erp:Erp-1.x\n"
#define ODD "\\:\\:1:5432:a\\\\b:od\\:d:p\\:a\\\\s\n"
/* Debian's libpq looks its own folder up as localhost, others' by its name. */
#define SAP                                        \
	"/var/run/postgresql:5432:*:sap:Sap-1.y\n" \
	"localhost:5432:*:sap:Sap-1.y\n"

/* ---- Opening and closing ------------------------------------------------------ */

static void a_session_has_a_private_file_until_it_is_closed(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);
	char path[400];
	struct stat st;

	umask(0);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	snprintf(path, sizeof(path), "%s", passfile(h));
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_uid, s->pw->pw_uid);
	assert_content(path, ERP ODD SAP);
	assert_int_equal(lstat(s->own, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(st.st_uid, s->pw->pw_uid);
	assert_int_equal(lstat(FOLDER, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(st.st_uid, geteuid());
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 0);
	assert_null(pam_getenv(h, "PGPASSFILE"));
	/* Nothing is left to close. */
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
	umask(022);
}

static void a_strict_umask_changes_nothing(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);
	struct stat st;

	umask(0777);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	umask(022);
	assert_int_equal(lstat(passfile(h), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void the_agent_is_asked_by_the_user_and_not_by_the_service(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_int_equal(fake_agent_client(s->r->agent), s->pw->pw_uid);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void two_sessions_have_a_file_each(void **state)
{
	struct site *s = *state;
	pam_handle_t *one = handle(s), *two = handle(s);

	assert_pam(pam_open_session(one, 0), PAM_SUCCESS);
	assert_pam(pam_open_session(two, 0), PAM_SUCCESS);
	assert_string_not_equal(passfile(one), passfile(two));
	assert_int_equal(files_in(s->own), 2);
	assert_pam(pam_close_session(one, 0), PAM_SUCCESS);
	assert_content(passfile(two), ERP ODD SAP);
	assert_pam(pam_close_session(two, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 0);
	pam_end(one, PAM_SUCCESS);
	pam_end(two, PAM_SUCCESS);
}

static void a_handle_that_is_opened_twice_has_one_file(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 1);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 0);
	pam_end(h, PAM_SUCCESS);
}

static void all_pages_of_the_list_are_read(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	s->page = true;
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_content(passfile(h), ERP ODD SAP);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void realm_chooses_the_roles_of_one_cluster(void **state)
{
	struct site *s = *state;
	pam_handle_t *h;

	pam_rig_alone(s->r, "timeout=5000 realm=main");
	h = handle(s);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_content(passfile(h), ERP SAP);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void a_role_that_cannot_be_had_does_not_hinder_others(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	s->away = true;
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_content(passfile(h), ERP SAP);
	assert_non_null(strstr(pam_rig_log(), "a role is missing"));
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void a_role_that_is_not_the_users_is_not_missed(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	s->denied = true;
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_content(passfile(h), ODD SAP);
	assert_null(strstr(pam_rig_log(), "missing"));
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void a_refused_role_does_not_hide_that_others_are_away(void **state)
{
	struct site *s = *state;
	pam_handle_t *h;

	s->mixed = true;
	pam_rig_alone(s->r, "timeout=5000 ignore_unknown_role");
	h = handle(s);
	assert_pam(pam_open_session(h, 0), PAM_AUTHINFO_UNAVAIL);
	pam_end(h, PAM_AUTHINFO_UNAVAIL);
	assert_int_equal(files_in(s->own), 0);
}

static void each_host_of_a_list_has_a_line(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	s->alone = true;
	s->hosts = ",a,,/tmp,";
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_content(passfile(h), "a:5433:shop:erp:Erp-1.x\n"
				    "/tmp:5433:shop:erp:Erp-1.x\n"
				    "localhost:5433:shop:erp:Erp-1.x\n");
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void a_password_for_no_known_host_is_not_for_any(void **state)
{
	static const char *const hosts[] = { "", ",", "a,*", "#a" };
	struct site *s = *state;
	pam_handle_t *h;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		s->hosts = hosts[i];
		s->alone = false;
		pam_rig_log_clear();
		h = handle(s);
		assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
		assert_content(passfile(h), ODD SAP);
		assert_non_null(strstr(pam_rig_log(), "role erp has no host"));
		assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
		/* And without another one there is no session. */
		s->alone = true;
		assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
		assert_int_equal(files_in(s->own), 0);
		pam_end(h, PAM_SESSION_ERR);
	}
}

static void more_roles_than_a_file_holds_are_told_of(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	s->many = true;
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_non_null(strstr(pam_rig_log(), "more than 64 roles"));
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void a_user_without_a_role_is_unknown(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	s->none = true;
	assert_pam(pam_open_session(h, 0), PAM_USER_UNKNOWN);
	s->none = false;
	s->refused = true;
	assert_pam(pam_open_session(h, 0), PAM_USER_UNKNOWN);
	assert_null(pam_getenv(h, "PGPASSFILE"));
	pam_end(h, PAM_USER_UNKNOWN);
	pam_rig_service(s->r, "lenient",
			"session required pam_permit.so\n"
			"session required %M %S ignore_unknown_role\n");
	h = pam_rig_handle(s->r, "lenient", s->user, &s->talk);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_null(pam_getenv(h, "PGPASSFILE"));
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 0);
}

static void an_account_that_does_not_exist_gets_no_session(void **state)
{
	struct site *s = *state;
	pam_handle_t *h =
		pam_rig_handle(s->r, "alone", "no-such-account-here", &s->talk);

	assert_pam(pam_open_session(h, 0), PAM_USER_UNKNOWN);
	pam_end(h, PAM_USER_UNKNOWN);
	/* A name that can be no account's is said, and not repeated. */
	pam_rig_log_clear();
	h = pam_rig_handle(s->r, "alone", "J\xf6rg", &s->talk);
	assert_pam(pam_open_session(h, 0), PAM_USER_UNKNOWN);
	pam_end(h, PAM_USER_UNKNOWN);
	assert_non_null(strstr(pam_rig_log(), "no UTF-8"));
	assert_null(strstr(pam_rig_log(), "rg"));
	if (geteuid() != 0) {
		h = pam_rig_handle(s->r, "alone", "root", &s->talk);
		assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
		pam_end(h, PAM_SESSION_ERR);
	}
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void an_agent_that_does_not_answer_fails_the_session_in_time(
	void **state)
{
	struct site *s = *state;
	int64_t begun;
	pam_handle_t *h;

	pam_rig_agent(s->r, &(struct fake_agent_options){
				    .act = FAKE_AGENT_HANG, .for_all = true });
	pam_rig_alone(s->r, "timeout=300");
	h = handle(s);
	begun = now_ms();
	assert_pam(pam_open_session(h, 0), PAM_AUTHINFO_UNAVAIL);
	assert_true(now_ms() - begun < 900);
	pam_end(h, PAM_AUTHINFO_UNAVAIL);
	pam_rig_agent(s->r, NULL);
	pam_rig_alone(s->r, "");
	h = handle(s);
	assert_pam(pam_open_session(h, 0), PAM_AUTHINFO_UNAVAIL);
	pam_end(h, PAM_AUTHINFO_UNAVAIL);
	assert_int_equal(files_in(s->own), 0);
}

static void a_store_that_hangs_takes_no_other_roles_time(void **state)
{
	struct site *s = *state;
	pam_handle_t *h;

	s->hangs = true;
	pam_rig_alone(s->r, "timeout=3000");
	h = handle(s);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_content(passfile(h), ODD SAP);
	assert_non_null(strstr(pam_rig_log(), "a role is missing"));
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
}

static void nothing_logged_is_a_secret(void **state)
{
	struct site *s = *state;
	pam_handle_t *h;

	pam_rig_alone(s->r, "timeout=5000 debug");
	h = handle(s);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
	assert_non_null(strstr(pam_rig_log(), "3 roles"));
	for (size_t i = 0; i < ROLES; i++)
		assert_null(strstr(pam_rig_log(), roles[i].password));
}

/* ---- Left behind ---------------------------------------------------------------- */

static void make_file(const struct site *s, const char *name)
{
	char path[500];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->own, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(chown(path, s->pw->pw_uid, s->pw->pw_gid), 0);
}

static void files_of_processes_that_are_gone_are_removed(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s), *other = handle(s);
	char dead[64], alive[64];
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(dead, sizeof(dead), "pgpass.%d.0", (int)pid);
	snprintf(alive, sizeof(alive), "pgpass.%d.0", (int)getppid());
	assert_pam(pam_open_session(other, 0), PAM_SUCCESS);
	make_file(s, dead);
	make_file(s, alive);
	make_file(s, "pgpass.1x.0");
	make_file(s, "mine");
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 5); /* all but the dead one's */
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	assert_pam(pam_close_session(other, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 3);
	pam_end(h, PAM_SUCCESS);
	pam_end(other, PAM_SUCCESS);
}

/* The process that opened the session ends, and a child of it goes on; in another
 * PID namespace it looks the same. */
static void a_session_in_the_background_keeps_its_file(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);
	int ends[2], up[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pipe(up), 0);
	pid = fork();
	if (pid == 0) {
		int rc = pam_open_session(h, 0);

		close(ends[1]);
		if (rc == PAM_SUCCESS && fork() == 0) {
			/* Until the test is over. */
			if (write(up[1], "x", 1) == 1)
				rc = (int)read(ends[0], &byte, 1);
		}
		_exit(rc);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(read(up[0], &byte, 1), 1);
	assert_int_equal(files_in(s->own), 1);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 2);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 1);
	/* With it goes what it held. */
	close(ends[1]);
	close(up[1]);
	assert_int_equal(read(up[0], &byte, 1), 0);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_int_equal(files_in(s->own), 1);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
	close(ends[0]);
	close(up[0]);
}

static bool may_mount(const struct site *s)
{
	return mount("none", s->victim, "tmpfs", 0, NULL) == 0 &&
	       umount(s->victim) == 0;
}

/* Write into the own folder until there is no room; the bytes that fit. */
static int fill(void *arg)
{
	static const char block[65536];
	struct site *s = arg;
	char path[500];
	size_t n = 0;
	ssize_t done;
	int fd;

	CHILD_CHECK(setgid(s->pw->pw_gid) == 0);
	CHILD_CHECK(setuid(s->pw->pw_uid) == 0);
	snprintf(path, sizeof(path), "%s/mine", s->own);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	CHILD_CHECK(fd >= 0);
	while ((done = write(fd, block, sizeof(block))) > 0 && n < 1u << 24)
		n += (size_t)done;
	CHILD_CHECK(done < 0 && errno == ENOSPC);
	CHILD_CHECK(n <= 1u << 20);
	CHILD_CHECK(unlink(path) == 0);
	return 0;
}

static void a_user_cannot_fill_what_the_system_needs(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s), *other = handle(s);
	struct stat st, above;

	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_int_equal(stat(s->own, &st), 0);
	assert_int_equal(stat(FOLDER, &above), 0);
	if (may_mount(s)) {
		assert_true(st.st_dev != above.st_dev);
		/* The way to the build tree may be closed to that user. */
		if (!is_closed_to(s))
			assert_int_equal(child_run(fill, s), 0);
		/* It leaves with the last session. */
		assert_pam(pam_open_session(other, 0), PAM_SUCCESS);
		assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
		assert_content(passfile(other), ERP ODD SAP);
		assert_pam(pam_close_session(other, 0), PAM_SUCCESS);
		assert_int_equal(stat(s->own, &st), 0);
		assert_true(st.st_dev == above.st_dev);
		assert_null(strstr(pam_rig_log(), "no tmpfs"));
	} else {
		assert_true(geteuid() != 0 ||
			    strstr(pam_rig_log(), "no tmpfs can be mounted"));
	}
	pam_end(h, PAM_SUCCESS);
	pam_end(other, PAM_SUCCESS);
}

struct elsewhere {
	struct site *s;
	pam_handle_t *h;
};

/* systemd closes the session in a process that has become its user. */
static int close_as_the_user(void *arg)
{
	struct elsewhere *e = arg;

	if (geteuid() == 0) {
		CHILD_CHECK(setgid(e->s->pw->pw_gid) == 0);
		CHILD_CHECK(setuid(e->s->pw->pw_uid) == 0);
	}
	CHILD_CHECK(pam_close_session(e->h, 0) == PAM_SUCCESS);
	return 0;
}

static void another_process_of_the_user_may_close_the_session(void **state)
{
	struct elsewhere e = { .s = *state };

	if (is_closed_to(e.s))
		return;
	e.h = handle(e.s);
	assert_pam(pam_open_session(e.h, 0), PAM_SUCCESS);
	assert_int_equal(child_run(close_as_the_user, &e), 0);
	assert_int_equal(files_in(e.s->own), 0);
	pam_end(e.h, PAM_SUCCESS);
}

/* ---- Folders and links that others prepared --------------------------------------- */

static void a_folder_that_is_not_ours_is_refused(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	assert_int_equal(symlink(s->victim, FOLDER), 0);
	assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
	unlink(FOLDER);
	mkdir(FOLDER, 0700);
	chmod(FOLDER, 0733);
	assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
	chmod(FOLDER, 01777);
	assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
	if (geteuid() == 0) {
		chmod(FOLDER, 0711);
		assert_int_equal(chown(FOLDER, s->pw->pw_uid, 0), 0);
		assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
	}
	assert_int_equal(files_in(s->victim), 0);
	pam_end(h, PAM_SESSION_ERR);
}

static void a_user_folder_that_is_not_private_is_refused(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s);

	mkdir(FOLDER, 0711);
	assert_int_equal(symlink(s->victim, s->own), 0);
	assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
	unlink(s->own);
	mkdir(s->own, 0700);
	chmod(s->own, 0750);
	assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
	if (geteuid() == 0) {
		chmod(s->own, 0700);
		assert_int_equal(chown(s->own, 12345, 12345), 0);
		assert_pam(pam_open_session(h, 0), PAM_SESSION_ERR);
	}
	assert_int_equal(files_in(s->victim), 0);
	pam_end(h, PAM_SESSION_ERR);
}

static void a_link_in_the_files_place_is_not_followed(void **state)
{
	struct site *s = *state;
	pam_handle_t *h = handle(s), *other = handle(s);
	char link[500], target[100];

	assert_pam(pam_open_session(other, 0), PAM_SUCCESS);
	snprintf(target, sizeof(target), "%s/target", s->victim);
	snprintf(link, sizeof(link), "%s/pgpass.%d.1", s->own, (int)getpid());
	assert_int_equal(symlink(target, link), 0);
	assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
	assert_string_not_equal(passfile(h), link);
	assert_int_equal(files_in(s->victim), 0);
	assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	assert_pam(pam_close_session(other, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
	pam_end(other, PAM_SUCCESS);
}

struct race {
	struct site *s;
	atomic_bool over;
};

/* What a user can do to the own folder while the session is opened: links in
 * the place of the next files, again and again. */
static void *race_for_the_file(void *arg)
{
	struct race *race = arg;
	char link[500], target[100];

	snprintf(target, sizeof(target), "%s/target", race->s->victim);
	for (unsigned i = 0; !race->over; i++) {
		snprintf(link, sizeof(link), "%s/pgpass.%d.%u", race->s->own,
			 (int)getpid(), 1 + i % 3);
		if (symlink(target, link) == 0)
			unlink(link);
	}
	return NULL;
}

static void a_race_for_the_file_gains_nothing(void **state)
{
	struct race race = { .s = *state };
	pam_handle_t *h = handle(race.s), *other = handle(race.s);
	pthread_t thread;
	struct stat st;

	assert_pam(pam_open_session(other, 0), PAM_SUCCESS);
	assert_int_equal(
		pthread_create(&thread, NULL, race_for_the_file, &race), 0);
	for (unsigned i = 0; i < 200; i++) {
		assert_pam(pam_open_session(h, 0), PAM_SUCCESS);
		assert_int_equal(lstat(passfile(h), &st), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_content(passfile(h), ERP ODD SAP);
		assert_pam(pam_close_session(h, 0), PAM_SUCCESS);
	}
	race.over = true;
	pthread_join(thread, NULL);
	assert_int_equal(files_in(race.s->victim), 0);
	assert_pam(pam_close_session(other, 0), PAM_SUCCESS);
	pam_end(h, PAM_SUCCESS);
	pam_end(other, PAM_SUCCESS);
}

/* ---- The process around it ----------------------------------------------------------- */

static void do_nothing(int sig)
{
	(void)sig;
}

static int open_with_handlers(void *arg)
{
	static void (*const handlers[])(int) = { SIG_DFL, SIG_IGN, do_nothing };
	struct site *s = arg;
	pam_handle_t *h;

	for (size_t i = 0; i < 3; i++) {
		struct sigaction sa = { .sa_handler = handlers[i] }, after;
		sigset_t mask;

		sigaction(SIGCHLD, &sa, NULL);
		h = handle(s);
		CHILD_CHECK(pam_open_session(h, 0) == PAM_SUCCESS);
		CHILD_CHECK(pam_close_session(h, 0) == PAM_SUCCESS);
		pam_end(h, PAM_SUCCESS);
		sigaction(SIGCHLD, NULL, &after);
		CHILD_CHECK(after.sa_handler == handlers[i]);
		pthread_sigmask(SIG_SETMASK, NULL, &mask);
		CHILD_CHECK(!sigismember(&mask, SIGTERM));
		/* No child is left, dead or alive. */
		CHILD_CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	}
	return 0;
}

static void a_program_that_looks_after_its_children_is_not_disturbed(
	void **state)
{
	assert_int_equal(child_run(open_with_handlers, *state), 0);
}

static int open_without_descriptors(void *arg)
{
	struct site *s = arg;
	pam_handle_t *h;

	for (int fd = 0; fd < 3; fd++)
		close(fd);
	h = handle(s);
	CHILD_CHECK(pam_open_session(h, 0) == PAM_SUCCESS);
	for (int fd = 0; fd < 10; fd++)
		CHILD_CHECK(fd > 2 || fcntl(fd, F_GETFD) < 0);
	CHILD_CHECK(pam_close_session(h, 0) == PAM_SUCCESS);
	return 0;
}

static void closed_standard_descriptors_stay_closed(void **state)
{
	assert_int_equal(child_run(open_without_descriptors, *state), 0);
}

/* The process whose parent is `parent`; 0 when there is none. */
static pid_t child_of(pid_t parent)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (dir != NULL && found == 0 && (e = readdir(dir)) != NULL) {
		char path[300], line[512] = "";
		int pid = 0, ppid = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", e->d_name);
		f = e->d_name[0] > '9' ? NULL : fopen(path, "r");
		if (f == NULL)
			continue;
		if (fgets(line, sizeof(line), f) != NULL &&
		    strrchr(line, ')') != NULL &&
		    sscanf(line, "%d", &pid) == 1 &&
		    sscanf(strrchr(line, ')'), ") %*c %d", &ppid) == 1 &&
		    ppid == parent)
			found = pid;
		fclose(f);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static void what_works_as_the_user_cannot_be_looked_into(void **state)
{
	struct site *s = *state;
	char path[64];
	struct stat st;
	pid_t service, worker;

	pam_rig_agent(s->r, &(struct fake_agent_options){
				    .act = FAKE_AGENT_HANG, .for_all = true });
	pam_rig_alone(s->r, "timeout=10000");
	service = fork();
	if (service == 0)
		_exit(pam_open_session(handle(s), 0));
	while (fake_agent_connections(s->r->agent) == 0)
		usleep(1000);
	worker = child_of(service);
	assert_true(worker > 0);
	/* Its files in /proc are root's: neither the user nor anybody else may
	 * trace it, and it leaves no core. */
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)worker);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(fake_agent_client(s->r->agent), s->pw->pw_uid);
	kill(worker, SIGKILL);
	assert_int_equal(waitpid(service, NULL, 0), service);
	assert_int_equal(files_in(s->own), 0);
}

static void *open_and_close(void *arg)
{
	pam_handle_t *h = arg;

	if (pam_open_session(h, 0) != PAM_SUCCESS ||
	    pam_close_session(h, 0) != PAM_SUCCESS)
		return arg;
	return NULL;
}

static void a_thread_with_a_small_stack_can_open_a_session(void **state)
{
	pam_handle_t *h = handle(*state);
	void *failed = h;
	pthread_attr_t a;
	pthread_t thread;

	pthread_attr_init(&a);
	assert_int_equal(pthread_attr_setstacksize(
				 &a, (size_t)(sanitized() ? 2048 : 128) * 1024),
			 0);
	assert_int_equal(pthread_create(&thread, &a, open_and_close, h), 0);
	pthread_join(thread, &failed);
	pthread_attr_destroy(&a);
	if (failed != NULL)
		fail_msg("%s", pam_rig_log());
	pam_end(h, PAM_SUCCESS);
}

/* A child that does not die, as one that waits for a disk: a debugger keeps it at
 * its last step. */
static void a_child_that_does_not_end_is_not_waited_for(void **state)
{
	struct site *s = *state;
	int ends[2], status = -1;
	pid_t service, worker = 0, tracer;
	char byte;

	if (geteuid() != 0) /* it may not be traced by its user */
		return;
	s->hangs = true;
	pam_rig_alone(s->r, "timeout=1000");
	assert_int_equal(pipe(ends), 0);
	service = fork();
	if (service == 0)
		_exit(pam_open_session(handle(s), 0));
	while ((worker = child_of(service)) == 0)
		usleep(1000);
	tracer = fork();
	if (tracer == 0) {
		if (ptrace(PTRACE_SEIZE, worker, NULL, PTRACE_O_TRACEEXIT) < 0)
			_exit(1);
		/* Never looks at it again. */
		if (write(ends[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	/* Else it would be for ever. */
	alarm(60);
	assert_int_equal(waitpid(service, &status, 0), service);
	alarm(0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), PAM_SUCCESS);
	kill(tracer, SIGKILL);
	waitpid(tracer, NULL, 0);
	close(ends[0]);
	close(ends[1]);
}

/* A set-user-id program: it is root, its caller is not. */
static int change_as_a_caller(void *arg)
{
	struct site *s = arg;
	pam_handle_t *h = handle(s);

	if (geteuid() == 0)
		CHILD_CHECK(setresuid(s->pw->pw_uid, 0, 0) == 0);
	CHILD_CHECK(pam_chauthtok(h, PAM_SILENT) == PAM_SUCCESS);
	CHILD_CHECK(geteuid() == 0 || geteuid() == s->pw->pw_uid);
	return 0;
}

static void a_rotation_is_asked_for_by_who_called_the_program(void **state)
{
	struct site *s = *state;

	assert_int_equal(child_run(change_as_a_caller, s), 0);
	assert_int_equal(fake_agent_client(s->r->agent), s->pw->pw_uid);
}

/* A set-group-id program: its group may ask for more than its caller. */
static int change_with_another_group(void *arg)
{
	struct site *s = arg;
	pam_handle_t *h = handle(s);

	if (geteuid() == 0) {
		CHILD_CHECK(setresgid(s->pw->pw_gid, 0, 0) == 0);
		CHILD_CHECK(setresuid(s->pw->pw_uid, s->pw->pw_uid,
				      s->pw->pw_uid) == 0);
	}
	CHILD_CHECK(pam_chauthtok(h, PAM_SILENT) == PAM_SUCCESS);
	return 0;
}

static void a_rotation_is_not_asked_for_by_the_programs_group(void **state)
{
	struct site *s = *state;
	gid_t own = geteuid() == 0 ? s->pw->pw_gid : getgid();

	assert_int_equal(child_run(change_with_another_group, s), 0);
	assert_int_equal(fake_agent_client(s->r->agent), s->pw->pw_uid);
	assert_int_equal(fake_agent_client_group(s->r->agent), own);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_session_has_a_private_file_until_it_is_closed),
		TEST(a_strict_umask_changes_nothing),
		TEST(the_agent_is_asked_by_the_user_and_not_by_the_service),
		TEST(two_sessions_have_a_file_each),
		TEST(a_handle_that_is_opened_twice_has_one_file),
		TEST(all_pages_of_the_list_are_read),
		TEST(realm_chooses_the_roles_of_one_cluster),
		TEST(a_role_that_cannot_be_had_does_not_hinder_others),
		TEST(a_role_that_is_not_the_users_is_not_missed),
		TEST(a_refused_role_does_not_hide_that_others_are_away),
		TEST(each_host_of_a_list_has_a_line),
		TEST(a_password_for_no_known_host_is_not_for_any),
		TEST(more_roles_than_a_file_holds_are_told_of),
		TEST(a_user_without_a_role_is_unknown),
		TEST(an_account_that_does_not_exist_gets_no_session),
		TEST(an_agent_that_does_not_answer_fails_the_session_in_time),
		TEST(a_store_that_hangs_takes_no_other_roles_time),
		TEST(nothing_logged_is_a_secret),
		TEST(files_of_processes_that_are_gone_are_removed),
		TEST(a_session_in_the_background_keeps_its_file),
		TEST(a_user_cannot_fill_what_the_system_needs),
		TEST(another_process_of_the_user_may_close_the_session),
		TEST(a_folder_that_is_not_ours_is_refused),
		TEST(a_user_folder_that_is_not_private_is_refused),
		TEST(a_link_in_the_files_place_is_not_followed),
		TEST(a_race_for_the_file_gains_nothing),
		TEST(a_program_that_looks_after_its_children_is_not_disturbed),
		TEST(closed_standard_descriptors_stay_closed),
		TEST(what_works_as_the_user_cannot_be_looked_into),
		TEST(a_thread_with_a_small_stack_can_open_a_session),
		TEST(a_child_that_does_not_end_is_not_waited_for),
		TEST(a_rotation_is_asked_for_by_who_called_the_program),
		TEST(a_rotation_is_not_asked_for_by_the_programs_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
