/* SPDX-License-Identifier: PostgreSQL */
/* agent_sandbox: what the agent has no use for does not exist, and what only an
 * intruder would call ends the process.  Each in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent_sandbox.h"
#include "config.h"

extern char **environ;

#if defined(HAVE_SECCOMP) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)
#define HAVE_SANDBOX 1
#else
#define HAVE_SANDBOX 0
#endif

/* What the child's body says as exit code, or the signal as a negative. */
static int inside(bool programs, int (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (agent_sandbox_enter(programs, NULL) != STATUS_OK)
			_exit(99);
		_exit(body());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_true(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return 77;
}

static int spawn_true(void)
{
	char *argv[] = { (char *)"true", NULL };
	pid_t pid;
	int status;

	if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid)
		return 77;
	return WEXITSTATUS(status);
}

static int trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : 77;
}

static int become_another(void)
{
	return syscall(SYS_setuid, getuid()) == 0 ? 0 : 77;
}

static int make_node(void)
{
	/* Of no use to an agent, and harmless: it is just not there. */
	return syscall(SYS_mknodat, AT_FDCWD, "/nowhere/x", 0, 0) < 0 &&
			       errno == ENOSYS ?
		       5 :
		       77;
}

static void *nothing(void *arg)
{
	return arg;
}

/* A little of what it does have a use for. */
static int work(void)
{
	pthread_t thread;
	int pair[2], fd;

	if (pthread_create(&thread, NULL, nothing, NULL) != 0 ||
	    pthread_join(thread, NULL) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return 77;
	fd = open("/dev/null", O_RDONLY);
	return fd < 0 || close(fd) != 0 ? 77 : 5;
}

static void what_it_needs_is_there(void **state)
{
	(void)state;
	assert_int_equal(inside(false, work), 5);
	assert_int_equal(inside(true, work), 5);
}

static void an_intruders_calls_end_it(void **state)
{
	(void)state;
	if (!HAVE_SANDBOX)
		return;
	assert_int_equal(inside(false, run_true), -SIGSYS);
	assert_int_equal(inside(false, trace), -SIGSYS);
	assert_int_equal(inside(true, trace), -SIGSYS);
	assert_int_equal(inside(false, become_another), -SIGSYS);
}

static void what_it_has_no_use_for_is_not_there(void **state)
{
	(void)state;
	if (!HAVE_SANDBOX)
		return;
	assert_int_equal(inside(false, make_node), 5);
}

static void programs_are_started_only_where_a_store_needs_it(void **state)
{
	(void)state;
	assert_int_equal(inside(true, spawn_true), 0);
	if (HAVE_SANDBOX)
		assert_int_not_equal(inside(false, spawn_true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_needs_is_there),
		cmocka_unit_test(an_intruders_calls_end_it),
		cmocka_unit_test(what_it_has_no_use_for_is_not_there),
		cmocka_unit_test(
			programs_are_started_only_where_a_store_needs_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
