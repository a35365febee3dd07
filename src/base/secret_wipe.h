/* SPDX-License-Identifier: PostgreSQL */
#ifndef KEYTURN_SECRET_WIPE_H
#define KEYTURN_SECRET_WIPE_H

#include <stddef.h>

/* Overwrite n bytes at p in a way the compiler may not remove. */
void secret_wipe(void *p, size_t n);

#endif
