/* SPDX-License-Identifier: PostgreSQL */
/* Members of struct store_ops: see store.h. */
#ifndef KEYTURN_STORE_LOCAL_READ_H
#define KEYTURN_STORE_LOCAL_READ_H

#include "store/store.h"

enum status store_local_read_describe(struct store *store, const char *name,
				      struct store_state *ret_state,
				      struct reason *why);

enum status store_local_read_fetch(struct store *store, const char *name,
				   const char *id,
				   struct store_entry *ret_entry,
				   struct reason *why);

#endif
