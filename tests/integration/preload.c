/* SPDX-License-Identifier: PostgreSQL */
/*
 * LD_PRELOAD shim of the integration tests: counts the effects a program has
 * on files and sockets and dies, stops or fails at a chosen one.  The program
 * under test is the shipped binary; nothing in it knows of this.
 *
 * KEYTURN_FAULT        count | step | stop-before:N | kill-before:N |
 *                      kill-within:N | kill-after:N | fail-at:N | enospc-from:N
 * KEYTURN_FAULT_DIR    files below this folder count, all others do not
 * KEYTURN_FAULT_TRACE  a file that gets one line per effect, before it happens:
 *                      number, call, and what it acts on
 *
 * Effects are numbered from 1.  "step" stops (SIGSTOP) before each of them;
 * "kill-within" hands over half of a write and dies; "fail-at" makes one effect
 * fail, a file's with EIO, a socket's because the connection is gone;
 * "enospc-from" lets no file grow any more, as on a full disk.  What only reads,
 * and what goes to a terminal, pipe or standard descriptor, is no effect.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode {
	MODE_OFF,
	MODE_COUNT,
	MODE_STEP,
	MODE_STOP_BEFORE,
	MODE_KILL_BEFORE,
	MODE_KILL_WITHIN,
	MODE_KILL_AFTER,
	MODE_FAIL_AT,
	MODE_ENOSPC_FROM
};

static const struct {
	const char *word;
	enum mode mode;
} modes[] = {
	{ "count", MODE_COUNT },
	{ "step", MODE_STEP },
	{ "stop-before:", MODE_STOP_BEFORE },
	{ "kill-before:", MODE_KILL_BEFORE },
	{ "kill-within:", MODE_KILL_WITHIN },
	{ "kill-after:", MODE_KILL_AFTER },
	{ "fail-at:", MODE_FAIL_AT },
	{ "enospc-from:", MODE_ENOSPC_FROM },
};

static enum mode mode;
static long chosen;
static atomic_long counted;
static atomic_long freed; /* bytes a program gave back to the full disk */
static char folder[PATH_MAX];
static char trace[PATH_MAX];

/* What begin() decided about one effect. */
struct effect {
	long number; /* 0: not an effect */
	bool half;   /* hand over half of it, then die */
	int error;   /* fail with this instead */
};

/* scan.c, when it is loaded too. */
__attribute__((weak)) void keyturn_scan(long number);

static void complain(const char *what)
{
	ssize_t ignored;

	ignored = syscall(SYS_write, 2, what, strlen(what));
	(void)ignored;
	syscall(SYS_exit_group, 125);
}

__attribute__((constructor)) static void start(void)
{
	const char *fault = getenv("KEYTURN_FAULT");
	const char *dir = getenv("KEYTURN_FAULT_DIR");
	const char *file = getenv("KEYTURN_FAULT_TRACE");
	size_t i, n;

	if (fault == NULL)
		return;
	if (dir == NULL || strlen(dir) >= sizeof(folder) ||
	    (file != NULL && strlen(file) >= sizeof(trace)))
		complain(
			"preload: KEYTURN_FAULT_DIR is not set, or too long\n");
	memcpy(folder, dir, strlen(dir) + 1);
	if (file != NULL)
		memcpy(trace, file, strlen(file) + 1);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		n = strlen(modes[i].word);
		if (strncmp(fault, modes[i].word, n) != 0)
			continue;
		mode = modes[i].mode;
		chosen = strtol(fault + n, NULL, 10);
	}
	if (mode == MODE_OFF || (mode > MODE_STEP && chosen < 1))
		complain("preload: KEYTURN_FAULT is not understood\n");
}

static void die(void)
{
	for (;;)
		syscall(SYS_kill, getpid(), SIGKILL);
}

/* By this thread's own signal: one to the process could be taken by another
 * thread while this one runs on. */
static void stop(void)
{
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
}

/* One line, by the kernel's calls only, so that it is not counted itself and
 * survives a program that closes descriptors it does not know. */
static void note(long number, const char *call, const char *target)
{
	char line[PATH_MAX + 64];
	long fd;
	int n;

	if (trace[0] == '\0')
		return;
	n = snprintf(line, sizeof(line), "%ld %s %s\n", number, call, target);
	fd = syscall(SYS_openat, AT_FDCWD, trace,
		     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		complain("preload: cannot open KEYTURN_FAULT_TRACE\n");
	if (n > 0)
		syscall(SYS_write, fd, line, n);
	syscall(SYS_close, fd);
}

/* "file PATH" below the folder or "socket ADDRESS"; false for all else. */
static bool describe_path(const char *path, char *ret, size_t size)
{
	size_t n = strlen(folder);

	if (strncmp(path, folder, n) != 0 || path[n] != '/')
		return false;
	snprintf(ret, size, "file %s", path);
	return true;
}

static void describe_address(const struct sockaddr *sa, char *ret, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	if (sa->sa_family == AF_INET)
		snprintf(ret, size, "socket %d", ntohs(in->sin_port));
	else if (sa->sa_family == AF_INET6)
		snprintf(ret, size, "socket %d", ntohs(in6->sin6_port));
	else
		snprintf(ret, size, "socket local");
}

static bool describe_fd(int fd, char *ret, size_t size)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof(sa);
	struct stat st;
	char link[64], path[PATH_MAX];
	ssize_t length;

	if (fd <= 2 || fstat(fd, &st) != 0)
		return false;
	if (S_ISSOCK(st.st_mode)) {
		if (getpeername(fd, (struct sockaddr *)&sa, &n) != 0)
			return false;
		describe_address((struct sockaddr *)&sa, ret, size);
		return true;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return false;
	path[length] = '\0';
	return describe_path(path, ret, size);
}

static bool describe_at(int dir, const char *path, char *ret, size_t size)
{
	char whole[PATH_MAX], link[64];
	ssize_t n;

	if (path[0] == '/')
		return describe_path(path, ret, size);
	if (dir == AT_FDCWD) {
		if (getcwd(whole, sizeof(whole)) == NULL)
			return false;
		n = (ssize_t)strlen(whole);
	} else {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
		n = readlink(link, whole, sizeof(whole) - 1);
		if (n < 0)
			return false;
	}
	if ((size_t)n + strlen(path) + 2 > sizeof(whole))
		return false;
	whole[n] = '/';
	memcpy(whole + n + 1, path, strlen(path) + 1);
	return describe_path(whole, ret, size);
}

static bool disk_full(off_t grows)
{
	if (grows <= 0)
		return false;
	if (atomic_fetch_sub(&freed, grows) >= grows)
		return false;
	atomic_fetch_add(&freed, grows);
	return true;
}

/* `grows`: how many bytes it takes from the disk. */
static struct effect begin(const char *call, const char *target, off_t grows)
{
	struct effect e = { 0 };

	e.number = atomic_fetch_add(&counted, 1) + 1;
	note(e.number, call, target);
	if (keyturn_scan != NULL)
		keyturn_scan(e.number);
	if (mode == MODE_STEP)
		stop();
	if (mode == MODE_ENOSPC_FROM && e.number >= chosen && disk_full(grows))
		e.error = ENOSPC;
	if (e.number != chosen)
		return e;
	if (mode == MODE_STOP_BEFORE)
		stop();
	if (mode == MODE_KILL_BEFORE)
		die();
	if (mode == MODE_KILL_WITHIN)
		e.half = true;
	if (mode == MODE_FAIL_AT)
		e.error = EIO;
	return e;
}

static struct effect begin_fd(const char *call, int fd, off_t grows)
{
	struct effect e = { 0 };
	char target[PATH_MAX + 16];
	int saved = errno;

	if (mode == MODE_OFF || !describe_fd(fd, target, sizeof(target))) {
		errno = saved;
		return e;
	}
	errno = saved;
	e = begin(call, target, grows);
	if (e.error == EIO && target[0] == 's') {
		/* libpq waits for what the server says to a lost write. */
		shutdown(fd, SHUT_RDWR);
		e.error = ECONNRESET;
	}
	return e;
}

static struct effect begin_at(const char *call, int dir, const char *path)
{
	struct effect none = { 0 };
	char target[PATH_MAX + 16];
	int saved = errno;

	if (mode == MODE_OFF ||
	    !describe_at(dir, path, target, sizeof(target))) {
		errno = saved;
		return none;
	}
	errno = saved;
	return begin(call, target, 0);
}

static void end(const struct effect *e)
{
	if (e->number == 0)
		return;
	if (e->half || (mode == MODE_KILL_AFTER && e->number == chosen))
		die();
}

/*
 * How many bytes writing up to `until` takes from the disk.  What the program
 * gave back by cutting a file short (a reserve) it may use.
 */
static off_t grows_to(int fd, off_t until)
{
	struct stat st;
	off_t has;

	if (mode != MODE_ENOSPC_FROM || fstat(fd, &st) != 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	has = (off_t)st.st_blocks * 512;
	if (has > st.st_size)
		has = st.st_size;
	return until > has ? until - has : 0;
}

static off_t grows_by(int fd, size_t n)
{
	off_t at;
	int flags;
	struct stat st;

	if (mode != MODE_ENOSPC_FROM || fstat(fd, &st) != 0)
		return 0;
	at = lseek(fd, 0, SEEK_CUR);
	flags = fcntl(fd, F_GETFL);
	if (at < 0)
		return 0;
	return grows_to(fd, (flags & O_APPEND ? st.st_size : at) + (off_t)n);
}

static off_t shrinks_to(int fd, off_t size)
{
	struct stat st;
	off_t has;

	if (mode != MODE_ENOSPC_FROM || fstat(fd, &st) != 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	has = (off_t)st.st_blocks * 512;
	if (has > st.st_size)
		has = st.st_size;
	return has > size ? has - size : 0;
}

static struct effect begin_connect(const struct sockaddr *to)
{
	struct effect none = { 0 };
	char target[64];

	if (mode == MODE_OFF)
		return none;
	describe_address(to, target, sizeof(target));
	return begin("connect", target, 0);
}

#define REAL(name)                     \
	static __typeof__(&name) real; \
	if (real == NULL)              \
	real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* A write of n bytes: half of it when the effect says so. */
#define SIZE(n) (e.half ? (n) / 2 : (n))

/* A function of the C library that answers -1 and sets errno. */
#define WRAP(type, name, parameters, decision, call) \
	type name parameters                         \
	{                                            \
		struct effect e = decision;          \
		type r;                              \
                                                     \
		REAL(name);                          \
		if (e.error != 0) {                  \
			errno = e.error;             \
			return -1;                   \
		}                                    \
		r = call;                            \
		end(&e);                             \
		return r;                            \
	}

WRAP(ssize_t, write, (int fd, const void *bytes, size_t n),
     begin_fd("write", fd, grows_by(fd, n)), real(fd, bytes, SIZE(n)))

WRAP(ssize_t, pwrite, (int fd, const void *bytes, size_t n, off_t at),
     begin_fd("pwrite", fd, grows_to(fd, at + (off_t)n)),
     real(fd, bytes, SIZE(n), at))

WRAP(ssize_t, pwrite64, (int fd, const void *bytes, size_t n, off64_t at),
     begin_fd("pwrite64", fd, grows_to(fd, at + (off_t)n)),
     real(fd, bytes, SIZE(n), at))

WRAP(ssize_t, writev, (int fd, const struct iovec *v, int n),
     begin_fd("writev", fd, grows_by(fd, 1)), real(fd, v, e.half ? 1 : n))

WRAP(ssize_t, send, (int fd, const void *bytes, size_t n, int flags),
     begin_fd("send", fd, 0), real(fd, bytes, SIZE(n), flags))

WRAP(ssize_t, sendto,
     (int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to,
      socklen_t to_size),
     begin_fd("sendto", fd, 0), real(fd, bytes, SIZE(n), flags, to, to_size))

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
     begin_fd("sendmsg", fd, 0), real(fd, m, flags))

WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t to_size),
     begin_connect(to), real(fd, to, to_size))

WRAP(int, fsync, (int fd), begin_fd("fsync", fd, 0), real(fd))

WRAP(int, fdatasync, (int fd), begin_fd("fdatasync", fd, 0), real(fd))

WRAP(int, fallocate, (int fd, int how, off_t at, off_t n),
     begin_fd("fallocate", fd, grows_to(fd, at + n)), real(fd, how, at, n))

WRAP(int, rename, (const char *from, const char *to),
     begin_at("rename", AT_FDCWD, to), real(from, to))

WRAP(int, renameat, (int from_dir, const char *from, int dir, const char *to),
     begin_at("renameat", dir, to), real(from_dir, from, dir, to))

WRAP(int, renameat2,
     (int from_dir, const char *from, int dir, const char *to, unsigned flags),
     begin_at("renameat2", dir, to), real(from_dir, from, dir, to, flags))

WRAP(int, linkat,
     (int from_dir, const char *from, int dir, const char *to, int flags),
     begin_at("linkat", dir, to), real(from_dir, from, dir, to, flags))

WRAP(int, unlink, (const char *path), begin_at("unlink", AT_FDCWD, path),
     real(path))

WRAP(int, unlinkat, (int dir, const char *path, int flags),
     begin_at("unlinkat", dir, path), real(dir, path, flags))

WRAP(int, fchmod, (int fd, mode_t how), begin_fd("fchmod", fd, 0),
     real(fd, how))

WRAP(int, fchown, (int fd, uid_t uid, gid_t gid), begin_fd("fchown", fd, 0),
     real(fd, uid, gid))

#define WRAP_FTRUNCATE(name, offset)                      \
	int name(int fd, offset n)                        \
	{                                                 \
		struct effect e = begin_fd(#name, fd, 0); \
		off_t less = shrinks_to(fd, n);           \
		int r;                                    \
                                                          \
		REAL(name);                               \
		if (e.error != 0) {                       \
			errno = e.error;                  \
			return -1;                        \
		}                                         \
		r = real(fd, n);                          \
		if (r == 0)                               \
			atomic_fetch_add(&freed, less);   \
		end(&e);                                  \
		return r;                                 \
	}

WRAP_FTRUNCATE(ftruncate, off_t)
WRAP_FTRUNCATE(ftruncate64, off64_t)

/* These two answer with the error itself. */
#define WRAP_FALLOCATE(name, offset)                                         \
	int name(int fd, offset at, offset n)                                \
	{                                                                    \
		struct effect e = begin_fd(#name, fd, grows_to(fd, at + n)); \
		int r;                                                       \
                                                                             \
		REAL(name);                                                  \
		if (e.error != 0)                                            \
			return e.error;                                      \
		r = real(fd, at, n);                                         \
		end(&e);                                                     \
		return r;                                                    \
	}

WRAP_FALLOCATE(posix_fallocate, off_t)
WRAP_FALLOCATE(posix_fallocate64, off64_t)
