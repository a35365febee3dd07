/* SPDX-License-Identifier: PostgreSQL */
/* A member of struct store_ops: see store.h. */
#ifndef KEYTURN_STORE_LOCAL_CANARY_H
#define KEYTURN_STORE_LOCAL_CANARY_H

#include "store/store.h"

enum status store_local_canary(struct store *store, struct reason *why);

#endif
