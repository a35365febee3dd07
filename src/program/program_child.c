/* SPDX-License-Identifier: PostgreSQL */
/*
 * The way from fork to exec.  The child of a process with threads may use only
 * what is async-signal-safe, and glibc's own setresuid() and its like are not:
 * they tell all threads.  So the system is called directly.  Must never execute
 * a program as a user from which there is a way back to ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program/program_internal.h"

/* Where ids have 16 bits in the first system calls of that name. */
#ifdef SYS_setresuid32
#define CALL_SETRESUID SYS_setresuid32
#define CALL_SETRESGID SYS_setresgid32
#define CALL_SETGROUPS SYS_setgroups32
#else
#define CALL_SETRESUID SYS_setresuid
#define CALL_SETRESGID SYS_setresgid
#define CALL_SETGROUPS SYS_setgroups
#endif

#define NO_ID ((uid_t)-1)

/* What the child tells of its end before exec. */
struct failure {
	int rc; /* an errno */
	bool refused;
};

/* ---- in the child -------------------------------------------------------- */

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capset, &head, none) == 0;
}

static bool is_all(uid_t a, uid_t b, uid_t c, uid_t id)
{
	return a == id && b == id && c == id;
}

/* No id of ours is left, and none can be had again. */
static bool is_no_way_back(uid_t uid, gid_t gid, uid_t before, gid_t group)
{
	uid_t u[3];
	gid_t g[3];

	return getresuid(&u[0], &u[1], &u[2]) == 0 &&
	       getresgid(&g[0], &g[1], &g[2]) == 0 &&
	       is_all(u[0], u[1], u[2], uid) && is_all(g[0], g[1], g[2], gid) &&
	       getgroups(0, NULL) == 0 &&
	       (uid == before ||
		syscall(CALL_SETRESUID, NO_ID, before, NO_ID) != 0) &&
	       (gid == group ||
		syscall(CALL_SETRESGID, NO_ID, group, NO_ID) != 0) &&
	       (uid == 0 || syscall(CALL_SETRESUID, NO_ID, 0, NO_ID) != 0) &&
	       (gid == 0 || syscall(CALL_SETRESGID, NO_ID, 0, NO_ID) != 0);
}

/* 0, or an errno. */
static int become(uid_t uid, gid_t gid)
{
	uid_t before = geteuid();
	gid_t group = getegid();

	/* What we may do as a capable user is none of its business; for root
	 * there are no such. */
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (uid == NO_ID)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return errno;
	/* Who is that user already cannot drop groups, nor need: they are that
	 * user's. */
	if (syscall(CALL_SETGROUPS, 0, NULL) != 0)
		return uid == before && gid == group && getuid() == uid ? 0 :
									  errno;
	if (syscall(CALL_SETRESGID, gid, gid, gid) != 0 ||
	    syscall(CALL_SETRESUID, uid, uid, uid) != 0)
		return errno;
	/* uid 0 has them back at exec; a program of root's is root. */
	if (uid != 0 && !drop_capabilities())
		return errno;
	return is_no_way_back(uid, gid, before, group) ? 0 : EPERM;
}

static int close_at_exec(void)
{
	struct rlimit l;

	if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U,
		    CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	/* Linux before 5.11 */
	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return errno;
	for (rlim_t fd = STDERR_FILENO + 1; fd < l.rlim_max && fd < 1U << 20;
	     fd++)
		fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* Standard input, output and error; what it prints goes where our messages go,
 * unless err is to be read. */
static int arrange_files(const struct program_start *s)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(s->in >= 0 ? s->in : null, STDIN_FILENO) < 0 ||
	    dup2(s->out >= 0 ? s->out :
		 s->err >= 0 ? null :
			       STDERR_FILENO,
		 STDOUT_FILENO) < 0 ||
	    (s->err >= 0 && dup2(s->err, STDERR_FILENO) < 0))
		return errno;
	return close_at_exec();
}

static void reset_signals(void)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int n = 1; n < NSIG; n++)
		sigaction(n, &plain, NULL); /* not all can be */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static struct failure enter(const struct program_start *s, pid_t parent)
{
	char *const no_environment[] = { NULL };
	const struct program *p = s->program;
	int rc = 0;

	if (setsid() < 0 || chdir("/") != 0)
		rc = errno;
	if (rc == 0)
		rc = arrange_files(s);
	if (rc != 0)
		return (struct failure){ rc, false };
	rc = become(p->uid, p->gid);
	if (rc != 0)
		return (struct failure){ rc, true };
	/* After it: another user's id takes that signal away. */
	if (p->ends_with_us &&
	    (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent))
		return (struct failure){ ECANCELED, false };
	if (s->try_only)
		return (struct failure){ access(p->argv[0], X_OK) == 0 ? 0 :
									 errno,
					 false };
	reset_signals();
	execve(p->argv[0], (char *const *)(uintptr_t)p->argv, no_environment);
	return (struct failure){ errno, false };
}

/* ---- in the parent ------------------------------------------------------- */

/* What comes before the pipe's end, which exec brings, is why there was none.
 * Who was only to try must have said something. */
static struct failure await_exec(const struct program_start *s, int from)
{
	struct failure f = { 0, false };
	ssize_t n;

	do
		n = read(from, &f, sizeof(f));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(f))
		return f;
	return (struct failure){ s->try_only ? ECANCELED : 0, false };
}

static pid_t fork_child(const struct program_start *s, const int report[2])
{
	pid_t parent = getpid(), pid = fork();
	struct failure f;

	if (pid != 0)
		return pid;
	f = enter(s, parent);
	if (f.rc != 0 || s->try_only)
		while (write(report[1], &f, sizeof(f)) < 0 && errno == EINTR)
			;
	_exit(127);
}

int program_child_start(struct program_start *s, pid_t *ret_pid)
{
	sigset_t all, before;
	struct failure f;
	int report[2], rc = 0;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) != 0)
		return errno;
	/* No handler of ours runs in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork_child(s, report);
	if (pid < 0)
		rc = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(report[1]);
	if (pid > 0) {
		f = await_exec(s, report[0]);
		rc = f.rc;
		s->refused = f.refused;
	}
	close(report[0]);
	if (pid > 0 && (rc != 0 || s->try_only))
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (rc == 0)
		*ret_pid = pid;
	return rc;
}
