/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statements on the rows of a secret.  Must never write a list that
 * store_versions.h did not make.
 */
#include "store/local/common.h"

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
	st = store_local_prepare(tx,
				 "SELECT revision FROM secret WHERE name = ?1",
				 name, &q, why);
	if (st != STATUS_OK)
		return st;
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
		st = store_local_prepare(
			tx,
			"SELECT id, label, created_us, lived FROM version "
			"WHERE name = ?1 ORDER BY seq DESC",
			name, &q, why);
	if (st != STATUS_OK)
		return st;
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
		v->lived = lite_int(q, 3) != 0;
	}
	if (st != STATUS_NOT_FOUND)
		return st;
	*ret_state = state;
	return STATUS_OK;
}

static enum status insert_row(struct lite_tx *tx,
			      const struct store_local_change *c,
			      const struct store_version *v, struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = store_local_prepare(
		tx,
		"INSERT INTO version"
		"(id, name, label, seq, created_us, sealed, lived) "
		"SELECT ?2, ?1, ?3, coalesce(max(seq), 0) + 1, ?4, ?5, ?6 "
		"FROM version WHERE name = ?1",
		c->name, &q, why);

	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 2, v->id);
	lite_bind_int(q, 3, v->label);
	lite_bind_int(q, 4, v->created_us);
	lite_bind_blob(q, 5, c->blob, c->blob_n);
	lite_bind_int(q, 6, v->lived);
	return lite_exec(q, NULL, why);
}

static enum status update_row(struct lite_tx *tx,
			      const struct store_local_change *c,
			      const struct store_version *v, bool in_front,
			      struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = store_local_prepare(
		tx,
		"UPDATE version SET label = ?3, lived = ?4, "
		"seq = CASE WHEN ?5 THEN 1 + "
		"(SELECT max(seq) FROM version WHERE name = ?1) ELSE seq END "
		"WHERE name = ?1 AND id = ?2",
		c->name, &q, why);

	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 2, v->id);
	lite_bind_int(q, 3, v->label);
	lite_bind_int(q, 4, v->lived);
	lite_bind_int(q, 5, in_front);
	return lite_exec(q, NULL, why);
}

static enum status delete_row(struct lite_tx *tx,
			      const struct store_local_change *c,
			      const char *id, struct reason *why)
{
	struct lite_stmt *q = NULL;
	enum status st = store_local_prepare(
		tx, "DELETE FROM version WHERE name = ?1 AND id = ?2", c->name,
		&q, why);

	if (st != STATUS_OK)
		return st;
	lite_bind_text(q, 2, id);
	return lite_exec(q, NULL, why);
}

/* No two versions ever share a label on the way: all give theirs back first. */
static enum status write_versions(struct lite_tx *tx,
				  const struct store_local_change *c,
				  const struct store_state *changed,
				  struct reason *why)
{
	const struct store_state *before = c->ret_state;
	const struct store_version *v;
	enum status st;
	size_t i;

	st = store_local_run(
		tx,
		"UPDATE version SET label = 0 WHERE name = ?1 AND label <> 0",
		c->name, why);
	for (i = 0; i < changed->n && st == STATUS_OK; i++) {
		v = &changed->versions[i];
		if (!store_find_id(before, v->id))
			st = insert_row(tx, c, v, why);
		else if (v->label != STORE_LABEL_RING)
			st = update_row(tx, c, v,
					i == 0 && strcmp(before->versions[0].id,
							 v->id) != 0,
					why);
	}
	for (i = 0; i < before->n && st == STATUS_OK; i++)
		if (!store_find_id(changed, before->versions[i].id))
			st = delete_row(tx, c, before->versions[i].id, why);
	return st;
}

enum status store_local_rows_save(struct lite_tx *tx,
				  struct store_local_change *c,
				  const struct store_state *changed,
				  struct reason *why)
{
	enum status st = store_local_run(
		tx,
		"INSERT INTO secret(name, revision) VALUES(?1, 1) "
		"ON CONFLICT(name) DO UPDATE SET "
		"revision = revision + 1",
		c->name, why);

	if (st == STATUS_OK)
		st = write_versions(tx, c, changed, why);
	if (st == STATUS_OK)
		st = store_local_rows_state(tx, c->name, c->ret_state, why);
	return st;
}
