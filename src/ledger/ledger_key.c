/* SPDX-License-Identifier: PostgreSQL */
/* The ledger's own key; must never overwrite one. */
#include "ledger/ledger_key.h"

#include "crypto/sign.h"

enum status ledger_key_create(const char *path, struct reason *why)
{
	return sign_key_create(path, why);
}
