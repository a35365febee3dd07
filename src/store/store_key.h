/* SPDX-License-Identifier: PostgreSQL */
/* The key of a local store, and the randomness that keys, ids and passwords
 * are made from. */
#ifndef KEYTURN_STORE_KEY_H
#define KEYTURN_STORE_KEY_H

#include "base/random.h"
#include "base/reason.h"

/* A new key file: 64 hex digits, mode 0600.  STATUS_REFUSED when it exists. */
enum status store_key_create(const char *path, struct reason *why);

/* OpenSSL's generator (crypto/entropy.h), for those who assemble programs and
 * may not include crypto.  Static. */
const struct random *store_key_random(void);

#endif
