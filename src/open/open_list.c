/* SPDX-License-Identifier: PostgreSQL */
#include "open/open_list.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct item {
	char name[CONFIG_NAME_MAX + 1];
	void *thing;
	struct item *next;
};

struct open_list {
	const struct config *config;
	const struct open_list_kind *kind;
	void *arg;
	pthread_mutex_t lock; /* over items */
	struct item *items;
};

struct open_list *open_list_new(const struct config *config,
				const struct open_list_kind *kind, void *arg)
{
	struct open_list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->config = config;
	l->kind = kind;
	l->arg = arg;
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

void open_list_free(struct open_list *l)
{
	struct item *i;

	if (!l)
		return;
	while ((i = l->items) != NULL) {
		l->items = i->next;
		l->kind->close(i->thing);
		free(i);
	}
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* With the lock held. */
static enum status open_item(struct open_list *l, const char *name,
			     struct item **ret, struct reason *why)
{
	const struct config_group *g =
		config_find(l->config, l->kind->section, name);
	struct item *i;
	enum status s;

	if (!g)
		return reason_set(why, STATUS_CONFIG, "there is no [%s %s]",
				  l->kind->word, name);
	i = calloc(1, sizeof(*i));
	if (!i)
		return reason_no_memory(why);
	text_copy(i->name, sizeof(i->name), name);
	s = l->kind->open(l->arg, g, &i->thing, why);
	if (s != STATUS_OK) {
		free(i);
		return s;
	}
	i->next = l->items;
	l->items = *ret = i;
	return STATUS_OK;
}

enum status open_list_get(struct open_list *l, const char *name, void **ret,
			  struct reason *why)
{
	enum status s = STATUS_OK;
	struct item *i;

	pthread_mutex_lock(&l->lock);
	for (i = l->items; i && strcmp(i->name, name) != 0; i = i->next)
		;
	if (!i)
		s = open_item(l, name, &i, why);
	pthread_mutex_unlock(&l->lock);
	if (s == STATUS_OK)
		*ret = i->thing;
	return s;
}
