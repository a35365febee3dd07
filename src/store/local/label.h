/* SPDX-License-Identifier: PostgreSQL */
/* Members of struct store_ops: see store.h. */
#ifndef KEYTURN_STORE_LOCAL_LABEL_H
#define KEYTURN_STORE_LOCAL_LABEL_H

#include "store/store.h"

enum status store_local_label_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why);

enum status store_local_label_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why);

enum status store_local_label_withdraw(struct store *store, const char *name,
				       const char *revision,
				       struct store_state *ret_state,
				       struct reason *why);

#endif
