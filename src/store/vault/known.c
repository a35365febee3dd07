/* SPDX-License-Identifier: PostgreSQL */
/*
 * What this process remembers of secrets.  Must never give out the memory of a
 * write whose effect is not known.
 */
#include "store/vault/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* v->lock is held.  NULL without memory. */
struct store_vault_view *store_vault_known_find(struct store_vault *v,
						const char *name)
{
	struct store_vault_view *w;

	for (w = v->views; w; w = w->next)
		if (strcmp(w->name, name) == 0)
			return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	text_copy(w->name, sizeof(w->name), name);
	w->next = v->views;
	v->views = w;
	return w;
}

void store_vault_known_drop(struct store_vault_view *w)
{
	secret_free(w->held.password);
	w->held = (struct store_entry){ .password = NULL };
	w->held_id[0] = '\0';
	w->held_version = 0;
}

/* A copy without what only the list may own. */
void store_vault_known_load(struct store_vault *v, const char *name,
			    struct store_vault_view *ret)
{
	struct store_vault_view *w;

	*ret = (struct store_vault_view){ .known = false };
	text_copy(ret->name, sizeof(ret->name), name);
	pthread_mutex_lock(&v->lock);
	w = store_vault_known_find(v, name);
	if (w)
		*ret = *w;
	pthread_mutex_unlock(&v->lock);
	ret->held = (struct store_entry){ .password = NULL };
	ret->next = NULL;
}

/* Everything that the documents tell; what the list owns stays. */
void store_vault_known_save(struct store_vault *v,
			    const struct store_vault_view *new,
			    int64_t remember_until)
{
	struct store_vault_view *w, kept;

	pthread_mutex_lock(&v->lock);
	w = store_vault_known_find(v, new->name);
	if (w) {
		kept = *w;
		*w = *new;
		w->known = true;
		w->remember_until = remember_until;
		w->capable = kept.capable || new->capable;
		w->lasting_until = kept.lasting_until > new->lasting_until ?
					   kept.lasting_until :
					   new->lasting_until;
		w->held = kept.held;
		text_copy(w->held_id, sizeof(w->held_id), kept.held_id);
		w->held_version = kept.held_version;
		text_copy(w->untold, sizeof(w->untold), kept.untold);
		w->untold_us = kept.untold_us;
		w->tell_after = kept.tell_after;
		w->next = kept.next;
	}
	pthread_mutex_unlock(&v->lock);
}

/* Keep what was found out of it. */
void store_vault_known_ready(struct store_vault *v,
			     const struct store_vault_view *found)
{
	struct store_vault_view *w;

	pthread_mutex_lock(&v->lock);
	w = store_vault_known_find(v, found->name);
	if (w) {
		w->capable = found->capable;
		w->lasting_until = found->lasting_until;
	}
	pthread_mutex_unlock(&v->lock);
}

/* A write whose effect is not known: nothing of this secret is. */
void store_vault_known_forget(struct store_vault *v, const char *name)
{
	struct store_vault_view *w;

	pthread_mutex_lock(&v->lock);
	w = store_vault_known_find(v, name);
	if (w)
		w->known = false;
	pthread_mutex_unlock(&v->lock);
}

/* Keep the entry for the promotion to come; without it, it is read again. */
void store_vault_known_hold(struct store_vault *v, const char *name,
			    const char *id, const struct store_entry *entry,
			    int64_t version)
{
	struct secret *copy = NULL;
	struct store_vault_view *w;

	if (secret_copy(entry->password, &copy) != STATUS_OK)
		return;
	pthread_mutex_lock(&v->lock);
	w = store_vault_known_find(v, name);
	if (w) {
		if (version == 0 && strcmp(w->held_id, id) == 0)
			version = w->held_version;
		store_vault_known_drop(w);
		text_copy(w->held_id, sizeof(w->held_id), id);
		w->held = *entry;
		w->held.password = copy;
		w->held_version = version;
		copy = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	secret_free(copy);
}

void store_vault_known_release(struct store_vault *v, const char *name)
{
	struct store_vault_view *w;

	pthread_mutex_lock(&v->lock);
	w = store_vault_known_find(v, name);
	if (w)
		store_vault_known_drop(w);
	pthread_mutex_unlock(&v->lock);
}

/* STATUS_NOT_FOUND when it is not held. */
enum status store_vault_known_held(struct store_vault *v, const char *name,
				   const char *id,
				   struct store_entry *ret_entry)
{
	enum status s = STATUS_NOT_FOUND;
	struct store_vault_view *w;
	struct secret *copy = NULL;

	pthread_mutex_lock(&v->lock);
	w = store_vault_known_find(v, name);
	if (w && w->held.password && strcmp(w->held_id, id) == 0)
		s = secret_copy(w->held.password, &copy);
	if (s == STATUS_OK) {
		*ret_entry = w->held;
		ret_entry->password = copy;
	}
	pthread_mutex_unlock(&v->lock);
	return s;
}
