/* SPDX-License-Identifier: PostgreSQL */
/*
 * Shows that the store can be written, before it must be.  Must never leave
 * anything behind.
 */
#include "store/local/common.h"

#include <string.h>

#define AAD_CANARY "keyturn store canary 1"

struct canary {
	struct store_local *s;
	char id[RANDOM_UUID_SIZE];
	const unsigned char *blob;
	size_t n;
};

static enum status write_canary(struct lite_tx *tx, const struct canary *c,
				struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = store_local_prepare(
		tx, "INSERT INTO canary(id, sealed) VALUES(?1, ?2)", c->id, &q,
		why);

	if (st != STATUS_OK)
		return st;
	lite_bind_blob(q, 2, c->blob, c->n);
	return lite_exec(q, NULL, why);
}

static enum status read_canary(struct lite_tx *tx, const struct canary *c,
			       struct reason *why)
{
	struct lite_stmt *q = NULL;
	const void *blob = NULL;
	size_t n = 0;
	enum status st = store_local_prepare(
		tx, "SELECT sealed FROM canary WHERE id = ?1", c->id, &q, why);

	if (st != STATUS_OK)
		return st;
	st = lite_step(q, why);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	if (st == STATUS_OK)
		blob = lite_blob(q, 0, &n);
	if (!blob || n != c->n || memcmp(blob, c->blob, n) != 0)
		st = reason_set(why, STATUS_CORRUPT,
				"store %s does not give back what was written "
				"to it",
				c->s->name);
	lite_done(q);
	return st;
}

/* One transaction: its commit writes and syncs the pages that were touched,
 * and a rotation pays for one fsync, not for three. */
static enum status canary_in(struct lite_tx *tx, void *arg, struct reason *why)
{
	const struct canary *c = arg;
	enum status st = write_canary(tx, c, why);

	if (st == STATUS_OK)
		st = read_canary(tx, c, why);
	if (st == STATUS_OK)
		st = store_local_run(tx, "DELETE FROM canary WHERE id = ?1",
				     c->id, why);
	return st;
}

enum status store_local_canary(struct store *store, struct reason *why)
{
	struct store_local *s = (struct store_local *)store;
	unsigned char blob[RANDOM_UUID_SIZE + SEAL_OVERHEAD];
	struct canary c = { .s = s, .blob = blob };
	enum status st;

	st = lite_reserve(s->db, why);
	if (st == STATUS_OK) {
		st = random_uuid(s->random, c.id);
		if (st != STATUS_OK)
			reason_set(why, st, "no randomness");
	}
	if (st == STATUS_OK)
		st = store_local_seal_text(s, AAD_CANARY, c.id, blob, &c.n,
					   why);
	if (st == STATUS_OK)
		st = lite_write(s->db, canary_in, &c, why);
	return store_local_translate(s, st, why);
}
