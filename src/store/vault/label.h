/* SPDX-License-Identifier: PostgreSQL */
/* The members of struct store_ops that move labels. */
#ifndef KEYTURN_STORE_VAULT_LABEL_H
#define KEYTURN_STORE_VAULT_LABEL_H

#include "store/vault/common.h"

enum status store_vault_label_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why);
enum status store_vault_label_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why);

/* Tell other tools of promotions: those that the last telling is some minutes
 * behind, or all.  Best effort. */
void store_vault_label_tell(struct store_vault *v, bool all);

enum status store_vault_label_withdraw(struct store *store, const char *name,
				       const char *revision,
				       struct store_state *ret_state,
				       struct reason *why);

#endif
