/* SPDX-License-Identifier: PostgreSQL */
/* The audit trail's tables in the ledger's file; all inside the caller's
 * transaction. */
#ifndef KEYTURN_LEDGER_SQLITE_TRAIL_H
#define KEYTURN_LEDGER_SQLITE_TRAIL_H

#include "audit/audit_chain.h"
#include "lite/lite.h"

/* The tables, and the triggers that make them append-only. */
extern const char ledger_sqlite_trail_schema[];

/* A walk along them. */
struct ledger_sqlite_trail {
	struct audit_walk walk; /* for the functions of audit.h */
	struct lite_tx *tx;
	struct lite_stmt *events, *checkpoints; /* NULL: not being read */
};

void ledger_sqlite_trail_init(struct ledger_sqlite_trail *t,
			      struct lite_tx *tx);

/* The last event; the beginning of all chains when there is none. */
enum status ledger_sqlite_trail_end(struct lite_tx *tx, struct audit_link *ret,
				    struct reason *why);

/* Event seq.  STATUS_NOT_FOUND: there is none. */
enum status ledger_sqlite_trail_at(struct lite_tx *tx, int64_t seq,
				   struct audit_link *ret, struct reason *why);

/* Chain one body to the last event. */
enum status ledger_sqlite_trail_append(struct lite_tx *tx, const char *body,
				       struct reason *why);

/* Add one behind the others. */
enum status ledger_sqlite_trail_checkpoint(struct lite_tx *tx,
					   const struct audit_checkpoint *cp,
					   struct reason *why);

#endif
