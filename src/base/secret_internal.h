/* SPDX-License-Identifier: PostgreSQL */
/* What secret.c and its arena share; no one else includes it. */
#ifndef KEYTURN_SECRET_INTERNAL_H
#define KEYTURN_SECRET_INTERNAL_H

#include "base/secret.h"

/* What the arena is cut into, in bytes. */
#define SECRET_UNIT 64

struct secret_chunk;

struct secret {
	struct secret_chunk *chunk;
	size_t first, units; /* what it occupies of its chunk */
	unsigned char *bytes;
	size_t len, cap;
	unsigned long generation;
};

/* Give s need units of locked memory, and set chunk, first, units, bytes and
 * generation.  false: the arena cannot grow. */
bool secret_arena_take(struct secret *s, size_t need);

/* Wipe what s occupies and take it back, unless s is a handle of the process
 * that we were forked from. */
void secret_arena_give(struct secret *s);

/* What else this thread's sentences with STATUS_NO_MEMORY say at their end: which
 * limit was met last and how to raise it; "" for nothing. */
const char *secret_arena_shortage(void);

/* What secret_short_lived() does. */
void secret_arena_without_memfd(void);

/* What secret_backing() says. */
const char *secret_arena_backing(void);

#endif
