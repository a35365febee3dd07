/* SPDX-License-Identifier: PostgreSQL */
/* The mount that the secrets are in. */
#ifndef KEYTURN_STORE_VAULT_MOUNT_H
#define KEYTURN_STORE_VAULT_MOUNT_H

#include "store/vault/common.h"

/* Is the mount there, and of version 2?  Asked once. */
enum status store_vault_mount_check(struct store_vault *v, struct reason *why);

#endif
