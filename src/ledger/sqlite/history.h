/* SPDX-License-Identifier: PostgreSQL */
/* The runs there were. */
#ifndef KEYTURN_LEDGER_SQLITE_HISTORY_H
#define KEYTURN_LEDGER_SQLITE_HISTORY_H

#include "ledger/ledger.h"

/* ledger.h: history. */
enum status ledger_sqlite_history(struct ledger *ledger, const char *name,
				  int64_t since_us, ledger_run_fn *fn,
				  void *arg, struct reason *why);

#endif
