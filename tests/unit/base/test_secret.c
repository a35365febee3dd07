/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/reason.h"
#include "base/secret.h"
#include "tests/unit/base/child.h"
#include "tests/unit/base/deny.h"
#include "tests/unit/base/sanitized.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static struct secret *made(size_t cap, const char *content)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(cap, &s), STATUS_OK);
	assert_int_equal(secret_set(s, content, strlen(content)), STATUS_OK);
	return s;
}

/* Are n bytes at p zero?  Through volatile: p may point into what was freed in
 * the arena, of which the compiler knows nothing. */
static bool zero(const void *p, size_t n)
{
	const volatile unsigned char *b = p;
	size_t i;

	for (i = 0; i < n; i++)
		if (b[i] != 0)
			return false;
	return true;
}

static void a_secret_holds_bytes_followed_by_a_nul(void **state)
{
	struct secret *s = made(8, "12345678");

	(void)state;
	assert_int_equal(secret_len(s), 8);
	assert_int_equal(secret_cap(s), 8);
	assert_string_equal(secret_bytes(s), "12345678");
	assert_int_equal(secret_set(s, "a\0b", 3), STATUS_OK);
	assert_memory_equal(secret_bytes(s), "a\0b\0", 4);
	secret_clear(s);
	assert_int_equal(secret_len(s), 0);
	assert_string_equal(secret_bytes(s), "");
	secret_free(s);
	secret_free(NULL);
}

static void what_does_not_fit_leaves_the_content_alone(void **state)
{
	struct secret *s = made(4, "abcd");

	(void)state;
	assert_int_equal(secret_set(s, "12345", 5), STATUS_LIMIT);
	assert_int_equal(secret_append(s, "e", 1), STATUS_LIMIT);
	assert_int_equal(secret_append(s, "e", SIZE_MAX), STATUS_LIMIT);
	assert_string_equal(secret_bytes(s), "abcd");
	assert_int_equal(secret_append(s, NULL, 0), STATUS_OK);
	secret_free(s);
}

static void capacities_outside_the_limits_are_refused(void **state)
{
	struct secret *s = NULL;

	(void)state;
	assert_int_equal(secret_new(0, &s), STATUS_LIMIT);
	assert_int_equal(secret_new(SECRET_CAP_MAX + 1, &s), STATUS_LIMIT);
	assert_int_equal(secret_new(SIZE_MAX, &s), STATUS_LIMIT);
	assert_null(s);
}

static void every_capacity_has_room_for_its_nul(void **state)
{
	static const size_t caps[] = { 1,   63,	  64,	65,    127,
				       128, 4095, 4096, 65535, SECRET_CAP_MAX };
	struct secret *s = NULL, *next = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		assert_int_equal(secret_new(caps[i], &s), STATUS_OK);
		next = made(16, "neighbour");
		memset(secret_buffer(s), 'x', caps[i]);
		secret_set_len(s, caps[i]);
		assert_int_equal(strlen(secret_bytes(s)), caps[i]);
		assert_string_equal(secret_bytes(next), "neighbour");
		secret_free(s);
		assert_string_equal(secret_bytes(next), "neighbour");
		secret_free(next);
	}
}

static void an_append_may_come_from_the_secret_itself(void **state)
{
	struct secret *s = made(16, "abcdef"), *copy = NULL;

	(void)state;
	assert_int_equal(secret_append(s, secret_bytes(s), 6), STATUS_OK);
	assert_string_equal(secret_bytes(s), "abcdefabcdef");
	assert_int_equal(secret_set(s, secret_bytes(s) + 2, 4), STATUS_OK);
	assert_string_equal(secret_bytes(s), "cdef");
	assert_int_equal(secret_copy(s, &copy), STATUS_OK);
	assert_int_equal(secret_cap(copy), 16);
	assert_true(secret_equal(s, copy));
	assert_ptr_not_equal(secret_bytes(s), secret_bytes(copy));
	secret_free(copy);
	secret_free(s);
}

static void secrets_are_equal_only_in_all_bytes_and_length(void **state)
{
	struct secret *a = made(8, "12345678"), *b = made(99, "12345678");
	size_t i;

	(void)state;
	assert_true(secret_equal(a, b));
	for (i = 0; i < 8; i++) {
		secret_buffer(b)[i] ^= 0x10;
		assert_false(secret_equal(a, b));
		secret_buffer(b)[i] ^= 0x10;
	}
	secret_append(b, "9", 1);
	assert_false(secret_equal(a, b));
	secret_clear(a);
	secret_clear(b);
	assert_true(secret_equal(a, b));
	secret_free(a);
	secret_free(b);
}

static void what_is_dropped_is_wiped(void **state)
{
	struct secret *keep = made(8, "keep"); /* keeps the chunk mapped */
	struct secret *s = made(100, "");
	unsigned char *p = secret_buffer(s);

	(void)state;
	memset(p, 'x', 100);
	secret_set_len(s, 100);
	secret_set(s, "short", 5);
	assert_true(zero(p + 5, 95));
	memset(p, 'x', 100);
	secret_set_len(s, 10);
	assert_true(zero(p + 10, 90));
	memset(p, 'x', 100);
	secret_clear(s); /* also what no length was ever set for */
	assert_true(zero(p, 100));
	memset(p, 'x', 100);
	assert_false(zero(p, 100));
	secret_free(s);
	assert_true(zero(p, 101));
	secret_free(keep);
}

static int say_too_long(void *arg)
{
	struct secret *s = NULL;

	(void)arg;
	signal(SIGABRT, SIG_DFL);
	if (secret_new(4, &s) == STATUS_OK)
		secret_set_len(s, 5);
	return 0;
}

static void a_length_beyond_the_capacity_ends_the_program(void **state)
{
	int status = child_run(say_too_long, NULL);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

#define FLAGS_SIZE 512

/* The flags of the mapping that holds p, and the permissions of those next to
 * it, from /proc/self/smaps. */
static void mapping(const void *p, char *flags, char *before, char *after)
{
	uintptr_t at = (uintptr_t)p;
	char line[FLAGS_SIZE], perms[5], last[5] = "none";
	unsigned long from, to;
	bool inside = false, next = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	flags[0] = before[0] = after[0] = '\0';
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, perms) == 3) {
			if (inside) {
				memcpy(after, perms, 5);
				next = true;
			}
			inside = !next && at >= from && at < to;
			if (inside)
				memcpy(before, last, 5);
			memcpy(last, perms, 5);
		} else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
			memcpy(flags, line, sizeof(line));
		}
	}
	fclose(f);
}

/* 0, or the line of the check that failed. */
static int check_protection(const char *backing)
{
	char flags[FLAGS_SIZE], before[5], after[5];
	struct secret *s = NULL;

	CHILD_CHECK(secret_new(32, &s) == STATUS_OK);
	CHILD_CHECK(secret_set(s, "in the arena", 12) == STATUS_OK);
	CHILD_CHECK(strcmp(secret_backing(), backing) == 0);
	mapping(secret_bytes(s), flags, before, after);
	CHILD_CHECK(strstr(flags, " lo") != NULL); /* locked */
	CHILD_CHECK(strstr(flags, " dd") != NULL); /* not in a core file */
	CHILD_CHECK(strstr(flags, " dc") != NULL); /* not in a child */
	CHILD_CHECK(memcmp(before, "---", 3) == 0);
	CHILD_CHECK(memcmp(after, "---", 3) == 0);
	secret_free(s);
	return 0;
}

static int protected_by_memfd_secret(void *arg)
{
	struct secret *s = NULL;
	char c;
	int fd;

	(void)arg;
	CHILD_CHECK(check_protection("memfd_secret") == 0);
	/* The kernel itself cannot read it. */
	CHILD_CHECK(secret_new(8, &s) == STATUS_OK);
	secret_set(s, "x", 1);
	fd = open("/proc/self/mem", O_RDONLY);
	CHILD_CHECK(fd >= 0);
	CHILD_CHECK(pread(fd, &c, 1, (off_t)(uintptr_t)secret_bytes(s)) < 0);
	CHILD_CHECK(pread(fd, &c, 1, (off_t)(uintptr_t)&fd) == 1);
	close(fd);
	secret_free(s);
	return 0;
}

static int protected_by_what_there_is(void *arg)
{
	(void)arg;
	return check_protection("mlock");
}

/* Debian 12's own kernel has it switched off, a newer one on: what the kernel
 * offers is what the arena must be made of. */
static void memfd_secret_hides_secrets_from_the_kernel(void **state)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	(void)state;
	if (fd >= 0)
		close(fd);
	assert_int_equal(child_run(fd >= 0 ? protected_by_memfd_secret :
					     protected_by_what_there_is,
				   NULL),
			 0);
}

static int protected_by_mlock(void *arg)
{
	(void)arg;
	CHILD_CHECK(deny_syscall(SYS_memfd_secret) == 0);
	return check_protection("mlock");
}

static void without_memfd_secret_the_arena_is_locked_memory(void **state)
{
	(void)state;
	assert_int_equal(child_run(protected_by_mlock, NULL), 0);
}

static int protected_for_a_short_life(void *arg)
{
	(void)arg;
	secret_short_lived();
	return check_protection("mlock");
}

static void a_short_lived_program_has_locked_memory(void **state)
{
	(void)state;
	assert_int_equal(child_run(protected_for_a_short_life, NULL), 0);
}

/* Without CAP_IPC_LOCK, which has no limit. */
static int become_nobody(void)
{
	if (geteuid() != 0)
		return 0;
	return setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 ||
	       setresuid(65534, 65534, 65534) != 0;
}

static int limit_locked(rlim_t soft, rlim_t hard)
{
	const struct rlimit limit = { soft, hard };

	return setrlimit(RLIMIT_MEMLOCK, &limit);
}

/* Does what is said of a want of memory name the remedy? */
static bool said(const char *remedy)
{
	struct reason why;

	reason_set(&why, STATUS_NO_MEMORY, "no locked memory for a key");
	return strncmp(why.text, "no locked memory for a key: ", 28) == 0 &&
	       strstr(why.text, remedy) != NULL;
}

static int exhaust(void *arg)
{
	struct secret *s[64] = { NULL };
	int n = 0, again = 0;

	if (arg != NULL)
		CHILD_CHECK(deny_syscall(SYS_memfd_secret) == 0);
	CHILD_CHECK(limit_locked(512 * 1024, 512 * 1024) == 0);
	CHILD_CHECK(become_nobody() == 0);
	while (n < 64 && secret_new(60000, &s[n]) == STATUS_OK)
		n++;
	CHILD_CHECK(n >= 4 && n < 9);
	CHILD_CHECK(s[n] == NULL);
	CHILD_CHECK(secret_new(60000, &s[n]) == STATUS_NO_MEMORY);
	CHILD_CHECK(said("may lock 512 KiB: raise that (systemd: "
			 "LimitMEMLOCK=; containers: --ulimit memlock="));
	/* What was given back can be had again, time after time. */
	for (again = 0; again < 100; again++) {
		secret_free(s[0]);
		s[0] = NULL;
		CHILD_CHECK(secret_new(60000, &s[0]) == STATUS_OK);
		CHILD_CHECK(secret_set(s[0], "x", 1) == STATUS_OK);
	}
	while (n-- > 0)
		secret_free(s[n]);
	return 0;
}

static void memory_that_cannot_be_locked_is_refused_cleanly(void **state)
{
	(void)state;
	assert_int_equal(child_run(exhaust, NULL), 0);
	assert_int_equal(child_run(exhaust, &state), 0);
}

static int refused_by_a_filter(void *arg)
{
	struct secret *s = NULL;
	struct reason why;

	(void)arg;
	CHILD_CHECK(deny_syscall(SYS_memfd_secret) == 0);
	CHILD_CHECK(deny_syscall(SYS_mlock) == 0);
	CHILD_CHECK(secret_new(1, &s) == STATUS_NO_MEMORY);
	CHILD_CHECK(said("a filter of system calls"));
	CHILD_CHECK(said("SystemCallFilter=@memlock"));
	/* Of other failures nothing is said. */
	reason_set(&why, STATUS_ERROR, "no");
	CHILD_CHECK(strcmp(why.text, "no") == 0);
	return 0;
}

static void a_filter_that_forbids_locking_is_named(void **state)
{
	(void)state;
	assert_int_equal(child_run(refused_by_a_filter, NULL), 0);
}

static int need_the_hard_limit(void *arg)
{
	struct secret *s[4] = { NULL };
	size_t i;

	(void)arg;
	CHILD_CHECK(limit_locked(4096, 1024 * 1024) == 0);
	CHILD_CHECK(become_nobody() == 0);
	for (i = 0; i < 4; i++)
		CHILD_CHECK(secret_new(60000, &s[i]) == STATUS_OK);
	for (i = 0; i < 4; i++)
		secret_free(s[i]);
	return 0;
}

static int live_on_64_kib(void *arg)
{
	struct secret *s = NULL;

	(void)arg;
	/* The hard limit of older systems is less than one chunk. */
	CHILD_CHECK(limit_locked(65536, 65536) == 0);
	CHILD_CHECK(become_nobody() == 0);
	CHILD_CHECK(secret_new(64, &s) == STATUS_OK);
	secret_free(s);
	return 0;
}

/* Both need an arena that was not used before: main() runs them first. */
static int limit_results[2];

static void the_soft_limit_is_raised_to_the_hard_one(void **state)
{
	(void)state;
	assert_int_equal(limit_results[0], 0);
}

static void a_limit_below_one_chunk_still_gives_small_secrets(void **state)
{
	(void)state;
	assert_int_equal(limit_results[1], 0);
}

static int use_inherited(void *arg)
{
	struct secret *inherited = arg, *own = NULL;

	/* Freeing it is allowed, and is all that is. */
	CHILD_CHECK(strcmp(secret_backing(), "none yet") == 0);
	CHILD_CHECK(secret_new(32, &own) == STATUS_OK);
	CHILD_CHECK(secret_set(own, "child", 5) == STATUS_OK);
	secret_free(inherited);
	CHILD_CHECK(strcmp(secret_bytes(own), "child") == 0);
	secret_free(own);
	return 0;
}

static int look_at_inherited(void *arg)
{
	signal(SIGSEGV, SIG_DFL);
	return secret_bytes(arg)[0] == 'p' ? 1 : 0;
}

static void a_forked_child_has_none_of_its_parents_secrets(void **state)
{
	struct secret *s = made(32, "parent");
	int status;

	(void)state;
	assert_int_equal(child_run(use_inherited, s), 0);
	assert_string_equal(secret_bytes(s), "parent");
	status = child_run(look_at_inherited, s);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	secret_free(s);
}

static void many_small_secrets_share_a_chunk(void **state)
{
	struct secret *s[160];
	uintptr_t low = UINTPTR_MAX, high = 0, at;
	size_t i;

	(void)state;
	for (i = 0; i < 160; i++) {
		s[i] = made(33, "thirty-three bytes of it, at most");
		at = (uintptr_t)secret_bytes(s[i]);
		low = at < low ? at : low;
		high = at > high ? at : high;
	}
	assert_in_range(high - low, 159 * 34, 128 * 1024);
	for (i = 0; i < 160; i++)
		secret_free(s[i]);
}

#define THREADS	   16
#define PER_THREAD 10
#define ROUNDS	   200

static void *work(void *arg)
{
	struct secret *s[PER_THREAD] = { NULL };
	unsigned char mark = *(unsigned char *)arg;
	uintptr_t wrong = 0;
	size_t i, j, round, n;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < PER_THREAD; i++) {
			n = 1 + (round * 37 + i * 91 + mark * 13u) % 5000;
			if (secret_new(n, &s[i]) != STATUS_OK)
				return (void *)1;
			wrong |= !zero(secret_buffer(s[i]), n + 1);
			memset(secret_buffer(s[i]), mark, n);
			secret_set_len(s[i], n);
		}
		for (i = 0; i < PER_THREAD; i++) {
			for (j = 0; j < secret_len(s[i]); j++)
				wrong |= secret_buffer(s[i])[j] != mark;
			secret_free(s[i]);
		}
	}
	return (void *)wrong;
}

static void threads_never_share_a_byte(void **state)
{
	pthread_t threads[THREADS];
	unsigned char marks[THREADS];
	void *wrong;
	size_t i;

	(void)state;
	for (i = 0; i < THREADS; i++) {
		marks[i] = (unsigned char)(i + 1);
		assert_int_equal(
			pthread_create(&threads[i], NULL, work, &marks[i]), 0);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

/* Memory of which we see every byte serves as a stack. */
#define STACK_BYTES (256 * 1024)
#define CANARY	    "k3ytUrn-CaNaRy"

static unsigned char stack[STACK_BYTES] __attribute__((aligned(16)));
static ucontext_t here, there;

static size_t canaries(void)
{
	size_t i, n = 0;

	for (i = 0; i + sizeof(CANARY) <= sizeof(stack); i++)
		n += memcmp(stack + i, CANARY, sizeof(CANARY) - 1) == 0;
	return n;
}

static void on_our_stack(void (*run)(void))
{
	memset(stack, 0, sizeof(stack));
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = &here;
	makecontext(&there, run, 0);
	swapcontext(&here, &there);
}

/* A sanitizer may keep a function's variables elsewhere than on the stack, to
 * find who uses them later. */
#define ON_THE_STACK __attribute__((noinline, no_sanitize("address")))

static ON_THE_STACK void put_canary(char *p)
{
	memcpy(p, CANARY, sizeof(CANARY));
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

/* p is dead after the wipe: a compiler may remove memset() here. */
static ON_THE_STACK void use_and_wipe(void)
{
	char p[64];

	put_canary(p);
	secret_wipe(p, sizeof(p));
}

static ON_THE_STACK void use_and_leave(void)
{
	char p[64];

	put_canary(p);
}

static void leave_and_scrub(void)
{
	use_and_leave();
	harden_scrub_stack();
}

static void a_wipe_survives_the_optimiser(void **state)
{
	(void)state;
	on_our_stack(use_and_leave);
	assert_int_not_equal(canaries(), 0); /* so the search works */
	on_our_stack(use_and_wipe);
	assert_int_equal(canaries(), 0);
}

static void scrubbing_removes_what_callees_left_on_the_stack(void **state)
{
	(void)state;
	on_our_stack(leave_and_scrub);
	/* Instrumented frames have gaps that the scrub need not reach. */
	if (!sanitized())
		assert_int_equal(canaries(), 0);
}

static void a_secret_travels_through_a_pipe(void **state)
{
	struct secret *s = NULL, *back = NULL;
	size_t i, n = 20000;
	int fds[2];

	(void)state;
	assert_int_equal(secret_new(n, &s), STATUS_OK);
	for (i = 0; i < n; i++)
		secret_buffer(s)[i] = (unsigned char)(1 + i % 251);
	secret_set_len(s, n);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(secret_write_fd(s, fds[1]), STATUS_OK);
	close(fds[1]);
	assert_int_equal(secret_read_fd(fds[0], n, &back), STATUS_OK);
	assert_true(secret_equal(s, back));
	close(fds[0]);
	secret_free(s);
	secret_free(back);
}

static enum status read_back(const char *bytes, size_t n, size_t max,
			     struct secret **ret)
{
	enum status s;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], bytes, n), n);
	close(fds[1]);
	s = secret_read_fd(fds[0], max, ret);
	close(fds[0]);
	return s;
}

static void one_newline_at_the_end_is_dropped(void **state)
{
	static const struct {
		const char *in;
		const char *out; /* NULL: too long for 4 */
	} cases[] = {
		{ "abcd", "abcd" },	{ "abcd\n", "abcd" },
		{ "abcd\r\n", "abcd" }, { "abc\n\n", "abc\n" },
		{ "abc\r", "abc\r" },	{ "\n", "" },
		{ "\r\n", "" },		{ "", "" },
		{ "abcde", NULL },	{ "abcde\n", NULL },
		{ "abcd\n\n", NULL },	{ "abcd\r\n\n", NULL },
		{ "abcd\r", NULL },
	};
	struct secret *s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = NULL;
		if (cases[i].out == NULL) {
			assert_int_equal(read_back(cases[i].in,
						   strlen(cases[i].in), 4, &s),
					 STATUS_LIMIT);
			assert_null(s);
			continue;
		}
		assert_int_equal(read_back(cases[i].in, strlen(cases[i].in), 4,
					   &s),
				 STATUS_OK);
		assert_string_equal(secret_bytes(s), cases[i].out);
		assert_int_equal(secret_cap(s), 4);
		secret_free(s);
	}
}

static void a_failed_write_or_read_says_why_in_errno(void **state)
{
	struct secret *s = made(8, "x"), *none = NULL;
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	assert_true(fd >= 0);
	errno = 0;
	assert_int_equal(secret_write_fd(s, fd), STATUS_ERROR);
	assert_int_equal(errno, ENOSPC);
	errno = 0;
	assert_int_equal(secret_read_fd(fd, 10, &none), STATUS_ERROR);
	assert_int_equal(errno, EBADF);
	assert_int_equal(secret_read_fd(fd, 0, &none), STATUS_LIMIT);
	assert_null(none);
	close(fd);
	secret_free(s);
}

static void a_secret_made_of_bytes_has_room_for_them_only(void **state)
{
	struct secret *s = NULL;

	(void)state;
	assert_int_equal(secret_from("abcd", 3, &s), STATUS_OK);
	assert_string_equal(secret_bytes(s), "abc");
	assert_int_equal(secret_append(s, "d", 1), STATUS_LIMIT);
	secret_free(s);
	s = NULL;
	assert_int_equal(secret_from("", 0, &s), STATUS_LIMIT);
	assert_null(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_made_of_bytes_has_room_for_them_only),
		cmocka_unit_test(the_soft_limit_is_raised_to_the_hard_one),
		cmocka_unit_test(
			a_limit_below_one_chunk_still_gives_small_secrets),
		cmocka_unit_test(a_secret_holds_bytes_followed_by_a_nul),
		cmocka_unit_test(what_does_not_fit_leaves_the_content_alone),
		cmocka_unit_test(capacities_outside_the_limits_are_refused),
		cmocka_unit_test(every_capacity_has_room_for_its_nul),
		cmocka_unit_test(an_append_may_come_from_the_secret_itself),
		cmocka_unit_test(
			secrets_are_equal_only_in_all_bytes_and_length),
		cmocka_unit_test(what_is_dropped_is_wiped),
		cmocka_unit_test(a_length_beyond_the_capacity_ends_the_program),
		cmocka_unit_test(memfd_secret_hides_secrets_from_the_kernel),
		cmocka_unit_test(
			without_memfd_secret_the_arena_is_locked_memory),
		cmocka_unit_test(a_short_lived_program_has_locked_memory),
		cmocka_unit_test(
			memory_that_cannot_be_locked_is_refused_cleanly),
		cmocka_unit_test(a_filter_that_forbids_locking_is_named),
		cmocka_unit_test(
			a_forked_child_has_none_of_its_parents_secrets),
		cmocka_unit_test(many_small_secrets_share_a_chunk),
		cmocka_unit_test(threads_never_share_a_byte),
		cmocka_unit_test(a_wipe_survives_the_optimiser),
		cmocka_unit_test(
			scrubbing_removes_what_callees_left_on_the_stack),
		cmocka_unit_test(a_secret_travels_through_a_pipe),
		cmocka_unit_test(one_newline_at_the_end_is_dropped),
		cmocka_unit_test(a_failed_write_or_read_says_why_in_errno),
	};

	limit_results[0] = child_run(need_the_hard_limit, NULL);
	limit_results[1] = child_run(live_on_64_kib, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
