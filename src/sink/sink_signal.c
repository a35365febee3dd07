/* SPDX-License-Identifier: PostgreSQL */
/* Tells a process to read its files again; must never signal one that the
 * pidfile's owner could not have signalled. */
#include "sink/sink_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PID_DIGITS 10

static enum status read_pid(const char *pidfile, long *ret_pid,
			    uid_t *ret_owner, struct reason *why)
{
	int fd = open(pidfile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[PID_DIGITS + 2] = "", *end;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return reason_set(why, STATUS_NOT_FOUND, "%s: %s", pidfile,
				  strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	if (n <= 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return reason_set(why, STATUS_NOT_FOUND,
				  "%s cannot be read as a file", pidfile);
	}
	close(fd);
	*ret_pid = strtol(text, &end, 10);
	if (end == text || (*end && *end != '\n') || *ret_pid <= 1)
		return reason_set(why, STATUS_REFUSED,
				  "%s holds no process's number", pidfile);
	*ret_owner = st.st_uid;
	return STATUS_OK;
}

static enum status send_to(const char *pidfile, int number, struct reason *why)
{
	enum status s = STATUS_OK;
	uid_t owner = 0;
	char proc[32];
	struct stat st;
	long pid = 0;
	int fd;

	s = read_pid(pidfile, &pid, &owner, why);
	if (s != STATUS_OK)
		return s;
	/* From here on the number cannot become another process's. */
	fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd < 0)
		return reason_set(why, STATUS_NOT_FOUND,
				  "%s: there is no process %ld", pidfile, pid);
	snprintf(proc, sizeof(proc), "/proc/%ld", pid);
	if (stat(proc, &st) != 0)
		s = reason_set(why, STATUS_NOT_FOUND,
			       "%s: there is no process %ld", pidfile, pid);
	else if (owner != 0 && owner != st.st_uid)
		s = reason_set(why, STATUS_REFUSED,
			       "%s: its owner, uid %u, is not who process %ld "
			       "runs as",
			       pidfile, (unsigned)owner, pid);
	else if (syscall(SYS_pidfd_send_signal, fd, number, NULL, 0) != 0)
		s = reason_set(why, STATUS_DENIED,
			       "%s: cannot send SIGHUP to process %ld: %s",
			       pidfile, pid, strerror(errno));
	close(fd);
	return s;
}

enum status sink_signal_send(const char *pidfile, struct reason *why)
{
	return send_to(pidfile, SIGHUP, why);
}

enum status sink_signal_try(const char *pidfile, struct reason *why)
{
	return send_to(pidfile, 0, why);
}
