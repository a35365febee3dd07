/* SPDX-License-Identifier: PostgreSQL */
/*
 * The runs there were, youngest first.  Must never show a run that is not in
 * the file.
 */
#include "ledger/sqlite/history.h"

#include "base/text.h"
#include "ledger/sqlite/common.h"

struct history {
	const char *role;
	int64_t since_us;
	ledger_run_fn *fn;
	void *arg;
	enum status stopped;
};

#define RUN_COLUMNS                                                \
	"run, role, mode, actor, reason, version, status, error, " \
	"begun_us, ended_us, steps"

static void read_run(struct lite_stmt *q, struct ledger_run *r)
{
	text_copy(r->run, sizeof r->run, lite_text(q, 0));
	text_copy(r->role, sizeof r->role, lite_text(q, 1));
	text_copy(r->mode, sizeof r->mode, lite_text(q, 2));
	text_copy(r->actor, sizeof r->actor, lite_text(q, 3));
	text_copy(r->reason, sizeof r->reason, lite_text(q, 4));
	text_copy(r->version, sizeof r->version, lite_text(q, 5));
	text_copy(r->status, sizeof r->status, lite_text(q, 6));
	text_copy(r->error, sizeof r->error, lite_text(q, 7));
	r->begun_us = lite_int(q, 8);
	r->ended_us = lite_int(q, 9);
	text_copy(r->steps, sizeof r->steps, lite_text(q, 10));
}

static enum status history_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct history *h = arg;
	struct lite_stmt *q = NULL;
	struct ledger_run r;
	enum status st;

	if (h->role)
		st = lite_prepare(tx,
				  "SELECT " RUN_COLUMNS " FROM run "
				  "WHERE begun_us >= ?1 AND role = ?2 "
				  "ORDER BY begun_us DESC, id DESC",
				  &q, why);
	else
		st = lite_prepare(tx,
				  "SELECT " RUN_COLUMNS " FROM run "
				  "WHERE begun_us >= ?1 "
				  "ORDER BY begun_us DESC, id DESC",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, h->since_us);
	if (h->role)
		lite_bind_text(q, 2, h->role);
	while ((st = lite_step(q, why)) == STATUS_OK) {
		read_run(q, &r);
		h->stopped = h->fn(h->arg, &r);
		if (h->stopped != STATUS_OK)
			return h->stopped;
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

enum status ledger_sqlite_history(struct ledger *ledger, const char *name,
				  int64_t since_us, ledger_run_fn *fn,
				  void *arg, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct history h = { name, since_us, fn, arg, STATUS_OK };
	enum status st = lite_read(l->db, history_in, &h, why);

	return h.stopped != STATUS_OK ? h.stopped :
					ledger_sqlite_translate(st, why);
}
