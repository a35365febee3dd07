/* SPDX-License-Identifier: PostgreSQL */
/* Paths in Vault, and refusals that name them. */
#ifndef KEYTURN_STORE_VAULT_PATH_H
#define KEYTURN_STORE_VAULT_PATH_H

#include "store/vault/common.h"

enum store_vault_kind {
	STORE_VAULT_CURRENT, /* what consumers read */
	STORE_VAULT_RECORD   /* pending and ring, with their secrets */
};

struct text;

/* A copy without slashes at its ends, which say nothing; NULL without memory. */
char *store_vault_path_trim(const char *path);

/* Percent-encoded, segment by segment. */
void store_vault_path_add(struct text *t, const char *path);

/* what: "data" or "metadata"; encoded: for a request, else for people.  dst has
 * STORE_VAULT_PATH_SIZE bytes. */
enum status store_vault_path_make(const struct store_vault *v, const char *what,
				  enum store_vault_kind kind, const char *name,
				  bool encoded, char *dst, struct reason *why);

/* STATUS_REFUSED: a 403, with the capability and the path that lack. */
enum status store_vault_path_denied(const struct store_vault *v,
				    const char *capability, const char *what,
				    enum store_vault_kind kind,
				    const char *name, struct reason *why);

/* STATUS_REFUSED: any other code that nothing is done about. */
enum status store_vault_path_odd(const struct store_vault *v, int code,
				 const char *act, struct reason *why);

/* STATUS_REFUSED: delete_version_after is at work, and how to stop it; version,
 * if not 0, has a deletion time already. */
enum status store_vault_path_passing(const struct store_vault *v,
				     enum store_vault_kind kind,
				     const char *name, int64_t version,
				     struct reason *why);

#endif
