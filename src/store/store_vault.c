/* SPDX-License-Identifier: PostgreSQL */
/*
 * Secrets in Vault or OpenBao, KV version 2.  Must never let one operation
 * depend on two writes, nor show a secret to which no label is due.
 *
 * Layout, for a role R:
 *   A  <mount>/data/<prefix>R            what consumers read: the flat object,
 *      with keyturn_version (the id of CURRENT) and keyturn_previous
 *   B  <mount>/data/<prefix>.keyturn/R   every version with its secret, their
 *      order, and the id of the one that is pending
 * Only the newest version of a document counts, so that max_versions cannot
 * prune what matters.  delete_version_after can, and is refused.
 *
 * Two documents cannot be written at once.  They need not be:
 *   - stage and retire write B only, promote writes A only, each with `cas`, so
 *     each happens whole or not at all, wherever we die.
 *   - A names CURRENT and PREVIOUS, and nothing else does.  B says what is
 *     pending; an id that A names is not pending any more, whatever B says.
 *     So there is no moment between "promoted" and "not pending".
 *   - A password is in B before it can be in A, and stays there after, until
 *     the ring forgets it; stage keeps what A names.  So the old CURRENT is in
 *     B when A is overwritten, and is copied into it first when it is not.
 *   - The one trap: B still calls X pending after A took X; if A is then
 *     pointed elsewhere (a restored database), X would be pending again.  So
 *     promote of another id first clears a pending that A names.  Dying
 *     between the two leaves labels as they were.
 * A repeat finds its effect by the version id: in B for stage, in A for
 * promote.  A write of unknown outcome, or refused with 400 (what Vault says
 * for a cas that does not fit), is decided by reading again.
 *
 * A is changed with PATCH: keys that others put there stay, and Vault answers
 * 404 when CURRENT was deleted, which its cas does not tell.  Whoever deletes
 * CURRENT wants something; until a command replaces it (rotate --emergency, for
 * which B notes which deleted version may be written over) describe() shows no
 * version at all, so that the engine finds the live one unknown and freezes.
 * What A holds under another password than B has for its id was written by
 * hand: it counts as no version, and the live one is pointed at again.
 *
 * Requests: describe 2, stage 1, read-back 1, promote 1.  After a promotion the
 * state is remembered for a while, and the next describe costs nothing; what
 * was remembered wrongly fails its cas, or is asked for again by the caller.
 */
#include "store/store_vault.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "store/store_entry.h"
#include "store/store_vault_internal.h"

#define FORMAT	    "keyturn 1"
#define REMEMBER_US (300 * NOW_SECOND)
#define TELL_US	    (300 * NOW_SECOND)

/* One secret as the two documents tell it; no secret in it but `held`. */
struct store_vault_view {
	char name[STORE_NAME_SIZE];
	int64_t a_version; /* 0: there is none */
	int64_t b_version;
	bool a_deleted;
	bool b_deleted;
	bool a_passing;	    /* delete_version_after is at work on it */
	int64_t b_replaces; /* the deleted version of A that may be replaced */
	int64_t a_created_us;
	char current[RANDOM_UUID_SIZE];	 /* "" when A names none */
	char previous[RANDOM_UUID_SIZE]; /* likewise, or not in B */
	char pending[RANDOM_UUID_SIZE];	 /* as B says, A may know better */
	bool current_in_b;
	size_t n;
	struct {
		char id[RANDOM_UUID_SIZE];
		int64_t created_us;
	} order[STORE_VERSIONS_MAX];

	/* Memory of this process. */
	bool known;		/* the above is what we last wrote or read */
	int64_t remember_until; /* boot clock: describe() need not ask */
	bool capable;		/* the policy lets us write here */
	char held_id[RANDOM_UUID_SIZE];
	struct store_entry held; /* the entry of held_id, for promote */
	int64_t held_version;	 /* of B, at which it was staged; 0 */
	char told[RANDOM_UUID_SIZE];
	int64_t tell_after; /* boot clock */
	struct store_vault_view *next;
};

/* ---- the views --------------------------------------------------------- */

/* v->lock is held.  NULL without memory. */
static struct store_vault_view *find_view(struct store_vault *v,
					  const char *name)
{
	struct store_vault_view *w;

	for (w = v->views; w; w = w->next)
		if (strcmp(w->name, name) == 0)
			return w;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	text_copy(w->name, sizeof(w->name), name);
	w->next = v->views;
	v->views = w;
	return w;
}

static void drop_held(struct store_vault_view *w)
{
	secret_free(w->held.password);
	w->held = (struct store_entry){ .password = NULL };
	w->held_id[0] = '\0';
	w->held_version = 0;
}

/* A copy without what only the list may own. */
static void load_view(struct store_vault *v, const char *name,
		      struct store_vault_view *ret)
{
	struct store_vault_view *w;

	*ret = (struct store_vault_view){ .known = false };
	text_copy(ret->name, sizeof(ret->name), name);
	pthread_mutex_lock(&v->lock);
	w = find_view(v, name);
	if (w)
		*ret = *w;
	pthread_mutex_unlock(&v->lock);
	ret->held = (struct store_entry){ .password = NULL };
	ret->next = NULL;
}

/* Everything that the documents tell; what the list owns stays. */
static void save_view(struct store_vault *v, const struct store_vault_view *new,
		      int64_t remember_until)
{
	struct store_vault_view *w, kept;

	pthread_mutex_lock(&v->lock);
	w = find_view(v, new->name);
	if (w) {
		kept = *w;
		*w = *new;
		w->known = true;
		w->remember_until = remember_until;
		w->capable = kept.capable || new->capable;
		w->held = kept.held;
		text_copy(w->held_id, sizeof(w->held_id), kept.held_id);
		w->held_version = kept.held_version;
		text_copy(w->told, sizeof(w->told), kept.told);
		w->tell_after = kept.tell_after;
		w->next = kept.next;
	}
	pthread_mutex_unlock(&v->lock);
}

/* A write whose effect is not known: nothing of this secret is. */
static void forget_view(struct store_vault *v, const char *name)
{
	struct store_vault_view *w;

	pthread_mutex_lock(&v->lock);
	w = find_view(v, name);
	if (w)
		w->known = false;
	pthread_mutex_unlock(&v->lock);
}

/* Keep the entry for the promotion to come; without it, it is read again. */
static void hold(struct store_vault *v, const char *name, const char *id,
		 const struct store_entry *entry, int64_t version)
{
	struct secret *copy = NULL;
	struct store_vault_view *w;

	if (secret_copy(entry->password, &copy) != STATUS_OK)
		return;
	pthread_mutex_lock(&v->lock);
	w = find_view(v, name);
	if (w) {
		if (version == 0 && strcmp(w->held_id, id) == 0)
			version = w->held_version;
		drop_held(w);
		text_copy(w->held_id, sizeof(w->held_id), id);
		w->held = *entry;
		w->held.password = copy;
		w->held_version = version;
		copy = NULL;
	}
	pthread_mutex_unlock(&v->lock);
	secret_free(copy);
}

static void release(struct store_vault *v, const char *name)
{
	struct store_vault_view *w;

	pthread_mutex_lock(&v->lock);
	w = find_view(v, name);
	if (w)
		drop_held(w);
	pthread_mutex_unlock(&v->lock);
}

/* STATUS_NOT_FOUND when it is not held. */
static enum status take_held(struct store_vault *v, const char *name,
			     const char *id, struct store_entry *ret_entry)
{
	enum status s = STATUS_NOT_FOUND;
	struct store_vault_view *w;
	struct secret *copy = NULL;

	pthread_mutex_lock(&v->lock);
	w = find_view(v, name);
	if (w && w->held.password && strcmp(w->held_id, id) == 0)
		s = secret_copy(w->held.password, &copy);
	if (s == STATUS_OK) {
		*ret_entry = w->held;
		ret_entry->password = copy;
	}
	pthread_mutex_unlock(&v->lock);
	return s;
}

/* ---- entries ----------------------------------------------------------- */

static enum status put_entry(struct doc *d, const struct store_entry *e)
{
	enum status s = doc_set_text(d, "engine", e->engine);

	if (s == STATUS_OK)
		s = doc_set_text(d, "host", e->host);
	if (s == STATUS_OK)
		s = doc_set_text(d, "port", e->port);
	if (s == STATUS_OK)
		s = doc_set_text(d, "dbname", e->dbname);
	if (s == STATUS_OK)
		s = doc_set_text(d, "username", e->username);
	if (s == STATUS_OK)
		s = doc_set_secret(d, "password", e->password);
	return s;
}

/* Absent is "", except for the password; a port may be a number. */
static enum status take_entry(const struct doc *d, struct store_entry *ret)
{
	struct store_entry e = { .password = NULL };
	int64_t port = 0;
	enum status s;

	doc_copy(doc_get(d, "engine"), e.engine, sizeof(e.engine));
	doc_copy(doc_get(d, "host"), e.host, sizeof(e.host));
	doc_copy(doc_get(d, "dbname"), e.dbname, sizeof(e.dbname));
	doc_copy(doc_get(d, "username"), e.username, sizeof(e.username));
	if (doc_int(doc_get(d, "port"), &port) && port > 0 && port < 65536)
		snprintf(e.port, sizeof(e.port), "%d", (int)port);
	else
		doc_copy(doc_get(d, "port"), e.port, sizeof(e.port));
	s = doc_secret(doc_get(d, "password"), STORE_ENTRY_PASSWORD_MAX,
		       &e.password);
	if (s == STATUS_OK && secret_len(e.password) == 0)
		s = STATUS_NOT_FOUND;
	if (s != STATUS_OK) {
		secret_free(e.password);
		return s;
	}
	*ret = e;
	return STATUS_OK;
}

static enum status check_arguments(const struct store_vault *v,
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
	if (id && !encode_is_uuid(id))
		return reason_set(why, STATUS_REFUSED,
				  "a version id must be a lower-case UUID");
	return STATUS_OK;
}

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

static enum status damaged(const struct store_vault *v, const char *name,
			   struct reason *why)
{
	return reason_set(why, STATUS_CORRUPT,
			  "store %s: the record of %s is not one that keyturn "
			  "wrote: was it edited, or written by a newer one? "
			  "\"vault kv rollback\" brings an earlier one back",
			  v->name, name);
}

static bool take_id(const struct doc *d, char *id)
{
	if (doc_copy(d, id, RANDOM_UUID_SIZE) == STATUS_OK &&
	    encode_is_uuid(id))
		return true;
	id[0] = '\0';
	return false;
}

static enum status read_order(struct store_vault_view *w,
			      const struct doc *data)
{
	const struct doc *order = doc_get(data, "order");
	const struct doc *versions = doc_get(data, "versions"), *one;
	size_t i, k;

	if (!doc_is(order, DOC_ARRAY) || !doc_is(versions, DOC_OBJECT) ||
	    doc_count(order) > STORE_VERSIONS_MAX ||
	    doc_count(versions) != doc_count(order))
		return STATUS_CORRUPT;
	for (i = 0; i < doc_count(order); i++) {
		if (!take_id(doc_at(order, i), w->order[i].id))
			return STATUS_CORRUPT;
		for (k = 0; k < i; k++)
			if (strcmp(w->order[k].id, w->order[i].id) == 0)
				return STATUS_CORRUPT;
		one = doc_get(versions, w->order[i].id);
		if (!doc_int(doc_get(one, "created_us"),
			     &w->order[i].created_us) ||
		    !doc_is(doc_get(one, "password"), DOC_STRING))
			return STATUS_CORRUPT;
	}
	w->n = doc_count(order);
	return STATUS_OK;
}

static enum status take_record(const struct store_vault *v,
			       struct store_vault_view *w,
			       const struct store_vault_doc *b,
			       struct reason *why)
{
	const char *format = doc_text(doc_get(b->data, "format"));
	const struct doc *pending = doc_get(b->data, "pending");

	w->b_version = b->version;
	w->b_deleted = b->deleted;
	if (!b->data)
		return STATUS_OK;
	if (!format || strcmp(format, FORMAT) != 0 ||
	    read_order(w, b->data) != STATUS_OK ||
	    (pending && !take_id(pending, w->pending)))
		return damaged(v, w->name, why);
	doc_int(doc_get(b->data, "replaces"), &w->b_replaces);
	return STATUS_OK;
}

static bool in_order(const struct store_vault_view *w, const char *id)
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
	const struct doc *kept;

	w->a_version = a->version;
	w->a_deleted = a->deleted;
	w->a_passing = a->passing;
	w->a_created_us = parse_time(a->created);
	if (!take_id(doc_get(a->data, "keyturn_version"), w->current))
		return;
	kept = doc_get(doc_get(b->data, "versions"), w->current);
	w->current_in_b = kept != NULL;
	/* Edited by hand: not the version that it says it is. */
	if (!doc_is(doc_get(a->data, "password"), DOC_STRING) ||
	    (kept && !doc_equal(doc_get(kept, "password"),
				doc_get(a->data, "password")))) {
		w->current[0] = '\0';
		w->current_in_b = false;
	}
	if (take_id(doc_get(a->data, "keyturn_previous"), w->previous) &&
	    (!in_order(w, w->previous) || strcmp(w->previous, w->current) == 0))
		w->previous[0] = '\0';
}

/* B first: a version that A names was in B before, so that whoever reads in
 * this order and finds it in neither knows that it is gone. */
static enum status read_view(struct store_vault *v, const char *name,
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
		save_view(v, &w, 0);
		*ret_view = w;
	}
	store_vault_kv_free(&a);
	store_vault_kv_free(&b);
	return s;
}

/* ---- a view as a state ------------------------------------------------- */

static void write_revision(const struct store_vault_view *w,
			   char revision[STORE_REVISION_SIZE])
{
	revision[0] = '\0';
	if (w->a_version == 0 && w->b_version == 0)
		return;
	snprintf(revision, STORE_REVISION_SIZE, "%" PRId64 "%s.%" PRId64 "%s",
		 w->a_version, w->a_deleted ? "d" : "", w->b_version,
		 w->b_deleted ? "d" : "");
}

/* CURRENT was deleted, and nobody has said that it may be replaced. */
static bool is_halted(const struct store_vault_view *w)
{
	return w->a_deleted && w->b_replaces != w->a_version;
}

static bool is_pending(const struct store_vault_view *w, const char *id)
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
	return is_pending(w, id) ? STORE_LABEL_PENDING : STORE_LABEL_RING;
}

static void add_version(struct store_state *state,
			const struct store_vault_view *w, const char *id,
			int64_t created_us)
{
	struct store_version *to;

	if (state->n == STORE_VERSIONS_MAX)
		return;
	to = &state->versions[state->n++];
	text_copy(to->id, sizeof(to->id), id);
	to->label = label_of(w, id);
	to->created_us = created_us;
}

static void make_state(const struct store_vault_view *w,
		       struct store_state *ret_state)
{
	struct store_state state = { .n = 0 };
	size_t i;

	write_revision(w, state.revision);
	if (is_halted(w)) {
		snprintf(state.note, sizeof(state.note),
			 "the current secret was deleted (version "
			 "%" PRId64 "): vault kv undelete brings it back",
			 w->a_version);
		*ret_state = state;
		return;
	}
	if (w->current[0] && !w->current_in_b)
		add_version(&state, w, w->current, w->a_created_us);
	for (i = 0; i < w->n; i++)
		add_version(&state, w, w->order[i].id, w->order[i].created_us);
	*ret_state = state;
}

static enum status describe(struct store *store, const char *name,
			    struct store_state *ret_state, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w, *kept;
	enum status s = check_arguments(v, name, NULL, why);
	bool remembered = false;

	if (s != STATUS_OK)
		return s;
	load_view(v, name, &w);
	if (w.known && w.remember_until > now_boot(v->now)) {
		/* Once: whoever doubts it asks again. */
		remembered = true;
		pthread_mutex_lock(&v->lock);
		kept = find_view(v, name);
		if (kept)
			kept->remember_until = 0;
		pthread_mutex_unlock(&v->lock);
	} else {
		s = read_view(v, name, &w, why);
	}
	if (s != STATUS_OK)
		return s;
	make_state(&w, ret_state);
	ret_state->remembered = remembered;
	return STATUS_OK;
}

/*
 * What a write is made against: the view that the caller's revision names.
 * With another one, the store is read again, since it may have moved; *ret_moved
 * says that it is not at the caller's revision.
 */
static enum status view_for(struct store_vault *v, const char *name,
			    const char *revision, struct store_vault_view *ret,
			    bool *ret_moved, struct reason *why)
{
	char is[STORE_REVISION_SIZE];
	enum status s = STATUS_OK;

	load_view(v, name, ret);
	write_revision(ret, is);
	if (!ret->known || strcmp(is, revision) != 0) {
		s = read_view(v, name, ret, why);
		if (s != STATUS_OK)
			return s;
		write_revision(ret, is);
	}
	*ret_moved = strcmp(is, revision) != 0;
	return s;
}

static enum status moved(const struct store_vault *v, const char *name,
			 struct reason *why)
{
	return reason_set(why, STATUS_CONFLICT,
			  "store %s: %s was changed by somebody else meanwhile",
			  v->name, name);
}

/* ---- fetch ------------------------------------------------------------- */

static enum status fetch_record(struct store_vault *v, const char *name,
				const char *id, int64_t version,
				struct store_entry *ret_entry,
				struct reason *why)
{
	struct store_vault_doc b = { 0 };
	const struct doc *one;
	enum status s;

	s = store_vault_kv_read(v, STORE_VAULT_RECORD, name, version, &b, why);
	if (s != STATUS_OK)
		return s;
	one = doc_get(doc_get(b.data, "versions"), id);
	s = one ? take_entry(one, ret_entry) : STATUS_NOT_FOUND;
	if (one && s != STATUS_OK)
		s = s == STATUS_NO_MEMORY ? s : damaged(v, name, why);
	else if (!one)
		reason_set(why, s, "store %s has no version %s of %s", v->name,
			   id, name);
	store_vault_kv_free(&b);
	return s;
}

static enum status fetch_current(struct store_vault *v, const char *name,
				 const char *id, struct store_entry *ret_entry,
				 struct reason *why)
{
	char is[RANDOM_UUID_SIZE];
	struct store_vault_doc a = { 0 };
	enum status s;

	s = store_vault_kv_read(v, STORE_VAULT_CURRENT, name, 0, &a, why);
	if (s != STATUS_OK)
		return s;
	if (take_id(doc_get(a.data, "keyturn_version"), is) &&
	    strcmp(is, id) == 0)
		s = take_entry(a.data, ret_entry);
	else
		s = STATUS_NOT_FOUND;
	if (s == STATUS_NOT_FOUND)
		reason_set(why, s, "store %s has no version %s of %s", v->name,
			   id, name);
	store_vault_kv_free(&a);
	return s;
}

static enum status fetch(struct store *store, const char *name, const char *id,
			 struct store_entry *ret_entry, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	int64_t version = 0;
	enum status s = check_arguments(v, name, id, why);

	if (s != STATUS_OK)
		return s;
	load_view(v, name, &w);
	/* What was staged is asked for by its version: a node that has not got
	 * it yet says so, and does not give an older one. */
	if (strcmp(w.held_id, id) == 0 && strcmp(w.pending, id) == 0)
		version = w.held_version;
	s = fetch_record(v, name, id, version, ret_entry, why);
	if (s == STATUS_NOT_FOUND && version == 0)
		s = fetch_current(v, name, id, ret_entry, why);
	if (s == STATUS_OK && w.known && is_pending(&w, id))
		hold(v, name, id, ret_entry, version);
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

	s = fetch_record(v, name, id, 0, &there, why);
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
		  put_entry(d, e) != STATUS_OK)) {
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
	s = fetch_current(v, w->name, w->current, &entry, why);
	if (s == STATUS_NOT_FOUND)
		return moved(v, w->name, why);
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
		if (!in_order(next, w->order[i].id))
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
		s = doc_set_text(data, "format", FORMAT);
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
	enum status s = read_view(v, name, &w, why);

	if (s != STATUS_OK)
		return s;
	if (in_order(&w, id)) {
		s = compare_content(v, name, id, entry, why);
		if (s == STATUS_OK)
			make_state(&w, after);
		return s;
	}
	write_revision(&w, is);
	if (strcmp(is, revision) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "store %s refuses to write the record of %s "
				  "(HTTP 400)",
				  v->name, name);
	return moved(v, name, why);
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
			forget_view(v, w->name);
		return s;
	}
	next.b_deleted = false;
	save_view(v, &next, 0);
	hold(v, w->name, id, entry, next.b_version);
	make_state(&next, after);
	return STATUS_OK;
}

static enum status stage(struct store *store, const char *name,
			 const char *revision, const char *id,
			 const struct store_entry *entry,
			 struct store_state *ret_state, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state after;
	bool has_moved = false;
	enum status s = check_arguments(v, name, id, why);

	if (s == STATUS_OK)
		s = check_entry(entry, why);
	if (s == STATUS_OK)
		s = view_for(v, name, revision, &w, &has_moved, why);
	if (s != STATUS_OK)
		return s;
	if (in_order(&w, id)) {
		s = compare_content(v, name, id, entry, why);
		make_state(&w, &after);
	} else if (has_moved) {
		s = moved(v, name, why);
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
		forget_view(v, w->name);
	if (s == STATUS_NOT_FOUND)
		s = moved(v, w->name, why);
	if (s != STATUS_OK)
		return s;
	w->b_version = version;
	w->pending[0] = '\0';
	save_view(v, w, 0);
	return STATUS_OK;
}

static enum status make_current(const struct store_vault_view *w,
				const char *id, const struct store_entry *entry,
				bool patch, struct doc **ret_data)
{
	struct doc *data = doc_new_object();
	enum status s = data ? put_entry(data, entry) : STATUS_NO_MEMORY;

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
	enum status s = read_view(v, name, &w, why);

	if (s != STATUS_OK)
		return s;
	if (strcmp(w.current, id) == 0) {
		make_state(&w, after);
		return STATUS_OK;
	}
	if (w.a_deleted)
		return deleted_current(v, name, why);
	if (w.a_version != a_version)
		return moved(v, name, why);
	return reason_set(why, STATUS_REFUSED,
			  "store %s refuses to write the current secret of %s "
			  "(HTTP 400)",
			  v->name, name);
}

/* custom_metadata is for people and other tools, and cannot be written together
 * with the data; one write in a while will do, and none is waited for. */
static void tell(struct store_vault *v, const char *name, const char *id)
{
	int64_t now = now_boot(v->now);
	struct store_vault_view *w;
	bool due = false;

	pthread_mutex_lock(&v->lock);
	w = find_view(v, name);
	if (w && now >= w->tell_after && strcmp(w->told, id) != 0) {
		w->tell_after = now + TELL_US;
		text_copy(w->told, sizeof(w->told), id);
		due = true;
	}
	pthread_mutex_unlock(&v->lock);
	if (due)
		store_vault_kv_tell(v, name, id, now_wall(v->now), NULL);
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
			forget_view(v, w->name);
		return s;
	}
	next.a_deleted = false;
	next.a_passing = false;
	next.a_created_us = now_wall(v->now);
	text_copy(next.previous, sizeof(next.previous),
		  w->current_in_b ? w->current : "");
	text_copy(next.current, sizeof(next.current), id);
	next.current_in_b = true;
	save_view(v, &next, now_boot(v->now) + REMEMBER_US);
	release(v, w->name);
	make_state(&next, after);
	tell(v, w->name, id);
	return STATUS_OK;
}

static enum status move_current(struct store_vault *v,
				struct store_vault_view *w, const char *id,
				struct store_state *after, struct reason *why)
{
	struct store_entry entry = { .password = NULL };
	enum status s;

	if (!in_order(w, id))
		return unknown_version(v, w->name, id, why);
	if (is_halted(w))
		return deleted_current(v, w->name, why);
	s = take_held(v, w->name, id, &entry);
	if (s == STATUS_NOT_FOUND)
		s = fetch_record(v, w->name, id, 0, &entry, why);
	if (s == STATUS_NOT_FOUND)
		s = moved(v, w->name, why);
	/* See the head of this file: a pending that A names. */
	if (s == STATUS_OK && w->pending[0] && strcmp(w->pending, id) != 0 &&
	    !is_pending(w, w->pending))
		s = clear_pending(v, w, why);
	if (s == STATUS_OK)
		s = write_current(v, w, id, &entry, after, why);
	secret_free(entry.password);
	return s;
}

static enum status promote(struct store *store, const char *name,
			   const char *revision, const char *id,
			   struct store_state *ret_state, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state after;
	bool has_moved = false;
	enum status s = check_arguments(v, name, id, why);

	if (s == STATUS_OK)
		s = view_for(v, name, revision, &w, &has_moved, why);
	if (s != STATUS_OK)
		return s;
	if (strcmp(w.current, id) == 0)
		make_state(&w, &after);
	else if (has_moved)
		s = moved(v, name, why);
	else
		s = move_current(v, &w, id, &after, why);
	if (s == STATUS_OK && ret_state)
		*ret_state = after;
	return s;
}

/* ---- retire ------------------------------------------------------------ */

static enum status retire(struct store *store, const char *name,
			  const char *revision, const char *id,
			  struct store_state *ret_state, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct store_vault_view w;
	struct store_state after;
	bool has_moved = false;
	enum status s = check_arguments(v, name, id, why);

	if (s == STATUS_OK)
		s = view_for(v, name, revision, &w, &has_moved, why);
	if (s != STATUS_OK)
		return s;
	if (in_order(&w, id) && label_of(&w, id) == STORE_LABEL_RING)
		s = STATUS_OK;
	else if (has_moved)
		s = moved(v, name, why);
	else if (!in_order(&w, id))
		s = unknown_version(v, name, id, why);
	else if (!is_pending(&w, id))
		s = reason_set(why, STATUS_REFUSED,
			       "store %s: version %s of %s is %s and cannot be "
			       "retired",
			       v->name, id, name,
			       store_label_name(label_of(&w, id)));
	else
		s = clear_pending(v, &w, why);
	if (s != STATUS_OK)
		return s;
	release(v, name);
	make_state(&w, &after);
	if (ret_state)
		*ret_state = after;
	return STATUS_OK;
}

/* ---- opening and closing ----------------------------------------------- */

static enum status canary(struct store *store, struct reason *why)
{
	return store_vault_kv_canary((struct store_vault *)store, why);
}

static void free_views(struct store_vault *v)
{
	struct store_vault_view *w;

	while ((w = v->views) != NULL) {
		v->views = w->next;
		drop_held(w);
		free(w);
	}
}

/* What was coalesced away while rotations came in quick succession. */
static void tell_last(struct store_vault *v)
{
	struct store_vault_view *w;

	for (w = v->views; w; w = w->next)
		if (w->tell_after > 0 && w->known && w->current[0] &&
		    strcmp(w->told, w->current) != 0)
			store_vault_kv_tell(v, w->name, w->current,
					    now_wall(v->now), NULL);
}

static void close_store(struct store *store)
{
	struct store_vault *v = (struct store_vault *)store;
	size_t i;

	if (!v)
		return;
	if (v->http) {
		tell_last(v);
		store_vault_auth_revoke(v);
	}
	free_views(v);
	store_vault_auth_free(v->auth);
	http_close(v->http);
	pthread_mutex_destroy(&v->lock);
	for (i = 0; i < v->n_addresses; i++)
		free(v->addresses[i]);
	free(v->mount);
	free(v->prefix);
	free(v->namespace);
	free(v->name);
	free(v);
}

static const struct store_ops ops = {
	.type = "vault",
	.canary = canary,
	.describe = describe,
	.fetch = fetch,
	.stage = stage,
	.promote = promote,
	.retire = retire,
	.close = close_store,
};

static enum status check_address(const char *name, const char *address,
				 struct reason *why)
{
	struct http_url u;
	enum status s = http_url_parse(address, &u, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "store %s: address %s", name,
				   strstr(address, "@") ? "" : address);
	if (!u.tls && !http_url_is_loopback(&u))
		return reason_set(why, STATUS_CONFIG,
				  "store %s: address %s would send tokens and "
				  "passwords in the clear: use https",
				  name, address);
	if (strcmp(u.path, "/") != 0)
		return reason_set(why, STATUS_CONFIG,
				  "store %s: address %s must end behind the "
				  "host and port",
				  name, address);
	return STATUS_OK;
}

static enum status check_options(const struct store_vault_options *o,
				 struct reason *why)
{
	enum status s = STATUS_OK;
	size_t i;

	if (o->n_addresses == 0)
		return reason_set(why, STATUS_CONFIG,
				  "store %s: address is not set", o->name);
	for (i = 0; i < o->n_addresses && s == STATUS_OK; i++)
		s = check_address(o->name, o->addresses[i], why);
	if (s == STATUS_OK &&
	    (o->ring < STORE_RING_MIN || o->ring > STORE_RING_MAX))
		s = reason_set(
			why, STATUS_CONFIG,
			"store %s: the ring must keep %d to %d versions, "
			"not %u",
			o->name, STORE_RING_MIN, STORE_RING_MAX, o->ring);
	if (s == STATUS_OK &&
	    (!o->mount[0] || o->mount[0] == '/' || strstr(o->mount, "//")))
		s = reason_set(why, STATUS_CONFIG,
			       "store %s: mount must be a path like secret or "
			       "team/kv",
			       o->name);
	if (s == STATUS_OK && (o->prefix[0] == '/' || strstr(o->prefix, "//") ||
			       strstr(o->prefix, "..")))
		s = reason_set(why, STATUS_CONFIG,
			       "store %s: prefix must be a path like partners/",
			       o->name);
	return s;
}

static bool keep(const char *value, size_t n, char **ret)
{
	*ret = strndup(value, n);
	return *ret != NULL;
}

/* A slash at the end says nothing here. */
static size_t trimmed(const char *s)
{
	size_t n = strlen(s);

	while (n > 0 && s[n - 1] == '/')
		n--;
	return n;
}

static bool keep_strings(struct store_vault *v,
			 const struct store_vault_options *o)
{
	size_t i;

	for (i = 0; i < o->n_addresses; i++) {
		if (!keep(o->addresses[i], trimmed(o->addresses[i]),
			  &v->addresses[i]))
			return false;
		v->n_addresses++;
	}
	return keep(o->name, strlen(o->name), &v->name) &&
	       keep(o->mount, trimmed(o->mount), &v->mount) &&
	       keep(o->prefix, strlen(o->prefix), &v->prefix) &&
	       keep(o->namespace, trimmed(o->namespace), &v->namespace);
}

static const char *or_null(const char *s)
{
	return s && s[0] ? s : NULL;
}

static enum status open_parts(struct store_vault *v,
			      const struct store_vault_options *o,
			      struct reason *why)
{
	const struct http_options ho = {
		.ca_file = or_null(o->ca_file),
		.ca_dir = or_null(o->ca_dir),
		.client_cert = or_null(o->client_cert),
		.client_key = or_null(o->client_key),
		.proxy = or_null(o->proxy),
		.now = o->now,
		.random = o->random,
	};
	enum status s = store_vault_auth_new(o, &v->auth, why);

	if (s != STATUS_OK)
		return s;
	s = http_open(&ho, &v->http, why);
	return s == STATUS_OK ? s : reason_wrap(why, s, "store %s", o->name);
}

enum status store_vault_open(const struct store_vault_options *o,
			     struct store **ret_store, struct reason *why)
{
	enum status s = check_options(o, why);
	struct store_vault *v;

	if (s != STATUS_OK)
		return s;
	v = calloc(1, sizeof(*v));
	if (!v)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	pthread_mutex_init(&v->lock, NULL);
	v->store.ops = &ops;
	v->ring = o->ring;
	v->now = o->now;
	v->random = o->random;
	v->timeout_us = o->timeout_us > 0 ? o->timeout_us : 15 * NOW_SECOND;
	s = keep_strings(v, o) ?
		    open_parts(v, o, why) :
		    reason_set(why, STATUS_NO_MEMORY, "out of memory");
	if (s != STATUS_OK) {
		close_store(&v->store);
		return s;
	}
	v->store.name = v->name;
	*ret_store = &v->store;
	return STATUS_OK;
}
