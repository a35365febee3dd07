/* SPDX-License-Identifier: PostgreSQL */
/*
 * Runs a hook's program: no shell, nothing of our environment, no descriptor of
 * ours, the event on its standard input.  Must never outlast its timeout, nor
 * leave what it started running.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "hook/hook_internal.h"

/* Standard input is `in`; what it prints goes where our messages go. */
static int prepare_spawn(posix_spawn_file_actions_t *files,
			 posix_spawnattr_t *attr, int in)
{
	sigset_t none, all;
	int rc;

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	rc = posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(files, STDERR_FILENO,
						      STDOUT_FILENO);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(
			files, STDERR_FILENO + 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_addchdir_np(files, "/");
	if (rc == 0)
		rc = posix_spawnattr_setsigmask(attr, &none);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(attr, &all);
	if (rc == 0)
		rc = posix_spawnattr_setflags(
			attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
				      POSIX_SPAWN_SETSIGDEF);
	return rc;
}

struct start {
	const struct hook *h;
	int in;
};

static int spawn_command(void *arg, pid_t *ret_pid)
{
	const struct start *start = arg;
	const struct hook *h = start->h;
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char *const no_environment[] = { NULL };
	int rc;

	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	rc = prepare_spawn(&files, &attr, start->in);
	if (rc == 0)
		rc = posix_spawn(ret_pid, h->o.argv[0], &files, &attr,
				 (char *const *)(uintptr_t)h->o.argv,
				 no_environment);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return rc;
}

static int left_ms(const struct hook *h, int64_t until)
{
	int64_t left = (until - now_boot(h->o.now)) / 1000;

	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

/* The event, as far as it is read: who closes standard input has seen enough.
 * A socket, because writing to one raises no signal. */
static void feed_notice(const struct hook *h, int out,
			const struct hook_notice *n, int64_t until)
{
	struct pollfd p = { .fd = out, .events = POLLOUT };
	size_t done = 0;
	ssize_t got;

	while (done < n->n && left_ms(h, until) > 0) {
		got = send(out, n->body + done, n->n - done,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
		if (got > 0)
			done += (size_t)got;
		else if (got < 0 && errno == EAGAIN)
			poll(&p, 1, left_ms(h, until));
		else if (got < 0 && errno != EINTR)
			return;
	}
}

/* True when it has ended in time. */
static bool wait_for(const struct hook *h, pid_t pid, int64_t until,
		     siginfo_t *ret)
{
	struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	bool ended = false;
	int left;

	while (!ended && (left = left_ms(h, until)) > 0) {
		if (p.fd >= 0)
			poll(&p, 1, left);
		else
			now_sleep(h->o.now, 20 * 1000);
		ret->si_pid = 0;
		ended = waitid(P_PID, (id_t)pid, ret,
			       WEXITED | WNOHANG | WNOWAIT) == 0 &&
			ret->si_pid == pid;
	}
	if (p.fd >= 0)
		close(p.fd);
	return ended;
}

static enum status judge_exit(const struct hook *h, const siginfo_t *how,
			      struct reason *why)
{
	if (how->si_code == CLD_EXITED && how->si_status == 0)
		return STATUS_OK;
	if (how->si_code == CLD_EXITED)
		return reason_set(why, STATUS_ERROR, "%s ended with %d",
				  h->o.argv[0], how->si_status);
	return reason_set(why, STATUS_ERROR, "%s was ended by signal %d",
			  h->o.argv[0], how->si_status);
}

enum status hook_command_run(const struct hook *h, const struct hook_notice *n,
			     struct reason *why)
{
	int64_t until = now_boot(h->o.now) + h->o.timeout_us;
	siginfo_t how = { 0 };
	struct hook_kin kin;
	enum status s;
	int ends[2], rc;
	bool ended;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return reason_set(why, STATUS_ERROR,
				  "no socket for the hook's input: %s",
				  strerror(errno));
	rc = hook_kin_start(&kin, spawn_command, &(struct start){ h, ends[1] });
	close(ends[1]);
	if (rc != 0) {
		close(ends[0]);
		return reason_set(why, STATUS_ERROR, "%s cannot be run: %s",
				  h->o.argv[0], strerror(rc));
	}
	feed_notice(h, ends[0], n, until);
	close(ends[0]);
	ended = wait_for(h, kin.pid, until, &how);
	hook_kin_end(h->o.now, &kin);
	s = judge_exit(h, &how, why);
	if (!ended)
		s = reason_set(why, STATUS_TIMEOUT,
			       "%s had not ended after %lld s and was killed",
			       h->o.argv[0],
			       (long long)(h->o.timeout_us / NOW_SECOND));
	return s;
}
