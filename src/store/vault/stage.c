/* SPDX-License-Identifier: PostgreSQL */
/*
 * stage: writes the record, with compare-and-swap.  Must never let a version go
 * that has a label, nor take a refusal or a lost answer for the truth when the
 * store can be read.
 */
#include "store/vault/common.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/store_entry.h"
#include "store/store_refuse.h"
#include "store/vault/kv.h"
#include "store/vault/view.h"

static enum status check_entry(const struct store_entry *e, struct reason *why)
{
	struct secret *plain = NULL;
	enum status s = store_entry_encode(e, &plain, why);

	secret_free(plain);
	if (s == STATUS_OK &&
	    !text_is_utf8(secret_bytes(e->password), secret_len(e->password)))
		s = reason_set(
			why, STATUS_REFUSED,
			"the password is not valid UTF-8, so JSON cannot "
			"hold it");
	return s;
}

/* The id is there already: the same content makes it a repeat. */
static enum status compare_content(struct store_vault *v, const char *name,
				   const char *id,
				   const struct store_entry *entry,
				   struct reason *why)
{
	struct secret *wanted = NULL, *found = NULL;
	struct store_entry there = { .password = NULL };
	enum status s;

	s = store_vault_view_fetch_record(v, name, id, 0, &there, why);
	if (s == STATUS_OK)
		s = store_entry_encode(entry, &wanted, why);
	if (s == STATUS_OK)
		s = store_entry_encode(&there, &found, why);
	if (s == STATUS_OK && !secret_equal(wanted, found))
		s = store_refuse_content(v->name, name, id, why);
	secret_free(there.password);
	secret_free(wanted);
	secret_free(found);
	return s;
}

/* A version of B from an entry. */
static struct json_out make_version(const struct store_entry *e,
				    int64_t created_us, bool lived)
{
	struct json_out d = json_out_object();

	json_out_int(&d, "created_us", created_us);
	json_out_bool(&d, "lived", lived);
	store_vault_view_put_entry(&d, e);
	return d;
}

static bool is_labelled(const struct store_vault_view *w, const char *id)
{
	return strcmp(id, w->current) == 0 || strcmp(id, w->previous) == 0;
}

/* The order after the staging: the new one, what A names, then the others, of
 * which some beyond the ring go. */
static enum status order_versions(const struct store_vault *v,
				  const struct store_vault_view *w,
				  const char *id, struct store_vault_view *next,
				  struct reason *why)
{
	struct store_state s;
	size_t i;
	int pass;

	store_vault_view_versions(w, &s);
	if (store_versions_stage(&s, id, now_wall(v->now), v->ring) !=
	    STATUS_OK)
		return store_refuse_full(v->name, w->name, why);
	*next = *w;
	text_copy(next->pending, sizeof(next->pending), id);
	next->current_in_b = w->current[0] != '\0';
	next->order[0] = s.versions[0];
	next->n = 1;
	for (pass = 0; pass < 2; pass++)
		for (i = 1; i < s.n; i++)
			if (is_labelled(w, s.versions[i].id) == (pass == 0))
				next->order[next->n++] = s.versions[i];
	return STATUS_OK;
}

/* When A names a version that B does not have (B was lost or rolled back), its
 * secret goes into B before A may be overwritten. */
static enum status add_lost_current(struct store_vault *v,
				    const struct store_vault_view *w,
				    struct json_out *versions,
				    struct reason *why)
{
	struct store_entry entry = { .password = NULL };
	struct json_out lost;
	enum status s;

	if (!w->current[0] || w->current_in_b)
		return STATUS_OK;
	s = store_vault_view_fetch_current(v, w->name, w->current, &entry, why);
	if (s == STATUS_NOT_FOUND)
		return store_refuse_moved(v->name, w->name, why);
	if (s != STATUS_OK)
		return s;
	lost = make_version(&entry, w->a_created_us, true);
	json_out_put(versions, w->current, &lost);
	secret_free(entry.password);
	return STATUS_OK;
}

static void put_order(struct json_out *data,
		      const struct store_vault_view *next)
{
	struct json_out order = json_out_array();
	size_t i;

	for (i = 0; i < next->n; i++)
		json_out_text(&order, NULL, next->order[i].id);
	json_out_put(data, "order", &order);
}

/* For a PATCH: what the ring forgets is named null; what A names was CURRENT,
 * which promote() wrote into A only. */
static void put_changes(struct json_out *versions,
			const struct store_vault_view *w,
			const struct store_vault_view *next)
{
	struct json_out d;
	size_t i;

	for (i = 0; i < w->n; i++)
		if (!store_vault_view_has(next, w->order[i].id))
			json_out_null(versions, w->order[i].id);
	for (i = 0; i < w->n; i++) {
		if (w->order[i].lived || !is_labelled(w, w->order[i].id))
			continue;
		d = json_out_object();
		json_out_bool(&d, "lived", true);
		json_out_put(versions, w->order[i].id, &d);
	}
}

static enum status make_record(struct store_vault *v,
			       const struct store_vault_view *w,
			       const struct store_vault_view *next,
			       const struct store_entry *entry, bool patch,
			       struct json_out *ret_data, struct reason *why)
{
	struct json_out data = json_out_object(), versions = json_out_object();
	struct json_out staged =
		make_version(entry, next->order[0].created_us, false);
	enum status s;

	json_out_put(&versions, next->order[0].id, &staged);
	s = add_lost_current(v, w, &versions, why);
	if (s != STATUS_OK) {
		json_out_free(&versions);
		json_out_free(&data);
		return s;
	}
	if (patch)
		put_changes(&versions, w, next);
	json_out_text(&data, "format", STORE_VAULT_FORMAT);
	json_out_text(&data, "pending", next->pending);
	if (next->b_replaces > 0)
		json_out_int(&data, "replaces", next->b_replaces);
	else if (patch)
		json_out_null(&data, "replaces");
	put_order(&data, next);
	json_out_put(&data, "versions", &versions);
	*ret_data = data;
	return STATUS_OK;
}

/* The cas did not fit, or nothing is known: what does the store say? */
static enum status settle_stage(struct store_vault *v, const char *name,
				const char *id, const struct store_entry *entry,
				const char *revision, struct store_state *after,
				struct reason *why)
{
	char is[STORE_REVISION_SIZE];
	struct store_vault_view w;
	enum status s = store_vault_view_read(v, name, &w, why);

	if (s != STATUS_OK)
		return s;
	if (store_vault_view_has(&w, id)) {
		s = compare_content(v, name, id, entry, why);
		if (s == STATUS_OK)
			store_vault_view_state(&w, after);
		return s;
	}
	store_vault_view_revision(&w, is);
	if (strcmp(is, revision) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "store %s refuses to write the record of %s "
				  "(HTTP 400)",
				  v->name, name);
	return store_refuse_moved(v->name, name, why);
}

static enum status write_stage(struct store_vault *v,
			       struct store_vault_view *w, const char *revision,
			       const char *id, const struct store_entry *entry,
			       struct store_state *after, struct reason *why)
{
	bool patch = w->b_version > 0 && !w->b_deleted;
	const struct store_vault_write write = { STORE_VAULT_RECORD, w->name,
						 patch, w->b_version };
	struct store_vault_view next;
	struct json_out data;
	enum status s;

	s = order_versions(v, w, id, &next, why);
	if (s != STATUS_OK)
		return s;
	next.b_replaces = w->a_deleted ? w->a_version : 0;
	s = make_record(v, w, &next, entry, patch, &data, why);
	if (s == STATUS_OK)
		s = store_vault_kv_write(v, &write, &data, &next.b_version,
					 why);
	if (s == STATUS_CONFLICT || s == STATUS_NOT_FOUND)
		return settle_stage(v, w->name, id, entry, revision, after,
				    why);
	if (s != STATUS_OK) {
		if (s == STATUS_UNKNOWN || next.b_version != w->b_version)
			store_vault_known_forget(v, w->name);
		return s;
	}
	next.b_deleted = false;
	store_vault_known_save(v, &next, 0);
	store_vault_known_hold(v, w->name, id, entry, next.b_version);
	store_vault_view_state(&next, after);
	return STATUS_OK;
}

enum status store_vault_stage(struct store *store, const char *name,
			      const char *revision, const char *id,
			      const struct store_entry *entry,
			      struct store_state *ret_state, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state after;
	enum status s = store_vault_view_check(v, name, id, why);

	if (s == STATUS_OK)
		s = check_entry(entry, why);
	if (s == STATUS_OK)
		s = store_vault_view_at(v, name, revision, &w, why);
	if (s != STATUS_OK)
		return s;
	store_vault_view_state(&w, &after);
	if (store_vault_view_has(&w, id)) {
		s = compare_content(v, name, id, entry, why);
	} else if (strcmp(after.revision, revision) != 0) {
		s = store_refuse_moved(v->name, name, why);
	} else {
		/* Better now than when the new password is live and CURRENT
		 * cannot be moved. */
		s = store_vault_ready_check(v, &w, why);
		if (s == STATUS_OK)
			s = write_stage(v, &w, revision, id, entry, &after,
					why);
	}
	if (s == STATUS_OK && ret_state)
		*ret_state = after;
	return s;
}
