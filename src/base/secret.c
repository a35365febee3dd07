/* SPDX-License-Identifier: PostgreSQL */
/*
 * The arena of locked memory that secrets live in, and the secrets; must never
 * let a byte of one reach swap, a core file, a forked child or freed memory.
 *
 * A chunk is one mapping between two guard pages, cut into units of UNIT bytes.
 * What is in use is recorded outside of it, so that an overrun of a secret
 * cannot lead the allocator astray.
 */
#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* the same on every architecture that has it */
#endif

#define UNIT	      64
#define CHUNK_BYTES   (128 * 1024) /* guard pages included */
#define BOUNCE_BYTES  4096
#define NEWLINE_BYTES 2 /* "\r\n" behind a secret that is read from a file */

struct chunk {
	struct chunk *next;
	unsigned char *map; /* of map_bytes, guard pages included */
	size_t map_bytes;
	unsigned char *base; /* of units * UNIT bytes */
	size_t units;
	size_t free_units;
	size_t low;	      /* no unit before this one is free */
	unsigned char used[]; /* one for each unit: 0 or 1 */
};

struct secret {
	struct chunk *chunk;
	size_t first, units; /* what it occupies of its chunk */
	unsigned char *bytes;
	size_t len, cap;
	unsigned long generation;
};

enum backing { BACKING_NONE, BACKING_MEMFD_SECRET, BACKING_MLOCK };

static struct {
	pthread_mutex_t lock;
	struct chunk *chunks;
	enum backing backing;	  /* the weakest one in use */
	unsigned long generation; /* goes up in a forked child */
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER };

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

void secret_wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	explicit_bzero(p, n);
	/* Link-time optimisation sees no further than this. */
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

static void before_fork(void)
{
	pthread_mutex_lock(&arena.lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&arena.lock);
}

/* The child has none of the chunks (MADV_DONTFORK).  It begins a new arena, and
 * secret_free() knows the parent's handles by their generation. */
static void after_fork_in_child(void)
{
	struct chunk *c, *next;

	for (c = arena.chunks; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	arena.chunks = NULL;
	arena.backing = BACKING_NONE;
	arena.generation++;
	pthread_mutex_unlock(&arena.lock);
}

static void prepare(void)
{
	struct rlimit limit;

	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
	/* Best effort: what we may lock shows when we lock it. */
	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
	    limit.rlim_cur != limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_MEMLOCK, &limit);
	}
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Guard pages, and what a child or a core file must not have.  The whole map
 * is released on failure. */
static bool protect(unsigned char *map, size_t n)
{
	size_t page = page_size();

	if (mprotect(map, page, PROT_NONE) == 0 &&
	    mprotect(map + n - page, page, PROT_NONE) == 0 &&
	    madvise(map, n, MADV_DONTFORK) == 0 &&
	    madvise(map, n, MADV_DONTDUMP) == 0)
		return true;
	munmap(map, n);
	return false;
}

/*
 * Memory that the kernel itself cannot read (memfd_secret(2)); it is locked and
 * counts against RLIMIT_MEMLOCK.  NULL when there is none; *ret_try_mlock says
 * whether that is for want of the feature.
 */
static unsigned char *map_memfd_secret(size_t n, bool *ret_try_mlock)
{
	void *map = MAP_FAILED;
	int fd, error;

	fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	if (fd < 0) {
		*ret_try_mlock = errno != EMFILE && errno != ENFILE &&
				 errno != ENOMEM;
		return NULL;
	}
	*ret_try_mlock = false;
	if (ftruncate(fd, (off_t)n) == 0)
		map = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	error = errno;
	close(fd);
	if (map == MAP_FAILED) {
		*ret_try_mlock = error != EAGAIN && error != ENOMEM;
		return NULL;
	}
	return protect(map, n) ? map : NULL;
}

static unsigned char *map_locked(size_t n)
{
	size_t page = page_size();
	unsigned char *map;

	map = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	/* Not mlock(): the sanitizers make that one do nothing. */
	if (mlock2(map + page, n - 2 * page, 0) != 0) {
		munmap(map, n);
		return NULL;
	}
	return protect(map, n) ? map : NULL;
}

static unsigned char *map_some(size_t n)
{
	enum backing got = BACKING_MEMFD_SECRET;
	bool try_mlock = true;
	unsigned char *map = NULL;

	if (arena.backing != BACKING_MLOCK)
		map = map_memfd_secret(n, &try_mlock);
	if (map == NULL && try_mlock) {
		map = map_locked(n);
		got = BACKING_MLOCK;
	}
	if (map != NULL && got > arena.backing)
		arena.backing = got;
	return map;
}

/* A chunk of map_bytes in all, in front of the list; NULL if there is none. */
static struct chunk *chunk_new(size_t map_bytes)
{
	size_t page = page_size();
	size_t units = (map_bytes - 2 * page) / UNIT;
	struct chunk *c;

	c = calloc(1, sizeof(*c) + units);
	if (c == NULL)
		return NULL;
	c->map = map_some(map_bytes);
	if (c->map == NULL) {
		free(c);
		return NULL;
	}
	c->map_bytes = map_bytes;
	c->base = c->map + page;
	c->units = c->free_units = units;
	/* Touch every page now, not when a password is at hand. */
	secret_wipe(c->base, units * UNIT);
	c->next = arena.chunks;
	arena.chunks = c;
	return c;
}

/* A chunk that has at least need units free in one piece.  When memory is
 * short, one that is just large enough. */
static struct chunk *chunk_grow(size_t need)
{
	size_t page = page_size();
	size_t exact = (need * UNIT + page - 1) / page * page + 2 * page;
	struct chunk *c = NULL;

	if (exact < CHUNK_BYTES)
		c = chunk_new(CHUNK_BYTES);
	return c != NULL ? c : chunk_new(exact);
}

/* First fit: the start of need free units in a row. */
static bool chunk_find(struct chunk *c, size_t need, size_t *ret_first)
{
	size_t i, run = 0;

	if (c->free_units < need)
		return false;
	while (c->low < c->units && c->used[c->low])
		c->low++;
	for (i = c->low; i < c->units; i++) {
		run = c->used[i] ? 0 : run + 1;
		if (run == need) {
			*ret_first = i + 1 - need;
			return true;
		}
	}
	return false;
}

static bool arena_take(struct secret *s, size_t need)
{
	struct chunk *c;
	size_t first = 0;
	bool found = false;

	pthread_mutex_lock(&arena.lock);
	for (c = arena.chunks; c != NULL; c = c->next)
		if (chunk_find(c, need, &first)) {
			found = true;
			break;
		}
	if (!found) {
		c = chunk_grow(need);
		found = c != NULL && chunk_find(c, need, &first);
	}
	if (found) {
		memset(c->used + first, 1, need); /* not secret */
		c->free_units -= need;
		s->chunk = c;
		s->first = first;
		s->units = need;
		s->bytes = c->base + first * UNIT;
		s->generation = arena.generation;
	}
	pthread_mutex_unlock(&arena.lock);
	return found;
}

/* Unmap c when it is empty, unless it is the last one that is of use to small
 * secrets: mapping anew for each would be dear. */
static void chunk_release(struct chunk *c)
{
	struct chunk **at, *other;

	if (c->free_units != c->units)
		return;
	if (c->map_bytes == CHUNK_BYTES) {
		for (other = arena.chunks; other != NULL; other = other->next)
			if (other != c && other->free_units > 0)
				break;
		if (other == NULL)
			return;
	}
	for (at = &arena.chunks; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	munmap(c->map, c->map_bytes);
	free(c);
}

static void arena_give(struct secret *s)
{
	struct chunk *c = s->chunk;

	pthread_mutex_lock(&arena.lock);
	if (s->generation == arena.generation) {
		secret_wipe(s->bytes, s->units * UNIT);
		memset(c->used + s->first, 0, s->units); /* not secret */
		c->free_units += s->units;
		if (s->first < c->low)
			c->low = s->first;
		chunk_release(c);
	}
	pthread_mutex_unlock(&arena.lock);
}

/* A secret with room for cap bytes, more bytes that its owner does not see,
 * and the NUL. */
static enum status make(size_t cap, size_t more, struct secret **ret_secret)
{
	struct secret *s;

	pthread_once(&prepared, prepare);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return STATUS_NO_MEMORY;
	if (!arena_take(s, (cap + more + UNIT) / UNIT)) {
		free(s);
		return STATUS_NO_MEMORY;
	}
	s->cap = cap + more;
	*ret_secret = s;
	return STATUS_OK;
}

enum status secret_new(size_t cap, struct secret **ret_secret)
{
	if (cap == 0 || cap > SECRET_CAP_MAX)
		return STATUS_LIMIT;
	return make(cap, 0, ret_secret);
}

void secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	arena_give(s);
	free(s);
}

void secret_set_len(struct secret *s, size_t n)
{
	/* Whoever says so has already written behind the end. */
	if (n > s->cap)
		abort();
	s->len = n;
	secret_wipe(s->bytes + n, s->cap - n + 1);
}

void secret_clear(struct secret *s)
{
	secret_set_len(s, 0);
}

enum status secret_set(struct secret *s, const void *bytes, size_t n)
{
	if (n > s->cap)
		return STATUS_LIMIT;
	/* memmove(): bytes may be a part of s. */
	if (n > 0)
		memmove(s->bytes, bytes, n);
	secret_set_len(s, n);
	return STATUS_OK;
}

enum status secret_append(struct secret *s, const void *bytes, size_t n)
{
	if (n > s->cap - s->len)
		return STATUS_LIMIT;
	if (n > 0)
		memmove(s->bytes + s->len, bytes, n);
	s->len += n;
	s->bytes[s->len] = '\0';
	return STATUS_OK;
}

enum status secret_copy(const struct secret *s, struct secret **ret_secret)
{
	struct secret *copy = NULL;
	enum status st;

	st = make(s->cap, 0, &copy);
	if (st != STATUS_OK)
		return st;
	secret_set(copy, s->bytes, s->len);
	*ret_secret = copy;
	return STATUS_OK;
}

const char *secret_bytes(const struct secret *s)
{
	return (const char *)s->bytes;
}

unsigned char *secret_buffer(struct secret *s)
{
	return s->bytes;
}

size_t secret_len(const struct secret *s)
{
	return s->len;
}

size_t secret_cap(const struct secret *s)
{
	return s->cap;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	const volatile unsigned char *p = a->bytes, *q = b->bytes;
	unsigned char differ = 0;
	size_t i;

	if (a->len != b->len)
		return false;
	for (i = 0; i < a->len; i++)
		differ |= p[i] ^ q[i];
	return differ == 0;
}

static bool write_all(int fd, const unsigned char *p, size_t n)
{
	ssize_t done;

	while (n > 0) {
		done = write(fd, p, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

enum status secret_write_fd(const struct secret *s, int fd)
{
	/* Some file systems read the caller's pages from the kernel's side,
	 * where memfd_secret memory does not exist. */
	unsigned char bounce[BOUNCE_BYTES];
	enum status st = STATUS_OK;
	size_t at, n;
	int saved;

	for (at = 0; at < s->len && st == STATUS_OK; at += n) {
		n = s->len - at;
		if (n > sizeof(bounce))
			n = sizeof(bounce);
		memcpy(bounce, s->bytes + at, n);
		if (!write_all(fd, bounce, n))
			st = STATUS_ERROR;
	}
	saved = errno;
	secret_wipe(bounce, sizeof(bounce));
	errno = saved;
	return st;
}

static void drop_newline(struct secret *s)
{
	size_t n = s->len;

	if (n > 0 && s->bytes[n - 1] == '\n') {
		n--;
		if (n > 0 && s->bytes[n - 1] == '\r')
			n--;
		secret_set_len(s, n);
	}
}

/* Until the end of fd, or until s is full and there is more. */
static enum status read_all(int fd, struct secret *s)
{
	unsigned char bounce[BOUNCE_BYTES];
	enum status st = STATUS_OK;
	ssize_t got;
	int saved;

	for (;;) {
		got = read(fd, bounce, sizeof(bounce));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			st = STATUS_ERROR;
		if (got <= 0)
			break;
		st = secret_append(s, bounce, (size_t)got);
		if (st != STATUS_OK)
			break;
	}
	saved = errno;
	secret_wipe(bounce, sizeof(bounce));
	errno = saved;
	return st;
}

enum status secret_read_fd(int fd, size_t max, struct secret **ret_secret)
{
	struct secret *s = NULL;
	enum status st;

	if (max == 0 || max > SECRET_CAP_MAX)
		return STATUS_LIMIT;
	st = make(max, NEWLINE_BYTES, &s);
	if (st != STATUS_OK)
		return st;
	st = read_all(fd, s);
	if (st != STATUS_OK)
		goto out;
	drop_newline(s);
	if (s->len > max) {
		st = STATUS_LIMIT;
		goto out;
	}
	s->cap = max;
	*ret_secret = s;
	s = NULL;
out:
	secret_free(s);
	return st;
}

const char *secret_backing(void)
{
	static const char *const names[] = {
		[BACKING_NONE] = "none yet",
		[BACKING_MEMFD_SECRET] = "memfd_secret",
		[BACKING_MLOCK] = "mlock",
	};
	enum backing b;

	pthread_mutex_lock(&arena.lock);
	b = arena.backing;
	pthread_mutex_unlock(&arena.lock);
	return names[b];
}
