/* SPDX-License-Identifier: PostgreSQL */
/*
 * free() and realloc() that wipe what they give back, for executables only;
 * must never be linked into a library or a module, whose host has its own.
 *
 * libpq, libcurl, jansson and OpenSSL leave copies of a password in freed
 * memory and offer no hook against it, or half of one.  An executable's own
 * free() takes precedence over the C library's for all of them
 * (rotation-safety.md section 4.1).  It is the one exception from the rule that
 * a file exports only names that begin with its own: these names are the point.
 *
 * The sanitizers bring their own allocator and take over the same names, so
 * there this file is empty.
 */
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WIPE_MALLOC_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define WIPE_MALLOC_OFF 1
#endif
#endif

#ifdef WIPE_MALLOC_OFF

/* C wants a declaration in every file. */
typedef int wipe_malloc_off;

#else

/* glibc's allocator under the names that it keeps for interposers. */
extern void *__libc_malloc(size_t n);
extern void __libc_free(void *p);

void free(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	__libc_free(p); /* keeps errno since glibc 2.33 */
}

/*
 * glibc's realloc() may move the bytes and leave the old copy behind, or give
 * back a tail, so it is not used at all.  A block stays where it is when the
 * new size fits and needs at least half of it.
 */
void *realloc(void *p, size_t n)
{
	size_t have;
	void *q;

	if (p == NULL)
		return __libc_malloc(n);
	if (n == 0) {
		/* As glibc does: realloc(p, 0) is free(p). */
		free(p);
		return NULL;
	}
	have = malloc_usable_size(p);
	if (n <= have && n >= have / 2) {
		explicit_bzero((char *)p + n, have - n);
		return p;
	}
	q = __libc_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(q, p, n < have ? n : have);
	free(p);
	return q;
}

#endif
