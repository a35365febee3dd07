/* SPDX-License-Identifier: PostgreSQL */
/*
 * A durable record of the ledger: events and what they changed, in one
 * transaction.  Must never write the one without the other.
 */
#include "ledger/sqlite/record.h"

#include "audit/audit_chain.h"
#include "ledger/sqlite/trail.h"

static enum status record_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct ledger_sqlite_record *r = arg;
	struct ledger_sqlite_trail t;
	struct audit_link end;
	enum status st = STATUS_OK;

	if (r->intact) {
		ledger_sqlite_trail_init(&t, tx);
		st = ledger_sqlite_trail_end(tx, &end, why);
		if (st == STATUS_OK)
			st = audit_intact(&t.walk, end.seq, &r->l->keys, why);
	}
	if (st == STATUS_OK)
		st = ledger_sqlite_notes_append(tx, &r->old, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_notes_append(tx, &r->fresh, why);
	if (st == STATUS_OK && r->more)
		st = r->more(tx, r->arg, why);
	return st;
}

void ledger_sqlite_record_init(struct ledger_sqlite_record *r,
			       struct ledger_sqlite *l, lite_fn *more,
			       void *arg)
{
	*r = (struct ledger_sqlite_record){ .l = l, .more = more, .arg = arg };
	ledger_sqlite_notes_init(&r->old);
	ledger_sqlite_notes_init(&r->fresh);
}

enum status ledger_sqlite_record_commit(struct ledger_sqlite_record *r,
					const char *run, bool reserved,
					struct reason *why)
{
	enum status st;

	ledger_sqlite_notes_take(r->l, &r->fresh, run, &r->old);
	if (reserved)
		st = lite_write_reserved(r->l->db, record_in, r, why);
	else
		st = lite_write(r->l->db, record_in, r, why);
	if (st != STATUS_OK)
		ledger_sqlite_notes_put_back(r->l, &r->old);
	ledger_sqlite_notes_free(&r->old);
	ledger_sqlite_notes_free(&r->fresh);
	return ledger_sqlite_translate(st, why);
}

enum status ledger_sqlite_record_note(struct ledger *ledger,
				      const struct audit_event *events,
				      size_t n, bool durable,
				      struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	bool now = durable, of_run = false;
	struct ledger_sqlite_record r;
	enum status st;
	size_t i;

	ledger_sqlite_record_init(&r, l, NULL, NULL);
	for (i = 0; i < n; i++)
		of_run = of_run || (events[i].run && events[i].run[0]);
	st = ledger_sqlite_notes_write_all(l, &r.fresh, events, n, why);
	if (st == STATUS_OK && !durable)
		st = ledger_sqlite_notes_later(l, &r.fresh, &now);
	if (st == STATUS_OK && now)
		/* A run that began has its room; a hand-out has none. */
		return ledger_sqlite_record_commit(&r, "", of_run, why);
	ledger_sqlite_notes_free(&r.fresh);
	return ledger_sqlite_translate(st, why);
}
