/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the two documents of a secret tell, and what this process remembers of
 * them.  Must never call a version CURRENT whose password is another one, nor
 * give out the memory of a write whose effect is not known.
 */
#include "store/vault/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "store/store_entry.h"
#include "store/store_refuse.h"
#include "store/vault/kv.h"

/* ---- entries ----------------------------------------------------------- */

void store_vault_view_put_entry(struct json_out *o, const struct store_entry *e)
{
	size_t i;

	for (i = 0; i < STORE_ENTRY_FIELDS; i++)
		json_out_text(o, store_entry_fields[i].name,
			      (const char *)e + store_entry_fields[i].at);
	json_out_secret(o, "password", e->password);
}

/* Absent is "", except for the password; a port may be a number. */
static enum status take_entry(const struct json_doc *d, struct store_entry *ret)
{
	struct store_entry e = { .password = NULL };
	int64_t port = 0;
	enum status s;
	size_t i;

	for (i = 0; i < STORE_ENTRY_FIELDS; i++)
		json_doc_copy(json_doc_get(d, store_entry_fields[i].name),
			      (char *)&e + store_entry_fields[i].at,
			      store_entry_fields[i].size);
	if (json_doc_int(json_doc_get(d, "port"), &port) && port > 0 &&
	    port < 65536)
		snprintf(e.port, sizeof(e.port), "%d", (int)port);
	s = json_doc_secret(json_doc_get(d, "password"),
			    STORE_ENTRY_PASSWORD_MAX, &e.password);
	if (s == STATUS_OK && secret_len(e.password) == 0)
		s = STATUS_NOT_FOUND;
	if (s != STATUS_OK) {
		secret_free(e.password);
		return s;
	}
	*ret = e;
	return STATUS_OK;
}

enum status store_vault_view_check(const struct store_vault *v,
				   const char *name, const char *id,
				   struct reason *why)
{
	size_t n = strnlen(name, STORE_NAME_SIZE);

	/* A name with "/" could reach into the records of another. */
	if (n == 0 || n == STORE_NAME_SIZE || strchr(name, '/') ||
	    name[0] == '.' || name[n - 1] == '.' || text_has_control(name, n) ||
	    !text_is_utf8(name, n))
		return reason_set(why, STATUS_REFUSED,
				  "store %s: a name has 1 to %d bytes, no "
				  "\"/\", and no \".\" at its ends",
				  v->name, STORE_NAME_SIZE - 1);
	return id ? store_refuse_id(id, why) : STATUS_OK;
}

/* ---- reading the two documents ----------------------------------------- */

/* Vault's times have nine digits behind the point, ours at most six. */
static int64_t parse_time(const char *created)
{
	char cut[40];
	int64_t us = 0;
	size_t i;

	text_copy(cut, sizeof(cut), created);
	i = strcspn(cut, ".");
	if (cut[i]) {
		cut[i] = 'Z';
		cut[i + 1] = '\0';
	}
	return now_parse(cut, &us) == 0 ? us : 0;
}

static enum status refuse_damaged(const struct store_vault *v, const char *name,
				  struct reason *why)
{
	return reason_set(why, STATUS_CORRUPT,
			  "store %s: the record of %s is not one that keyturn "
			  "wrote: was it edited, or written by a newer one? "
			  "\"vault kv rollback\" brings an earlier one back",
			  v->name, name);
}

static bool take_id(const struct json_doc *d, char *id)
{
	if (json_doc_copy(d, id, RANDOM_UUID_SIZE) == STATUS_OK &&
	    encode_is_uuid(id))
		return true;
	id[0] = '\0';
	return false;
}

static enum status read_order(struct store_vault_view *w,
			      const struct json_doc *data)
{
	const struct json_doc *order = json_doc_get(data, "order");
	const struct json_doc *versions = json_doc_get(data, "versions"), *one;
	size_t i, k;

	if (!json_doc_is(order, JSON_DOC_ARRAY) ||
	    !json_doc_is(versions, JSON_DOC_OBJECT) ||
	    json_doc_count(order) > STORE_VERSIONS_MAX ||
	    json_doc_count(versions) != json_doc_count(order))
		return STATUS_CORRUPT;
	for (i = 0; i < json_doc_count(order); i++) {
		if (!take_id(json_doc_at(order, i), w->order[i].id))
			return STATUS_CORRUPT;
		for (k = 0; k < i; k++)
			if (strcmp(w->order[k].id, w->order[i].id) == 0)
				return STATUS_CORRUPT;
		one = json_doc_get(versions, w->order[i].id);
		if (!json_doc_int(json_doc_get(one, "created_us"),
				  &w->order[i].created_us) ||
		    !json_doc_is(json_doc_get(one, "password"),
				 JSON_DOC_STRING))
			return STATUS_CORRUPT;
		/* Unknown of those from before this was noted: then it may have. */
		w->order[i].lived =
			json_doc_bool(json_doc_get(one, "lived"), true);
	}
	w->n = json_doc_count(order);
	return STATUS_OK;
}

static enum status take_record(const struct store_vault *v,
			       struct store_vault_view *w,
			       const struct store_vault_doc *b,
			       struct reason *why)
{
	const struct json_doc *pending = json_doc_get(b->data, "pending");

	w->b_version = b->version;
	w->b_deleted = b->deleted;
	w->b_passing = b->passing && !b->deleted;
	if (!b->data)
		return STATUS_OK;
	if (!json_doc_says(json_doc_get(b->data, "format"),
			   STORE_VAULT_FORMAT) ||
	    read_order(w, b->data) != STATUS_OK ||
	    (pending && !take_id(pending, w->pending)))
		return refuse_damaged(v, w->name, why);
	json_doc_int(json_doc_get(b->data, "replaces"), &w->b_replaces);
	return STATUS_OK;
}

bool store_vault_view_has(const struct store_vault_view *w, const char *id)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (strcmp(w->order[i].id, id) == 0)
			return true;
	return false;
}

static void take_current(struct store_vault_view *w,
			 const struct store_vault_doc *a,
			 const struct store_vault_doc *b)
{
	const struct json_doc *kept;

	w->a_version = a->version;
	w->a_deleted = a->deleted;
	w->a_destroyed = a->destroyed;
	w->a_passing = a->passing && !a->deleted;
	w->a_created_us = parse_time(a->created);
	if (!take_id(json_doc_get(a->data, "keyturn_version"), w->current))
		return;
	kept = json_doc_get(json_doc_get(b->data, "versions"), w->current);
	w->current_in_b = kept != NULL;
	/* Edited by hand: not the version that it says it is. */
	if (!json_doc_is(json_doc_get(a->data, "password"), JSON_DOC_STRING) ||
	    (kept && !json_doc_equal(json_doc_get(kept, "password"),
				     json_doc_get(a->data, "password")))) {
		w->current[0] = '\0';
		w->current_in_b = false;
	}
	if (take_id(json_doc_get(a->data, "keyturn_previous"), w->previous) &&
	    (!store_vault_view_has(w, w->previous) ||
	     strcmp(w->previous, w->current) == 0))
		w->previous[0] = '\0';
}

/* A first: what it names was in B before, and is found there by reading B
 * later. */
enum status store_vault_view_read(struct store_vault *v, const char *name,
				  struct store_vault_view *ret_view,
				  struct reason *why)
{
	struct store_vault_doc a = { 0 }, b = { 0 };
	struct store_vault_view w = { .known = true };
	enum status s;

	text_copy(w.name, sizeof(w.name), name);
	s = store_vault_kv_read(v, STORE_VAULT_CURRENT, name, 0, &a, why);
	if (s == STATUS_OK)
		s = store_vault_kv_read(v, STORE_VAULT_RECORD, name, 0, &b,
					why);
	if (s == STATUS_OK)
		s = take_record(v, &w, &b, why);
	if (s == STATUS_OK) {
		take_current(&w, &a, &b);
		store_vault_known_save(v, &w, 0);
		*ret_view = w;
	}
	store_vault_kv_free(&a);
	store_vault_kv_free(&b);
	return s;
}

/* ---- a view as a state ------------------------------------------------- */

void store_vault_view_revision(const struct store_vault_view *w,
			       char revision[STORE_REVISION_SIZE])
{
	revision[0] = '\0';
	if (w->a_version == 0 && w->b_version == 0)
		return;
	snprintf(revision, STORE_REVISION_SIZE, "%" PRId64 "%s.%" PRId64 "%s",
		 w->a_version, w->a_deleted ? "d" : "", w->b_version,
		 w->b_deleted ? "d" : "");
}

bool store_vault_view_halted(const struct store_vault_view *w)
{
	return w->a_deleted && w->b_replaces != w->a_version;
}

bool store_vault_view_pending(const struct store_vault_view *w, const char *id)
{
	return strcmp(w->pending, id) == 0 && strcmp(w->current, id) != 0 &&
	       strcmp(w->previous, id) != 0;
}

static enum store_label label_of(const struct store_vault_view *w,
				 const char *id)
{
	if (strcmp(w->current, id) == 0)
		return STORE_LABEL_CURRENT;
	if (strcmp(w->previous, id) == 0)
		return STORE_LABEL_PREVIOUS;
	return store_vault_view_pending(w, id) ? STORE_LABEL_PENDING :
						 STORE_LABEL_RING;
}

static void add_version(struct store_state *state,
			const struct store_vault_view *w,
			const struct store_version *v)
{
	struct store_version *to;

	if (state->n == STORE_VERSIONS_MAX)
		return;
	to = &state->versions[state->n++];
	*to = *v;
	to->label = label_of(w, v->id);
	/* promote() wrote it into A only. */
	to->lived |= to->label == STORE_LABEL_CURRENT ||
		     to->label == STORE_LABEL_PREVIOUS;
}

void store_vault_view_versions(const struct store_vault_view *w,
			       struct store_state *ret_state)
{
	struct store_version lost = { .created_us = w->a_created_us };
	struct store_state state = { .n = 0 };
	size_t i;

	store_vault_view_revision(w, state.revision);
	text_copy(lost.id, sizeof(lost.id), w->current);
	if (w->current[0] && !w->current_in_b)
		add_version(&state, w, &lost);
	for (i = 0; i < w->n; i++)
		add_version(&state, w, &w->order[i]);
	*ret_state = state;
}

void store_vault_view_state(const struct store_vault_view *w,
			    struct store_state *ret_state)
{
	struct store_state state = { .n = 0 };

	store_vault_view_versions(w, ret_state);
	if (!store_vault_view_halted(w))
		return;
	store_vault_view_revision(w, state.revision);
	snprintf(state.note, sizeof(state.note),
		 w->a_destroyed ?
			 "the current secret was destroyed (version "
			 "%" PRId64
			 "), and no undelete brings it back: run keyturn "
			 "rotate --emergency, which replaces it" :
			 "the current secret was deleted (version "
			 "%" PRId64 "): vault kv undelete brings it "
			 "back, or run keyturn rotate --emergency, "
			 "which replaces it",
		 w->a_version);
	*ret_state = state;
}

enum status store_vault_view_at(struct store_vault *v, const char *name,
				const char *revision,
				struct store_vault_view *ret,
				struct reason *why)
{
	char is[STORE_REVISION_SIZE];

	store_vault_known_load(v, name, ret);
	store_vault_view_revision(ret, is);
	if (ret->known && strcmp(is, revision) == 0)
		return STATUS_OK;
	return store_vault_view_read(v, name, ret, why);
}

/* ---- fetch ------------------------------------------------------------- */

enum status store_vault_view_fetch_record(struct store_vault *v,
					  const char *name, const char *id,
					  int64_t version,
					  struct store_entry *ret_entry,
					  struct reason *why)
{
	struct store_vault_doc b = { 0 };
	const struct json_doc *one;
	enum status s;

	s = store_vault_kv_read(v, STORE_VAULT_RECORD, name, version, &b, why);
	if (s != STATUS_OK)
		return s;
	one = json_doc_get(json_doc_get(b.data, "versions"), id);
	s = one ? take_entry(one, ret_entry) : STATUS_NOT_FOUND;
	if (one && s != STATUS_OK)
		s = s == STATUS_NO_MEMORY ? s : refuse_damaged(v, name, why);
	else if (!one)
		store_refuse_absent(s, v->name, name, id, why);
	store_vault_kv_free(&b);
	return s;
}

enum status store_vault_view_fetch_current(struct store_vault *v,
					   const char *name, const char *id,
					   struct store_entry *ret_entry,
					   struct reason *why)
{
	struct store_vault_doc a = { 0 };
	enum status s;

	s = store_vault_kv_read(v, STORE_VAULT_CURRENT, name, 0, &a, why);
	if (s != STATUS_OK)
		return s;
	if (json_doc_says(json_doc_get(a.data, "keyturn_version"), id))
		s = take_entry(a.data, ret_entry);
	else
		s = STATUS_NOT_FOUND;
	if (s == STATUS_NOT_FOUND)
		store_refuse_absent(s, v->name, name, id, why);
	store_vault_kv_free(&a);
	return s;
}
