/* SPDX-License-Identifier: PostgreSQL */
/* Keeps the last look at each pair; must never make two of them one. */
#include "open/engine/looks.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct look {
	char *role;
	struct schedule_retire_seen seen;
};

struct open_engine_looks {
	pthread_mutex_t lock; /* over everything below */
	void *tree;	      /* of struct look */
};

static int by_role(const void *a, const void *b)
{
	return strcmp(((const struct look *)a)->role,
		      ((const struct look *)b)->role);
}

static void free_look(void *thing)
{
	struct look *k = thing;

	free(k->role);
	free(k);
}

struct open_engine_looks *open_engine_looks_new(void)
{
	struct open_engine_looks *l = calloc(1, sizeof(*l));

	if (l)
		pthread_mutex_init(&l->lock, NULL);
	return l;
}

void open_engine_looks_free(struct open_engine_looks *l)
{
	if (!l)
		return;
	tdestroy(l->tree, free_look);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* Under the lock. */
static struct look *find(struct open_engine_looks *l, const char *role)
{
	const struct look key = { .role = (char *)role };
	struct look **at = tfind(&key, &l->tree, by_role);

	return at ? *at : NULL;
}

/* Likewise; NULL without memory. */
static struct look *add(struct open_engine_looks *l, const char *role)
{
	struct look *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->role = strdup(role);
	if (k->role && tsearch(k, &l->tree, by_role))
		return k;
	free_look(k);
	return NULL;
}

void open_engine_looks_keep(struct open_engine_looks *l, const char *role,
			    const struct schedule_retire_seen *seen)
{
	struct look *k;

	pthread_mutex_lock(&l->lock);
	k = find(l, role);
	if (!k)
		k = add(l, role);
	if (k)
		k->seen = *seen;
	pthread_mutex_unlock(&l->lock);
}

bool open_engine_looks_last(struct open_engine_looks *l, const char *role,
			    struct schedule_retire_seen *ret)
{
	const struct look *k;

	pthread_mutex_lock(&l->lock);
	k = find(l, role);
	if (k)
		*ret = k->seen;
	pthread_mutex_unlock(&l->lock);
	return k != NULL;
}
