/* SPDX-License-Identifier: PostgreSQL */
/* What a rotation will need of Vault. */
#ifndef KEYTURN_STORE_VAULT_READY_H
#define KEYTURN_STORE_VAULT_READY_H

#include "store/vault/view.h"

/* As store.h's ready() says, of a view; what is found out is noted in it. */
enum status store_vault_ready_check(struct store_vault *v,
				    struct store_vault_view *w,
				    struct reason *why);

/* The member of struct store_ops. */
enum status store_vault_ready(struct store *store, const char *name,
			      struct reason *why);

#endif
