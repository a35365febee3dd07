/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statements on the rows of a secret.  Must never delete a version that
 * carries a label.
 */
#include "store/local/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static enum status load_revision(struct lite_tx *tx, const char *name,
				 char revision[STORE_REVISION_SIZE],
				 struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	revision[0] = '\0';
	st = lite_prepare(tx, "SELECT revision FROM secret WHERE name = ?1", &q,
			  why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, name);
	st = lite_step(q, why);
	if (st == STATUS_OK) {
		snprintf(revision, STORE_REVISION_SIZE, "%" PRId64,
			 lite_int(q, 0));
		lite_done(q);
	}
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}

enum status store_local_rows_state(struct lite_tx *tx, const char *name,
				   struct store_state *ret_state,
				   struct reason *why)
{
	struct store_state state = { .n = 0 };
	struct lite_stmt *q = NULL;
	struct store_version *v;
	enum status st;

	st = load_revision(tx, name, state.revision, why);
	if (st == STATUS_OK)
		st = lite_prepare(tx,
				  "SELECT id, label, created_us FROM version "
				  "WHERE name = ?1 ORDER BY seq DESC",
				  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, name);
	while ((st = lite_step(q, why)) == STATUS_OK) {
		if (state.n == STORE_VERSIONS_MAX) {
			lite_done(q);
			return reason_set(why, STATUS_CORRUPT,
					  "the secret %s has more than %d "
					  "versions: the store was altered",
					  name, STORE_VERSIONS_MAX);
		}
		v = &state.versions[state.n++];
		if (text_copy(v->id, sizeof v->id, lite_text(q, 0)) !=
		    STATUS_OK) {
			lite_done(q);
			return reason_set(why, STATUS_CORRUPT,
					  "the secret %s has a malformed "
					  "version id: the store was altered",
					  name);
		}
		v->label = (enum store_label)lite_int(q, 1);
		v->created_us = lite_int(q, 2);
	}
	if (st != STATUS_NOT_FOUND)
		return st;
	*ret_state = state;
	return STATUS_OK;
}

enum status store_local_rows_compare(const struct store_local_change *c,
				     const struct store_state *state,
				     struct reason *why)
{
	if (strcmp(state->revision, c->revision) == 0)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFLICT,
			  "store %s: %s is at revision %s, not %s: somebody "
			  "else changed it",
			  c->s->name, c->name,
			  state->revision[0] ? state->revision : "(none)",
			  c->revision[0] ? c->revision : "(none)");
}

enum status store_local_rows_bump(struct lite_tx *tx,
				  const struct store_local_change *c,
				  struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO secret(name, revision) VALUES(?1, 1) "
			  "ON CONFLICT(name) DO UPDATE SET "
			  "revision = revision + 1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	return lite_exec(q, NULL, why);
}

enum status store_local_rows_relabel(struct lite_tx *tx,
				     const struct store_local_change *c,
				     enum store_label from, enum store_label to,
				     struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "UPDATE version SET label = ?3 "
			  "WHERE name = ?1 AND label = ?2",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	lite_bind_int(q, 2, from);
	lite_bind_int(q, 3, to);
	return lite_exec(q, NULL, why);
}

enum status store_local_rows_insert(struct lite_tx *tx,
				    const struct store_local_change *c,
				    struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "INSERT INTO version"
			  "(id, name, label, seq, created_us, sealed, lived) "
			  "SELECT ?1, ?2, ?3, coalesce(max(seq), 0) + 1, ?4, "
			  "?5, 0 FROM version WHERE name = ?2",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->id);
	lite_bind_text(q, 2, c->name);
	lite_bind_int(q, 3, STORE_LABEL_PENDING);
	lite_bind_int(q, 4, c->now_us);
	lite_bind_blob(q, 5, c->blob, c->blob_n);
	return lite_exec(q, NULL, why);
}

enum status store_local_rows_make_current(struct lite_tx *tx,
					  const struct store_local_change *c,
					  struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "UPDATE version SET label = ?3, lived = 1, seq = 1 + "
			  "(SELECT max(seq) FROM version WHERE name = ?1) "
			  "WHERE id = ?2 AND name = ?1",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	lite_bind_text(q, 2, c->id);
	lite_bind_int(q, 3, STORE_LABEL_CURRENT);
	return lite_exec(q, NULL, why);
}

/*
 * Only unlabelled versions, and of these the oldest beyond the ring, those first
 * that were never live: a day of failed runs must not push out what a restored
 * database may need.  The newest stays whatever it is: it may have been PENDING
 * until just now, and what became of it is not known to everybody yet.
 */
static enum status prune(struct lite_tx *tx, const struct store_local_change *c,
			 struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st;

	st = lite_prepare(tx,
			  "DELETE FROM version WHERE name = ?1 AND label = 0 "
			  "AND id NOT IN (SELECT id FROM version "
			  "WHERE name = ?1 AND label = 0 "
			  "ORDER BY lived OR seq = (SELECT max(seq) FROM "
			  "version WHERE name = ?1 AND label = 0) DESC, "
			  "seq DESC LIMIT ?2)",
			  &q, why);
	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 1, c->name);
	lite_bind_int(q, 2, c->s->ring);
	return lite_exec(q, NULL, why);
}

enum status store_local_rows_finish(struct lite_tx *tx,
				    struct store_local_change *c,
				    struct reason *why)
{
	enum status st = prune(tx, c, why);

	return st == STATUS_OK ?
		       store_local_rows_state(tx, c->name, c->ret_state, why) :
		       st;
}
