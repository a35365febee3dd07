/* SPDX-License-Identifier: PostgreSQL */
/*
 * What this process remembers of secrets in Vault.  Must never give out the memory
 * of a write whose effect is not known.
 */
#include "store/vault/view.h"

#include <string.h>

#include "base/text.h"
#include "store/store_entry.h"
#include "store/store_memory.h"

void store_vault_known_load(struct store_vault *v, const char *name,
			    struct store_vault_view *ret)
{
	*ret = *(struct store_vault_view *)store_memory_lock(v->memory, name);
	store_memory_unlock(v->memory);
	text_copy(ret->name, sizeof(ret->name), name);
}

void store_vault_known_save(struct store_vault *v,
			    const struct store_vault_view *new,
			    int64_t remember_until)
{
	struct store_vault_view *w = store_memory_lock(v->memory, new->name);
	const struct store_vault_view kept = *w;

	*w = *new;
	w->known = true;
	w->remember_until = remember_until;
	w->capable = kept.capable || new->capable;
	w->lasting_until = kept.lasting_until > new->lasting_until ?
				   kept.lasting_until :
				   new->lasting_until;
	text_copy(w->staged, sizeof(w->staged), kept.staged);
	w->staged_version = kept.staged_version;
	text_copy(w->untold, sizeof(w->untold), kept.untold);
	w->untold_us = kept.untold_us;
	w->tell_after = kept.tell_after;
	store_memory_unlock(v->memory);
}

void store_vault_known_ready(struct store_vault *v,
			     const struct store_vault_view *found)
{
	struct store_vault_view *w = store_memory_lock(v->memory, found->name);

	w->capable = found->capable;
	w->lasting_until = found->lasting_until;
	store_memory_unlock(v->memory);
}

void store_vault_known_forget(struct store_vault *v, const char *name)
{
	struct store_vault_view *w = store_memory_lock(v->memory, name);

	w->known = false;
	store_memory_unlock(v->memory);
}

void store_vault_known_hold(struct store_vault *v, const char *name,
			    const char *id, const struct store_entry *entry,
			    int64_t version)
{
	struct secret *content = NULL;
	struct store_vault_view *w;

	/* Without it, it is read again. */
	if (store_entry_encode(entry, &content, NULL) == STATUS_OK)
		store_memory_hold(v->memory, name, id, content);
	secret_free(content);
	if (version == 0)
		return;
	w = store_memory_lock(v->memory, name);
	text_copy(w->staged, sizeof(w->staged), id);
	w->staged_version = version;
	store_memory_unlock(v->memory);
}

void store_vault_known_release(struct store_vault *v, const char *name)
{
	struct store_vault_view *w;

	store_memory_release(v->memory, name);
	w = store_memory_lock(v->memory, name);
	w->staged[0] = '\0';
	store_memory_unlock(v->memory);
}

enum status store_vault_known_held(struct store_vault *v, const char *name,
				   const char *id,
				   struct store_entry *ret_entry)
{
	struct secret *content = NULL;
	enum status s = store_memory_held(v->memory, name, id, &content);

	if (s == STATUS_OK)
		s = store_entry_decode(content, ret_entry, NULL);
	secret_free(content);
	return s == STATUS_CORRUPT ? STATUS_NOT_FOUND : s;
}
