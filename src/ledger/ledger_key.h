/* SPDX-License-Identifier: PostgreSQL */
/* Making the key that signs audit checkpoints. */
#ifndef KEYTURN_LEDGER_KEY_H
#define KEYTURN_LEDGER_KEY_H

#include "base/reason.h"

/* An Ed25519 key pair: private PEM at path (mode 0600), public PEM at path
 * with ".pub" appended.  STATUS_REFUSED when either exists. */
enum status ledger_key_create(const char *path, struct reason *why);

#endif
