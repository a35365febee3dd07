/* SPDX-License-Identifier: PostgreSQL */
/* Linked with libwipe.a as the programs are.  Freed memory is looked at on
 * purpose, through addresses the compiler cannot follow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>

#include "tests/unit/base/sanitized.h"

#define SMALL 200 /* stays in the thread's cache of free chunks */
#define LINKS 16  /* of those, the allocator writes into the first bytes */

/* An address that the compiler knows nothing of. */
static uintptr_t hidden(uintptr_t at)
{
	__asm__ __volatile__("" : "+r"(at) : : "memory");
	return at;
}

static uintptr_t filled(size_t n)
{
	unsigned char *p = malloc(n);

	assert_non_null(p);
	memset(p, 'x', n);
	return hidden((uintptr_t)p);
}

static void give_back(uintptr_t at)
{
	free((void *)hidden(at));
}

static uintptr_t resized(uintptr_t at, size_t n)
{
	return hidden((uintptr_t)realloc((void *)hidden(at), n));
}

/* How many bytes of [from, to) behind the address still are what was there. */
static size_t left(uintptr_t at, size_t from, size_t to)
{
	const volatile unsigned char *p = (void *)hidden(at);
	size_t i, n = 0;

	for (i = from; i < to; i++)
		n += p[i] == 'x';
	return n;
}

static void the_programs_free_is_the_one_all_libraries_use(void **state)
{
	void *shared;

	(void)state;
	if (sanitized())
		skip();
	shared = dlsym(RTLD_NEXT, "free");
	assert_non_null(shared);
	assert_ptr_not_equal(dlsym(RTLD_DEFAULT, "free"), shared);
	assert_ptr_not_equal(dlsym(RTLD_DEFAULT, "realloc"),
			     dlsym(RTLD_NEXT, "realloc"));
}

static void freed_memory_is_wiped(void **state)
{
	uintptr_t at;

	(void)state;
	if (sanitized())
		skip();
	at = filled(SMALL);
	assert_int_equal(left(at, 0, SMALL), SMALL);
	errno = ERANGE;
	give_back(at);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(left(at, LINKS, SMALL), 0);
	free(NULL);
}

static void memory_freed_inside_the_c_library_is_wiped(void **state)
{
	char *line = NULL;
	size_t size = 0;
	uintptr_t at;
	FILE *f;

	(void)state;
	if (sanitized())
		skip();
	/* getline() grows its buffer with the realloc() of the process. */
	f = fmemopen("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
		     161, "r");
	assert_non_null(f);
	line = malloc(100);
	assert_non_null(line);
	at = (uintptr_t)line;
	size = 100;
	assert_int_equal(getline(&line, &size, f), 161);
	assert_ptr_not_equal((void *)at, line);
	assert_int_equal(left(at, LINKS, 100), 0);
	assert_int_equal(left((uintptr_t)line, 0, 160), 160);
	free(line);
	fclose(f);
}

static void a_moved_block_keeps_its_bytes_and_leaves_none(void **state)
{
	uintptr_t at, moved;

	(void)state;
	if (sanitized())
		skip();
	at = filled(SMALL);
	moved = resized(at, 50 * SMALL);
	assert_true(moved != 0 && moved != at);
	assert_int_equal(left(moved, 0, SMALL), SMALL);
	assert_int_equal(left(at, LINKS, SMALL), 0);
	give_back(moved);
}

static void a_shrunk_block_loses_its_tail(void **state)
{
	uintptr_t at, same, small;

	(void)state;
	if (sanitized())
		skip();
	at = filled(SMALL);
	same = resized(at, SMALL - 50);
	assert_true(same == at);
	assert_int_equal(left(at, 0, SMALL - 50), SMALL - 50);
	assert_int_equal(left(at, SMALL - 50, SMALL), 0);
	small = resized(at, 10);
	assert_true(small != 0);
	assert_int_equal(left(small, 0, 10), 10);
	assert_int_equal(left(at, LINKS, SMALL), 0);
	give_back(small);
}

static void realloc_keeps_its_contract(void **state)
{
	volatile size_t huge = PTRDIFF_MAX;
	uintptr_t at;
	void *p;

	(void)state;
	if (sanitized())
		skip();
	p = realloc(NULL, 10);
	assert_non_null(p);
	assert_true(malloc_usable_size(p) >= 10);
	free(p);
	at = filled(SMALL);
	errno = 0;
	assert_int_equal(resized(at, huge), 0);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(left(at, 0, SMALL), SMALL);
	give_back(at);
}

static void every_size_survives_growing_and_shrinking(void **state)
{
	unsigned char *p = NULL, *q;
	size_t n, last = 0, i;
	unsigned seed = 1;
	int round;

	(void)state;
	for (round = 0; round < 2000; round++) {
		seed = seed * 1103515245u + 12345u;
		n = 1 + (seed >> 8) % (round % 10 == 0 ? 300000 : 3000);
		q = realloc(p, n);
		assert_non_null(q);
		p = q;
		for (i = 0; i < last && i < n; i++)
			assert_int_equal(p[i], i % 251);
		for (; i < n; i++)
			p[i] = (unsigned char)(i % 251);
		last = n;
	}
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_programs_free_is_the_one_all_libraries_use),
		cmocka_unit_test(freed_memory_is_wiped),
		cmocka_unit_test(memory_freed_inside_the_c_library_is_wiped),
		cmocka_unit_test(a_moved_block_keeps_its_bytes_and_leaves_none),
		cmocka_unit_test(a_shrunk_block_loses_its_tail),
		cmocka_unit_test(realloc_keeps_its_contract),
		cmocka_unit_test(every_size_survives_growing_and_shrinking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
