/* SPDX-License-Identifier: PostgreSQL */
/* For tests: runs a function in a child, so that what it does to the process
 * (limits, filters, signals, user) ends with it. */
#ifndef KEYTURN_TEST_CHILD_H
#define KEYTURN_TEST_CHILD_H

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The wait status of a child that returned run(arg) from its main(); -1 if it
 * could not be started.  run() must not use cmocka's assertions. */
static inline int child_run(int (*run)(void *arg), void *arg)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

/* In a child: go on only if ok; the line number modulo 256 is the exit status. */
#define CHILD_CHECK(ok)                            \
	do {                                       \
		if (!(ok))                         \
			return __LINE__ % 255 + 1; \
	} while (0)

#endif
