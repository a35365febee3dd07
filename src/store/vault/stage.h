/* SPDX-License-Identifier: PostgreSQL */
/* The member of struct store_ops that stages. */
#ifndef KEYTURN_STORE_VAULT_STAGE_H
#define KEYTURN_STORE_VAULT_STAGE_H

#include "store/store.h"

enum status store_vault_stage(struct store *store, const char *name,
			      const char *revision, const char *id,
			      const struct store_entry *entry,
			      struct store_state *ret_state,
			      struct reason *why);

#endif
