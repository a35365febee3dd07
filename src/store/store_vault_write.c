/* SPDX-License-Identifier: PostgreSQL */
/*
 * stage, promote and retire: each writes one document, with compare-and-swap.
 * Must never take a refusal or a lost answer for the truth when the store can
 * be read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "store/store_entry.h"
#include "store/store_vault_internal.h"

#define REMEMBER_US (300 * NOW_SECOND)
#define TELL_US	    (300 * NOW_SECOND)

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

/* ---- stage ------------------------------------------------------------- */

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
		s = reason_set(why, STATUS_REFUSED,
			       "store %s: version %s of %s exists with another "
			       "content: make a new version",
			       v->name, id, name);
	secret_free(there.password);
	secret_free(wanted);
	secret_free(found);
	return s;
}

/* A version of B from an entry; NULL without memory. */
static struct doc *make_version(const struct store_entry *e, int64_t created_us)
{
	struct doc *d = doc_new_object();

	if (d && (doc_set_int(d, "created_us", created_us) != STATUS_OK ||
		  store_vault_view_put_entry(d, e) != STATUS_OK)) {
		doc_free(d);
		return NULL;
	}
	return d;
}

/* The order after the staging: the new one, what A names, then the others, of
 * which the oldest beyond the ring go. */
static void reorder(const struct store_vault *v,
		    const struct store_vault_view *w, const char *id,
		    int64_t created_us, struct store_vault_view *next)
{
	size_t ring = 0, i;
	bool labelled;
	int pass;

	*next = *w;
	text_copy(next->pending, sizeof(next->pending), id);
	text_copy(next->order[0].id, RANDOM_UUID_SIZE, id);
	next->order[0].created_us = created_us;
	next->n = 1;
	if (w->current[0] && !w->current_in_b) {
		text_copy(next->order[1].id, RANDOM_UUID_SIZE, w->current);
		next->order[1].created_us = w->a_created_us;
		next->n = 2;
	}
	next->current_in_b = w->current[0] != '\0';
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < w->n; i++) {
			labelled = strcmp(w->order[i].id, w->current) == 0 ||
				   strcmp(w->order[i].id, w->previous) == 0;
			if (labelled != (pass == 0) ||
			    (!labelled && ring++ >= v->ring))
				continue;
			next->order[next->n++] = w->order[i];
		}
	}
}

/* When A names a version that B does not have (B was lost or rolled back), its
 * secret goes into B before A may be overwritten. */
static enum status add_lost_current(struct store_vault *v,
				    const struct store_vault_view *w,
				    struct doc *versions, struct reason *why)
{
	struct store_entry entry = { .password = NULL };
	enum status s;

	if (!w->current[0] || w->current_in_b)
		return STATUS_OK;
	s = store_vault_view_fetch_current(v, w->name, w->current, &entry, why);
	if (s == STATUS_NOT_FOUND)
		return store_vault_view_moved(v, w->name, why);
	if (s != STATUS_OK)
		return s;
	s = doc_set(versions, w->current,
		    make_version(&entry, w->a_created_us));
	secret_free(entry.password);
	return s == STATUS_OK ? s : reason_set(why, s, "out of memory");
}

static enum status put_order(struct doc *data,
			     const struct store_vault_view *next)
{
	struct doc *order = doc_new_array();
	enum status s = order ? STATUS_OK : STATUS_NO_MEMORY;
	size_t i;

	for (i = 0; i < next->n && s == STATUS_OK; i++)
		s = doc_push_text(order, next->order[i].id);
	if (s != STATUS_OK) {
		doc_free(order);
		return s;
	}
	return doc_set(data, "order", order);
}

/* For a PATCH: what the ring forgets is named null. */
static enum status put_forgotten(struct doc *versions,
				 const struct store_vault_view *w,
				 const struct store_vault_view *next)
{
	enum status s = STATUS_OK;
	size_t i;

	for (i = 0; i < w->n && s == STATUS_OK; i++)
		if (!store_vault_view_has(next, w->order[i].id))
			s = doc_set_null(versions, w->order[i].id);
	return s;
}

static enum status make_record(struct store_vault *v,
			       const struct store_vault_view *w,
			       const struct store_vault_view *next,
			       const struct store_entry *entry, bool patch,
			       struct doc **ret_data, struct reason *why)
{
	struct doc *data = doc_new_object(), *versions = doc_new_object();
	enum status s;

	s = doc_set(versions, next->order[0].id,
		    make_version(entry, next->order[0].created_us));
	if (s == STATUS_OK)
		s = add_lost_current(v, w, versions, why);
	if (s == STATUS_OK && patch)
		s = put_forgotten(versions, w, next);
	if (s == STATUS_OK)
		s = doc_set_text(data, "format", STORE_VAULT_FORMAT);
	if (s == STATUS_OK)
		s = doc_set_text(data, "pending", next->pending);
	if (s == STATUS_OK && next->b_replaces > 0)
		s = doc_set_int(data, "replaces", next->b_replaces);
	else if (s == STATUS_OK && patch)
		s = doc_set_null(data, "replaces");
	if (s == STATUS_OK)
		s = put_order(data, next);
	if (s == STATUS_OK) {
		s = doc_set(data, "versions", versions);
		versions = NULL;
	}
	if (s != STATUS_OK) {
		doc_free(versions);
		doc_free(data);
		return s == STATUS_NO_MEMORY ?
			       reason_set(why, s, "out of memory") :
			       s;
	}
	*ret_data = data;
	return STATUS_OK;
}

/* Before the first write to a name: better now than when the new password is
 * live and CURRENT cannot be moved. */
static enum status look_before(struct store_vault *v,
			       struct store_vault_view *w, struct reason *why)
{
	enum status s;

	if (w->a_passing && !w->a_deleted)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: delete_version_after of %s%s "
				  "would delete the current secret; set it to "
				  "0s, on the mount and on the secret",
				  v->name, v->prefix, w->name);
	if (w->capable)
		return STATUS_OK;
	s = store_vault_kv_capable(v, w->name, why);
	w->capable = s == STATUS_OK;
	return s;
}

/* The cas did not fit, or nothing is known: what does the store say? */
static enum status settle_stage(struct store_vault *v, const char *name,
				const char *id, const struct store_entry *entry,
				const char *revision, struct store_state *after,
				struct reason *why)
{
	char is[RANDOM_UUID_SIZE + STORE_REVISION_SIZE];
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
	return store_vault_view_moved(v, name, why);
}

static enum status write_stage(struct store_vault *v,
			       struct store_vault_view *w, const char *revision,
			       const char *id, const struct store_entry *entry,
			       struct store_state *after, struct reason *why)
{
	bool patch = w->b_version > 0 && !w->b_deleted;
	struct store_vault_view next;
	struct doc *data = NULL;
	enum status s;

	reorder(v, w, id, now_wall(v->now), &next);
	next.b_replaces = w->a_deleted ? w->a_version : 0;
	s = make_record(v, w, &next, entry, patch, &data, why);
	if (s == STATUS_OK)
		s = store_vault_kv_write(v, STORE_VAULT_RECORD, w->name, patch,
					 w->b_version, data, &next.b_version,
					 why);
	if (s == STATUS_CONFLICT || s == STATUS_NOT_FOUND)
		return settle_stage(v, w->name, id, entry, revision, after,
				    why);
	if (s != STATUS_OK) {
		if (s == STATUS_UNKNOWN)
			store_vault_view_forget(v, w->name);
		return s;
	}
	next.b_deleted = false;
	store_vault_view_save(v, &next, 0);
	store_vault_view_hold(v, w->name, id, entry, next.b_version);
	store_vault_view_state(&next, after);
	return STATUS_OK;
}

enum status store_vault_write_stage(struct store *store, const char *name,
				    const char *revision, const char *id,
				    const struct store_entry *entry,
				    struct store_state *ret_state,
				    struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state after;
	bool has_moved = false;
	enum status s = store_vault_view_check(v, name, id, why);

	if (s == STATUS_OK)
		s = check_entry(entry, why);
	if (s == STATUS_OK)
		s = store_vault_view_at(v, name, revision, &w, &has_moved, why);
	if (s != STATUS_OK)
		return s;
	if (store_vault_view_has(&w, id)) {
		s = compare_content(v, name, id, entry, why);
		store_vault_view_state(&w, &after);
	} else if (has_moved) {
		s = store_vault_view_moved(v, name, why);
	} else {
		s = look_before(v, &w, why);
		if (s == STATUS_OK)
			s = write_stage(v, &w, revision, id, entry, &after,
					why);
	}
	if (s == STATUS_OK && ret_state)
		*ret_state = after;
	return s;
}

/* ---- telling others ---------------------------------------------------- */

/* Take one that is to be told from the list: all, or those that waited. */
static bool take_untold(struct store_vault *v, bool all,
			struct store_vault_view *ret)
{
	int64_t now = now_boot(v->now);
	struct store_vault_view *w;

	pthread_mutex_lock(&v->lock);
	for (w = v->views; w; w = w->next)
		if (w->untold[0] && (all || now >= w->tell_after))
			break;
	if (w) {
		text_copy(ret->name, sizeof(ret->name), w->name);
		text_copy(ret->untold, sizeof(ret->untold), w->untold);
		ret->untold_us = w->untold_us;
		w->untold[0] = '\0';
		w->tell_after = now + TELL_US;
	}
	pthread_mutex_unlock(&v->lock);
	return w != NULL;
}

/* custom_metadata cannot be written together with the data, and a rotation does
 * not fail for it. */
void store_vault_write_tell(struct store_vault *v, bool all)
{
	struct store_vault_view w;

	while (take_untold(v, all, &w))
		store_vault_kv_tell(v, w.name, w.untold, w.untold_us, NULL);
}

static void to_be_told(struct store_vault *v,
		       const struct store_vault_view *now)
{
	struct store_vault_view *w;

	pthread_mutex_lock(&v->lock);
	w = store_vault_view_find(v, now->name);
	if (w) {
		text_copy(w->untold, sizeof(w->untold), now->current);
		w->untold_us = now->a_created_us;
	}
	pthread_mutex_unlock(&v->lock);
}

/* ---- promote ----------------------------------------------------------- */

static enum status unknown_version(const struct store_vault *v,
				   const char *name, const char *id,
				   struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "store %s has no version %s of %s", v->name, id,
			  name);
}

static enum status deleted_current(const struct store_vault *v,
				   const char *name, struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "store %s: the current secret of %s was deleted: "
			  "undelete it, and keyturn recover; or keyturn rotate "
			  "--emergency writes over it",
			  v->name, name);
}

static enum status clear_pending(struct store_vault *v,
				 struct store_vault_view *w, struct reason *why)
{
	struct doc *data = doc_new_object();
	int64_t version = 0;
	enum status s;

	if (!data || doc_set_null(data, "pending") != STATUS_OK) {
		doc_free(data);
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	}
	s = store_vault_kv_write(v, STORE_VAULT_RECORD, w->name, true,
				 w->b_version, data, &version, why);
	if (s == STATUS_UNKNOWN || s == STATUS_CONFLICT ||
	    s == STATUS_NOT_FOUND)
		store_vault_view_forget(v, w->name);
	if (s == STATUS_NOT_FOUND)
		s = store_vault_view_moved(v, w->name, why);
	if (s != STATUS_OK)
		return s;
	w->b_version = version;
	w->pending[0] = '\0';
	store_vault_view_save(v, w, 0);
	return STATUS_OK;
}

static enum status make_current(const struct store_vault_view *w,
				const char *id, const struct store_entry *entry,
				bool patch, struct doc **ret_data)
{
	struct doc *data = doc_new_object();
	enum status s = data ? store_vault_view_put_entry(data, entry) :
			       STATUS_NO_MEMORY;

	if (s == STATUS_OK)
		s = doc_set_text(data, "keyturn_version", id);
	if (s == STATUS_OK && w->current[0])
		s = doc_set_text(data, "keyturn_previous", w->current);
	else if (s == STATUS_OK && patch)
		s = doc_set_null(data, "keyturn_previous");
	if (s != STATUS_OK) {
		doc_free(data);
		return s;
	}
	*ret_data = data;
	return STATUS_OK;
}

/* The cas did not fit, or CURRENT is deleted: what does the store say? */
static enum status settle_promote(struct store_vault *v, const char *name,
				  const char *id, int64_t a_version,
				  struct store_state *after, struct reason *why)
{
	struct store_vault_view w;
	enum status s = store_vault_view_read(v, name, &w, why);

	if (s != STATUS_OK)
		return s;
	if (strcmp(w.current, id) == 0) {
		store_vault_view_state(&w, after);
		return STATUS_OK;
	}
	if (w.a_deleted)
		return deleted_current(v, name, why);
	if (w.a_version != a_version)
		return store_vault_view_moved(v, name, why);
	return reason_set(why, STATUS_REFUSED,
			  "store %s refuses to write the current secret of %s "
			  "(HTTP 400)",
			  v->name, name);
}

static enum status write_current(struct store_vault *v,
				 struct store_vault_view *w, const char *id,
				 const struct store_entry *entry,
				 struct store_state *after, struct reason *why)
{
	bool patch = w->a_version > 0 && !w->a_deleted;
	struct store_vault_view next = *w;
	struct doc *data = NULL;
	enum status s = make_current(w, id, entry, patch, &data);

	if (s != STATUS_OK)
		return reason_set(why, s, "out of memory");
	s = store_vault_kv_write(v, STORE_VAULT_CURRENT, w->name, patch,
				 w->a_version, data, &next.a_version, why);
	if (s == STATUS_CONFLICT || s == STATUS_NOT_FOUND)
		return settle_promote(v, w->name, id, w->a_version, after, why);
	if (s != STATUS_OK) {
		if (s == STATUS_UNKNOWN)
			store_vault_view_forget(v, w->name);
		return s;
	}
	next.a_deleted = false;
	next.a_passing = false;
	next.a_created_us = now_wall(v->now);
	text_copy(next.previous, sizeof(next.previous),
		  w->current_in_b ? w->current : "");
	text_copy(next.current, sizeof(next.current), id);
	next.current_in_b = true;
	store_vault_view_save(v, &next, now_boot(v->now) + REMEMBER_US);
	store_vault_view_release(v, w->name);
	store_vault_view_state(&next, after);
	to_be_told(v, &next);
	store_vault_write_tell(v, false);
	return STATUS_OK;
}

static enum status move_current(struct store_vault *v,
				struct store_vault_view *w, const char *id,
				struct store_state *after, struct reason *why)
{
	struct store_entry entry = { .password = NULL };
	enum status s;

	if (!store_vault_view_has(w, id))
		return unknown_version(v, w->name, id, why);
	if (store_vault_view_halted(w))
		return deleted_current(v, w->name, why);
	s = store_vault_view_held(v, w->name, id, &entry);
	if (s == STATUS_NOT_FOUND)
		s = store_vault_view_fetch_record(v, w->name, id, 0, &entry,
						  why);
	if (s == STATUS_NOT_FOUND)
		s = store_vault_view_moved(v, w->name, why);
	/* See the head of this file: a pending that A names. */
	if (s == STATUS_OK && w->pending[0] && strcmp(w->pending, id) != 0 &&
	    !store_vault_view_pending(w, w->pending))
		s = clear_pending(v, w, why);
	if (s == STATUS_OK)
		s = write_current(v, w, id, &entry, after, why);
	secret_free(entry.password);
	return s;
}

enum status store_vault_write_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state after;
	bool has_moved = false;
	enum status s = store_vault_view_check(v, name, id, why);

	if (s == STATUS_OK)
		s = store_vault_view_at(v, name, revision, &w, &has_moved, why);
	if (s != STATUS_OK)
		return s;
	if (strcmp(w.current, id) == 0)
		store_vault_view_state(&w, &after);
	else if (has_moved)
		s = store_vault_view_moved(v, name, why);
	else
		s = move_current(v, &w, id, &after, why);
	if (s == STATUS_OK && ret_state)
		*ret_state = after;
	return s;
}

/* ---- retire ------------------------------------------------------------ */

enum status store_vault_write_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state after;
	bool has_moved = false;
	enum status s = store_vault_view_check(v, name, id, why);

	if (s == STATUS_OK)
		s = store_vault_view_at(v, name, revision, &w, &has_moved, why);
	if (s != STATUS_OK)
		return s;
	if (store_vault_view_has(&w, id) &&
	    store_vault_view_label(&w, id) == STORE_LABEL_RING)
		s = STATUS_OK;
	else if (has_moved)
		s = store_vault_view_moved(v, name, why);
	else if (!store_vault_view_has(&w, id))
		s = unknown_version(v, name, id, why);
	else if (!store_vault_view_pending(&w, id))
		s = reason_set(
			why, STATUS_REFUSED,
			"store %s: version %s of %s is %s and cannot be "
			"retired",
			v->name, id, name,
			store_label_name(store_vault_view_label(&w, id)));
	else
		s = clear_pending(v, &w, why);
	if (s != STATUS_OK)
		return s;
	store_vault_view_release(v, name);
	store_vault_view_state(&w, &after);
	if (ret_state)
		*ret_state = after;
	return STATUS_OK;
}
