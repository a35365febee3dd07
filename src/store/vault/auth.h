/* SPDX-License-Identifier: PostgreSQL */
/* Tokens: obtained, renewed, and given back. */
#ifndef KEYTURN_STORE_VAULT_AUTH_H
#define KEYTURN_STORE_VAULT_AUTH_H

#include "store/vault/call.h"

enum status store_vault_auth_new(const struct store_vault_options *o,
				 struct store_vault_auth **ret_auth,
				 struct reason *why);
void store_vault_auth_free(struct store_vault_auth *a);

/* store_vault_call() with a token, which is obtained, renewed or, after a 403,
 * obtained again and the request repeated once: a 403 has no effect.
 * STATUS_REFUSED: Vault does not know the token. */
enum status store_vault_auth_call(struct store_vault *v,
				  const struct store_vault_request *r,
				  struct store_vault_answer *ret_answer,
				  struct reason *why);

/* Give a token that a login obtained back; best effort. */
void store_vault_auth_revoke(struct store_vault *v);

#endif
