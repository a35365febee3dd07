/* SPDX-License-Identifier: PostgreSQL */
/* Where the settings of the ledger become a ledger. */
#ifndef KEYTURN_OPEN_LEDGER_H
#define KEYTURN_OPEN_LEDGER_H

#include "config/config.h"
#include "ledger/ledger.h"

enum open_ledger {
	OPEN_LEDGER_WRITE, /* audit events and outcomes are written */
	OPEN_LEDGER_AGAIN, /* the same, but a missing file is not made */
	OPEN_LEDGER_READ   /* only read; the file must exist */
};

/*
 * Open it.  public_key is the file that signatures are verified by, NULL for
 * the one of the settings; only for OPEN_LEDGER_READ.  *ret_lost: a missing file
 * was made again.  The ledger is the caller's to close.
 */
enum status open_ledger_open(const struct config *c, enum open_ledger mode,
			     const char *public_key, bool *ret_lost,
			     struct ledger **ret, struct reason *why);

#endif
