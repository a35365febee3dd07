/* SPDX-License-Identifier: PostgreSQL */
/*
 * A durable record is one transaction: the events that were noted before and
 * go first, the new ones, and what else the record changes.
 */
#ifndef KEYTURN_LEDGER_SQLITE_RECORD_H
#define KEYTURN_LEDGER_SQLITE_RECORD_H

#include "ledger/sqlite/common.h"

/* A durable record: what it adds besides events, and the events. */
struct ledger_sqlite_record {
	struct ledger_sqlite *l;
	struct ledger_sqlite_notes old, fresh;
	lite_fn *more; /* or NULL; runs after the events */
	void *arg;
	bool intact; /* look at the trail's end first */
};

/* A record of no events; more(tx, arg) changes the rest, or is NULL. */
void ledger_sqlite_record_init(struct ledger_sqlite_record *r,
			       struct ledger_sqlite *l, lite_fn *more,
			       void *arg);

/* Write r, whose events are of `run` ("" for none), and free what it holds,
 * also on failure; what was noted before waits on then.  reserved: from the
 * room that lite_reserve() made.  The result is translated. */
enum status ledger_sqlite_record_commit(struct ledger_sqlite_record *r,
					const char *run, bool reserved,
					struct reason *why);

/* ledger.h: note. */
enum status ledger_sqlite_record_note(struct ledger *ledger,
				      const struct audit_event *events,
				      size_t n, bool durable,
				      struct reason *why);

#endif
