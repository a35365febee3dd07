/* SPDX-License-Identifier: PostgreSQL */
/* Works as another user; must never let the process itself change its ids, not
 * even for a moment, nor leave a child behind. */
#include "pam/pam_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* For the scheduler: the child keeps its own deadline. */
#define GRACE_MS 250

static bool become_user(const struct pam_child_user *u)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	if (geteuid() == 0 && u->groups != NULL &&
	    setgroups(u->n_groups, u->groups) < 0)
		return false;
	/* The groups first: who has given up root cannot. */
	if (setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0)
		return false;
	/* Our memory is not for that user: no ptrace, no /proc/PID/mem.  The
	 * kernel has seen to it with the change, unless told otherwise. */
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return false;
	return getresuid(&r, &e, &s) == 0 && r == u->uid && e == u->uid &&
	       s == u->uid && getresgid(&gr, &ge, &gs) == 0 && gr == u->gid &&
	       ge == u->gid && gs == u->gid;
}

static void run_child(const struct pam_child_user *user, int fd,
		      void (*work)(void *arg, struct pam_child_report *report),
		      void *arg)
{
	struct pam_child_report report = { .code = PAM_SYSTEM_ERR };
	ssize_t n;

	if (become_user(user))
		work(arg, &report);
	else
		reason_set(&report.why, STATUS_DENIED,
			   "cannot become uid %u: %s", (unsigned)user->uid,
			   strerrordesc_np(errno));
	do
		n = write(fd, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	_exit(n == (ssize_t)sizeof(report) ? 0 : 1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The child's one write, or nothing. */
static bool listen_to(int fd, int64_t end, struct pam_child_report *ret)
{
	struct pollfd f = { .fd = fd, .events = POLLIN };
	int64_t left;

	while ((left = end - now_ms()) > 0) {
		int n = poll(&f, 1, (int)left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n > 0)
			return read(fd, ret, sizeof(*ret)) ==
			       (ssize_t)sizeof(*ret);
		if (n < 0)
			return false;
	}
	errno = ETIMEDOUT;
	return false;
}

/* Both ends above the standard descriptors, which may be closed: the child
 * must not be its parent's standard error. */
static bool make_pipe(int ret_ends[2])
{
	int ends[2], i;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	for (i = 0; i < 2; i++) {
		ret_ends[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
		close(ends[i]);
	}
	if (ret_ends[0] >= 0 && ret_ends[1] >= 0)
		return true;
	for (i = 0; i < 2; i++)
		if (ret_ends[i] >= 0)
			close(ret_ends[i]);
	return false;
}

/* What the program may reap itself, or have the kernel reap: what counts was
 * said through the pipe.  False: it is not dead at `end`. */
static bool reap_child(pid_t pid, int pidfd, int64_t end)
{
	struct pollfd f = { .fd = pidfd, .events = POLLIN };
	int64_t left;

	for (;;) {
		pid_t done = waitpid(pid, NULL, WNOHANG);

		if (done == pid || (done < 0 && errno != EINTR))
			return true;
		left = end - now_ms();
		if (left <= 0)
			return false;
		if (pidfd >= 0)
			poll(&f, 1, (int)left);
		else /* a kernel before 5.3, or a filter */
			poll(NULL, 0, left < 5 ? (int)left : 5);
	}
}

/* A child that cannot even be killed, as one that waits for a disk, is left
 * behind: the session's program has only so much time. */
static void finish_child(pid_t pid, int pidfd, bool heard, int64_t end)
{
	if (heard && reap_child(pid, pidfd, end))
		return;
	/* The number may be another's by now if the program reaped it. */
	if (pidfd < 0)
		kill(pid, SIGKILL);
	else
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	reap_child(pid, pidfd, now_ms() + GRACE_MS);
}

int pam_child_run(const struct pam_child_user *user, unsigned timeout_ms,
		  void (*work)(void *arg, struct pam_child_report *report),
		  void *arg, struct pam_child_report *ret, struct reason *why)
{
	struct pam_child_report report;
	int64_t end = now_ms() + timeout_ms + GRACE_MS;
	sigset_t all, before;
	int ends[2], pidfd = -1;
	bool heard;
	pid_t pid;

	if (!make_pipe(ends)) {
		reason_set(why, STATUS_ERROR, "cannot make a pipe: %s",
			   strerrordesc_np(errno));
		return PAM_SYSTEM_ERR;
	}
	/* The program's handlers are not for the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		run_child(user, ends[1], work, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(ends[1]);
	if (pid < 0) {
		reason_set(why, STATUS_ERROR, "cannot fork: %s",
			   strerrordesc_np(errno));
		close(ends[0]);
		return PAM_SYSTEM_ERR;
	}
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	heard = listen_to(ends[0], end, &report);
	if (!heard)
		reason_set(why, STATUS_TIMEOUT,
			   "the work as uid %u did not end in time",
			   (unsigned)user->uid);
	close(ends[0]);
	finish_child(pid, pidfd, heard, end);
	if (pidfd >= 0)
		close(pidfd);
	if (!heard)
		return PAM_AUTHINFO_UNAVAIL;
	/* It came from another user's process. */
	report.why.text[sizeof(report.why.text) - 1] = '\0';
	*ret = report;
	return PAM_SUCCESS;
}
