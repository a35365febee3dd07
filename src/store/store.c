/* SPDX-License-Identifier: PostgreSQL */
/*
 * What every store says the same way: the names of labels, finding one of a
 * secret's versions, and what not every store can.  Must never touch a secret.
 */
#include "store/store.h"

#include <inttypes.h>
#include <string.h>

static const char *const names[] = {
	[STORE_LABEL_RING] = "ring",
	[STORE_LABEL_PENDING] = "pending",
	[STORE_LABEL_CURRENT] = "current",
	[STORE_LABEL_PREVIOUS] = "previous",
};

#define N_NAMES (sizeof names / sizeof names[0])

const char *store_label_name(enum store_label l)
{
	return (size_t)l < N_NAMES ? names[l] : "unknown";
}

enum status store_label_parse(const char *name, enum store_label *ret,
			      struct reason *why)
{
	size_t i;

	for (i = 0; i < N_NAMES; i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum store_label)i;
			return STATUS_OK;
		}
	}
	return reason_set(why, STATUS_USAGE,
			  "there is no label \"%s\": use current, previous, "
			  "pending or ring",
			  name);
}

const struct store_version *store_find_id(const struct store_state *s,
					  const char *id)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->versions[i].id, id) == 0)
			return &s->versions[i];
	return NULL;
}

const struct store_version *store_find_label(const struct store_state *s,
					     enum store_label l)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->versions[i].label == l)
			return &s->versions[i];
	return NULL;
}

/* ---- what opens once ------------------------------------------------------- */

enum status store_wrap_life(int64_t life_s, struct reason *why)
{
	if (life_s >= STORE_WRAP_MIN_S && life_s <= STORE_WRAP_MAX_S)
		return STATUS_OK;
	return reason_set(why, STATUS_USAGE,
			  "a token that opens once lives for %d seconds to "
			  "%" PRId64 " days, not for %" PRId64 " seconds",
			  STORE_WRAP_MIN_S, STORE_WRAP_MAX_S / 86400, life_s);
}

enum status store_wrap_able(const struct store *s, struct reason *why)
{
	if (s->ops->wrap && s->ops->wrap_look)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "store %s is of type %s, which has no tokens that "
			  "open once; that takes type = vault",
			  s->name, s->ops->type);
}

enum status store_wrap(struct store *s, const char *id,
		       const struct store_entry *entry, int64_t life_s,
		       struct store_wrapped *ret, struct reason *why)
{
	enum status st = store_wrap_life(life_s, why);

	if (st == STATUS_OK)
		st = store_wrap_able(s, why);
	return st == STATUS_OK ? s->ops->wrap(s, id, entry, life_s, ret, why) :
				 st;
}

enum status store_wrap_look(struct store *s, const char *accessor,
			    bool *ret_there, struct reason *why)
{
	enum status st = store_wrap_able(s, why);

	return st == STATUS_OK ?
		       s->ops->wrap_look(s, accessor, ret_there, why) :
		       st;
}
