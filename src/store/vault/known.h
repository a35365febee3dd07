/* SPDX-License-Identifier: PostgreSQL */
/* What this process remembers of secrets in Vault. */
#ifndef KEYTURN_STORE_VAULT_KNOWN_H
#define KEYTURN_STORE_VAULT_KNOWN_H

#include "store/vault/view.h"

/* Of a secret of which nothing is known it has the name only. */
void store_vault_known_load(struct store_vault *v, const char *name,
			    struct store_vault_view *ret);

/* Everything that the documents tell; what they do not tell stays. */
void store_vault_known_save(struct store_vault *v,
			    const struct store_vault_view *new,
			    int64_t remember_until);

/* Keep what store_vault_ready_check() noted. */
void store_vault_known_ready(struct store_vault *v,
			     const struct store_vault_view *found);

/* After a write whose effect is not known: nothing of this secret is. */
void store_vault_known_forget(struct store_vault *v, const char *name);

/* Keep the entry for the promotion to come.  version: of B, at which we staged it;
 * 0: it was read. */
void store_vault_known_hold(struct store_vault *v, const char *name,
			    const char *id, const struct store_entry *entry,
			    int64_t version);

/* The promotion is over. */
void store_vault_known_release(struct store_vault *v, const char *name);

/* STATUS_NOT_FOUND when it is not held; the password is the caller's. */
enum status store_vault_known_held(struct store_vault *v, const char *name,
				   const char *id,
				   struct store_entry *ret_entry);

#endif
