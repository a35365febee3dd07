/* SPDX-License-Identifier: PostgreSQL */
/* What the ledger remembers of a role. */
#ifndef KEYTURN_LEDGER_SQLITE_ROLE_H
#define KEYTURN_LEDGER_SQLITE_ROLE_H

#include "ledger/sqlite/common.h"

extern const struct ledger_role_ops ledger_sqlite_role_ops;

/* STATUS_NOT_FOUND, and only the name is set, for a role never seen. */
enum status ledger_sqlite_role_load(struct lite_tx *tx, const char *name,
				    struct ledger_role *ret,
				    struct reason *why);

/* Replace what is remembered of r->role. */
enum status ledger_sqlite_role_store(struct lite_tx *tx,
				     const struct ledger_role *r,
				     struct reason *why);

#endif
