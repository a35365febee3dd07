/* SPDX-License-Identifier: PostgreSQL */
/* Key files of the local store; must never overwrite one. */
#include "store/store_key.h"

#include "crypto/entropy.h"
#include "crypto/seal.h"

enum status store_key_create(const char *path, struct reason *why)
{
	return seal_key_create(path, entropy_openssl(), why);
}

const struct random *store_key_random(void)
{
	return entropy_openssl();
}
