/* SPDX-License-Identifier: PostgreSQL */
/*
 * Documents of KV version 2.  Must never write without a compare-and-swap, nor
 * to a mount that keeps no versions.
 */
#include "store/vault/kv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/vault/call.h"

#define CANARY_PREFIX ".canary-"
#define MERGE_PATCH   "application/merge-patch+json"

void store_vault_kv_free(struct store_vault_doc *d)
{
	json_doc_free(d->envelope);
	*d = (struct store_vault_doc){ 0 };
}

/* ---- reading ----------------------------------------------------------- */

static enum status refuse_corrupt(const struct store_vault *v, const char *name,
				  struct reason *why)
{
	return reason_set(why, STATUS_CORRUPT,
			  "store %s: what is stored for %s is not what KV "
			  "version 2 would give",
			  v->name, name);
}

static enum status say_upgrading(const struct store_vault *v,
				 struct reason *why)
{
	return reason_set(why, STATUS_STORE_UNAVAILABLE,
			  "store %s: the mount is being upgraded to KV version "
			  "2",
			  v->name);
}

/* The envelope comes with a 404 too, when the version is deleted. */
static enum status take_doc(const struct store_vault *v, const char *name,
			    struct store_vault_answer *answer,
			    struct store_vault_doc *ret_doc, struct reason *why)
{
	const struct json_doc *outer = json_doc_get(answer->doc, "data");
	const struct json_doc *meta = json_doc_get(outer, "metadata");
	struct store_vault_doc d = { 0 };

	if (!outer && answer->code == 404) {
		*ret_doc = d;
		return STATUS_OK;
	}
	if (!json_doc_int(json_doc_get(meta, "version"), &d.version) ||
	    d.version < 1)
		return refuse_corrupt(v, name, why);
	json_doc_copy(json_doc_get(meta, "created_time"), d.created,
		      sizeof(d.created));
	d.destroyed = json_doc_bool(json_doc_get(meta, "destroyed"), false);
	d.passing = json_doc_text_len(json_doc_get(meta, "deletion_time")) > 0;
	d.data = json_doc_get(outer, "data");
	if (json_doc_is(d.data, JSON_DOC_NULL) || !d.data) {
		d.data = NULL;
		d.deleted = true;
	} else if (!json_doc_is(d.data, JSON_DOC_OBJECT) ||
		   answer->code != 200) {
		return refuse_corrupt(v, name, why);
	}
	d.envelope = answer->doc;
	answer->doc = NULL;
	*ret_doc = d;
	return STATUS_OK;
}

static enum status read_path(struct store_vault *v, enum store_vault_kind kind,
			     const char *name, const char *path,
			     struct store_vault_doc *ret_doc,
			     struct reason *why)
{
	struct store_vault_request r = { .method = "GET", .path = path };
	struct store_vault_answer answer = { 0 };
	enum status s = store_vault_auth_call(v, &r, &answer, why);

	if (s != STATUS_OK)
		return s;
	if (answer.code == 200 || answer.code == 404)
		s = take_doc(v, name, &answer, ret_doc, why);
	else if (answer.code == 403)
		s = store_vault_path_denied(v, "read", "data", kind, name, why);
	else if (answer.upgrading)
		s = say_upgrading(v, why);
	else
		s = store_vault_path_odd(v, answer.code, "read", why);
	store_vault_call_free(&answer);
	return s;
}

enum status store_vault_kv_read(struct store_vault *v,
				enum store_vault_kind kind, const char *name,
				int64_t version,
				struct store_vault_doc *ret_doc,
				struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE], asked[STORE_VAULT_PATH_SIZE + 32];
	enum status s = store_vault_mount_check(v, why);

	if (s == STATUS_OK)
		s = store_vault_path_make(v, "data", kind, name, true, path,
					  why);
	if (s != STATUS_OK)
		return s;
	if (version > 0)
		snprintf(asked, sizeof(asked), "%s?version=%lld", path,
			 (long long)version);
	else
		snprintf(asked, sizeof(asked), "%s", path);
	return read_path(v, kind, name, asked, ret_doc, why);
}

/* ---- writing ----------------------------------------------------------- */

/* delete_version_after would take the newest version away by the clock.  Of a
 * canary it is the mount's.  Of CURRENT it was looked at before; what could not
 * be seen then is not a success now: some day consumers would find nothing. */
static enum status check_lasting(const struct store_vault *v,
				 const struct store_vault_write *w,
				 const struct json_doc *data, int64_t version,
				 struct reason *why)
{
	if (json_doc_text_len(json_doc_get(data, "deletion_time")) == 0)
		return STATUS_OK;
	if (strncmp(w->name, CANARY_PREFIX, strlen(CANARY_PREFIX)) != 0)
		return store_vault_path_passing(v, w->kind, w->name, version,
						why);
	return reason_set(why, STATUS_REFUSED,
			  "store %s: delete_version_after of the mount %s "
			  "deletes versions by the clock: vault write "
			  "%s/config delete_version_after=0s",
			  v->name, v->mount, v->mount);
}

static enum status take_version(const struct store_vault *v,
				const struct store_vault_write *w,
				const struct store_vault_answer *answer,
				int64_t *ret_version, struct reason *why)
{
	const struct json_doc *data = json_doc_get(answer->doc, "data");

	if (!json_doc_int(json_doc_get(data, "version"), ret_version) ||
	    *ret_version < 1)
		return reason_set(why, STATUS_UNKNOWN,
				  "store %s: the answer to the write of %s "
				  "names no version",
				  v->name, w->name);
	return check_lasting(v, w, data, *ret_version, why);
}

static enum status judge_write(const struct store_vault *v,
			       const struct store_vault_write *w,
			       const struct store_vault_answer *answer,
			       int64_t *ret_version, struct reason *why)
{
	switch (answer->code) {
	case 200:
		return take_version(v, w, answer, ret_version, why);
	case 204:
		return reason_set(why, STATUS_UNKNOWN,
				  "store %s: the answer to the write of %s is "
				  "empty",
				  v->name, w->name);
	case 400:
		if (answer->upgrading)
			return say_upgrading(v, why);
		return reason_set(why, STATUS_CONFLICT,
				  "store %s: %s is not at version %lld any "
				  "more: somebody else changed it",
				  v->name, w->name, (long long)w->cas);
	case 403:
		return store_vault_path_denied(v,
					       w->patch	   ? "patch" :
					       w->cas == 0 ? "create" :
							     "update",
					       "data", w->kind, w->name, why);
	case 404:
		if (w->patch)
			return reason_set(why, STATUS_NOT_FOUND,
					  "store %s: %s was deleted", v->name,
					  w->name);
		/* fall through */
	default:
		return store_vault_path_odd(v, answer->code, "write", why);
	}
}

enum status store_vault_kv_write(struct store_vault *v,
				 const struct store_vault_write *w,
				 struct json_out *data, int64_t *ret_version,
				 struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE];
	struct json_out body = json_out_object(), options = json_out_object();
	struct store_vault_answer answer = { 0 };
	const struct store_vault_request r = {
		.method = w->patch ? "PATCH" : "POST",
		.path = path,
		.content_type = w->patch ? MERGE_PATCH : NULL,
		.body = &body,
		.writes = true,
	};
	enum status s;

	json_out_int(&options, "cas", w->cas);
	json_out_put(&body, "options", &options);
	json_out_put(&body, "data", data);
	s = store_vault_mount_check(v, why);
	if (s == STATUS_OK)
		s = store_vault_path_make(v, "data", w->kind, w->name, true,
					  path, why);
	if (s == STATUS_OK)
		s = store_vault_auth_call(v, &r, &answer, why);
	if (s == STATUS_OK)
		s = judge_write(v, w, &answer, ret_version, why);
	store_vault_call_free(&answer);
	json_out_free(&body);
	return s;
}

/* ---- metadata ---------------------------------------------------------- */

/* What other tools are told. */
static struct json_out make_news(const struct store_vault *v, const char *name,
				 const char *id, int64_t rotated_us)
{
	struct json_out body = json_out_object(), custom = json_out_object();
	int64_t due = INT64_MAX;
	char stamp[NOW_STAMP_SIZE];

	if (v->next_due)
		due = v->next_due(v->next_due_arg, name, rotated_us);
	json_out_text(&custom, "keyturn_version", id);
	json_out_text(&custom, "keyturn_rotated_at",
		      now_stamp(rotated_us, stamp));
	json_out_text(&custom, "keyturn_next_due",
		      due == INT64_MAX ? "by command" : now_stamp(due, stamp));
	json_out_put(&body, "custom_metadata", &custom);
	return body;
}

/* A request about the metadata of a document. */
static enum status ask_metadata(struct store_vault *v,
				struct store_vault_request *r,
				enum store_vault_kind kind, const char *name,
				const char *capability, const char *act,
				struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE];
	struct store_vault_answer answer = { 0 };
	enum status s = store_vault_path_make(v, "metadata", kind, name, true,
					      path, why);

	r->path = path;
	if (s == STATUS_OK)
		s = store_vault_auth_call(v, r, &answer, why);
	if (s == STATUS_OK && answer.code == 403)
		s = store_vault_path_denied(v, capability, "metadata", kind,
					    name, why);
	else if (s == STATUS_OK && answer.code >= 300 && answer.code != 404)
		s = store_vault_path_odd(v, answer.code, act, why);
	store_vault_call_free(&answer);
	return s;
}

enum status store_vault_kv_tell(struct store_vault *v, const char *name,
				const char *id, int64_t rotated_us,
				struct reason *why)
{
	struct json_out body = make_news(v, name, id, rotated_us);
	struct store_vault_request r = { .method = "PATCH",
					 .content_type = MERGE_PATCH,
					 .body = &body };
	enum status s = ask_metadata(v, &r, STORE_VAULT_CURRENT, name, "patch",
				     "tell the version", why);

	json_out_free(&body);
	return s;
}

/* ---- canary ------------------------------------------------------------ */

static enum status drop_canary(struct store_vault *v, const char *name,
			       struct reason *why)
{
	struct store_vault_request r = { .method = "DELETE" };

	return ask_metadata(v, &r, STORE_VAULT_RECORD, name, "delete",
			    "delete its canary", why);
}

static enum status read_canary(struct store_vault *v, const char *name,
			       const char *value, struct reason *why)
{
	struct store_vault_doc d = { 0 };
	enum status s;

	s = store_vault_kv_read(v, STORE_VAULT_RECORD, name, 0, &d, why);
	if (s != STATUS_OK)
		return s;
	if (!d.data)
		s = reason_set(why, STATUS_STORE_UNAVAILABLE,
			       "store %s: the canary was written and is not "
			       "there",
			       v->name);
	else if (!json_doc_says(json_doc_get(d.data, "canary"), value))
		s = reason_set(why, STATUS_CORRUPT,
			       "store %s gave back another canary than it was "
			       "given",
			       v->name);
	store_vault_kv_free(&d);
	return s;
}

/* As a rotation does it: the first time whole, and then merged into. */
static enum status write_canary(struct store_vault *v, const char *name,
				const char *id, bool patch, struct reason *why)
{
	const struct store_vault_write w = { STORE_VAULT_RECORD, name, patch,
					     patch ? 1 : 0 };
	struct json_out data = json_out_object();
	int64_t version;

	json_out_text(&data, "canary", id);
	return store_vault_kv_write(v, &w, &data, &version, why);
}

enum status store_vault_kv_canary(struct store_vault *v, struct reason *why)
{
	char id[RANDOM_UUID_SIZE], name[STORE_NAME_SIZE];
	enum status s = random_uuid(v->random, id);

	if (s != STATUS_OK)
		return reason_set(why, s, "no randomness for a canary");
	/* A name of its own: two rotators may look at the same time. */
	snprintf(name, sizeof(name), CANARY_PREFIX "%s", id);
	s = write_canary(v, name, "", false, why);
	if (s == STATUS_OK)
		s = write_canary(v, name, id, true, why);
	/* An unknown canary is nothing that can be relied on. */
	if (s == STATUS_UNKNOWN || s == STATUS_CONFLICT ||
	    s == STATUS_NOT_FOUND)
		s = STATUS_STORE_UNAVAILABLE;
	if (s == STATUS_OK)
		s = read_canary(v, name, id, why);
	if (s == STATUS_OK)
		return drop_canary(v, name, why);
	if (s == STATUS_CORRUPT || s == STATUS_REFUSED)
		drop_canary(v, name, NULL);
	return s;
}
