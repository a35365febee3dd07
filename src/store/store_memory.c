/* SPDX-License-Identifier: PostgreSQL */
/* What a process remembers of secrets.  Must never give out the content of one
 * version for that of another. */
#include "store/store_memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret_wipe.h"
#include "base/text.h"

struct entry {
	struct entry *next;
	char name[STORE_NAME_SIZE];
	char held_id[STORE_MEMORY_ID_SIZE];
	struct secret *held; /* or NULL */
	_Alignas(max_align_t) char record[];
};

struct store_memory {
	size_t size;
	pthread_mutex_t lock; /* over all below */
	struct entry *first;
	struct entry *spare; /* when there is no memory for another */
};

static struct entry *new_entry(const struct store_memory *m, const char *name)
{
	struct entry *e = calloc(1, sizeof(*e) + m->size);

	if (e)
		text_copy(e->name, sizeof(e->name), name);
	return e;
}

static void release_held(struct entry *e)
{
	secret_free(e->held);
	e->held = NULL;
	e->held_id[0] = '\0';
}

enum status store_memory_new(size_t size, struct store_memory **ret_memory)
{
	struct store_memory *m = calloc(1, sizeof(*m));

	if (!m)
		return STATUS_NO_MEMORY;
	m->size = size;
	m->spare = new_entry(m, "");
	if (!m->spare) {
		free(m);
		return STATUS_NO_MEMORY;
	}
	pthread_mutex_init(&m->lock, NULL);
	*ret_memory = m;
	return STATUS_OK;
}

void store_memory_free(struct store_memory *m)
{
	struct entry *e;

	if (!m)
		return;
	while ((e = m->first) != NULL) {
		m->first = e->next;
		release_held(e);
		free(e);
	}
	release_held(m->spare);
	free(m->spare);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

/* With the lock held; never NULL. */
static struct entry *find_entry(struct store_memory *m, const char *name)
{
	struct entry *e;

	for (e = m->first; e; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e;
	e = new_entry(m, name);
	if (!e) {
		release_held(m->spare);
		secret_wipe(m->spare->record, m->size);
		return m->spare;
	}
	e->next = m->first;
	m->first = e;
	return e;
}

void *store_memory_lock(struct store_memory *m, const char *name)
{
	pthread_mutex_lock(&m->lock);
	return find_entry(m, name)->record;
}

void store_memory_unlock(struct store_memory *m)
{
	pthread_mutex_unlock(&m->lock);
}

void *store_memory_lock_any(struct store_memory *m,
			    store_memory_wanted_fn *wanted, const void *arg,
			    char ret_name[STORE_NAME_SIZE])
{
	struct entry *e;

	pthread_mutex_lock(&m->lock);
	for (e = m->first; e; e = e->next) {
		if (wanted(e->record, arg)) {
			text_copy(ret_name, STORE_NAME_SIZE, e->name);
			return e->record;
		}
	}
	return NULL;
}

void store_memory_hold(struct store_memory *m, const char *name, const char *id,
		       const struct secret *content)
{
	struct secret *copy = NULL;
	struct entry *e;

	if (secret_copy(content, &copy) != STATUS_OK)
		return;
	pthread_mutex_lock(&m->lock);
	e = find_entry(m, name);
	release_held(e);
	text_copy(e->held_id, sizeof(e->held_id), id);
	e->held = copy;
	pthread_mutex_unlock(&m->lock);
}

enum status store_memory_held(struct store_memory *m, const char *name,
			      const char *id, struct secret **ret_content)
{
	enum status s = STATUS_NOT_FOUND;
	struct entry *e;

	pthread_mutex_lock(&m->lock);
	e = find_entry(m, name);
	if (e->held && strcmp(e->held_id, id) == 0)
		s = secret_copy(e->held, ret_content);
	pthread_mutex_unlock(&m->lock);
	return s;
}

void store_memory_release(struct store_memory *m, const char *name)
{
	pthread_mutex_lock(&m->lock);
	release_held(find_entry(m, name));
	pthread_mutex_unlock(&m->lock);
}
