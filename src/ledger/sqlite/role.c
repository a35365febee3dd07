/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the ledger remembers of a role, and its freeze.  Must never thaw a role
 * that no one thawed.
 */
#include "ledger/sqlite/role.h"

#include <string.h>

#include "base/text.h"
#include "ledger/ledger_merge.h"
#include "ledger/sqlite/record.h"

#define ROLE_COLUMNS                                            \
	"role, version, rotated_us, epoch, frozen, frozen_us, " \
	"frozen_reason, open_run, open_since_us, last_status, " \
	"last_run_us, last_error, failures, undelivered_us, delivered"

/* A text too long for its field was not written by us: it reads as "". */
static void read_role(struct lite_stmt *q, struct ledger_role *r)
{
	text_copy(r->role, sizeof r->role, lite_text(q, 0));
	text_copy(r->version, sizeof r->version, lite_text(q, 1));
	r->rotated_us = lite_int(q, 2);
	r->epoch = lite_int(q, 3);
	r->frozen = lite_int(q, 4) != 0;
	r->frozen_us = lite_int(q, 5);
	text_copy(r->frozen_reason, sizeof r->frozen_reason, lite_text(q, 6));
	text_copy(r->open_run, sizeof r->open_run, lite_text(q, 7));
	r->open_since_us = lite_int(q, 8);
	text_copy(r->last_status, sizeof r->last_status, lite_text(q, 9));
	r->last_run_us = lite_int(q, 10);
	text_copy(r->last_error, sizeof r->last_error, lite_text(q, 11));
	r->failures = (unsigned)lite_int(q, 12);
	r->undelivered_us = lite_int(q, 13);
	text_copy(r->delivered, sizeof r->delivered, lite_text(q, 14));
	r->learnt = false;
}

struct role_query {
	const char *role;
	struct ledger_role *ret;
	ledger_role_fn *fn;
	void *arg;
	enum status stopped; /* what fn gave */
};

enum status ledger_sqlite_role_load(struct lite_tx *tx, const char *name,
				    struct ledger_role *ret, struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	*ret = (struct ledger_role){ .epoch = 0 };
	text_copy(ret->role, sizeof ret->role, name);
	st = lite_prepare(tx,
			  "SELECT " ROLE_COLUMNS " FROM role WHERE role = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, name);
	st = lite_step(q, why);
	if (st == STATUS_NOT_FOUND)
		return reason_set(why, st, "the ledger does not know role %s",
				  name);
	if (st != STATUS_OK)
		return st;
	read_role(q, ret);
	lite_done(q);
	return STATUS_OK;
}

enum status ledger_sqlite_role_store(struct lite_tx *tx,
				     const struct ledger_role *r,
				     struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT OR REPLACE INTO role(" ROLE_COLUMNS ") "
			  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
			  "?11, ?12, ?13, ?14, ?15)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, r->role);
	lite_bind_text(q, 2, r->version);
	lite_bind_int(q, 3, r->rotated_us);
	lite_bind_int(q, 4, r->epoch);
	lite_bind_int(q, 5, r->frozen);
	lite_bind_int(q, 6, r->frozen_us);
	lite_bind_text(q, 7, r->frozen_reason);
	lite_bind_text(q, 8, r->open_run);
	lite_bind_int(q, 9, r->open_since_us);
	lite_bind_text(q, 10, r->last_status);
	lite_bind_int(q, 11, r->last_run_us);
	lite_bind_text(q, 12, r->last_error);
	lite_bind_int(q, 13, r->failures);
	lite_bind_int(q, 14, r->undelivered_us);
	lite_bind_text(q, 15, r->delivered);
	return lite_exec(q, NULL, why);
}

static enum status role_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct role_query *rq = arg;

	return ledger_sqlite_role_load(tx, rq->role, rq->ret, why);
}

static enum status get_role(struct ledger *ledger, const char *name,
			    struct ledger_role *ret, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct role_query rq = { .role = name, .ret = ret };

	return ledger_sqlite_translate(lite_read(l->db, role_in, &rq, why),
				       why);
}

static enum status roles_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct role_query *rq = arg;
	struct lite_stmt *q = NULL;
	struct ledger_role r;
	enum status st;

	st = lite_prepare(tx, "SELECT " ROLE_COLUMNS " FROM role ORDER BY role",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	while ((st = lite_step(q, why)) == STATUS_OK) {
		read_role(q, &r);
		rq->stopped = rq->fn(rq->arg, &r);
		if (rq->stopped != STATUS_OK)
			return rq->stopped;
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

static enum status each_role(struct ledger *ledger, ledger_role_fn *fn,
			     void *arg, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct role_query rq = { .fn = fn, .arg = arg };
	enum status st = lite_read(l->db, roles_in, &rq, why);

	return rq.stopped != STATUS_OK ? rq.stopped :
					 ledger_sqlite_translate(st, why);
}

/* --- freeze and thaw ------------------------------------------------------ */

struct freeze {
	const char *role, *reason;
	int64_t now_us;
};

static enum status freeze_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct freeze *f = arg;
	struct ledger_role r;
	enum status st = ledger_sqlite_role_load(tx, f->role, &r, why);

	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	ledger_merge_freeze(&r, f->reason, f->now_us);
	return ledger_sqlite_role_store(tx, &r, why);
}

static enum status thaw_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct freeze *f = arg;
	struct ledger_role r;
	enum status st = ledger_sqlite_role_load(tx, f->role, &r, why);

	if (st != STATUS_OK)
		return st;
	ledger_merge_thaw(&r);
	return ledger_sqlite_role_store(tx, &r, why);
}

/* Stopping a rotation must work on a full disk too: from reserved room. */
static enum status set_frozen(struct ledger_sqlite *l, lite_fn *fn,
			      enum audit_kind kind, const char *name,
			      const char *actor, const char *reason,
			      struct reason *why)
{
	struct freeze f = { name, reason, now_wall(l->now) };
	struct audit_event e = audit_event_make(kind, name, actor, "", reason);
	struct ledger_sqlite_record r;
	enum status st;

	e.at_us = f.now_us;
	ledger_sqlite_record_init(&r, l, fn, &f);
	st = ledger_sqlite_check_key("role name", name, LEDGER_ROLE_SIZE, why);
	if (st == STATUS_OK)
		st = ledger_sqlite_notes_write(l, &r.fresh, &e, why);
	return st == STATUS_OK ?
		       ledger_sqlite_record_commit(&r, "", true, why) :
		       ledger_sqlite_translate(st, why);
}

static enum status freeze_role(struct ledger *ledger, const char *name,
			       const char *actor, const char *reason,
			       struct reason *why)
{
	return set_frozen((struct ledger_sqlite *)ledger, freeze_in,
			  AUDIT_FREEZE, name, actor, reason, why);
}

static enum status thaw_role(struct ledger *ledger, const char *name,
			     const char *actor, struct reason *why)
{
	return set_frozen((struct ledger_sqlite *)ledger, thaw_in, AUDIT_THAW,
			  name, actor, "", why);
}

const struct ledger_role_ops ledger_sqlite_role_ops = {
	.get = get_role,
	.each = each_role,
	.freeze = freeze_role,
	.thaw = thaw_role,
};
