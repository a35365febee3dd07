/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who was seen with which password.  Must never grow without bound: what clients
 * call themselves is theirs to choose.
 */
#include "ledger/sqlite/adoption.h"

#include "base/text.h"
#include "ledger/ledger_merge.h"
#include "ledger/sqlite/common.h"

const char ledger_sqlite_adoption_schema[] =
	"CREATE TABLE sighting("
	" role TEXT NOT NULL,"
	" consumer TEXT NOT NULL,"
	" login TEXT NOT NULL,"
	" version TEXT NOT NULL,"
	" source TEXT NOT NULL,"
	" first_us INTEGER NOT NULL,"
	" last_us INTEGER NOT NULL,"
	" count INTEGER NOT NULL,"
	" PRIMARY KEY(role, consumer, login, version, source)"
	") STRICT, WITHOUT ROWID;";

/* ---- writing ---------------------------------------------------------------- */

static void bind_key(struct lite_stmt *q, const struct ledger_sighting *s)
{
	lite_bind_text(q, 1, s->role);
	lite_bind_text(q, 2, s->consumer);
	lite_bind_text(q, 3, s->login);
	lite_bind_text(q, 4, s->version);
	lite_bind_text(q, 5, ledger_source_word(s->source));
}

/* Make *s what it is together with what is known.  STATUS_NOT_FOUND: nothing is,
 * and it is as it was. */
static enum status merge_known(struct lite_tx *tx, struct ledger_sighting *s,
			       struct reason *why)
{
	struct ledger_sighting known = *s;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT first_us, last_us, count FROM sighting "
			  "WHERE role = ?1 AND consumer = ?2 AND login = ?3 "
			  "AND version = ?4 AND source = ?5",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	bind_key(q, s);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	known.first_us = lite_int(q, 0);
	known.last_us = lite_int(q, 1);
	known.count = lite_int(q, 2);
	lite_done(q);
	ledger_merge_sighting(&known, s);
	*s = known;
	return STATUS_OK;
}

static enum status store_one(struct lite_tx *tx,
			     const struct ledger_sighting *s,
			     struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT OR REPLACE INTO sighting(role, consumer, "
			  "login, version, source, first_us, last_us, count) "
			  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	bind_key(q, s);
	lite_bind_int(q, 6, s->first_us);
	lite_bind_int(q, 7, s->last_us);
	lite_bind_int(q, 8, s->count);
	return lite_exec(q, NULL, why);
}

/* What has not been seen for the longest time goes, and before that what is not the
 * last of a consumer: who comes once a month is to be known for longer than who
 * comes each minute is known by each version. */
static enum status drop_oldest(struct lite_tx *tx, const char *role,
			       struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "DELETE FROM sighting WHERE role = ?1 AND "
			  "(consumer, login, version, source) IN (SELECT "
			  "consumer, login, version, source FROM sighting "
			  "WHERE role = ?1 ORDER BY last_us = max(last_us) "
			  "OVER (PARTITION BY consumer, source) DESC, "
			  "last_us DESC, consumer LIMIT -1 OFFSET ?2)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, role);
	lite_bind_int(q, 2, LEDGER_SIGHTINGS_MAX);
	return lite_exec(q, NULL, why);
}

struct batch {
	const struct ledger_sighting *seen;
	size_t n;
};

static enum status see_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct batch *b = arg;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < b->n && st == STATUS_OK; i++) {
		struct ledger_sighting s = b->seen[i];
		enum status known = merge_known(tx, &s, why);

		if (known != STATUS_OK && known != STATUS_NOT_FOUND)
			return known;
		st = store_one(tx, &s, why);
		if (st == STATUS_OK && known == STATUS_NOT_FOUND)
			st = drop_oldest(tx, s.role, why);
	}
	return st;
}

static enum status see(struct ledger *ledger,
		       const struct ledger_sighting *seen, size_t n,
		       struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct batch b = { seen, n };

	if (n == 0)
		return STATUS_OK;
	return ledger_sqlite_translate(lite_write(l->db, see_in, &b, why), why);
}

/* ---- reading ---------------------------------------------------------------- */

struct walk {
	const char *role;
	ledger_sighting_fn *fn;
	void *arg;
	enum status stopped; /* what fn gave */
};

/* False for what a later keyturn wrote. */
static bool read_one(struct lite_stmt *q, struct ledger_sighting *s)
{
	*s = (struct ledger_sighting){ .source = ledger_source_find(
					       lite_text(q, 4)),
				       .first_us = lite_int(q, 5),
				       .last_us = lite_int(q, 6),
				       .count = lite_int(q, 7) };
	text_copy(s->role, sizeof(s->role), lite_text(q, 0));
	text_copy(s->consumer, sizeof(s->consumer), lite_text(q, 1));
	text_copy(s->login, sizeof(s->login), lite_text(q, 2));
	text_copy(s->version, sizeof(s->version), lite_text(q, 3));
	return s->source != LEDGER_SOURCE_COUNT;
}

static enum status each_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct walk *w = arg;
	struct ledger_sighting s;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT role, consumer, login, version, source, "
			  "first_us, last_us, count FROM sighting "
			  "WHERE ?1 IS NULL OR role = ?1 "
			  "ORDER BY role, consumer, login, version, source",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, w->role);
	while ((st = lite_step(q, why)) == STATUS_OK) {
		if (!read_one(q, &s))
			continue;
		w->stopped = w->fn(w->arg, &s);
		if (w->stopped != STATUS_OK) {
			lite_done(q);
			return w->stopped;
		}
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

static enum status each(struct ledger *ledger, const char *role,
			ledger_sighting_fn *fn, void *arg, struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct walk w = { .role = role, .fn = fn, .arg = arg };
	enum status st = lite_read(l->db, each_in, &w, why);

	return w.stopped != STATUS_OK ? w.stopped :
					ledger_sqlite_translate(st, why);
}

const struct ledger_adoption_ops ledger_sqlite_adoption_ops = {
	.see = see,
	.each = each,
};
