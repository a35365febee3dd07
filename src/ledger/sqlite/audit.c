/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit trail of the ledger's file, each in a transaction of its own.
 * Must never sign without the key that the ledger was opened with.
 */
#include "ledger/sqlite/sqlite_internal.h"

#include <string.h>

static enum status checkpoint_in(struct lite_tx *tx, void *arg,
				 struct reason *why)
{
	struct ledger_sqlite *l = arg;

	return audit_trail_sign(tx, &l->keys, now_wall(l->now), why);
}

enum status ledger_sqlite_audit_checkpoint(struct ledger *ledger,
					   struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;

	if (!l->keys.sign)
		return reason_set(why, STATUS_REFUSED,
				  "the ledger was opened without the key that "
				  "signs checkpoints");
	return ledger_sqlite_translate(lite_write(l->db, checkpoint_in, l, why),
				       why);
}

struct verification {
	struct ledger_sqlite *l;
	struct ledger_verdict *ret;
};

static enum status verify_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct verification *v = arg;

	return audit_trail_verify(tx, &v->l->keys, v->ret, why);
}

enum status ledger_sqlite_audit_verify(struct ledger *ledger,
				       struct ledger_verdict *ret,
				       struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct verification v = { l, ret };

	return ledger_sqlite_translate(lite_read(l->db, verify_in, &v, why),
				       why);
}

struct exporting {
	ledger_export_fn *fn;
	void *arg;
	enum status stopped;
};

static enum status export_line(void *arg, const char *line)
{
	struct exporting *x = arg;

	x->stopped = x->fn(x->arg, line);
	return x->stopped;
}

static enum status export_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	return audit_trail_export(tx, export_line, arg, why);
}

enum status ledger_sqlite_audit_export(struct ledger *ledger,
				       ledger_export_fn *fn, void *arg,
				       struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct exporting x = { fn, arg, STATUS_OK };
	enum status st = lite_read(l->db, export_in, &x, why);

	return x.stopped != STATUS_OK ? x.stopped :
					ledger_sqlite_translate(st, why);
}

struct following {
	struct exporting x;
	int64_t after, last;
	size_t most;
};

static enum status follow_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct following *f = arg;

	return audit_trail_export_after(tx, f->after, f->most, export_line,
					&f->x, &f->last, why);
}

enum status ledger_sqlite_audit_follow(struct ledger *ledger, int64_t after,
				       size_t most, ledger_export_fn *fn,
				       void *arg, int64_t *ret_last,
				       struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct following f = { { fn, arg, STATUS_OK }, after, after, most };
	enum status st = lite_read(l->db, follow_in, &f, why);

	if (f.x.stopped != STATUS_OK)
		return f.x.stopped;
	if (st != STATUS_OK)
		return ledger_sqlite_translate(st, why);
	*ret_last = f.last;
	return STATUS_OK;
}

struct heading {
	int64_t seq;
	char hash[LEDGER_HASH_SIZE];
};

static enum status head_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct heading *h = arg;

	return audit_trail_walk_head(tx, h->seq, &h->seq, h->hash, why);
}

enum status ledger_sqlite_audit_head(struct ledger *ledger, int64_t seq,
				     int64_t *ret_seq,
				     char ret_hash[LEDGER_HASH_SIZE],
				     struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct heading h = { .seq = seq };
	enum status st = lite_read(l->db, head_in, &h, why);

	if (st != STATUS_OK)
		return ledger_sqlite_translate(st, why);
	*ret_seq = h.seq;
	memcpy(ret_hash, h.hash, LEDGER_HASH_SIZE);
	return STATUS_OK;
}
