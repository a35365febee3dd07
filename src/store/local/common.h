/* SPDX-License-Identifier: PostgreSQL */
/* A local store, as its files see it. */
#ifndef KEYTURN_STORE_LOCAL_COMMON_H
#define KEYTURN_STORE_LOCAL_COMMON_H

#include "lite/lite.h"
#include "store/local/local.h"

struct store_local {
	struct store store; /* first: what the caller holds */
	struct lite *db;
	struct secret *key;
	char *name;
	unsigned ring;
	const struct now *now;
	const struct random *random;
};

/* What lite gave, in the words of store.h; the reason then names the store. */
enum status store_local_translate(struct store_local *s, enum status st,
				  struct reason *why);

#endif
