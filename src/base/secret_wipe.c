/* SPDX-License-Identifier: PostgreSQL */
#include "base/secret_wipe.h"

#include <string.h>

void secret_wipe(void *p, size_t n)
{
	if (n == 0)
		return;
	explicit_bzero(p, n);
	/* Link-time optimisation sees no further than this. */
	__asm__ __volatile__("" : : "r"(p) : "memory");
}
