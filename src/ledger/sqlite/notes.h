/* SPDX-License-Identifier: PostgreSQL */
/* Events that are written down, but not in the file yet. */
#ifndef KEYTURN_LEDGER_SQLITE_NOTES_H
#define KEYTURN_LEDGER_SQLITE_NOTES_H

#include "audit/audit.h"
#include "base/random.h"
#include "lite/lite.h"

struct ledger_sqlite;

/* An event that is already written down, but not yet in the file. */
struct ledger_sqlite_note {
	struct ledger_sqlite_note *next;
	char *body;
	char run[RANDOM_UUID_SIZE];
};

/* A queue of them, oldest first.  Made by ledger_sqlite_notes_init(). */
struct ledger_sqlite_notes {
	struct ledger_sqlite_note *first, **last;
	size_t n;
};

/* An empty queue. */
void ledger_sqlite_notes_init(struct ledger_sqlite_notes *ns);

/* Move everything of `from` behind what is in `to`. */
void ledger_sqlite_notes_join(struct ledger_sqlite_notes *to,
			      struct ledger_sqlite_notes *from);

/* Free what is queued; the queue is empty, and usable, after. */
void ledger_sqlite_notes_free(struct ledger_sqlite_notes *ns);

/* Write one event down and queue it in ns.  ns is unchanged on failure. */
enum status ledger_sqlite_notes_write(struct ledger_sqlite *l,
				      struct ledger_sqlite_notes *ns,
				      const struct audit_event *e,
				      struct reason *why);

/* The same for n events; after a failure ns has those before it. */
enum status ledger_sqlite_notes_write_all(struct ledger_sqlite *l,
					  struct ledger_sqlite_notes *ns,
					  const struct audit_event *events,
					  size_t n, struct reason *why);

/* Move what was noted for later and goes before `fresh` into ret_old: events of
 * the same runs and of `run` ("" for none), and those of no run. */
void ledger_sqlite_notes_take(struct ledger_sqlite *l,
			      const struct ledger_sqlite_notes *fresh,
			      const char *run,
			      struct ledger_sqlite_notes *ret_old);

/* The write failed: they wait again, at their old place in front. */
void ledger_sqlite_notes_put_back(struct ledger_sqlite *l,
				  struct ledger_sqlite_notes *old);

/* Chain all of ns to the audit trail, inside tx. */
enum status ledger_sqlite_notes_append(struct lite_tx *tx,
				       const struct ledger_sqlite_notes *ns,
				       struct reason *why);

/* Move `fresh` to what waits in memory for the next record; or, when too much
 * waits already, set *ret_full and leave it. */
enum status ledger_sqlite_notes_later(struct ledger_sqlite *l,
				      struct ledger_sqlite_notes *fresh,
				      bool *ret_full);

#endif
