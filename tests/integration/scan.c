/* SPDX-License-Identifier: PostgreSQL */
/*
 * LD_PRELOAD library of the memory tests: writes out what the program has in
 * its own memory, at effects that preload.c counts and when the program ends.
 * It needs no right to trace, so it shows the same to root and to others; and
 * it can switch the program's wiping off, so that a test of it can fail.
 *
 * KEYTURN_SCAN_DIR   a folder that gets a file for each look: N for the one
 *                    before effect N, "exit" for the last one
 * KEYTURN_SCAN_EACH  look before effects 1, 1 + EACH, 1 + 2 EACH, ...; 0 or
 *                    absent: only at the end
 * KEYTURN_SCAN_WHOLE the last look has mapped files that cannot be written, too
 * KEYTURN_WIPE_OFF   free: free() and realloc() wipe nothing, as if libwipe.a
 *                    was not linked; all: of all that should be wiped only the
 *                    first byte is, so that strings end where they should
 *
 * A file is records of one line, "ADDRESS BYTES NAME", and BYTES bytes, for
 * every run of pages that are not all zero.
 *
 * The dead part of the stack is evidence: nothing here keeps a buffer on it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE	     4096
#define MAPS_BYTES   (1024 * 1024)
#define BOUNCE_BYTES (256 * 1024)
#define FUNCTION_MAX 256 /* of free() and realloc(), which lie together */

void keyturn_scan(long number);
void explicit_bzero(void *p, size_t n);
void __explicit_bzero_chk(void *p, size_t n, size_t room);

/* All that a look needs, in a mapping of its own, which is not looked at. */
static struct scanner {
	char folder[4096];
	char path[4200];
	char line[512];
	char maps[MAPS_BYTES];
	char bounce[BOUNCE_BYTES];
	struct iovec here, there;
	long each;
	int out;
} * scanner;

static enum { WIPE_ON, WIPE_NOT_IN_FREE, WIPE_OFF } wiping;

static void complain(const char *what)
{
	ssize_t ignored;

	ignored = syscall(SYS_write, 2, what, strlen(what));
	(void)ignored;
	syscall(SYS_exit_group, 125);
}

__attribute__((constructor)) static void start(void)
{
	const char *folder = getenv("KEYTURN_SCAN_DIR");
	const char *each = getenv("KEYTURN_SCAN_EACH");
	const char *off = getenv("KEYTURN_WIPE_OFF");

	if (off != NULL && strcmp(off, "free") == 0)
		wiping = WIPE_NOT_IN_FREE;
	else if (off != NULL && strcmp(off, "all") == 0)
		wiping = WIPE_OFF;
	else if (off != NULL)
		complain("scan: KEYTURN_WIPE_OFF is not understood\n");
	if (folder == NULL)
		return;
	scanner = mmap(NULL, sizeof(*scanner), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (scanner == MAP_FAILED || strlen(folder) >= sizeof(scanner->folder))
		complain("scan: no memory, or KEYTURN_SCAN_DIR is too long\n");
	memcpy(scanner->folder, folder, strlen(folder) + 1);
	scanner->each = each != NULL ? strtol(each, NULL, 10) : 0;
}

static void put(const void *bytes, size_t n)
{
	const char *p = bytes;
	long done;

	for (; n > 0; p += done, n -= (size_t)done) {
		done = syscall(SYS_write, scanner->out, p, n);
		if (done < 0)
			complain("scan: cannot write in KEYTURN_SCAN_DIR\n");
	}
}

/*
 * Up to n bytes at `from` into the bounce buffer: how many.  By the kernel,
 * which answers with an error where a read would be SIGBUS; but it cannot read
 * memfd_secret(2) memory, the program itself can.
 */
static size_t get(uintptr_t from, size_t n, bool arena)
{
	ssize_t got;

	if (arena) {
		memcpy(scanner->bounce, (const void *)from, n);
		return n;
	}
	scanner->here.iov_base = scanner->bounce;
	scanner->here.iov_len = n;
	scanner->there.iov_base = (void *)from;
	scanner->there.iov_len = n;
	got = process_vm_readv(getpid(), &scanner->here, 1, &scanner->there, 1,
			       0);
	return got > 0 ? (size_t)got : 0;
}

static bool is_zero(const char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

/* The pages of the bounce buffer that are not all zero, in runs. */
static void put_pages(uintptr_t from, size_t n, const char *name)
{
	size_t begin, end;

	for (begin = 0; begin < n; begin = end) {
		for (end = begin; end < n && !is_zero(scanner->bounce + end);)
			end += PAGE;
		if (end == begin) {
			end += PAGE;
			continue;
		}
		put(scanner->line,
		    (size_t)snprintf(scanner->line, sizeof(scanner->line),
				     "%zx %zu %s\n", (size_t)from + begin,
				     end - begin, name));
		put(scanner->bounce + begin, end - begin);
	}
}

static void show(uintptr_t from, uintptr_t to, const char *name)
{
	bool arena = strcmp(name, "arena") == 0;
	size_t got;

	while (from < to) {
		got = get(from,
			  to - from < BOUNCE_BYTES ? to - from : BOUNCE_BYTES,
			  arena);
		put_pages(from, got, name);
		from += got > 0 ? got : PAGE;
	}
}

/*
 * A mapping: its first line, "from-to perms offset dev inode name", and its
 * flags.  What is not given to a forked child ("dc") is where keyturn keeps
 * its secrets.
 */
static void show_mapping(char *line, const char *flags, bool whole)
{
	uintptr_t from, to;
	char *perms, *name;
	int skip;

	from = strtoull(line, &line, 16);
	to = strtoull(line + 1, &line, 16);
	perms = line + 1;
	for (name = perms, skip = 0; skip < 4; skip++) {
		name += strcspn(name, " ");
		name += strspn(name, " ");
	}
	if (perms[0] != 'r' || strncmp(name, "[v", 2) == 0 ||
	    (from <= (uintptr_t)scanner && (uintptr_t)scanner < to))
		return;
	if (!whole && perms[1] != 'w' && name[0] == '/')
		return;
	if (strstr(flags, " dc") != NULL)
		name = (char *)"arena";
	show(from, to, name[0] != '\0' ? name : "anonymous");
}

static void read_maps(void)
{
	size_t n = 0;
	long fd, got;

	fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/smaps",
		     O_RDONLY | O_CLOEXEC);
	do {
		got = syscall(SYS_read, fd, scanner->maps + n,
			      MAPS_BYTES - 1 - n);
		if (got < 0 || (size_t)got == MAPS_BYTES - 1 - n)
			complain("scan: cannot read /proc/self/smaps\n");
		n += (size_t)got;
	} while (got > 0);
	syscall(SYS_close, fd);
	scanner->maps[n] = '\0';
}

static void look(const char *name, bool whole)
{
	int saved = errno;
	char *line, *end, *mapping = NULL;

	snprintf(scanner->path, sizeof(scanner->path), "%s/%s", scanner->folder,
		 name);
	scanner->out = (int)syscall(SYS_openat, AT_FDCWD, scanner->path,
				    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				    0600);
	read_maps();
	for (line = scanner->maps; (end = strchr(line, '\n')) != NULL;
	     line = end + 1) {
		*end = '\0';
		if (strncmp(line, "VmFlags:", 8) == 0)
			show_mapping(mapping, line, whole);
		else if (line[0] < 'A' || line[0] > 'Z')
			mapping = line;
	}
	syscall(SYS_close, scanner->out);
	errno = saved;
}

/* preload.c calls it before each effect. */
void keyturn_scan(long number)
{
	static char name[24];

	if (scanner == NULL || scanner->each == 0 ||
	    (number - 1) % scanner->each != 0)
		return;
	snprintf(name, sizeof(name), "%ld", number);
	look(name, false);
}

__attribute__((destructor)) static void finish(void)
{
	if (scanner != NULL)
		look("exit", getenv("KEYTURN_SCAN_WHOLE") != NULL);
}

/* ---- wiping, switched off ---- */

/* Is the caller the program's own free() or realloc()? */
static bool gives_back(const void *caller)
{
	static uintptr_t of_free, of_realloc;

	if (of_free == 0) {
		of_realloc = (uintptr_t)dlsym(RTLD_DEFAULT, "realloc");
		of_free = (uintptr_t)dlsym(RTLD_DEFAULT, "free");
	}
	return (uintptr_t)caller - of_free < FUNCTION_MAX ||
	       (uintptr_t)caller - of_realloc < FUNCTION_MAX;
}

static void wipe(void *p, size_t n, const void *caller)
{
	if (wiping == WIPE_NOT_IN_FREE && gives_back(caller))
		return;
	if (wiping == WIPE_OFF && n > 1)
		n = 1;
	memset(p, 0, n);
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

void explicit_bzero(void *p, size_t n)
{
	wipe(p, n, __builtin_return_address(0));
}

void __explicit_bzero_chk(void *p, size_t n, size_t room)
{
	(void)room;
	wipe(p, n, __builtin_return_address(0));
}
