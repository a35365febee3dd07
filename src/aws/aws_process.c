/* SPDX-License-Identifier: PostgreSQL */
/* Runs a credential_process.  Must never give it to a shell, nor show a byte of
 * what it writes: people print secrets on stderr. */
#include "aws/aws_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX   64
#define COMMAND_MAX 4096

extern char **environ;

/* --- words --------------------------------------------------------------- */

struct words {
	char bytes[COMMAND_MAX];
	char *argv[WORDS_MAX + 1];
	size_t n;
};

/* One word from *s to *to; false for a quote that is not closed. */
static bool take_word(const char **s, char **to)
{
	char quote = '\0';

	for (; **s; (*s)++) {
		if (quote == '\0' && (**s == ' ' || **s == '\t'))
			break;
		if (**s == quote) {
			quote = '\0';
		} else if (quote == '\0' && (**s == '\'' || **s == '"')) {
			quote = **s;
		} else {
			if (**s == '\\' && quote != '\'' && (*s)[1])
				(*s)++;
			*(*to)++ = **s;
		}
	}
	*(*to)++ = '\0';
	return quote == '\0';
}

static bool split_words(const char *command, struct words *w)
{
	char *to = w->bytes;

	w->n = 0;
	if (strlen(command) >= sizeof(w->bytes))
		return false;
	for (;;) {
		command += strspn(command, " \t");
		if (!*command)
			break;
		if (w->n == WORDS_MAX)
			return false;
		w->argv[w->n++] = to;
		if (!take_word(&command, &to))
			return false;
	}
	w->argv[w->n] = NULL;
	return w->n > 0;
}

/* --- the process ----------------------------------------------------------- */

static int spawn_process(char **argv, int out, pid_t *ret_pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	/* A group of its own, so that what it started ends with it. */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
						      POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY,
					      0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(&files, out, 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(&files, 2, "/dev/null",
						      O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawnp(ret_pid, argv[0], &files, &attributes, argv,
				  environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return rc;
}

/* To the end of the output: 0, ETIMEDOUT, EMSGSIZE or another error. */
static int read_output(int fd, int64_t until, const struct now *now,
		       struct secret *output)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	int64_t left;
	ssize_t got;
	int rc;

	for (;;) {
		left = until - now_boot(now);
		if (left <= 0)
			return ETIMEDOUT;
		rc = poll(&p, 1, (int)(left / 1000) + 1);
		if (rc < 0 && errno != EINTR)
			return errno;
		if (rc <= 0)
			continue;
		if (n == secret_cap(output))
			return EMSGSIZE;
		got = read(fd, secret_buffer(output) + n,
			   secret_cap(output) - n);
		if (got < 0 && errno != EINTR && errno != EAGAIN)
			return errno;
		if (got == 0)
			break;
		if (got > 0)
			n += (size_t)got;
	}
	secret_set_len(output, n);
	return 0;
}

/* Closing its output is not ending: it gets what is left of its time. */
static bool wait_end(pid_t pid, int64_t until, const struct now *now,
		     int *ret_status)
{
	for (;;) {
		pid_t got = waitpid(pid, ret_status, WNOHANG);

		if (got == pid)
			return true;
		if (got < 0 && errno != EINTR)
			return false;
		if (now_boot(now) >= until)
			return false;
		now_sleep(now, 2000);
	}
}

static void kill_all(pid_t pid)
{
	int unused;

	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	while (waitpid(pid, &unused, 0) < 0 && errno == EINTR)
		;
}

static enum status judge_exit(int rc, bool ended, int status,
			      struct reason *why)
{
	if (rc == ETIMEDOUT || (rc == 0 && !ended))
		return reason_set(why, STATUS_STORE_UNAVAILABLE,
				  "credential_process did not end in time and "
				  "was killed");
	if (rc == EMSGSIZE)
		return reason_set(why, STATUS_CONFIG,
				  "credential_process wrote more than %d bytes",
				  AWS_PROCESS_OUTPUT_MAX);
	if (rc != 0)
		return reason_set(why, STATUS_CONFIG,
				  "credential_process cannot be read: %s",
				  strerror(rc));
	if (WIFSIGNALED(status))
		return reason_set(why, STATUS_CONFIG,
				  "credential_process was ended by signal %d",
				  WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return reason_set(why, STATUS_CONFIG,
				  "credential_process ended with exit code %d; "
				  "run it by hand to see why",
				  WEXITSTATUS(status));
	return STATUS_OK;
}

enum status aws_process_run(const char *command, int64_t timeout_us,
			    const struct now *now, struct secret **ret_output,
			    struct reason *why)
{
	int64_t until = now_boot(now) + timeout_us;
	struct secret *output = NULL;
	int ends[2] = { -1, -1 }, rc, status = 0;
	struct words words;
	bool ended = false;
	enum status s;
	pid_t pid;

	if (!split_words(command, &words))
		return reason_set(
			why, STATUS_CONFIG,
			"credential_process is not a command line: it is "
			"empty, too long, or has an open quote");
	s = secret_new(AWS_PROCESS_OUTPUT_MAX, &output);
	if (s != STATUS_OK || pipe2(ends, O_CLOEXEC) != 0) {
		secret_free(output);
		return reason_set(why, STATUS_NO_MEMORY,
				  "no memory for credential_process");
	}
	rc = spawn_process(words.argv, ends[1], &pid);
	close(ends[1]);
	if (rc != 0) {
		s = reason_set(why, STATUS_CONFIG,
			       "credential_process %s cannot be started: %s",
			       words.argv[0], strerror(rc));
		goto out;
	}
	rc = read_output(ends[0], until, now, output);
	if (rc == 0)
		ended = wait_end(pid, until, now, &status);
	if (!ended)
		kill_all(pid);
	s = judge_exit(rc, ended, status, why);
	if (s == STATUS_OK) {
		*ret_output = output;
		output = NULL;
	}
out:
	close(ends[0]);
	secret_free(output);
	return s;
}
