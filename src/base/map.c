/* SPDX-License-Identifier: PostgreSQL */
/* A hash table of things that others own; must never allocate after its
 * birth. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct map {
	size_t n_buckets, count;
	struct map_link *buckets[];
};

struct map *map_new(size_t buckets)
{
	struct map *m =
		calloc(1, sizeof(*m) + buckets * sizeof(struct map_link *));

	if (m)
		m->n_buckets = buckets;
	return m;
}

void map_free(struct map *m)
{
	free(m);
}

uint32_t map_hash(uint32_t hash, const void *p, size_t n)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash;
}

uint32_t map_hash_text(uint32_t hash, const char *s)
{
	return map_hash(hash, s, strlen(s) + 1);
}

void *map_find(const struct map *m, uint32_t hash, map_is_fn *is,
	       const void *key)
{
	struct map_link *l = m->buckets[hash % m->n_buckets];

	while (l && (l->hash != hash || !is(l, key)))
		l = l->next;
	return l;
}

void map_put(struct map *m, void *thing, uint32_t hash)
{
	struct map_link *l = thing, **at = &m->buckets[hash % m->n_buckets];

	l->hash = hash;
	l->next = *at;
	*at = l;
	m->count++;
}

void map_remove(struct map *m, void *thing)
{
	struct map_link *l = thing, **at = &m->buckets[l->hash % m->n_buckets];

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	m->count--;
}

size_t map_count(const struct map *m)
{
	return m->count;
}

void *map_next(const struct map *m, const void *after)
{
	const struct map_link *l = after;
	size_t b = 0;

	if (l && l->next)
		return l->next;
	if (l)
		b = l->hash % m->n_buckets + 1;
	for (; b < m->n_buckets; b++)
		if (m->buckets[b])
			return m->buckets[b];
	return NULL;
}
