/* SPDX-License-Identifier: PostgreSQL */
/* A run's last record. */
#ifndef KEYTURN_LEDGER_SQLITE_CLOSE_H
#define KEYTURN_LEDGER_SQLITE_CLOSE_H

#include "ledger/ledger.h"

/* ledger.h: close. */
enum status ledger_sqlite_close(struct ledger *ledger,
				const struct ledger_close *end,
				struct reason *why);

#endif
