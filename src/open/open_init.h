/* SPDX-License-Identifier: PostgreSQL */
#ifndef KEYTURN_OPEN_INIT_H
#define KEYTURN_OPEN_INIT_H

#include "config/config.h"

/* Keys, store and ledger for `init`, made from a configuration; refuses to
 * overwrite any of them. */
enum status open_init(const struct config *config, struct reason *why);

#endif
