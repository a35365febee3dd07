/* SPDX-License-Identifier: PostgreSQL */
/* A run's first record. */
#ifndef KEYTURN_LEDGER_SQLITE_BEGIN_H
#define KEYTURN_LEDGER_SQLITE_BEGIN_H

#include "ledger/ledger.h"

/* ledger.h: begin. */
enum status ledger_sqlite_begin(struct ledger *ledger, const char *run,
				const char *role, const char *mode,
				const char *actor, const char *reason,
				struct reason *why);

#endif
