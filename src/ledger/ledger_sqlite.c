/* SPDX-License-Identifier: PostgreSQL */
/*
 * The embedded ledger: schedule, history and audit in one SQLite file.  Must
 * never hold a secret, nor let a run begin that it could not close.
 */
#include "ledger/ledger_sqlite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "ledger/audit_trail.h"
#include "lite/lite.h"

#define APPLICATION_ID 0x4b544c47u /* "KTLG" */
/*
 * One commit of a run's records touches about 6 pages of 4 KiB in the log; 16
 * jobs that were begun before the disk filled up write up to three each, and
 * in the worst case none of them share a commit: 1.1 MiB.  Most of it is shared
 * in practice.
 */
#define RESERVE_BYTES ((size_t)1 << 20)
/* Events noted for later, in memory: beyond that they are written at once. */
#define PENDING_MAX 4096

/* memory.until_us: forgotten then.  run.ended_us = 0: open. */
static const char tables[] = "CREATE TABLE role("
			     " role TEXT PRIMARY KEY NOT NULL,"
			     " version TEXT NOT NULL DEFAULT '',"
			     " rotated_us INTEGER NOT NULL DEFAULT 0,"
			     " epoch INTEGER NOT NULL DEFAULT 0,"
			     " frozen INTEGER NOT NULL DEFAULT 0,"
			     " frozen_us INTEGER NOT NULL DEFAULT 0,"
			     " frozen_reason TEXT NOT NULL DEFAULT '',"
			     " open_run TEXT NOT NULL DEFAULT '',"
			     " open_since_us INTEGER NOT NULL DEFAULT 0,"
			     " last_status TEXT NOT NULL DEFAULT '',"
			     " last_run_us INTEGER NOT NULL DEFAULT 0,"
			     " last_error TEXT NOT NULL DEFAULT '',"
			     " failures INTEGER NOT NULL DEFAULT 0"
			     ") STRICT, WITHOUT ROWID;"
			     "CREATE TABLE run("
			     " id INTEGER PRIMARY KEY,"
			     " run TEXT NOT NULL UNIQUE,"
			     " role TEXT NOT NULL,"
			     " mode TEXT NOT NULL,"
			     " actor TEXT NOT NULL,"
			     " reason TEXT NOT NULL,"
			     " version TEXT NOT NULL DEFAULT '',"
			     " status TEXT NOT NULL DEFAULT '',"
			     " error TEXT NOT NULL DEFAULT '',"
			     " begun_us INTEGER NOT NULL,"
			     " ended_us INTEGER NOT NULL DEFAULT 0,"
			     " steps TEXT NOT NULL DEFAULT ''"
			     ") STRICT;"
			     "CREATE INDEX run_of ON run(role, begun_us);"
			     "CREATE INDEX run_begun ON run(begun_us);"
			     "CREATE TABLE memory("
			     " key TEXT PRIMARY KEY NOT NULL,"
			     " value TEXT NOT NULL,"
			     " until_us INTEGER NOT NULL"
			     ") STRICT, WITHOUT ROWID;";

static const char *const schema[] = { tables, audit_trail_schema, NULL };

/* An event that is already written down, but not yet in the file. */
struct note {
	struct note *next;
	char *body;
	char run[RANDOM_UUID_SIZE];
};

struct notes {
	struct note *first, **last;
	size_t n;
};

struct ledger_sqlite {
	struct ledger ledger; /* first: what the caller holds */
	struct lite *db;
	struct audit_trail_keys keys;
	const struct now *now;
	pthread_mutex_t lock; /* of pending */
	struct notes pending;
};

/* --- notes ---------------------------------------------------------------- */

static void notes_init(struct notes *ns)
{
	ns->first = NULL;
	ns->last = &ns->first;
	ns->n = 0;
}

static void notes_add(struct notes *ns, struct note *n)
{
	n->next = NULL;
	*ns->last = n;
	ns->last = &n->next;
	ns->n++;
}

/* Move everything of `from` behind what is in `to`. */
static void notes_join(struct notes *to, struct notes *from)
{
	if (!from->first)
		return;
	*to->last = from->first;
	to->last = from->last;
	to->n += from->n;
	notes_init(from);
}

static void notes_free(struct notes *ns)
{
	struct note *n, *next;

	for (n = ns->first; n; n = next) {
		next = n->next;
		free(n->body);
		free(n);
	}
	notes_init(ns);
}

static enum status notes_write(struct ledger_sqlite *l, struct notes *ns,
			       const struct ledger_event *e, struct reason *why)
{
	struct note *n = calloc(1, sizeof *n);
	enum status st;

	if (!n)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	st = audit_trail_body(e, e->at_us ? e->at_us : now_wall(l->now),
			      &n->body, why);
	if (st == STATUS_OK &&
	    text_copy(n->run, sizeof n->run, e->run ? e->run : "") != STATUS_OK)
		st = reason_set(why, STATUS_LIMIT, "a run id is a UUID");
	if (st != STATUS_OK) {
		free(n->body);
		free(n);
		return st;
	}
	notes_add(ns, n);
	return STATUS_OK;
}

static enum status notes_write_all(struct ledger_sqlite *l, struct notes *ns,
				   const struct ledger_event *events, size_t n,
				   struct reason *why)
{
	enum status st = STATUS_OK;
	size_t i;

	for (i = 0; i < n && st == STATUS_OK; i++)
		st = notes_write(l, ns, &events[i], why);
	return st;
}

static bool mentions(const struct notes *ns, const char *run)
{
	const struct note *n;

	for (n = ns->first; n; n = n->next)
		if (strcmp(n->run, run) == 0)
			return true;
	return false;
}

/* What was noted for later and goes before `fresh`: events of the same runs,
 * and those of no run. */
static void take_pending(struct ledger_sqlite *l, const struct notes *fresh,
			 const char *run, struct notes *ret_old)
{
	struct notes keep;
	struct note *n, *next;

	notes_init(&keep);
	pthread_mutex_lock(&l->lock);
	for (n = l->pending.first; n; n = next) {
		next = n->next;
		if (!n->run[0] || strcmp(n->run, run) == 0 ||
		    mentions(fresh, n->run))
			notes_add(ret_old, n);
		else
			notes_add(&keep, n);
	}
	notes_init(&l->pending);
	notes_join(&l->pending, &keep);
	pthread_mutex_unlock(&l->lock);
}

/* The write failed: they wait again, at their old place in front. */
static void put_back(struct ledger_sqlite *l, struct notes *old)
{
	pthread_mutex_lock(&l->lock);
	notes_join(old, &l->pending);
	notes_join(&l->pending, old);
	pthread_mutex_unlock(&l->lock);
}

static enum status append_notes(struct lite_tx *tx, const struct notes *ns,
				struct reason *why)
{
	enum status st = STATUS_OK;
	const struct note *n;

	for (n = ns->first; n && st == STATUS_OK; n = n->next)
		st = audit_trail_append(tx, n->body, why);
	return st;
}

/* --- outcomes ------------------------------------------------------------- */

/* Lite's results in the words of ledger.h. */
static enum status translate(enum status st, struct reason *why)
{
	switch (st) {
	case STATUS_OK:
	case STATUS_NOT_FOUND:
	case STATUS_AUDIT_BROKEN:
	case STATUS_NO_MEMORY:
	case STATUS_REFUSED:
	case STATUS_CONFIG:
		return st;
	case STATUS_CORRUPT:
		return reason_wrap(why, STATUS_AUDIT_BROKEN, "the ledger");
	default:
		return reason_wrap(why, STATUS_LEDGER_UNAVAILABLE,
				   "the ledger");
	}
}

/* A durable record: what it adds besides events, and the events. */
struct record {
	struct ledger_sqlite *l;
	struct notes old, fresh;
	lite_fn *more; /* or NULL; runs after the events */
	void *arg;
	bool intact; /* look at the trail's end first */
};

static enum status record_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct record *r = arg;
	enum status st = STATUS_OK;

	if (r->intact)
		st = audit_trail_intact(tx, why);
	if (st == STATUS_OK)
		st = append_notes(tx, &r->old, why);
	if (st == STATUS_OK)
		st = append_notes(tx, &r->fresh, why);
	if (st == STATUS_OK && r->more)
		st = r->more(tx, r->arg, why);
	return st;
}

static void record_init(struct record *r, struct ledger_sqlite *l,
			lite_fn *more, void *arg)
{
	*r = (struct record){ .l = l, .more = more, .arg = arg };
	notes_init(&r->old);
	notes_init(&r->fresh);
}

/* Consumes r. */
static enum status record_commit(struct record *r, const char *run,
				 bool reserved, struct reason *why)
{
	enum status st;

	take_pending(r->l, &r->fresh, run, &r->old);
	if (reserved)
		st = lite_write_reserved(r->l->db, record_in, r, why);
	else
		st = lite_write(r->l->db, record_in, r, why);
	if (st != STATUS_OK)
		put_back(r->l, &r->old);
	notes_free(&r->old);
	notes_free(&r->fresh);
	return translate(st, why);
}

static enum status check_key(const char *what, const char *s, size_t size,
			     struct reason *why)
{
	size_t n = strnlen(s, size);

	if (n == 0 || n == size)
		return reason_set(why, STATUS_LEDGER_UNAVAILABLE,
				  "the ledger takes a %s of 1 to %zu bytes",
				  what, size - 1);
	return STATUS_OK;
}

/* --- begin ---------------------------------------------------------------- */

struct begun {
	const char *run, *role, *mode, *actor, *reason;
	int64_t now_us;
};

static void bind_cut(struct lite_stmt *q, int i, const char *s, size_t size)
{
	char cut[LEDGER_TEXT_SIZE];

	audit_trail_cut(cut, size < sizeof cut ? size : sizeof cut, s ? s : "");
	lite_bind_text(q, i, cut);
}

static enum status insert_run(struct lite_tx *tx, const struct begun *b,
			      struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO run(run, role, mode, actor, reason, "
			  "begun_us) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, b->run);
	lite_bind_text(q, 2, b->role);
	bind_cut(q, 3, b->mode, sizeof((struct ledger_run *)0)->mode);
	bind_cut(q, 4, b->actor, sizeof((struct ledger_run *)0)->actor);
	bind_cut(q, 5, b->reason, LEDGER_TEXT_SIZE);
	lite_bind_int(q, 6, b->now_us);
	return lite_exec(q, NULL, why);
}

/* A run that nobody closed is not shown as going on for ever.  One that does
 * live in another process writes its own outcome over this when it ends. */
static enum status close_interrupted(struct lite_tx *tx, const struct begun *b,
				     struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "UPDATE run SET status = 'INTERRUPTED' "
			  "WHERE run = (SELECT open_run FROM role "
			  "WHERE role = ?1) AND status = ''",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, b->role);
	return lite_exec(q, NULL, why);
}

static enum status begin_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct begun *b = arg;
	struct lite_stmt *q = NULL;
	enum status st = close_interrupted(tx, b, why);

	if (st == STATUS_OK)
		st = insert_run(tx, b, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "INSERT INTO role(role, open_run, "
				  "open_since_us) VALUES(?1, ?2, ?3) "
				  "ON CONFLICT(role) DO UPDATE SET "
				  "open_run = excluded.open_run, "
				  "open_since_us = excluded.open_since_us",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, b->role);
	lite_bind_text(q, 2, b->run);
	lite_bind_int(q, 3, b->now_us);
	return lite_exec(q, NULL, why);
}

static enum status begin(struct ledger *ledger, const char *run,
			 const char *role, const char *mode, const char *actor,
			 const char *reason, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct begun b = { run, role, mode, actor, reason, now_wall(l->now) };
	bool said = reason && reason[0];
	char detail[LEDGER_TEXT_SIZE * 2];
	struct ledger_event e = { .at_us = b.now_us,
				  .kind = "intent",
				  .role = role,
				  .run = run,
				  .actor = actor,
				  .detail = detail,
				  .took_us = -1 };
	struct record r;
	enum status st;

	record_init(&r, l, begin_in, &b);
	r.intact = true;
	st = check_key("run id", run, RANDOM_UUID_SIZE, why);
	if (st == STATUS_OK)
		st = check_key("role name", role, LEDGER_ROLE_SIZE, why);
	if (st != STATUS_OK)
		return st;
	st = translate(lite_reserve(l->db, why), why);
	if (st != STATUS_OK)
		return reason_wrap(why, st, "nothing was rotated");
	snprintf(detail, sizeof detail, "%s%s%s", mode ? mode : "",
		 said ? ": " : "", said ? reason : "");
	st = notes_write(l, &r.fresh, &e, why);
	if (st != STATUS_OK)
		return translate(st, why);
	st = record_commit(&r, run, false, why);
	if (st == STATUS_LEDGER_UNAVAILABLE || st == STATUS_AUDIT_BROKEN)
		reason_wrap(why, st, "nothing was rotated");
	return st;
}

/* --- note ----------------------------------------------------------------- */

static enum status note_later(struct ledger_sqlite *l, struct notes *fresh,
			      bool *ret_full)
{
	pthread_mutex_lock(&l->lock);
	*ret_full = l->pending.n + fresh->n > PENDING_MAX;
	if (!*ret_full)
		notes_join(&l->pending, fresh);
	pthread_mutex_unlock(&l->lock);
	return STATUS_OK;
}

static enum status note(struct ledger *ledger,
			const struct ledger_event *events, size_t n,
			bool durable, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	bool now = durable, of_run = false;
	struct record r;
	enum status st;
	size_t i;

	record_init(&r, l, NULL, NULL);
	for (i = 0; i < n; i++)
		of_run = of_run || (events[i].run && events[i].run[0]);
	st = notes_write_all(l, &r.fresh, events, n, why);
	if (st == STATUS_OK && !durable)
		st = note_later(l, &r.fresh, &now);
	if (st == STATUS_OK && now)
		/* A run that began has its room; a hand-out has none. */
		return record_commit(&r, "", of_run, why);
	notes_free(&r.fresh);
	return translate(st, why);
}

/* --- close ---------------------------------------------------------------- */

struct closed {
	const char *run;
	const struct ledger_role *role;
	const char *status, *version, *error, *steps;
	char actor[sizeof((struct ledger_run *)0)->actor];
	int64_t now_us, begun_us;
	bool keep_open;
};

static enum status load_begun(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct closed *c = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "SELECT actor, begun_us FROM run WHERE run = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->run);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	audit_trail_cut(c->actor, sizeof c->actor, lite_text(q, 0));
	c->begun_us = lite_int(q, 1);
	lite_done(q);
	return STATUS_OK;
}

static enum status end_run(struct lite_tx *tx, const struct closed *c,
			   struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	/* Also when the ledger was lost since it began: history has it. */
	st = lite_prepare(tx,
			  "INSERT INTO run(run, role, mode, actor, reason, "
			  "version, status, error, begun_us, ended_us, steps) "
			  "VALUES(?1, ?2, '', '', '', ?3, ?4, ?5, ?6, ?6, ?7) "
			  "ON CONFLICT(run) DO UPDATE SET "
			  "version = excluded.version, "
			  "status = excluded.status, error = excluded.error, "
			  "ended_us = excluded.ended_us, "
			  "steps = excluded.steps",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->run);
	lite_bind_text(q, 2, c->role->role);
	bind_cut(q, 3, c->version, RANDOM_UUID_SIZE);
	bind_cut(q, 4, c->status, sizeof((struct ledger_run *)0)->status);
	bind_cut(q, 5, c->error, LEDGER_TEXT_SIZE);
	lite_bind_int(q, 6, c->now_us);
	bind_cut(q, 7, c->steps, LEDGER_TEXT_SIZE);
	return lite_exec(q, NULL, why);
}

/*
 * What the run learned replaces what was remembered, but for three things that
 * may have changed behind its back: an operator's freeze stays, the epoch never
 * goes back, and a younger run's claim to be the open one stays.
 */
static const char role_after_run[] =
	"INSERT INTO role(role, version, rotated_us, epoch, frozen, "
	"frozen_us, frozen_reason, open_run, open_since_us, last_status, "
	"last_run_us, last_error, failures) "
	"VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?13, ?12, ''), iif(?13, ?14, "
	"0), ?8, ?9, ?10, ?11) "
	"ON CONFLICT(role) DO UPDATE SET "
	"version = excluded.version, rotated_us = excluded.rotated_us, "
	"epoch = max(epoch, excluded.epoch), "
	"frozen = max(frozen, excluded.frozen), "
	"frozen_us = iif(frozen, frozen_us, excluded.frozen_us), "
	"frozen_reason = iif(frozen, frozen_reason, excluded.frozen_reason), "
	"open_run = iif(open_run IN ('', ?12), excluded.open_run, open_run), "
	"open_since_us = iif(open_run IN ('', ?12), excluded.open_since_us, "
	"open_since_us), "
	"last_status = excluded.last_status, "
	"last_run_us = excluded.last_run_us, "
	"last_error = excluded.last_error, failures = excluded.failures";

/* What was seen in marker and store: the schedule's and the freeze's part of
 * the row is only set when the role is new. */
static const char role_learned[] =
	"INSERT INTO role(role, version, rotated_us, epoch, frozen, "
	"frozen_us, frozen_reason, last_status, last_run_us, last_error, "
	"failures) "
	"VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
	"ON CONFLICT(role) DO UPDATE SET "
	"version = excluded.version, rotated_us = excluded.rotated_us, "
	"epoch = max(epoch, excluded.epoch)";

static void bind_role(struct lite_stmt *q, const struct ledger_role *r)
{
	lite_bind_text(q, 1, r->role);
	bind_cut(q, 2, r->version, RANDOM_UUID_SIZE);
	lite_bind_int(q, 3, r->rotated_us);
	lite_bind_int(q, 4, r->epoch);
	lite_bind_int(q, 5, r->frozen);
	lite_bind_int(q, 6, r->frozen_us);
	bind_cut(q, 7, r->frozen_reason, LEDGER_TEXT_SIZE);
	bind_cut(q, 8, r->last_status, sizeof r->last_status);
	lite_bind_int(q, 9, r->last_run_us);
	bind_cut(q, 10, r->last_error, LEDGER_TEXT_SIZE);
	lite_bind_int(q, 11, r->failures);
}

static enum status close_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct closed *c = arg;
	struct lite_stmt *q = NULL;
	enum status st = end_run(tx, c, why);

	if (st == STATUS_OK)
		st = lite_prepare(tx, role_after_run, &q, why);
	if (st != STATUS_OK)
		return st;
	bind_role(q, c->role);
	lite_bind_text(q, 12, c->run);
	lite_bind_int(q, 13, c->keep_open);
	lite_bind_int(q, 14, c->begun_us);
	return lite_exec(q, NULL, why);
}

static enum status close_run(struct ledger *ledger, const char *run,
			     const struct ledger_event *events, size_t n,
			     const struct ledger_role *role, const char *status,
			     const char *version, const char *error,
			     const char *steps, bool keep_open,
			     struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct closed c = { .run = run,
			    .role = role,
			    .status = status,
			    .version = version,
			    .error = error,
			    .steps = steps,
			    .now_us = now_wall(l->now),
			    .keep_open = keep_open };
	struct ledger_event e = { .at_us = c.now_us,
				  .kind = "close",
				  .role = role->role,
				  .run = run,
				  .version = version,
				  .status = status,
				  .detail = error };
	struct record r;
	enum status st;

	record_init(&r, l, close_in, &c);
	st = check_key("run id", run, RANDOM_UUID_SIZE, why);
	if (st == STATUS_OK)
		st = check_key("role name", role->role, LEDGER_ROLE_SIZE, why);
	if (st != STATUS_OK)
		return st;
	c.begun_us = c.now_us;
	st = lite_read(l->db, load_begun, &c, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return translate(st, why);
	e.actor = c.actor;
	e.took_us = st == STATUS_OK && c.now_us > c.begun_us ?
			    c.now_us - c.begun_us :
			    -1;
	st = notes_write_all(l, &r.fresh, events, n, why);
	if (st == STATUS_OK)
		st = notes_write(l, &r.fresh, &e, why);
	if (st == STATUS_OK)
		return record_commit(&r, run, true, why);
	notes_free(&r.fresh);
	return translate(st, why);
}

/* --- roles ---------------------------------------------------------------- */

#define ROLE_COLUMNS                                            \
	"role, version, rotated_us, epoch, frozen, frozen_us, " \
	"frozen_reason, open_run, open_since_us, last_status, " \
	"last_run_us, last_error, failures"

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
}

struct role_query {
	const char *role;
	struct ledger_role *ret;
	ledger_role_fn *fn;
	void *arg;
	enum status stopped; /* what fn gave */
};

static enum status role_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct role_query *rq = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT " ROLE_COLUMNS " FROM role WHERE role = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, rq->role);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	read_role(q, rq->ret);
	lite_done(q);
	return STATUS_OK;
}

static enum status role(struct ledger *ledger, const char *name,
			struct ledger_role *ret, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct role_query rq = { .role = name, .ret = ret };
	enum status st = lite_read(l->db, role_in, &rq, why);

	if (st == STATUS_NOT_FOUND) {
		*ret = (struct ledger_role){ .epoch = 0 };
		text_copy(ret->role, sizeof ret->role, name);
		return reason_set(why, st, "the ledger does not know role %s",
				  name);
	}
	return translate(st, why);
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

static enum status roles(struct ledger *ledger, ledger_role_fn *fn, void *arg,
			 struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct role_query rq = { .fn = fn, .arg = arg };
	enum status st = lite_read(l->db, roles_in, &rq, why);

	return rq.stopped != STATUS_OK ? rq.stopped : translate(st, why);
}

static enum status learn_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = lite_prepare(tx, role_learned, &q, why);

	if (st != STATUS_OK)
		return st;
	bind_role(q, arg);
	return lite_exec(q, NULL, why);
}

static enum status learn(struct ledger *ledger, const struct ledger_role *r,
			 struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct ledger_role copy = *r;
	enum status st;

	st = check_key("role name", r->role, LEDGER_ROLE_SIZE, why);
	if (st != STATUS_OK)
		return st;
	return translate(lite_write(l->db, learn_in, &copy, why), why);
}

/* --- freeze and thaw ------------------------------------------------------- */

struct freeze {
	const char *role, *reason;
	int64_t now_us;
};

static enum status freeze_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct freeze *f = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO role(role, frozen, frozen_us, "
			  "frozen_reason) VALUES(?1, 1, ?2, ?3) "
			  "ON CONFLICT(role) DO UPDATE SET frozen = 1, "
			  "frozen_us = excluded.frozen_us, "
			  "frozen_reason = excluded.frozen_reason",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, f->role);
	lite_bind_int(q, 2, f->now_us);
	bind_cut(q, 3, f->reason, LEDGER_TEXT_SIZE);
	return lite_exec(q, NULL, why);
}

static enum status thaw_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct freeze *f = arg;
	struct lite_stmt *q = NULL;
	int64_t changes = 0;
	enum status st;

	st = lite_prepare(tx,
			  "UPDATE role SET frozen = 0, frozen_us = 0, "
			  "frozen_reason = '' WHERE role = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, f->role);
	st = lite_exec(q, &changes, why);
	if (st == STATUS_OK && changes == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"the ledger does not know role %s", f->role);
	return st;
}

/* Stopping a rotation must work on a full disk too: from reserved room. */
static enum status set_frozen(struct ledger_sqlite *l, lite_fn *fn,
			      const char *kind, const char *name,
			      const char *actor, const char *reason,
			      struct reason *why)
{
	struct freeze f = { name, reason, now_wall(l->now) };
	struct ledger_event e = { .at_us = f.now_us,
				  .kind = kind,
				  .role = name,
				  .actor = actor,
				  .detail = reason,
				  .took_us = -1 };
	struct record r;
	enum status st;

	record_init(&r, l, fn, &f);
	st = check_key("role name", name, LEDGER_ROLE_SIZE, why);
	if (st == STATUS_OK)
		st = notes_write(l, &r.fresh, &e, why);
	return st == STATUS_OK ? record_commit(&r, "", true, why) :
				 translate(st, why);
}

static enum status freeze(struct ledger *ledger, const char *name,
			  const char *actor, const char *reason,
			  struct reason *why)
{
	return set_frozen((struct ledger_sqlite *)ledger, freeze_in, "freeze",
			  name, actor, reason, why);
}

static enum status thaw(struct ledger *ledger, const char *name,
			const char *actor, struct reason *why)
{
	return set_frozen((struct ledger_sqlite *)ledger, thaw_in, "thaw", name,
			  actor, "", why);
}

/* --- memory ---------------------------------------------------------------- */

struct fact {
	const char *key, *value;
	int64_t until_us, now_us;
	char *ret_value;
};

static enum status remember_in(struct lite_tx *tx, void *arg,
			       struct reason *why)
{
	const struct fact *f = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "DELETE FROM memory WHERE until_us <= ?1", &q,
			  why);
	if (st != STATUS_OK)
		return st;
	lite_bind_int(q, 1, f->now_us);
	st = lite_exec(q, NULL, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "INSERT INTO memory(key, value, until_us) "
				  "VALUES(?1, ?2, ?3) ON CONFLICT(key) DO "
				  "UPDATE SET value = excluded.value, "
				  "until_us = excluded.until_us",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, f->key);
	lite_bind_text(q, 2, f->value);
	lite_bind_int(q, 3, f->until_us);
	return lite_exec(q, NULL, why);
}

static enum status remember(struct ledger *ledger, const char *key,
			    const char *value, int64_t until_us,
			    struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct fact f = { .key = key,
			  .value = value,
			  .until_us = until_us,
			  .now_us = now_wall(l->now) };

	if (strnlen(value, LEDGER_TEXT_SIZE) == LEDGER_TEXT_SIZE)
		return reason_set(why, STATUS_LEDGER_UNAVAILABLE,
				  "the ledger remembers at most %d bytes of %s",
				  LEDGER_TEXT_SIZE - 1, key);
	return translate(lite_write(l->db, remember_in, &f, why), why);
}

static enum status recall_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct fact *f = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT value FROM memory "
			  "WHERE key = ?1 AND until_us > ?2",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, f->key);
	lite_bind_int(q, 2, f->now_us);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	if (text_copy(f->ret_value, LEDGER_TEXT_SIZE, lite_text(q, 0)) !=
	    STATUS_OK)
		st = STATUS_NOT_FOUND;
	lite_done(q);
	return st;
}

static enum status recall(struct ledger *ledger, const char *key,
			  int64_t now_us, char ret_value[LEDGER_TEXT_SIZE],
			  struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct fact f = { .key = key,
			  .now_us = now_us,
			  .ret_value = ret_value };
	enum status st = lite_read(l->db, recall_in, &f, why);

	if (st == STATUS_NOT_FOUND)
		return reason_set(why, st, "the ledger does not remember %s",
				  key);
	return translate(st, why);
}

/* --- history --------------------------------------------------------------- */

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

static enum status history(struct ledger *ledger, const char *name,
			   int64_t since_us, ledger_run_fn *fn, void *arg,
			   struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct history h = { name, since_us, fn, arg, STATUS_OK };
	enum status st = lite_read(l->db, history_in, &h, why);

	return h.stopped != STATUS_OK ? h.stopped : translate(st, why);
}

/* --- audit ----------------------------------------------------------------- */

static enum status checkpoint_in(struct lite_tx *tx, void *arg,
				 struct reason *why)
{
	struct ledger_sqlite *l = arg;

	return audit_trail_sign(tx, &l->keys, now_wall(l->now), why);
}

static enum status checkpoint(struct ledger *ledger, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;

	if (!l->keys.sign)
		return reason_set(why, STATUS_REFUSED,
				  "the ledger was opened without the key that "
				  "signs checkpoints");
	return translate(lite_write(l->db, checkpoint_in, l, why), why);
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

static enum status verify(struct ledger *ledger, struct ledger_verdict *ret,
			  struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct verification v = { l, ret };

	return translate(lite_read(l->db, verify_in, &v, why), why);
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

static enum status export_trail(struct ledger *ledger, ledger_export_fn *fn,
				void *arg, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct exporting x = { fn, arg, STATUS_OK };
	enum status st = lite_read(l->db, export_in, &x, why);

	return x.stopped != STATUS_OK ? x.stopped : translate(st, why);
}

/* --- opening --------------------------------------------------------------- */

static void close_ledger(struct ledger *ledger)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct record r;

	if (!l)
		return;
	if (l->pending.first) {
		record_init(&r, l, NULL, NULL);
		notes_join(&r.fresh, &l->pending);
		/* Nobody waits for them; without room they are lost. */
		record_commit(&r, "", true, NULL);
	}
	lite_close(l->db);
	sign_key_free(l->keys.sign);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static const struct ledger_ops ops = {
	.type = "sqlite",
	.begin = begin,
	.note = note,
	.close_run = close_run,
	.role = role,
	.roles = roles,
	.learn = learn,
	.freeze = freeze,
	.thaw = thaw,
	.remember = remember,
	.recall = recall,
	.history = history,
	.checkpoint = checkpoint,
	.verify = verify,
	.export = export_trail,
	.close = close_ledger,
};

static enum status load_keys(const struct ledger_sqlite_options *o,
			     struct audit_trail_keys *keys, struct reason *why)
{
	enum status st = STATUS_OK;

	if (o->sign_key_path)
		st = sign_key_load(o->sign_key_path, &keys->sign, why);
	if (st != STATUS_OK)
		return st;
	if (o->sign_public_path)
		st = sign_public_load(o->sign_public_path, keys->public_key,
				      why);
	else if (keys->sign)
		sign_key_public(keys->sign, keys->public_key);
	keys->has_public = o->sign_public_path || keys->sign;
	return st;
}

enum status ledger_sqlite_open(const struct ledger_sqlite_options *o,
			       struct ledger **ret_ledger, struct reason *why)
{
	struct lite_options lo = {
		.path = o->path,
		.schema = schema,
		.application_id = APPLICATION_ID,
		.create = o->create,
		.read_only = o->read_only,
		.reserve_bytes = RESERVE_BYTES,
	};
	struct ledger_sqlite *l = calloc(1, sizeof *l);
	enum status st;

	if (!l)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	l->ledger.ops = &ops;
	l->now = o->now;
	pthread_mutex_init(&l->lock, NULL);
	notes_init(&l->pending);
	st = load_keys(o, &l->keys, why);
	if (st == STATUS_OK)
		st = translate(lite_open(&lo, &l->db, why), why);
	if (st != STATUS_OK) {
		close_ledger(&l->ledger);
		return st;
	}
	*ret_ledger = &l->ledger;
	return STATUS_OK;
}
