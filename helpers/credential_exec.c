/* SPDX-License-Identifier: PostgreSQL */
/*
 * Start a command that logs in with the current password, which is in a sealed
 * file in memory; must never put it on disk, into an argument or into the
 * environment.
 *
 * libpq takes a passfile that is a regular file without permissions for others,
 * and so is a memfd after fchmod (consumers.md finding 7).  The command
 * inherits the descriptor; its children do too unless they close it.
 */
#include "helpers/credential_exec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "format/format.h"
#include "helpers/credential_run.h"
#include "helpers/credential_show.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

/* Scripts use low numbers (`exec 3>file`), bash the last ones below 256. */
#define PASSFILE_FD_FROM 100

extern char **environ;

struct credential_before {
	struct rlimit core, memlock;
	mode_t mask;
	size_t n;
	char *environment[]; /* n of them and a NULL */
};

struct credential_before *credential_exec_before(void)
{
	struct credential_before *b;
	size_t n = 0;

	while (environ != NULL && environ[n] != NULL)
		n++;
	b = malloc(sizeof(*b) + (n + 1) * sizeof(char *));
	if (b == NULL)
		return NULL;
	/* The strings stay where they are; unsetenv() only moves pointers. */
	for (size_t i = 0; i < n; i++)
		b->environment[i] = environ[i];
	b->environment[n] = NULL;
	b->n = n;
	b->mask = umask(077);
	if (getrlimit(RLIMIT_CORE, &b->core) != 0 ||
	    getrlimit(RLIMIT_MEMLOCK, &b->memlock) != 0) {
		free(b);
		return NULL;
	}
	return b;
}

/* ---- The passfile ------------------------------------------------------------ */

static enum credential_exit fail_exec(struct reason *why, const char *what)
{
	return CREDENTIAL_FAIL(ERROR, why, STATUS_ERROR, "cannot %s: %s", what,
			       strerror(errno));
}

static int new_memfd(void)
{
	int fd = memfd_create("keyturn-pgpass",
			      MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("keyturn-pgpass", MFD_ALLOW_SEALING);
	return fd;
}

static enum credential_exit write_line(int fd,
				       const struct credential_answer *a,
				       const char *host, struct reason *why)
{
	struct format_credential c = {
		.host = host,
		.port = a->key.port,
		.dbname = "", /* a role's password is the same in each */
		.username = a->key.user,
		.version = "",
		.sslmode = "",
		.password = a->password,
	};
	struct secret *line = NULL;
	enum credential_exit e = CREDENTIAL_OK;

	/* A line for any host would give the password to any server. */
	if (*host == '\0')
		return CREDENTIAL_FAIL(
			ERROR, why, STATUS_REFUSED,
			"the list of hosts, \"%s\", has an empty one; say "
			"which with --role and --host",
			a->key.host);
	if (format_render(FORMAT_PGPASS, &c, &line, why) != STATUS_OK)
		return CREDENTIAL_ERROR;
	if (secret_write_fd(line, fd) != STATUS_OK)
		e = fail_exec(why, "write the passfile");
	secret_free(line);
	return e;
}

static enum credential_exit write_lines(int fd,
					const struct credential_answer *a,
					struct reason *why)
{
	char hosts[sizeof(a->key.host)], *host = hosts, *comma;
	enum credential_exit e;

	memcpy(hosts, a->key.host, sizeof(hosts));
	do {
		comma = strchr(host, ',');
		if (comma != NULL)
			*comma = '\0';
		e = write_line(fd, a, host, why);
		host = comma != NULL ? comma + 1 : NULL;
	} while (e == CREDENTIAL_OK && host != NULL);
	return e;
}

static enum credential_exit seal_file(int fd, struct reason *why)
{
	/* The mode first: F_SEAL_EXEC, which newer kernels add by themselves,
	 * only minds the x bits. */
	if (fchmod(fd, 0600) != 0)
		return fail_exec(why, "make the passfile private");
	if (fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
	    0)
		return fail_exec(why, "seal the passfile");
	return CREDENTIAL_OK;
}

static void name_passfile(char *ret, size_t n, const char *before, int fd)
{
	snprintf(ret, n, "%s/proc/self/fd/%d", before, fd);
}

/* libpq only warns, and then asks for a password. */
static enum credential_exit check_passfile(int fd, struct reason *why)
{
	char path[64];
	int again;

	name_passfile(path, sizeof(path), "", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return CREDENTIAL_FAIL(
			ERROR, why, STATUS_ERROR,
			"the command could not open its passfile, %s: %s; "
			"is /proc mounted here?",
			path, strerror(errno));
	close(again);
	return CREDENTIAL_OK;
}

/* The descriptor, which is inherited, in *ret_fd. */
static enum credential_exit make_passfile(const struct credential_answer *a,
					  int *ret_fd, struct reason *why)
{
	enum credential_exit e;
	int fd, high;

	if (!*a->key.user)
		return CREDENTIAL_FAIL(
			ERROR, why, STATUS_REFUSED,
			"the agent knows no user name to go with the "
			"secret, and a passfile needs one");
	if (!*a->key.host)
		return CREDENTIAL_FAIL(
			ERROR, why, STATUS_REFUSED,
			"the agent knows no host to go with the secret; say "
			"which with --role and --host");
	fd = new_memfd();
	if (fd < 0)
		return fail_exec(why, "make a file in memory");
	e = write_lines(fd, a, why);
	if (e == CREDENTIAL_OK)
		e = seal_file(fd, why);
	if (e != CREDENTIAL_OK) {
		close(fd);
		return e;
	}
	/* A low limit of descriptors: then the low number. */
	high = fcntl(fd, F_DUPFD, PASSFILE_FD_FROM);
	if (high >= 0) {
		close(fd);
		fd = high;
	}
	e = check_passfile(fd, why);
	if (e != CREDENTIAL_OK)
		close(fd);
	else
		*ret_fd = fd;
	return e;
}

/* ---- The command ------------------------------------------------------------- */

enum { SET_PASSFILE, SET_HOST, SET_PORT, SET_USER, SET_DBNAME, SET_SSL, N_SET };

struct command {
	char **argv;
	const struct credential_before *before;
	char **environment;
	char set[N_SET][384]; /* "PGHOST=..." */
	int fd;
};

static bool is_named(const char *entry, const char *name, size_t n)
{
	return strncmp(entry, name, n) == 0 && entry[n] == '=';
}

/* What the caller has set, or NULL. */
static const char *caller_has(const struct credential_before *b,
			      const char *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (is_named(b->environment[i], name, strlen(name)))
			return b->environment[i] + strlen(name) + 1;
	return NULL;
}

/* Is the word one of a list, "a,b"? */
static bool is_listed(const char *list, const char *word)
{
	size_t n = strlen(word);
	const char *at = list;

	for (; (at = strstr(at, word)) != NULL; at++)
		if ((at == list || at[-1] == ',') &&
		    (at[n] == '\0' || at[n] == ','))
			return true;
	return false;
}

/* It stays, and libpq will then find no password. */
static void warn_of_another(const char *name, const char *set,
			    const char *known)
{
	if (set != NULL && *set && *known && strcmp(set, known) != 0 &&
	    !is_listed(known, set))
		log_line(LOG_LEVEL_WARN,
			 "%s is set to \"%s\", and the password is for \"%s\" "
			 "only; unset %s, or say which with --host, --port",
			 name, set, known, name);
}

/* A passfile belongs to us, and libpq opens it as whom the command is then. */
static void warn_of_another_user(const char *command)
{
	static const char *const programs[] = { "su",	"runuser", "sudo",
						"doas", "gosu",	   "su-exec" };
	const char *slash = strrchr(command, '/');
	const char *name = slash != NULL ? slash + 1 : command;

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (strcmp(name, programs[i]) == 0)
			log_line(
				LOG_LEVEL_WARN,
				"what %s runs as another user cannot open the "
				"passfile; turn it round: %s ... " CREDENTIAL_PROGRAM
				" exec ...",
				name, name);
}

/* What the caller has set stays, but for what would come before our passfile:
 * the password of another, or an old one. */
static bool stays_open(const char *entry)
{
	return !is_named(entry, "PGPASSFILE", 10) &&
	       !is_named(entry, "PGPASSWORD", 10);
}

static bool make_environment(struct command *c,
			     const struct credential_answer *a)
{
	const struct {
		const char *name, *value;
	} wanted[N_SET] = {
		[SET_HOST] = { "PGHOST", a->key.host },
		[SET_PORT] = { "PGPORT", a->key.port },
		[SET_USER] = { "PGUSER", a->key.user },
		[SET_DBNAME] = { "PGDATABASE", a->key.dbname },
		[SET_SSL] = { "PGSSLMODE", a->sslmode },
	};
	size_t n = 0;

	c->environment = calloc(c->before->n + N_SET + 1, sizeof(char *));
	if (c->environment == NULL)
		return false;
	for (size_t i = 0; i < c->before->n; i++)
		if (stays_open(c->before->environment[i]))
			c->environment[n++] = c->before->environment[i];
	name_passfile(c->set[SET_PASSFILE], sizeof(c->set[0]),
		      "PGPASSFILE=", c->fd);
	c->environment[n++] = c->set[SET_PASSFILE];
	for (int i = SET_HOST; i < N_SET; i++) {
		const char *set = caller_has(c->before, wanted[i].name);

		if (i <= SET_USER)
			warn_of_another(wanted[i].name, set, wanted[i].value);
		if (!*wanted[i].value || set != NULL)
			continue;
		snprintf(c->set[i], sizeof(c->set[i]), "%s=%s", wanted[i].name,
			 wanted[i].value);
		c->environment[n++] = c->set[i];
	}
	return true;
}

/* Give back what harden_before_exec() and the arena took. */
static void restore_process(const struct credential_before *b)
{
	setrlimit(RLIMIT_CORE, &b->core);
	setrlimit(RLIMIT_MEMLOCK, &b->memlock);
	umask(b->mask);
}

/* Become the command, or say why not: the exit code shells use. */
static int become_command(struct command *c)
{
	warn_of_another_user(c->argv[0]);
	restore_process(c->before);
	execvpe(c->argv[0], c->argv, c->environment);
	log_line(LOG_LEVEL_ERROR, "cannot run %s: %s", c->argv[0],
		 strerror(errno));
	return errno == ENOENT ? CREDENTIAL_NO_COMMAND : CREDENTIAL_CANNOT_RUN;
}

static void become_in_child(void *command)
{
	_exit(become_command(command));
}

/* A command with the secret of `a`, which is forgotten. */
static enum credential_exit prepare_command(
	struct credential_answer *a, const struct credential_options *o,
	const struct credential_before *before, struct command *ret,
	struct reason *why)
{
	enum credential_exit e;

	*ret = (struct command){ .argv = o->argv, .before = before, .fd = -1 };
	e = make_passfile(a, &ret->fd, why);
	if (e == CREDENTIAL_OK && !make_environment(ret, a)) {
		reason_set(why, STATUS_NO_MEMORY, "no memory");
		e = CREDENTIAL_ERROR;
	}
	secret_free(a->password);
	a->password = NULL;
	return e;
}

static void free_command(struct command *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->environment);
	c->environment = NULL;
}

/* ---- --retry ----------------------------------------------------------------- */

/* What the first run reads the second would have to read again. */
struct input {
	bool lasting; /* a terminal, a file or /dev/null */
	off_t begin;  /* of a file, else -1 */
};

static struct input look_at_input(void)
{
	struct input in = { .begin = -1 };
	struct stat st, null;

	if (fstat(STDIN_FILENO, &st) != 0)
		return in;
	if (S_ISREG(st.st_mode))
		in.begin = lseek(STDIN_FILENO, 0, SEEK_CUR);
	in.lasting = in.begin >= 0 || isatty(STDIN_FILENO) ||
		     (S_ISCHR(st.st_mode) && stat("/dev/null", &null) == 0 &&
		      st.st_rdev == null.st_rdev);
	return in;
}

/* A second run on half an input would succeed at half of the work. */
static bool may_read_again(const struct input *in, const char *command)
{
	if (in->lasting && (in->begin < 0 || lseek(STDIN_FILENO, in->begin,
						   SEEK_SET) == in->begin))
		return true;
	log_line(LOG_LEVEL_WARN,
		 "%s is not run again: the first run may have read part of "
		 "its standard input, which is not a file; give it a file or "
		 "</dev/null",
		 command);
	return false;
}

/*
 * Is there another version than the one the command was given?  That is the
 * evidence that the failure may have been the rotation's doing; without it the
 * command is not run again.
 */
static bool is_superseded(struct credential_agent *a,
			  const struct credential_options *o,
			  struct credential_answer *ret, const char *version)
{
	struct credential_options again = *o;
	struct credential_question feedback = {
		.operation = WIRE_FEEDBACK,
		.key = &o->key,
		.version = version,
	};
	struct reason why = { "" };

	/* Not everybody may; then the agent's own polling has to do. */
	credential_ask(a, &feedback, ret, &why);
	credential_ask_forget(ret);
	again.command = CREDENTIAL_GET; /* which waits */
	again.refresh = false;
	memcpy(again.not_version, version, sizeof(again.not_version));
	return credential_ask_secret(a, &again, &again.key, ret, &why) ==
	       CREDENTIAL_OK;
}

static int run_once(struct credential_answer *answer,
		    const struct credential_options *o,
		    const struct credential_before *before, int *ret_status,
		    struct reason *why)
{
	struct command c;
	int e = prepare_command(answer, o, before, &c, why);

	if (e == CREDENTIAL_OK) {
		*ret_status = credential_run(become_in_child, &c);
		if (*ret_status == -1)
			e = fail_exec(why, "start the command");
	}
	free_command(&c);
	return e;
}

static int run_twice(struct credential_agent *a,
		     const struct credential_options *o,
		     const struct credential_before *before,
		     struct credential_answer *answer, struct reason *why)
{
	char first[sizeof(answer->version)];
	struct input in = look_at_input();
	int status = 0, e;

	memcpy(first, answer->version, sizeof(first));
	e = run_once(answer, o, before, &status, why);
	if (e != CREDENTIAL_OK)
		return e;
	if (!WIFEXITED(status) || !o->retry_on[WEXITSTATUS(status)] ||
	    !*first || credential_run_stopped())
		return credential_run_exit(status);
	credential_ask_forget(answer);
	if (!is_superseded(a, o, answer, first) ||
	    !may_read_again(&in, o->argv[0]))
		return credential_run_exit(status);
	log_line(LOG_LEVEL_INFO,
		 "%s ended with exit code %d, and version %s is superseded by "
		 "%s: running it once more",
		 o->argv[0], WEXITSTATUS(status), first, answer->version);
	e = run_once(answer, o, before, &status, why);
	return e != CREDENTIAL_OK ? e : credential_run_exit(status);
}

int credential_exec(struct credential_agent *a,
		    const struct credential_options *o,
		    const struct credential_before *before, struct reason *why)
{
	struct credential_answer answer = { 0 };
	struct command c;
	int e;

	e = credential_ask_secret(a, o, &o->key, &answer, why);
	if (e != CREDENTIAL_OK)
		goto out;
	credential_show_stale(&answer);
	if (o->retry) {
		e = run_twice(a, o, before, &answer, why);
		goto out;
	}
	e = prepare_command(&answer, o, before, &c, why);
	if (e == CREDENTIAL_OK) {
		credential_ask_close(a);
		e = become_command(&c);
	}
	free_command(&c);
out:
	credential_ask_forget(&answer);
	return e;
}
