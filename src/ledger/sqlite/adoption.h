/* SPDX-License-Identifier: PostgreSQL */
/* Who was seen with which password. */
#ifndef KEYTURN_LEDGER_SQLITE_ADOPTION_H
#define KEYTURN_LEDGER_SQLITE_ADOPTION_H

#include "ledger/ledger.h"

/* The migration that makes their table. */
extern const char ledger_sqlite_adoption_schema[];

extern const struct ledger_adoption_ops ledger_sqlite_adoption_ops;

#endif
