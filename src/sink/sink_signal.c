/* SPDX-License-Identifier: PostgreSQL */
/* Tells a process to read its files again; must never signal one that the
 * pidfile's owner could not have signalled, nor one that would be ended by it. */
#include "sink/sink_signal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
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

/* Of /proc/PID/status: the signals that are blocked, ignored or caught.  False
 * when that cannot be read. */
static bool read_masks(long pid, unsigned long long *ret)
{
	static const char *const masks[] = { "SigBlk:", "SigIgn:", "SigCgt:" };
	unsigned long long mask = 0;
	char path[40], line[256];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	*ret = 0;
	while (fgets(line, sizeof(line), f))
		for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++)
			if (strncmp(line, masks[i], 7) == 0 &&
			    sscanf(line + 7, "%llx", &mask) == 1) {
				*ret |= mask;
				found++;
			}
	fclose(f);
	return found == 3;
}

/* Does it sleep, and not in sigwait()?  That takes what it waits for out of the
 * blocked signals meanwhile.  False when it does not show. */
static bool sleeps_otherwise(long pid)
{
	char path[40], where[64] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/wchan", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, where, sizeof(where) - 1);
	close(fd);
	return n > 0 && strcmp(where, "0") != 0 &&
	       strstr(where, "sigtimedwait") == NULL;
}

/* Would SIGHUP end it?  True only when that is sure. */
static bool ends_of_hup(long pid)
{
	unsigned long long taken;

	return read_masks(pid, &taken) && (taken >> (SIGHUP - 1) & 1) == 0 &&
	       sleeps_otherwise(pid);
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
	else if (ends_of_hup(pid))
		s = reason_set(
			why, STATUS_REFUSED,
			"%s: process %ld does not handle SIGHUP and "
			"would be ended by it; is the file an old one's?",
			pidfile, pid);
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
