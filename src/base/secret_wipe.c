/* SPDX-License-Identifier: PostgreSQL */
#include "base/secret_wipe.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void secret_wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	explicit_bzero(p, n);
	/* Link-time optimisation sees no further than this. */
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

void secret_wipe_free(void *p)
{
	if (!p)
		return;
	secret_wipe(p, malloc_usable_size(p));
	free(p);
}

void *secret_wipe_realloc(void *p, size_t n)
{
	size_t have;
	void *q;

	if (!p)
		return malloc(n);
	if (n == 0) {
		secret_wipe_free(p);
		return NULL;
	}
	have = malloc_usable_size(p);
	q = malloc(n);
	if (!q)
		return NULL;
	memcpy(q, p, n < have ? n : have);
	secret_wipe_free(p);
	return q;
}
