/* SPDX-License-Identifier: PostgreSQL */
/*
 * Small facts that are remembered until a time.  Must never give one back
 * after it, nor believe a clock that was ahead.
 */
#include "ledger/sqlite/memory.h"

#include <string.h>

#include "base/text.h"
#include "ledger/sqlite/common.h"
#include "ledger/sqlite/record.h"

#define HOUR_US (3600 * NOW_SECOND)

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

static enum status remember_fact(struct ledger *ledger, const char *key,
				 const char *value, int64_t until_us,
				 struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct fact f = { .key = key,
			  .value = value,
			  .now_us = now_wall(l->now) };

	f.until_us = until_us == LEDGER_FOREVER ||
				     until_us < f.now_us + LEDGER_LIFE_US ?
			     until_us :
			     f.now_us + LEDGER_LIFE_US;

	if (strnlen(value, LEDGER_TEXT_SIZE) == LEDGER_TEXT_SIZE)
		return reason_set(why, STATUS_LEDGER_UNAVAILABLE,
				  "the ledger remembers at most %d bytes of %s",
				  LEDGER_TEXT_SIZE - 1, key);
	return ledger_sqlite_translate(lite_write(l->db, remember_in, &f, why),
				       why);
}

static enum status recall_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct fact *f = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "SELECT value FROM memory "
			  "WHERE key = ?1 AND until_us > ?2 AND "
			  "(until_us <= ?3 OR until_us = ?4)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, f->key);
	lite_bind_int(q, 2, f->now_us);
	/* What would live longer was remembered by a clock that was ahead, by
	 * more than two clocks may differ. */
	lite_bind_int(q, 3, f->now_us + LEDGER_LIFE_US + HOUR_US);
	lite_bind_int(q, 4, LEDGER_FOREVER);
	st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	if (text_copy(f->ret_value, LEDGER_TEXT_SIZE, lite_text(q, 0)) !=
	    STATUS_OK)
		st = STATUS_NOT_FOUND;
	lite_done(q);
	return st;
}

static enum status recall_fact(struct ledger *ledger, const char *key,
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
	return ledger_sqlite_translate(st, why);
}

/* ---- a fact and its event ---------------------------------------------------- */

struct change {
	const char *key, *was, *value;
	int64_t now_us;
};

static enum status change_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct change *c = arg;
	char present[LEDGER_TEXT_SIZE] = "";
	struct fact f = { .key = c->key,
			  .value = c->value,
			  .until_us = *c->value ? LEDGER_FOREVER : 0,
			  .now_us = c->now_us,
			  .ret_value = present };
	enum status st = recall_in(tx, &f, why);

	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	if (strcmp(present, c->was) != 0)
		return reason_set(why, STATUS_CONFLICT,
				  "someone else changed %s first", c->key);
	return remember_in(tx, &f, why);
}

static enum status change_fact(struct ledger *ledger, const char *key,
			       const char *was, const char *value,
			       const struct audit_event *event,
			       struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct change c = { key, was, value, now_wall(l->now) };
	struct ledger_sqlite_record r;
	enum status st = STATUS_OK;

	if (strnlen(value, LEDGER_TEXT_SIZE) == LEDGER_TEXT_SIZE)
		st = reason_set(why, STATUS_LEDGER_UNAVAILABLE,
				"the ledger remembers at most %d bytes of %s",
				LEDGER_TEXT_SIZE - 1, key);
	ledger_sqlite_record_init(&r, l, change_in, &c);
	if (st == STATUS_OK)
		st = ledger_sqlite_notes_write(l, &r.fresh, event, why);
	return st == STATUS_OK ?
		       ledger_sqlite_record_commit(&r, "", false, why) :
		       ledger_sqlite_translate(st, why);
}

/* ---- forgetting -------------------------------------------------------------- */

struct unwanted {
	const char *prefix;
	ledger_keep_fn *keep;
	void *arg;
	char key[LEDGER_TEXT_SIZE]; /* the first one, "" for none */
};

static enum status find_unwanted(struct lite_tx *tx, void *arg,
				 struct reason *why)
{
	struct unwanted *u = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	u->key[0] = '\0';
	st = lite_prepare(tx,
			  "SELECT key FROM memory "
			  "WHERE substr(key, 1, length(?1)) = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, u->prefix);
	while ((st = lite_step(q, why)) == STATUS_OK) {
		if (u->keep(u->arg, lite_text(q, 0)) ||
		    text_copy(u->key, sizeof u->key, lite_text(q, 0)) !=
			    STATUS_OK)
			continue;
		lite_done(q);
		return STATUS_OK;
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

static enum status delete_unwanted(struct lite_tx *tx, void *arg,
				   struct reason *why)
{
	const struct unwanted *u = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "DELETE FROM memory WHERE key = ?1", &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, u->key);
	return lite_exec(q, NULL, why);
}

static enum status forget_facts(struct ledger *ledger, const char *prefix,
				ledger_keep_fn *keep, void *arg,
				struct reason *why)
{
	struct ledger_sqlite *l = (struct ledger_sqlite *)ledger;
	struct unwanted u = { .prefix = prefix, .keep = keep, .arg = arg };
	enum status st;

	/* Mostly there is none, and nothing to be written. */
	while ((st = lite_read(l->db, find_unwanted, &u, why)) == STATUS_OK &&
	       u.key[0])
		if ((st = lite_write(l->db, delete_unwanted, &u, why)) !=
		    STATUS_OK)
			break;
	return ledger_sqlite_translate(st, why);
}

const struct ledger_fact_ops ledger_sqlite_memory_ops = {
	.remember = remember_fact,
	.recall = recall_fact,
	.change = change_fact,
	.forget = forget_facts,
};
