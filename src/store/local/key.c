/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tells whether the store's file and the key belong together.  Must never take
 * a file that has secrets for a new one.
 */
#include "store/local/common.h"

#include <string.h>

#define AAD_CHECK "keyturn store check 1"
static const char check_text[] = "this key opens this store";

static enum status test_check(struct store_local *s, const void *blob, size_t n,
			      struct reason *why)
{
	static const struct seal_aad aad = { AAD_CHECK, sizeof AAD_CHECK - 1 };
	struct secret *plain = NULL;
	enum status st = seal_open(s->key, &aad, blob, n, &plain, why);

	if (st == STATUS_OK &&
	    (secret_len(plain) != strlen(check_text) ||
	     memcmp(secret_bytes(plain), check_text, strlen(check_text)) != 0))
		st = STATUS_CORRUPT;
	secret_free(plain);
	return st;
}

/* STATUS_NOT_FOUND: the file is new and belongs to no key yet. */
static enum status read_check(struct lite_tx *tx, void *arg, struct reason *why)
{
	struct store_local *s = arg;
	struct lite_stmt *q = NULL;
	const void *blob;
	enum status st;
	size_t n = 0;

	st = lite_prepare(tx, "SELECT sealed FROM seal_check", &q, why);
	if (st == STATUS_OK)
		st = lite_step(q, why);
	if (st != STATUS_OK)
		return st;
	blob = lite_blob(q, 0, &n);
	st = test_check(s, blob, n, why);
	lite_done(q);
	return st;
}

struct new_check {
	struct store_local *s;
	unsigned char blob[sizeof check_text + SEAL_OVERHEAD];
	size_t n;
};

static enum status refuse_used(struct lite_tx *tx, const char *store,
			       struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx, "SELECT 1 FROM secret LIMIT 1", &q, why);
	if (st == STATUS_OK)
		st = lite_step(q, why);
	if (st != STATUS_OK)
		return st == STATUS_NOT_FOUND ? STATUS_OK : st;
	lite_done(q);
	return reason_set(why, STATUS_CORRUPT,
			  "store %s: the row that tells its key is gone: "
			  "restore the store from a backup",
			  store);
}

static enum status write_check(struct lite_tx *tx, void *arg,
			       struct reason *why)
{
	struct new_check *c = arg;
	struct lite_stmt *q = NULL;
	enum status st;

	st = read_check(tx, c->s, why); /* another process was faster */
	if (st != STATUS_NOT_FOUND)
		return st;
	st = refuse_used(tx, c->s->name, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx, "INSERT INTO seal_check VALUES(1, ?1)",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_blob(q, 1, c->blob, c->n);
	return lite_exec(q, NULL, why);
}

enum status store_local_key_check(struct store_local *s, const char *path,
				  const char *key_path, struct reason *why)
{
	struct new_check c = { .s = s };
	enum status st;

	st = lite_read(s->db, read_check, s, why);
	if (st == STATUS_NOT_FOUND) {
		st = store_local_seal_text(s, AAD_CHECK, check_text, c.blob,
					   &c.n, why);
		if (st == STATUS_OK)
			st = lite_write(s->db, write_check, &c, why);
		if (st != STATUS_CORRUPT)
			return st;
		return reason_wrap(why, st, "%s", path);
	}
	if (st == STATUS_CORRUPT)
		reason_set(why, st,
			   "%s was not sealed with the key in %s: put the "
			   "right key there, or restore the store that belongs "
			   "to it",
			   path, key_path);
	return st;
}
