/* SPDX-License-Identifier: PostgreSQL */
/*
 * The audit trail of the ledger's file, each in a transaction of its own.
 * Must never sign without the key that the ledger was opened with.
 */
#include "ledger/sqlite/audit.h"

#include "base/encode.h"
#include "ledger/sqlite/record.h"
#include "ledger/sqlite/trail.h"

static enum status checkpoint_in(struct lite_tx *tx, void *arg,
				 struct reason *why)
{
	struct ledger_sqlite *l = arg;
	struct ledger_sqlite_trail t;
	struct audit_checkpoint cp;
	enum status st;

	ledger_sqlite_trail_init(&t, tx);
	st = audit_sign(&t.walk, &l->keys, now_wall(l->now), &cp, why);
	if (st == STATUS_NOT_FOUND)
		return STATUS_OK; /* it did not grow */
	return st == STATUS_OK ? ledger_sqlite_trail_checkpoint(tx, &cp, why) :
				 st;
}

static enum status sign_checkpoint(struct ledger *ledger, struct reason *why)
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
	struct audit_verdict *ret;
};

static enum status verify_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct verification *v = arg;
	struct ledger_sqlite_trail t;

	ledger_sqlite_trail_init(&t, tx);
	return audit_verify(&t.walk, &v->l->keys, v->ret, why);
}

static enum status verify_trail(struct ledger *ledger,
				struct audit_verdict *ret, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct verification v = { l, ret };

	return ledger_sqlite_translate(lite_read(l->db, verify_in, &v, why),
				       why);
}

struct exporting {
	audit_line_fn *fn;
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
	struct ledger_sqlite_trail t;

	ledger_sqlite_trail_init(&t, tx);
	return audit_export(&t.walk, export_line, arg, why);
}

static enum status export_trail(struct ledger *ledger, audit_line_fn *fn,
				void *arg, struct reason *why)
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
	struct ledger_sqlite_trail t;
	struct audit_link end;
	enum status st;

	if (f->after < 0) {
		st = ledger_sqlite_trail_end(tx, &end, why);
		if (st == STATUS_OK)
			f->last = end.seq;
		return st;
	}
	ledger_sqlite_trail_init(&t, tx);
	return audit_export_after(&t.walk, f->after, f->most, export_line,
				  &f->x, &f->last, why);
}

static enum status follow_trail(struct ledger *ledger, int64_t after,
				size_t most, audit_line_fn *fn, void *arg,
				int64_t *ret_last, struct reason *why)
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

static enum status head_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct audit_link *head = arg;
	enum status st;

	if (head->seq >= 0)
		return ledger_sqlite_trail_at(tx, head->seq, head, why);
	st = ledger_sqlite_trail_end(tx, head, why);
	return st == STATUS_OK && head->seq == 0 ? STATUS_NOT_FOUND : st;
}

static enum status look_at_head(struct ledger *ledger, int64_t seq,
				int64_t *ret_seq,
				char ret_hash[LEDGER_HASH_SIZE],
				struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct audit_link head = { .seq = seq };
	enum status st = lite_read(l->db, head_in, &head, why);

	if (st != STATUS_OK)
		return ledger_sqlite_translate(st, why);
	*ret_seq = head.seq;
	encode_hex(head.hash, sizeof head.hash, ret_hash);
	return STATUS_OK;
}

const struct ledger_trail_ops ledger_sqlite_audit_ops = {
	.note = ledger_sqlite_record_note,
	.checkpoint = sign_checkpoint,
	.verify = verify_trail,
	.export = export_trail,
	.follow = follow_trail,
	.head = look_at_head,
};
