/* SPDX-License-Identifier: PostgreSQL */
/*
 * Runs a program, feeds it and listens to it.  Must never let it outlast its
 * deadline, nor leave what it started running, nor keep more of what it says
 * than was asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/secret_wipe.h"
#include "program/program_internal.h"

/* Our ends of a program that runs. */
struct talk {
	const struct program *p;
	const struct now *now;
	int64_t until; /* boot clock */
	int in;	       /* a socket, because writing to one raises no signal */
	int err;       /* -1: not listened to, or it has ended */
	int out;       /* likewise */
	size_t fed;
	size_t printed;
	size_t said;
	bool said_all; /* the line has ended */
};

static int left_ms(const struct talk *t)
{
	int64_t left = (t->until - now_boot(t->now)) / 1000;

	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* As far as it is read: who closes standard input has seen enough. */
static void feed(struct talk *t)
{
	ssize_t n = 0;

	if (t->fed < t->p->n)
		n = send(t->in, (const char *)t->p->in + t->fed,
			 t->p->n - t->fed, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0)
		t->fed += (size_t)n;
	if (t->fed == t->p->n || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&t->in);
}

static void keep_said(struct talk *t, const char *bytes, size_t n)
{
	const struct program *p = t->p;

	for (size_t i = 0; i < n && !t->said_all; i++) {
		char c = bytes[i];

		if (c == '\n' || c == '\r')
			t->said_all = t->said > 0;
		else if (t->said < p->said_size - 1 &&
			 (t->said > 0 || (c != ' ' && c != '\t')))
			p->said[t->said++] = c == '\t'		  ? ' ' :
					     c >= ' ' && c <= '~' ? c :
								    '?';
	}
	p->said[t->said] = '\0';
}

static void keep_printed(struct talk *t, const char *bytes, size_t n)
{
	const struct program *p = t->p;

	for (size_t i = 0; i < n && t->printed < p->output_size - 1; i++)
		p->output[t->printed++] = bytes[i] != '\0' ? bytes[i] : '?';
	p->output[t->printed] = '\0';
}

/* From one of its ends.  False when there is nothing more now. */
static bool listen_once(struct talk *t, int *end)
{
	char bytes[4096];
	ssize_t n = read(*end, bytes, sizeof(bytes));

	if (n > 0 && end == &t->out)
		keep_printed(t, bytes, (size_t)n);
	else if (n > 0)
		keep_said(t, bytes, (size_t)n);
	/* It may have printed what it was given. */
	secret_wipe(bytes, sizeof(bytes));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(end);
	return n > 0;
}

/* True when it has ended in time. */
static bool attend(struct talk *t, pid_t pid, siginfo_t *ret)
{
	enum { ENDS, INPUT, ERROR, OUTPUT, N };
	struct pollfd p[N] = { { .fd = pidfd_open(pid, 0), .events = POLLIN } };
	bool ended = false;
	int left;

	while (!ended && (left = left_ms(t)) > 0) {
		/* poll() passes over what is negative. */
		p[INPUT] = (struct pollfd){ .fd = t->in, .events = POLLOUT };
		p[ERROR] = (struct pollfd){ .fd = t->err, .events = POLLIN };
		p[OUTPUT] = (struct pollfd){ .fd = t->out, .events = POLLIN };
		/* Without a pidfd (a seccomp filter) it is looked at. */
		poll(p, N, p[ENDS].fd >= 0 ? left : 20);
		if (t->in >= 0)
			feed(t);
		if (t->err >= 0)
			listen_once(t, &t->err);
		if (t->out >= 0)
			listen_once(t, &t->out);
		ret->si_pid = 0;
		ended = waitid(P_PID, (id_t)pid, ret,
			       WEXITED | WNOHANG | WNOWAIT) == 0 &&
			ret->si_pid == pid;
	}
	close_end(&p[ENDS].fd);
	return ended;
}

static enum status judge_exit(const struct program *p, const siginfo_t *how,
			      struct program_result *r, struct reason *why)
{
	if (how->si_code == CLD_EXITED)
		r->exit_code = how->si_status;
	else
		r->signal = how->si_status;
	if (!r->ended)
		return reason_set(
			why, STATUS_TIMEOUT,
			"%s had not ended after %lld s and was killed",
			p->argv[0], (long long)(p->timeout_us / NOW_SECOND));
	if (r->exit_code == 0)
		return STATUS_OK;
	if (r->exit_code > 0)
		return reason_set(why, STATUS_ERROR, "%s ended with %d",
				  p->argv[0], r->exit_code);
	return reason_set(why, STATUS_ERROR, "%s was ended by signal %d",
			  p->argv[0], r->signal);
}

static enum status refuse_start(const struct program_start *s, int rc,
				enum status status, struct reason *why)
{
	const struct program *p = s->program;

	/* exec says the same of the file that shall run it. */
	if (rc == ENOENT && access(p->argv[0], F_OK) == 0)
		return reason_set(why, status,
				  "%s cannot be run: the interpreter that its "
				  "first line or its ELF header names is not "
				  "there",
				  p->argv[0]);
	if (rc == ENOEXEC)
		return reason_set(why, status,
				  "%s cannot be run: it is not a program of "
				  "this machine; a script begins with #! and "
				  "its interpreter",
				  p->argv[0]);
	if (!s->refused)
		return reason_set(why, status, "%s cannot be run: %s",
				  p->argv[0], strerror(rc));
	return reason_set(why, status,
			  "%s cannot be run as user %lu, group %lu: %s",
			  p->argv[0], (unsigned long)p->uid,
			  (unsigned long)p->gid, strerror(rc));
}

static enum status converse(struct talk *t, struct program_kin *kin,
			    struct program_result *r, struct reason *why)
{
	siginfo_t how = { 0 };
	/* All that two pipes hold and a little more: nobody writes now. */
	int rounds = 2048;

	r->ended = attend(t, kin->pid, &how);
	program_kin_end(t->now, kin);
	while (t->err >= 0 && rounds-- > 0 && listen_once(t, &t->err))
		;
	while (t->out >= 0 && rounds-- > 0 && listen_once(t, &t->out))
		;
	return judge_exit(t->p, &how, r, why);
}

/* Not a socket: those cannot be opened by the name /dev/stderr.  As of
 * open_ends(). */
static int open_pipe(const struct program *p, int *ret_ours, int *ret_its)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	*ret_ours = ends[0];
	*ret_its = ends[1];
	if (p->uid != (uid_t)-1 && fchown(ends[1], p->uid, (gid_t)-1) != 0)
		errno = 0; /* nor can another's pipe, without CAP_CHOWN */
	return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

/* 0, or an errno; in both cases the ends are the caller's. */
static int open_ends(struct talk *t, struct program_start *start)
{
	const struct program *p = t->p;
	int in[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0)
		return errno;
	t->in = in[0];
	start->in = in[1];
	if (!p->said)
		return 0;
	p->said[0] = '\0';
	rc = open_pipe(p, &t->err, &start->err);
	if (rc != 0 || !p->output)
		return rc;
	p->output[0] = '\0';
	return open_pipe(p, &t->out, &start->out);
}

enum status program_run(const struct program *p, const struct now *now,
			struct program_result *ret_result, struct reason *why)
{
	struct program_result r = { .exit_code = -1 };
	struct talk t = { .p = p,
			  .now = now,
			  .until = now_boot(now) + p->timeout_us,
			  .in = -1,
			  .err = -1,
			  .out = -1 };
	struct program_start start = {
		.program = p, .in = -1, .err = -1, .out = -1
	};
	struct program_kin kin;
	int rc = open_ends(&t, &start);
	enum status s;

	if (rc == 0)
		rc = program_kin_start(&kin, &start);
	close_end(&start.in);
	close_end(&start.err);
	close_end(&start.out);
	if (rc != 0)
		s = refuse_start(&start, rc, STATUS_ERROR, why);
	else
		s = converse(&t, &kin, &r, why);
	close_end(&t.in);
	close_end(&t.err);
	close_end(&t.out);
	if (ret_result)
		*ret_result = r;
	return s;
}

bool program_may_become(uid_t uid)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID |
				1U << CAP_KILL;

	return uid == geteuid() || (syscall(SYS_capget, &head, has) == 0 &&
				    (has[0].effective & needed) == needed);
}

enum status program_try(const struct program *p, struct reason *why)
{
	struct program_start start = {
		.program = p, .in = -1, .err = -1, .out = -1
	};
	int rc = program_kin_try(&start);

	if (rc != 0)
		return refuse_start(&start, rc, STATUS_CONFIG, why);
	return STATUS_OK;
}

void program_end_all(const struct now *now)
{
	program_kin_end_all(now);
}
