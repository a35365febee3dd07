/* SPDX-License-Identifier: PostgreSQL */
/* Makes the bad worlds that the tests of durable parts live in. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grp.h>

#define NOBODY 65534

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "scratch: %s: %s\n", what, strerror(errno));
	abort();
}

char *scratch_make(void)
{
	const char *base = getenv("TMPDIR");
	char *s = NULL;

	if (asprintf(&s, "%s/keyturn-test-XXXXXX", base ? base : "/tmp") < 0 ||
	    !mkdtemp(s))
		die("mkdtemp");
	return s;
}

static int remove_one(const char *path, const struct stat *sb, int flag,
		      struct FTW *ftw)
{
	(void)sb, (void)flag, (void)ftw;
	return remove(path);
}

void scratch_remove(char *folder)
{
	chmod(folder, 0700);
	if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
		die(folder);
	free(folder);
}

const char *scratch_path(const char *folder, const char *name)
{
	static char bufs[8][512];
	static unsigned i;
	char *s = bufs[i++ % 8];

	snprintf(s, sizeof bufs[0], "%s/%s", folder, name);
	return s;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void enter_namespaces(void)
{
	unsigned long uid = geteuid(), gid = getegid();
	char map[64];

	if (uid == 0 && unshare(CLONE_NEWNS) == 0)
		return;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		die("unshare");
	put("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %lu 1", uid);
	put("/proc/self/uid_map", map);
	snprintf(map, sizeof map, "0 %lu 1", gid);
	put("/proc/self/gid_map", map);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static pid_t start(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork");
	return pid;
}

int scratch_on_small_disk(size_t bytes, scratch_fn *fn, void *arg)
{
	char *folder = scratch_make();
	char options[64];
	pid_t pid = start();
	int rc;

	if (pid == 0) {
		enter_namespaces();
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
			die("mount --make-rprivate /");
		snprintf(options, sizeof options, "size=%zu,mode=700", bytes);
		if (mount("none", folder, "tmpfs", 0, options) != 0)
			die("mount tmpfs");
		rc = fn(folder, arg);
		fflush(NULL);
		_exit(rc);
	}
	rc = wait_for(pid);
	scratch_remove(folder);
	return rc;
}

int scratch_unprivileged(scratch_fn *fn, const char *folder, void *arg)
{
	pid_t pid = start();
	int rc;

	if (pid == 0) {
		if (geteuid() == 0 &&
		    (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
		     setuid(NOBODY) != 0))
			die("setuid");
		rc = fn(folder, arg);
		fflush(NULL);
		_exit(rc);
	}
	return wait_for(pid);
}

void scratch_fill(const char *folder)
{
	static const char zeros[4096];
	size_t step = sizeof zeros;
	ssize_t n;
	int fd;

	fd = open(scratch_path(folder, "filler"), O_WRONLY | O_CREAT | O_APPEND,
		  0600);
	if (fd < 0)
		die("filler");
	while (step > 0) {
		n = write(fd, zeros, step);
		if (n <= 0)
			step /= 2;
	}
	close(fd);
}

void scratch_unfill(const char *folder)
{
	if (unlink(scratch_path(folder, "filler")) != 0)
		die("filler");
}

void scratch_kill_after(scratch_fn *fn, const char *folder, void *arg,
			unsigned us)
{
	pid_t pid = start();
	int status;

	if (pid == 0)
		_exit(fn(folder, arg));
	usleep(us);
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid");
	/* A child that ended by itself failed its own checks. */
	if (!WIFSIGNALED(status)) {
		fprintf(stderr, "scratch: the child ended before the kill\n");
		abort();
	}
}

static void hold_lock(const char *path, int exclusive, int ready)
{
	sqlite3 *db = NULL;
	const char *sql = exclusive ? "PRAGMA locking_mode=EXCLUSIVE;"
				      "BEGIN EXCLUSIVE; SELECT * FROM "
				      "sqlite_schema" :
				      "BEGIN IMMEDIATE";

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK ||
	    write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

struct scratch_lock scratch_lock(const char *path, int exclusive)
{
	struct scratch_lock lock;
	int fds[2];
	char c;

	if (pipe(fds) != 0)
		die("pipe");
	lock.pid = start();
	if (lock.pid == 0)
		hold_lock(path, exclusive, fds[1]);
	close(fds[1]);
	if (read(fds[0], &c, 1) != 1)
		die("the lock was not taken");
	close(fds[0]);
	return lock;
}

void scratch_unlock(struct scratch_lock lock)
{
	kill(lock.pid, SIGKILL);
	wait_for(lock.pid);
}

void scratch_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) {
		fprintf(stderr, "scratch: %s: %s\n", sql, error ? error : "?");
		abort();
	}
	sqlite3_close(db);
}

int scratch_sql_works(const char *path, const char *sql)
{
	sqlite3 *db = NULL;
	int works;

	if (sqlite3_open(path, &db) != SQLITE_OK)
		die(path);
	works = sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
	sqlite3_close(db);
	return works;
}

void scratch_flip_byte(const char *path, long offset)
{
	int fd = open(path, O_RDWR);
	unsigned char c;

	if (fd < 0 || pread(fd, &c, 1, offset) != 1)
		die(path);
	c ^= 0x20;
	if (pwrite(fd, &c, 1, offset) != 1)
		die(path);
	close(fd);
}

void scratch_flip_blob(const char *path, const char *table, const char *column,
		       const char *where)
{
	sqlite3_stmt *q = NULL;
	sqlite3_blob *b = NULL;
	sqlite3 *db = NULL;
	unsigned char c = 0;
	char sql[256];
	int at;

	snprintf(sql, sizeof sql, "SELECT rowid FROM %s WHERE %s", table,
		 where);
	if (sqlite3_open(path, &db) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK ||
	    sqlite3_step(q) != SQLITE_ROW ||
	    sqlite3_blob_open(db, "main", table, column,
			      sqlite3_column_int64(q, 0), 1, &b) != SQLITE_OK)
		die(sql);
	sqlite3_finalize(q);
	at = sqlite3_blob_bytes(b) / 2;
	if (sqlite3_blob_read(b, &c, 1, at) != SQLITE_OK)
		die(sql);
	c ^= 1;
	if (sqlite3_blob_write(b, &c, 1, at) != SQLITE_OK)
		die(sql);
	sqlite3_blob_close(b);
	sqlite3_close(db);
}
