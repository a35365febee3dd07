/* SPDX-License-Identifier: PostgreSQL */
/* Tries to look into a process in every way that one process has to look into
 * another, and says for each "NAME yes" or "NAME no: why".
 *
 * usage: peek PID */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *what, int worked)
{
	if (worked)
		printf("%s yes\n", what);
	else
		printf("%s no: %s\n", what, strerror(errno));
}

static void try_file(const char *pid, const char *name)
{
	char path[64], byte;
	int fd, worked;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY);
	/* Nothing is mapped at the start of mem. */
	worked = fd >= 0 &&
		 (strcmp(name, "mem") == 0 || read(fd, &byte, 1) >= 0);
	say(name, worked);
	if (fd >= 0)
		close(fd);
}

static void try_fds(const char *pid)
{
	char path[64];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	say("fd", d != NULL);
	if (d != NULL)
		closedir(d);
}

/* Where nothing is mapped the answer is EFAULT, to who may ask. */
static void try_vm(pid_t pid)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { (void *)(uintptr_t)8, 1 };
	int worked = process_vm_readv(pid, &here, 1, &there, 1, 0) == 1 ||
		     errno == EFAULT;

	say("process_vm_readv", worked);
}

static void try_ptrace(pid_t pid)
{
	int status, worked = ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0;

	say("ptrace", worked);
	if (worked) {
		waitpid(pid, &status, __WALL);
		ptrace(PTRACE_DETACH, pid, NULL, NULL);
	}
}

int main(int argc, char **argv)
{
	static const char *const files[] = { "maps", "smaps", "mem", "environ",
					     "auxv" };
	size_t i;

	if (argc != 2)
		return 2;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		try_file(argv[1], files[i]);
	try_fds(argv[1]);
	try_vm((pid_t)strtol(argv[1], NULL, 10));
	try_ptrace((pid_t)strtol(argv[1], NULL, 10));
	return 0;
}
