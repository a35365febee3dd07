/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit/base/child.h"
#include "tests/unit/base/deny.h"

static char top[PATH_MAX]; /* a folder of this test's own, no links in it */
static struct reason why;

/* top/name, in one of several buffers so that two can be used at once. */
static const char *at(const char *name)
{
	static char paths[8][PATH_MAX];
	static unsigned next;
	char *p = paths[next++ % 8];

	snprintf(p, PATH_MAX, "%.1000s/%.1000s", top, name);
	return p;
}

static int fresh_folder(void **state)
{
	char name[] = "/tmp/keyturn-file-XXXXXX";

	(void)state;
	reason_clear(&why);
	if (mkdtemp(name) == NULL || realpath(name, top) == NULL)
		return -1;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_folder(void **state)
{
	(void)state;
	return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void spit(const char *path, const char *content, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void assert_content(const char *path, const char *content)
{
	struct text t = text_make(65536);

	assert_int_equal(file_read(path, &t, NULL), STATUS_OK);
	assert_string_equal(text_str(&t), content);
	text_free(&t);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static int entries(const char *folder)
{
	struct dirent *e;
	DIR *d = opendir(folder);
	int n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		n += strcmp(e->d_name, ".") != 0 &&
		     strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static enum status replace(const char *path, const char *content)
{
	return file_replace(path, content, strlen(content), NULL, &why);
}

static void a_new_file_is_private(void **state)
{
	mode_t before = umask(0);

	(void)state;
	assert_int_equal(replace(at("new"), "content"), STATUS_OK);
	umask(before);
	assert_content(at("new"), "content");
	assert_int_equal(mode_of(at("new")), 0600);
	assert_int_equal(entries(top), 1);
}

static void a_file_is_replaced_whole_with_owner_and_mode(void **state)
{
	struct file_owner owner = { (uid_t)-1, (gid_t)-1, 0640 };
	struct stat before, after;

	(void)state;
	spit(at("f"), "a much longer content than the new one", 0644);
	assert_int_equal(stat(at("f"), &before), 0);
	if (geteuid() == 0) {
		owner.uid = 65534;
		owner.gid = 65533;
	}
	assert_int_equal(file_replace(at("f"), "new", 3, &owner, &why),
			 STATUS_OK);
	assert_int_equal(stat(at("f"), &after), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_int_equal(after.st_mode & 07777, 0640);
	if (geteuid() == 0) {
		assert_int_equal(after.st_uid, 65534);
		assert_int_equal(after.st_gid, 65533);
	}
	assert_content(at("f"), "new");
	assert_int_equal(file_replace(at("f"), NULL, 0, NULL, &why), STATUS_OK);
	assert_content(at("f"), "");
}

/* An ACL that lets user 12345 read; linux/posix_acl_xattr.h. */
static const unsigned char let_read[] = {
	2,  0, 0, 0,			   /* version */
	1,  0, 6, 0, 255,  255,	 255, 255, /* owner rw- */
	2,  0, 4, 0, 0x39, 0x30, 0,   0,   /* user 12345 r-- */
	4,  0, 0, 0, 255,  255,	 255, 255, /* group --- */
	16, 0, 4, 0, 255,  255,	 255, 255, /* mask r-- */
	32, 0, 0, 0, 255,  255,	 255, 255, /* others --- */
};
#define ACL	    "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"

static void what_others_gave_the_old_file_goes_over_to_the_new_one(void **state)
{
	struct file_owner owner = { (uid_t)-1, (gid_t)-1, 0640 };
	unsigned char got[sizeof(let_read) + 8];
	struct stat before, after;
	bool labels;

	(void)state;
	assert_int_equal(replace(at("f"), "old"), STATUS_OK);
	assert_int_equal(setxattr(at("f"), ACL, let_read, sizeof(let_read), 0),
			 0);
	/* tmpfs has these only on newer kernels. */
	labels = setxattr(at("f"), "user.label", "mine", 4, 0) == 0;
	assert_true(labels || errno == ENOTSUP);
	assert_int_equal(stat(at("f"), &before), 0);
	assert_int_equal(file_replace(at("f"), "new", 3, &owner, &why),
			 STATUS_OK);
	assert_content(at("f"), "new");
	assert_int_equal(stat(at("f"), &after), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_int_equal(getxattr(at("f"), ACL, got, sizeof(got)),
			 sizeof(let_read));
	assert_memory_equal(got, let_read, sizeof(let_read));
	assert_int_equal(getxattr(at("f"), "user.label", got, sizeof(got)),
			 labels ? 4 : -1);
	/* The mode is what was asked for, and masks the ACL. */
	assert_int_equal(replace(at("f"), "newer"), STATUS_OK);
	assert_int_equal(mode_of(at("f")), 0600);
}

static void the_folder_s_acl_gives_no_right_that_the_old_file_did_not(
	void **state)
{
	struct file_owner owner = { (uid_t)-1, (gid_t)-1, 0640 };
	unsigned char got[sizeof(let_read) + 8];

	(void)state;
	assert_int_equal(replace(at("f"), "old"), STATUS_OK);
	assert_int_equal(
		setxattr(top, DEFAULT_ACL, let_read, sizeof(let_read), 0), 0);
	assert_int_equal(file_replace(at("f"), "new", 3, &owner, &why),
			 STATUS_OK);
	assert_int_equal(getxattr(at("f"), ACL, got, sizeof(got)), -1);
	assert_int_equal(mode_of(at("f")), 0640);
}

static const char *flagged; /* "" is the folder */
static uint64_t flag;

/* chattr needs root and a file system that has it. */
int __real_statx(int folder, const char *name, int flags, unsigned mask,
		 struct statx *x);
int __wrap_statx(int folder, const char *name, int flags, unsigned mask,
		 struct statx *x);
int __wrap_statx(int folder, const char *name, int flags, unsigned mask,
		 struct statx *x)
{
	int done = __real_statx(folder, name, flags, mask, x);

	if (done == 0 && flagged != NULL && strcmp(name, flagged) == 0)
		x->stx_attributes |= flag;
	return done;
}

static enum status try_at(const char *name)
{
	int folder = open(top, O_RDONLY | O_DIRECTORY);
	enum status s = file_try_at(folder, at(name), "new", 3, NULL, &why);

	close(folder);
	return s;
}

static void a_trial_names_what_a_rename_would_stumble_over(void **state)
{
	static const struct {
		const char *name;
		uint64_t flag;
		const char *cure;
	} cases[] = {
		{ "f", STATX_ATTR_IMMUTABLE, "chattr -i" },
		{ "f", STATX_ATTR_APPEND, "chattr -a" },
		{ "f", STATX_ATTR_MOUNT_ROOT, "mount the folder" },
		{ "", STATX_ATTR_IMMUTABLE, "chattr -i" },
		{ "", STATX_ATTR_APPEND, "chattr -a" },
	};

	(void)state;
	assert_int_equal(replace(at("f"), "old"), STATUS_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flagged = cases[i].name;
		flag = cases[i].flag;
		assert_int_equal(try_at("f"), STATUS_REFUSED);
		assert_non_null(strstr(why.text, cases[i].cure));
	}
	flagged = NULL;
	assert_int_equal(try_at("f"), STATUS_OK);
	assert_int_equal(try_at("other"), STATUS_OK);
	assert_content(at("f"), "old");
	assert_int_equal(entries(top), 1);
}

static void a_path_may_be_relative(void **state)
{
	(void)state;
	assert_int_equal(chdir(top), 0);
	assert_int_equal(mkdir("sub", 0700), 0);
	assert_int_equal(replace("plain", "1"), STATUS_OK);
	assert_int_equal(replace("sub/plain", "2"), STATUS_OK);
	assert_int_equal(replace("./sub/../sub//plain", "3"), STATUS_OK);
	assert_content(at("plain"), "1");
	assert_content(at("sub/plain"), "3");
	assert_int_equal(chdir("/"), 0);
}

static void what_names_no_file_is_refused(void **state)
{
	static const char *const bad[] = { "",	 "/",	".",   "..",
					   "a/", "a/.", "a/.." };
	char long_name[NAME_MAX + 3], long_path[PATH_MAX + 10];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(replace(bad[i], "x"), STATUS_REFUSED);
	memset(long_name, 'n', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(replace(at(long_name), "x"), STATUS_LIMIT);
	long_name[NAME_MAX] = '\0';
	assert_int_equal(replace(at(long_name), "x"), STATUS_OK);
	memset(long_path, '/', sizeof(long_path) - 2);
	memcpy(long_path + sizeof(long_path) - 2, "x", 2);
	assert_int_equal(replace(long_path, "x"), STATUS_LIMIT);
	assert_int_equal(replace(at("missing/f"), "x"), STATUS_NOT_FOUND);
	assert_non_null(strstr(why.text, "missing"));
}

static void only_a_regular_file_is_replaced(void **state)
{
	struct stat st;

	(void)state;
	spit(at("victim"), "victim", 0600);
	assert_int_equal(symlink("victim", at("link")), 0);
	assert_int_equal(symlink("nowhere", at("dangling")), 0);
	assert_int_equal(mkdir(at("folder"), 0700), 0);
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_int_equal(replace(at("link"), "x"), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "symbolic link"));
	assert_int_equal(replace(at("dangling"), "x"), STATUS_REFUSED);
	assert_int_equal(replace(at("folder"), "x"), STATUS_REFUSED);
	assert_int_equal(replace(at("fifo"), "x"), STATUS_REFUSED);
	assert_int_equal(lstat(at("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_content(at("victim"), "victim");
	assert_int_equal(entries(top), 5);
}

static int links_on_the_way(void *arg)
{
	if (arg != NULL)
		CHILD_CHECK(deny_syscall(SYS_openat2) == 0);
	CHILD_CHECK(replace(at("link/f"), "x") == STATUS_REFUSED);
	CHILD_CHECK(strstr(why.text, "symbolic link") != NULL);
	CHILD_CHECK(replace(at("link/deep/f"), "x") == STATUS_REFUSED);
	CHILD_CHECK(replace(at("real/up/real/f"), "x") == STATUS_REFUSED);
	CHILD_CHECK(file_create(at("link/f"), "x", 1, 0600, &why) ==
		    STATUS_REFUSED);
	CHILD_CHECK(entries(at("real")) == 2);
	CHILD_CHECK(entries(at("real/deep")) == 0);
	CHILD_CHECK(replace(at("real/file/f"), "x") != STATUS_OK);
	CHILD_CHECK(replace(at("real/none/f"), "x") == STATUS_NOT_FOUND);
	CHILD_CHECK(replace(at("real/deep/f"), "through") == STATUS_OK);
	CHILD_CHECK(entries(at("real/deep")) == 1);
	CHILD_CHECK(chdir(at("real")) == 0);
	CHILD_CHECK(replace("deep/f", "relative") == STATUS_OK);
	CHILD_CHECK(replace("../real/deep/f", "relative") == STATUS_OK);
	CHILD_CHECK(replace("up/real/deep/f", "x") == STATUS_REFUSED);
	CHILD_CHECK(unlink("deep/f") == 0);
	return 0;
}

static void a_link_anywhere_on_the_way_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("real"), 0700), 0);
	assert_int_equal(mkdir(at("real/deep"), 0700), 0);
	assert_int_equal(symlink(top, at("real/up")), 0);
	assert_int_equal(symlink("real", at("link")), 0);
	assert_int_equal(child_run(links_on_the_way, NULL), 0);
	/* The same on a kernel without openat2(). */
	assert_int_equal(child_run(links_on_the_way, &state), 0);
}

static void a_folder_that_others_may_write_to_is_refused(void **state)
{
	static const mode_t modes[] = { 0770, 0777, 0702 };
	size_t i;

	(void)state;
	assert_int_equal(mkdir(at("open"), 0700), 0);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		assert_int_equal(chmod(at("open"), modes[i]), 0);
		assert_int_equal(replace(at("open/f"), "x"), STATUS_REFUSED);
		assert_non_null(strstr(why.text, "chmod go-w"));
	}
	assert_int_equal(chmod(at("open"), 01777), 0);
	assert_int_equal(replace(at("open/f"), "x"), STATUS_OK);
}

static int write_too_much(void *arg)
{
	const struct rlimit limit = { 3, 3 };

	(void)arg;
	signal(SIGXFSZ, SIG_IGN);
	CHILD_CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHILD_CHECK(replace(at("f"), "too long to be written") == STATUS_ERROR);
	CHILD_CHECK(file_create(at("g"), "too long", 8, 0600, &why) ==
		    STATUS_ERROR);
	return 0;
}

static void a_failed_write_leaves_the_old_file_and_no_other(void **state)
{
	(void)state;
	spit(at("f"), "old", 0600);
	assert_int_equal(child_run(write_too_much, NULL), 0);
	assert_content(at("f"), "old");
	assert_int_equal(entries(top), 1);
}

static void what_a_killed_writer_left_is_removed(void **state)
{
	const char *left = at(".keyturn-tmp-0123456789abcdef");
	int fd;

	(void)state;
	spit(left, "a password", 0600);
	spit(at("foreign"), "stays", 0600);
	assert_int_equal(replace(at("f"), "x"), STATUS_OK);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(entries(top), 2);
	/* A writer that lives has a lock on it. */
	spit(left, "being written", 0600);
	fd = open(left, O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(replace(at("f"), "y"), STATUS_OK);
	assert_int_equal(access(left, F_OK), 0);
	close(fd);
	assert_int_equal(replace(at("f"), "z"), STATUS_OK);
	assert_int_equal(access(left, F_OK), -1);
	assert_content(at("f"), "z");
}

static int64_t milliseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#define VICTIM "what the victim wrote"

static atomic_bool stop;

/* top/slot is a folder, a link to the victim's, a folder, ... */
static void *swap(void *arg)
{
	char folder[PATH_MAX], slot[PATH_MAX];

	(void)arg;
	memcpy(folder, at("spare"), sizeof(folder));
	memcpy(slot, at("slot"), sizeof(slot));
	while (!atomic_load(&stop))
		renameat2(AT_FDCWD, folder, AT_FDCWD, slot, RENAME_EXCHANGE);
	return NULL;
}

static bool victim_is_whole(void)
{
	char bytes[64] = "";
	int fd = open(at("theirs/f"), O_RDONLY);
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);

	close(fd);
	return n == sizeof(VICTIM) - 1 && strcmp(bytes, VICTIM) == 0 &&
	       entries(at("theirs")) == 1;
}

static bool write_naively(void)
{
	int fd = open(at("slot/f"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	bool ok = fd >= 0 && write(fd, "ours", 4) == 4;

	close(fd);
	return ok;
}

static int race(void *arg)
{
	int written = 0, refused = 0;
	int64_t end;
	pthread_t t;

	if (arg != NULL)
		CHILD_CHECK(deny_syscall(SYS_openat2) == 0);
	CHILD_CHECK(pthread_create(&t, NULL, swap, NULL) == 0);
	for (end = milliseconds() + 1000; milliseconds() < end;) {
		enum status s = replace(at("slot/f"), "ours");

		written += s == STATUS_OK;
		refused += s == STATUS_REFUSED;
		CHILD_CHECK(victim_is_whole());
	}
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	CHILD_CHECK(written > 0);
	CHILD_CHECK(refused > 0);
	return 0;
}

/* The same race is lost by a program that opens the path. */
static int lose_the_race(void *arg)
{
	bool lost = false;
	int64_t end;
	pthread_t t;

	(void)arg;
	CHILD_CHECK(pthread_create(&t, NULL, swap, NULL) == 0);
	for (end = milliseconds() + 5000; !lost && milliseconds() < end;)
		lost = write_naively() && !victim_is_whole();
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	CHILD_CHECK(lost);
	return 0;
}

static void a_swapped_folder_never_redirects_a_write(void **state)
{
	(void)state;
	assert_int_equal(mkdir(at("theirs"), 0700), 0);
	assert_int_equal(mkdir(at("slot"), 0700), 0);
	assert_int_equal(symlink("theirs", at("spare")), 0);
	spit(at("theirs/f"), VICTIM, 0600);
	assert_int_equal(child_run(race, NULL), 0);
	assert_int_equal(child_run(race, &state), 0);
	assert_int_equal(child_run(lose_the_race, NULL), 0);
}

#define TORN_BYTES 10000

static void *read_on(void *arg)
{
	struct text t = text_make(2 * TORN_BYTES);
	uintptr_t torn = 0;
	size_t i;

	while (!atomic_load(&stop)) {
		if (file_read(arg, &t, NULL) != STATUS_OK)
			torn |= 1;
		if (t.len != TORN_BYTES)
			torn |= 2;
		for (i = 1; i < t.len; i++)
			if (t.bytes[i] != t.bytes[0])
				torn |= 4;
	}
	text_free(&t);
	return (void *)torn;
}

static void a_reader_sees_the_old_file_or_the_new_one(void **state)
{
	char bytes[TORN_BYTES], path[PATH_MAX];
	pthread_t t;
	void *torn;
	int i;

	(void)state;
	memcpy(path, at("f"), sizeof(path));
	atomic_store(&stop, false);
	memset(bytes, 'a', sizeof(bytes));
	assert_int_equal(file_replace(path, bytes, sizeof(bytes), NULL, &why),
			 STATUS_OK);
	assert_int_equal(pthread_create(&t, NULL, read_on, path), 0);
	for (i = 0; i < 100; i++) {
		memset(bytes, 'a' + i % 26, sizeof(bytes));
		assert_int_equal(file_replace(path, bytes, sizeof(bytes), NULL,
					      &why),
				 STATUS_OK);
	}
	atomic_store(&stop, true);
	pthread_join(t, &torn);
	assert_null(torn);
	assert_int_equal(entries(top), 1);
}

static void creating_never_replaces(void **state)
{
	mode_t before = umask(077);

	(void)state;
	assert_int_equal(file_create(at("f"), "mine", 4, 0644, &why),
			 STATUS_OK);
	umask(before);
	assert_int_equal(mode_of(at("f")), 0644);
	assert_int_equal(file_create(at("f"), "x", 1, 0600, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "exists"));
	assert_int_equal(symlink("nowhere", at("dangling")), 0);
	assert_int_equal(file_create(at("dangling"), "x", 1, 0600, &why),
			 STATUS_REFUSED);
	assert_content(at("f"), "mine");
	assert_int_equal(access(at("nowhere"), F_OK), -1);
	assert_int_equal(entries(top), 2);
}

static void *create_one(void *arg)
{
	return (void *)(uintptr_t)file_create(arg, "x", 1, 0600, NULL);
}

static void of_many_creators_one_wins(void **state)
{
	char path[PATH_MAX];
	pthread_t threads[8];
	int i, round, won, refused;
	void *s;

	(void)state;
	for (round = 0; round < 20; round++) {
		memcpy(path, at("f"), sizeof(path));
		won = refused = 0;
		for (i = 0; i < 8; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
							create_one, path),
					 0);
		for (i = 0; i < 8; i++) {
			pthread_join(threads[i], &s);
			won += (uintptr_t)s == STATUS_OK;
			refused += (uintptr_t)s == STATUS_REFUSED;
		}
		assert_int_equal(won, 1);
		assert_int_equal(refused, 7);
		assert_int_equal(entries(top), 1);
		assert_int_equal(unlink(path), 0);
	}
}

static void a_private_file_is_read_exactly(void **state)
{
	struct secret *s = NULL;

	(void)state;
	spit(at("key"), "line\n", 0600);
	assert_int_equal(file_read_private(at("key"), 5, &s, &why), STATUS_OK);
	assert_string_equal(secret_bytes(s), "line\n");
	secret_free(s);
	spit(at("key"), "", 0400);
	assert_int_equal(file_read_private(at("key"), 5, &s, &why), STATUS_OK);
	assert_int_equal(secret_len(s), 0);
	secret_free(s);
}

static void a_file_that_is_not_private_is_refused(void **state)
{
	static const mode_t modes[] = { 0644, 0640, 0604, 0620,
					0602, 0610, 0601, 0666 };
	struct secret *s = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		spit(at("key"), "content", modes[i]);
		assert_int_equal(file_read_private(at("key"), 99, &s, &why),
				 STATUS_CONFIG);
		assert_non_null(strstr(why.text, "chmod 600"));
		assert_null(strstr(why.text, "content"));
	}
	if (geteuid() == 0) {
		spit(at("key"), "content", 0600);
		assert_int_equal(chown(at("key"), 65534, 65534), 0);
		assert_int_equal(file_read_private(at("key"), 99, &s, &why),
				 STATUS_CONFIG);
		assert_non_null(strstr(why.text, "chown"));
	}
	assert_null(s);
}

static void what_is_no_private_file_is_refused(void **state)
{
	struct secret *s = NULL;

	(void)state;
	spit(at("key"), "content", 0600);
	assert_int_equal(symlink("key", at("link")), 0);
	assert_int_equal(mkdir(at("folder"), 0700), 0);
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	assert_int_equal(file_read_private(at("link"), 99, &s, &why),
			 STATUS_CONFIG);
	assert_int_equal(file_read_private(at("folder"), 99, &s, &why),
			 STATUS_CONFIG);
	assert_int_equal(file_read_private(at("fifo"), 99, &s, &why),
			 STATUS_CONFIG);
	assert_int_equal(file_read_private(at("none"), 99, &s, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(file_read_private(at("key"), 6, &s, &why),
			 STATUS_LIMIT);
	assert_null(s);
}

static void any_regular_file_is_read_up_to_its_maximum(void **state)
{
	struct text t = text_make(7);

	(void)state;
	spit(at("f"), "content", 0644);
	assert_int_equal(symlink("f", at("link")), 0);
	text_add(&t, "before");
	assert_int_equal(file_read(at("link"), &t, &why), STATUS_OK);
	assert_string_equal(text_str(&t), "content");
	spit(at("f"), "content!", 0644);
	assert_int_equal(file_read(at("f"), &t, &why), STATUS_LIMIT);
	assert_int_equal(file_read(top, &t, &why), STATUS_CONFIG);
	assert_int_equal(file_read(at("none"), &t, &why), STATUS_NOT_FOUND);
	text_free(&t);
}

static void folders_are_made_with_their_parents(void **state)
{
	mode_t before = umask(077);

	(void)state;
	assert_int_equal(mkdir(at("a"), 0711), 0);
	assert_int_equal(file_make_folder(at("a/b//c/"), 0750, &why),
			 STATUS_OK);
	assert_int_equal(file_make_folder(at("a/b/c"), 0700, &why), STATUS_OK);
	umask(before);
	assert_int_equal(mode_of(at("a")), 0700); /* 0711 through our umask */
	assert_int_equal(mode_of(at("a/b")), 0750);
	assert_int_equal(mode_of(at("a/b/c")), 0750);
	assert_int_equal(chdir(top), 0);
	assert_int_equal(file_make_folder("r/s", 0700, &why), STATUS_OK);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(mode_of(at("r/s")), 0700);
	spit(at("file"), "", 0600);
	assert_int_equal(file_make_folder(at("file/x"), 0700, &why),
			 STATUS_ERROR);
	assert_int_equal(symlink("a", at("link")), 0);
	assert_int_equal(file_make_folder(at("link/x"), 0700, &why),
			 STATUS_REFUSED);
	assert_int_equal(access(at("a/x"), F_OK), -1);
	assert_int_equal(file_make_folder("", 0700, &why), STATUS_LIMIT);
	assert_int_equal(file_make_folder("/", 0700, &why), STATUS_OK);
}

#define FILE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, fresh_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILE_TEST(a_new_file_is_private),
		FILE_TEST(a_file_is_replaced_whole_with_owner_and_mode),
		FILE_TEST(
			what_others_gave_the_old_file_goes_over_to_the_new_one),
		FILE_TEST(
			the_folder_s_acl_gives_no_right_that_the_old_file_did_not),
		FILE_TEST(a_trial_names_what_a_rename_would_stumble_over),
		FILE_TEST(a_path_may_be_relative),
		FILE_TEST(what_names_no_file_is_refused),
		FILE_TEST(only_a_regular_file_is_replaced),
		FILE_TEST(a_link_anywhere_on_the_way_is_refused),
		FILE_TEST(a_folder_that_others_may_write_to_is_refused),
		FILE_TEST(a_failed_write_leaves_the_old_file_and_no_other),
		FILE_TEST(what_a_killed_writer_left_is_removed),
		FILE_TEST(a_swapped_folder_never_redirects_a_write),
		FILE_TEST(a_reader_sees_the_old_file_or_the_new_one),
		FILE_TEST(creating_never_replaces),
		FILE_TEST(of_many_creators_one_wins),
		FILE_TEST(a_private_file_is_read_exactly),
		FILE_TEST(a_file_that_is_not_private_is_refused),
		FILE_TEST(what_is_no_private_file_is_refused),
		FILE_TEST(any_regular_file_is_read_up_to_its_maximum),
		FILE_TEST(folders_are_made_with_their_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
