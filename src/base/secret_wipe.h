/* SPDX-License-Identifier: PostgreSQL */
#ifndef KEYTURN_SECRET_WIPE_H
#define KEYTURN_SECRET_WIPE_H

#include <stddef.h>

/* Overwrite n bytes at p in a way the compiler may not remove. */
void secret_wipe(void *p, size_t n);

/* free() and realloc() for libraries that hold secrets: what is given back is wiped
 * first. */
void secret_wipe_free(void *p);
void *secret_wipe_realloc(void *p, size_t n);

#endif
