/* SPDX-License-Identifier: PostgreSQL */
/*
 * What every store says the same way: the names of labels, and finding one of
 * a secret's versions.  Must never touch a secret.
 */
#include "store/store.h"

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
