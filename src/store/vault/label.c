/* SPDX-License-Identifier: PostgreSQL */
/*
 * promote and retire: each writes one document, with compare-and-swap, and what
 * came of it is told to other tools.  Must never take a refusal or a lost answer
 * for the truth when the store can be read.
 */
#include "store/vault/common.h"

#include <string.h>

#include "base/text.h"
#include "store/store_memory.h"
#include "store/store_refuse.h"
#include "store/vault/kv.h"
#include "store/vault/view.h"

#define REMEMBER_US (300 * NOW_SECOND)
#define TELL_US	    (300 * NOW_SECOND)

/* ---- telling others ---------------------------------------------------- */

struct telling {
	bool all; /* or those that have waited for long enough */
	int64_t now;
};

static bool is_untold(const void *record, const void *arg)
{
	const struct store_vault_view *w = record;
	const struct telling *t = arg;

	return w->untold[0] && (t->all || t->now >= w->tell_after);
}

static bool take_untold(struct store_vault *v, bool all,
			struct store_vault_view *ret)
{
	const struct telling t = { all, now_boot(v->now) };
	struct store_vault_view *w =
		store_memory_lock_any(v->memory, is_untold, &t, ret->name);

	if (w) {
		text_copy(ret->untold, sizeof(ret->untold), w->untold);
		ret->untold_us = w->untold_us;
		w->untold[0] = '\0';
		w->tell_after = t.now + TELL_US;
	}
	store_memory_unlock(v->memory);
	return w != NULL;
}

/* custom_metadata cannot be written together with the data, and a rotation does
 * not fail for it. */
void store_vault_label_tell(struct store_vault *v, bool all)
{
	struct store_vault_view w;

	while (take_untold(v, all, &w))
		store_vault_kv_tell(v, w.name, w.untold, w.untold_us, NULL);
}

static void note_untold(struct store_vault *v,
			const struct store_vault_view *now)
{
	struct store_vault_view *w = store_memory_lock(v->memory, now->name);

	text_copy(w->untold, sizeof(w->untold), now->current);
	w->untold_us = now->a_created_us;
	store_memory_unlock(v->memory);
}

/* ---- promote ----------------------------------------------------------- */

static enum status refuse_deleted(const struct store_vault *v,
				  const struct store_vault_view *w,
				  struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "store %s: the current secret of %s was %s run "
			  "keyturn rotate --emergency, which replaces it",
			  v->name, w->name,
			  w->a_destroyed ?
				  "destroyed:" :
				  "deleted: undelete it and run keyturn "
				  "recover, or");
}

static enum status clear_pending(struct store_vault *v,
				 struct store_vault_view *w, struct reason *why)
{
	const struct store_vault_write write = { STORE_VAULT_RECORD, w->name,
						 true, w->b_version };
	struct json_out data = json_out_object();
	int64_t version = 0;
	enum status s;

	json_out_null(&data, "pending");
	s = store_vault_kv_write(v, &write, &data, &version, why);
	if (s == STATUS_UNKNOWN || s == STATUS_CONFLICT ||
	    s == STATUS_NOT_FOUND)
		store_vault_known_forget(v, w->name);
	if (s == STATUS_NOT_FOUND)
		s = store_refuse_moved(v->name, w->name, why);
	if (s != STATUS_OK)
		return s;
	w->b_version = version;
	w->pending[0] = '\0';
	store_vault_known_save(v, w, 0);
	return STATUS_OK;
}

static struct json_out make_current(const struct store_vault_view *w,
				    const char *id,
				    const struct store_entry *entry, bool patch)
{
	struct json_out data = json_out_object();

	store_vault_view_put_entry(&data, entry);
	json_out_text(&data, "keyturn_version", id);
	if (w->current[0])
		json_out_text(&data, "keyturn_previous", w->current);
	else if (patch)
		json_out_null(&data, "keyturn_previous");
	return data;
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
		return refuse_deleted(v, &w, why);
	if (w.a_version != a_version)
		return store_refuse_moved(v->name, name, why);
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
	const struct store_vault_write write = { STORE_VAULT_CURRENT, w->name,
						 patch, w->a_version };
	struct json_out data = make_current(w, id, entry, patch);
	struct store_vault_view next = *w;
	enum status s =
		store_vault_kv_write(v, &write, &data, &next.a_version, why);

	if (s == STATUS_CONFLICT || s == STATUS_NOT_FOUND)
		return settle_promote(v, w->name, id, w->a_version, after, why);
	if (s != STATUS_OK) {
		if (s == STATUS_UNKNOWN || next.a_version != w->a_version)
			store_vault_known_forget(v, w->name);
		return s;
	}
	next.a_deleted = false;
	next.a_passing = false;
	next.a_created_us = now_wall(v->now);
	text_copy(next.previous, sizeof(next.previous),
		  w->current_in_b ? w->current : "");
	text_copy(next.current, sizeof(next.current), id);
	next.current_in_b = true;
	store_vault_known_save(v, &next, now_boot(v->now) + REMEMBER_US);
	store_vault_known_release(v, w->name);
	store_vault_view_state(&next, after);
	note_untold(v, &next);
	store_vault_label_tell(v, false);
	return STATUS_OK;
}

static enum status move_current(struct store_vault *v,
				struct store_vault_view *w, const char *id,
				struct store_state *after, struct reason *why)
{
	struct store_entry entry = { .password = NULL };
	enum status s;

	if (store_vault_view_halted(w))
		return refuse_deleted(v, w, why);
	s = store_vault_known_held(v, w->name, id, &entry);
	if (s == STATUS_NOT_FOUND)
		s = store_vault_view_fetch_record(v, w->name, id, 0, &entry,
						  why);
	if (s == STATUS_NOT_FOUND)
		s = store_refuse_moved(v->name, w->name, why);
	/* See the head of this file: a pending that A names. */
	if (s == STATUS_OK && w->pending[0] && strcmp(w->pending, id) != 0 &&
	    !store_vault_view_pending(w, w->pending))
		s = clear_pending(v, w, why);
	if (s == STATUS_OK)
		s = write_current(v, w, id, &entry, after, why);
	secret_free(entry.password);
	return s;
}

enum status store_vault_label_promote(struct store *store, const char *name,
				      const char *revision, const char *id,
				      struct store_state *ret_state,
				      struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	enum store_versions_verdict verdict;
	struct store_vault_view w;
	struct store_state after;
	enum status s = store_vault_view_check(v, name, id, why);

	if (s == STATUS_OK)
		s = store_vault_view_at(v, name, revision, &w, why);
	if (s != STATUS_OK)
		return s;
	store_vault_view_versions(&w, &after);
	verdict = store_versions_may_promote(&after, revision, id);
	if (verdict == STORE_VERSIONS_GO)
		s = move_current(v, &w, id, &after, why);
	else if (verdict == STORE_VERSIONS_DONE)
		store_vault_view_state(&w, &after);
	else
		s = store_refuse_move(verdict, v->name, name, id, &after, why);
	if (s == STATUS_OK && ret_state)
		*ret_state = after;
	return s;
}

/* ---- retire ------------------------------------------------------------ */

enum status store_vault_label_retire(struct store *store, const char *name,
				     const char *revision, const char *id,
				     struct store_state *ret_state,
				     struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	enum store_versions_verdict verdict;
	struct store_vault_view w;
	struct store_state state;
	enum status s = store_vault_view_check(v, name, id, why);

	if (s == STATUS_OK)
		s = store_vault_view_at(v, name, revision, &w, why);
	if (s != STATUS_OK)
		return s;
	store_vault_view_versions(&w, &state);
	verdict = store_versions_may_retire(&state, revision, id);
	s = verdict == STORE_VERSIONS_GO ?
		    clear_pending(v, &w, why) :
		    store_refuse_move(verdict, v->name, name, id, &state, why);
	if (s != STATUS_OK)
		return s;
	store_vault_known_release(v, name);
	if (ret_state)
		store_vault_view_state(&w, ret_state);
	return STATUS_OK;
}

/* ---- withdraw ---------------------------------------------------------- */

/* CURRENT is written again without the id of PREVIOUS: what an older run sent
 * and has not arrived yet fails its cas. */
static enum status clear_previous(struct store_vault *v,
				  struct store_vault_view *w,
				  struct reason *why)
{
	const struct store_vault_write write = { STORE_VAULT_CURRENT, w->name,
						 true, w->a_version };
	struct json_out data = json_out_object();
	int64_t version = 0;
	enum status s;

	json_out_null(&data, "keyturn_previous");
	s = store_vault_kv_write(v, &write, &data, &version, why);
	if (s == STATUS_UNKNOWN || s == STATUS_CONFLICT ||
	    s == STATUS_NOT_FOUND)
		store_vault_known_forget(v, w->name);
	if (s == STATUS_CONFLICT || s == STATUS_NOT_FOUND)
		s = store_refuse_moved(v->name, w->name, why);
	if (s != STATUS_OK)
		return s;
	w->a_version = version;
	w->previous[0] = '\0';
	store_vault_known_save(v, w, 0);
	return STATUS_OK;
}

enum status store_vault_label_withdraw(struct store *store, const char *name,
				       const char *revision,
				       struct store_state *ret_state,
				       struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state state;
	enum status s = store_vault_view_check(v, name, NULL, why);

	if (s == STATUS_OK)
		s = store_vault_view_at(v, name, revision, &w, why);
	if (s != STATUS_OK)
		return s;
	store_vault_view_versions(&w, &state);
	if (strcmp(state.revision, revision) != 0)
		return store_refuse_moved(v->name, name, why);
	if (store_vault_view_halted(&w) || w.a_version == 0)
		return refuse_deleted(v, &w, why);
	s = clear_previous(v, &w, why);
	if (s != STATUS_OK)
		return s;
	store_vault_view_state(&w, &state);
	if (ret_state)
		*ret_state = state;
	return STATUS_OK;
}
