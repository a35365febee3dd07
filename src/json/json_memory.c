/* SPDX-License-Identifier: PostgreSQL */
/* The memory of JSON documents.  Must never give it back with what it held. */
#include "json/json_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/secret.h"

void json_memory_free(void *p)
{
	if (!p)
		return;
	secret_wipe(p, malloc_usable_size(p));
	free(p);
}

/* jansson 2.14 grows its buffers by malloc, copy and free, so that these two
 * are all of it. */
static void install_allocator(void)
{
	json_set_alloc_funcs(malloc, json_memory_free);
}

void json_memory_setup(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install_allocator);
}
