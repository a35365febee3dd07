/* SPDX-License-Identifier: PostgreSQL */
/*
 * Finds things by a hash of their key.  A thing has a struct map_link as its
 * first member and is in one map at most; it stays its owner's.  Not against
 * keys that an adversary chooses to collide.
 */
#ifndef KEYTURN_MAP_H
#define KEYTURN_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_link {
	struct map_link *next; /* of the same bucket */
	uint32_t hash;
};

struct map;

/* With so many buckets (1 or more): chains are as long as there are more things
 * than that.  NULL without memory. */
struct map *map_new(size_t buckets);
void map_free(struct map *m); /* not what is in it; takes NULL */

/* FNV-1a: begin with MAP_HASH and go on with what the last call returned. */
#define MAP_HASH 2166136261u
uint32_t map_hash(uint32_t hash, const void *p, size_t n);
/* With its NUL, so that "ab", "c" is not "a", "bc". */
uint32_t map_hash_text(uint32_t hash, const char *s);

/* Is it the one with this key? */
typedef bool map_is_fn(const void *thing, const void *key);

/* NULL: there is none. */
void *map_find(const struct map *m, uint32_t hash, map_is_fn *is,
	       const void *key);
void map_put(struct map *m, void *thing, uint32_t hash);
/* One that is in it. */
void map_remove(struct map *m, void *thing);

size_t map_count(const struct map *m);
/* The thing behind `after` (NULL: the first), in no order; NULL at the end.  Get
 * the next one before this one is removed. */
void *map_next(const struct map *m, const void *after);

#endif
