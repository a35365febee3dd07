/* SPDX-License-Identifier: PostgreSQL */
/*
 * The arena of locked memory that secrets live in; must never let a byte of
 * one reach swap, a core file, a forked child or freed memory.
 *
 * A chunk is one mapping between two guard pages, cut into units.  What is in
 * use is recorded outside of it, so that an overrun of a secret cannot lead the
 * allocator astray.
 */
#include "base/secret_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/reason.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447 /* the same on every architecture that has it */
#endif

#define CHUNK_BYTES (128 * 1024) /* guard pages included */

struct secret_chunk {
	struct secret_chunk *next;
	unsigned char *map; /* of map_bytes, guard pages included */
	size_t map_bytes;
	unsigned char *base; /* of units * SECRET_UNIT bytes */
	size_t units;
	size_t free_units;
	size_t low;	      /* no unit before this one is free */
	unsigned char used[]; /* one for each unit: 0 or 1 */
};

enum backing { BACKING_NONE, BACKING_MEMFD_SECRET, BACKING_MLOCK };

static struct {
	pthread_mutex_t lock;
	struct secret_chunk *chunks;
	enum backing backing;	  /* the weakest one in use */
	unsigned long generation; /* goes up in a forked child */
} arena = { .lock = PTHREAD_MUTEX_INITIALIZER };

static pthread_once_t prepared = PTHREAD_ONCE_INIT;

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
	struct secret_chunk *c, *next;

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
	errno = error;
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
		int error = errno;

		munmap(map, n);
		errno = error;
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
static struct secret_chunk *chunk_new(size_t map_bytes)
{
	size_t page = page_size();
	size_t units = (map_bytes - 2 * page) / SECRET_UNIT;
	struct secret_chunk *c;

	c = calloc(1, sizeof(*c) + units);
	if (c == NULL)
		return NULL;
	c->map = map_some(map_bytes);
	if (c->map == NULL) {
		free(c); /* which leaves errno */
		return NULL;
	}
	c->map_bytes = map_bytes;
	c->base = c->map + page;
	c->units = c->free_units = units;
	/* Touch every page now, not when a password is at hand. */
	secret_wipe(c->base, units * SECRET_UNIT);
	c->next = arena.chunks;
	arena.chunks = c;
	return c;
}

/* A chunk that has at least need units free in one piece.  When memory is
 * short, one that is just large enough. */
static struct secret_chunk *chunk_grow(size_t need)
{
	size_t page = page_size();
	size_t exact = (need * SECRET_UNIT + page - 1) / page * page + 2 * page;
	struct secret_chunk *c = NULL;

	if (exact < CHUNK_BYTES)
		c = chunk_new(CHUNK_BYTES);
	return c != NULL ? c : chunk_new(exact);
}

/* First fit: the start of need free units in a row. */
static bool chunk_find(struct secret_chunk *c, size_t need, size_t *ret_first)
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

static _Thread_local char shortage[REASON_MAX / 2];

const char *secret_arena_shortage(void)
{
	return shortage;
}

/* Who reads it can raise the limit, where it is one, or open the filter. */
static void say_shortage(int error)
{
	struct rlimit limit = { 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (error == ENOSYS || (error == EPERM && limit.rlim_cur > 0))
		snprintf(shortage, sizeof(shortage),
			 "a filter of system calls keeps this process from "
			 "locking memory: allow mlock or memfd_secret "
			 "(systemd: SystemCallFilter=@memlock; containers: the "
			 "seccomp profile)");
	else if (limit.rlim_cur == RLIM_INFINITY ||
		 (error != EAGAIN && error != ENOMEM && error != EPERM))
		shortage[0] = '\0';
	else
		snprintf(
			shortage, sizeof(shortage),
			"this process may lock %llu KiB: raise that (systemd: "
			"LimitMEMLOCK=; containers: --ulimit memlock=; shells: "
			"ulimit -l), or let it lock without a limit (--cap-add "
			"IPC_LOCK)",
			(unsigned long long)limit.rlim_cur / 1024);
}

bool secret_arena_take(struct secret *s, size_t need)
{
	struct secret_chunk *c;
	size_t first = 0;
	bool found = false;
	int error = 0;

	pthread_once(&prepared, prepare);
	pthread_mutex_lock(&arena.lock);
	for (c = arena.chunks; c != NULL; c = c->next)
		if (chunk_find(c, need, &first)) {
			found = true;
			break;
		}
	if (!found) {
		c = chunk_grow(need);
		error = errno;
		found = c != NULL && chunk_find(c, need, &first);
	}
	if (found) {
		memset(c->used + first, 1, need); /* not secret */
		c->free_units -= need;
		s->chunk = c;
		s->first = first;
		s->units = need;
		s->bytes = c->base + first * SECRET_UNIT;
		s->generation = arena.generation;
	}
	pthread_mutex_unlock(&arena.lock);
	if (!found)
		say_shortage(error);
	return found;
}

/* Unmap c when it is empty, unless it is the last one that is of use to small
 * secrets: mapping again for each would be dear. */
static void chunk_release(struct secret_chunk *c)
{
	struct secret_chunk **at, *other;

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

void secret_arena_give(struct secret *s)
{
	struct secret_chunk *c = s->chunk;

	pthread_mutex_lock(&arena.lock);
	if (s->generation == arena.generation) {
		secret_wipe(s->bytes, s->units * SECRET_UNIT);
		memset(c->used + s->first, 0, s->units); /* not secret */
		c->free_units += s->units;
		if (s->first < c->low)
			c->low = s->first;
		chunk_release(c);
	}
	pthread_mutex_unlock(&arena.lock);
}

void secret_arena_without_memfd(void)
{
	pthread_mutex_lock(&arena.lock);
	arena.backing = BACKING_MLOCK;
	pthread_mutex_unlock(&arena.lock);
}

const char *secret_arena_backing(void)
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
