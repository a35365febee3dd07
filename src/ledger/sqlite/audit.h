/* SPDX-License-Identifier: PostgreSQL */
/* The audit trail of the ledger's file. */
#ifndef KEYTURN_LEDGER_SQLITE_AUDIT_H
#define KEYTURN_LEDGER_SQLITE_AUDIT_H

#include "ledger/ledger.h"

extern const struct ledger_trail_ops ledger_sqlite_audit_ops;

#endif
