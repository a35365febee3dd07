/* SPDX-License-Identifier: PostgreSQL */
/* Small facts that are remembered until a time. */
#ifndef KEYTURN_LEDGER_SQLITE_MEMORY_H
#define KEYTURN_LEDGER_SQLITE_MEMORY_H

#include "ledger/ledger.h"

extern const struct ledger_fact_ops ledger_sqlite_memory_ops;

#endif
