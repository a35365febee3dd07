/* SPDX-License-Identifier: PostgreSQL */
/*
 * Documents of KV version 2.  Must never write without a compare-and-swap, nor
 * to a mount that keeps no versions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "store/store_vault_internal.h"

#define RECORD_FOLDER ".keyturn/"
#define CANARY_PREFIX ".canary-"

void store_vault_kv_free(struct store_vault_doc *d)
{
	doc_free(d->envelope);
	*d = (struct store_vault_doc){ 0 };
}

/* ---- paths ------------------------------------------------------------- */

/* Percent-encoded, segment by segment. */
static void add_path(struct text *t, const char *path)
{
	char encoded[3 * STORE_NAME_SIZE + 1];
	size_t n;

	while (*path) {
		n = strcspn(path, "/");
		if (n >= STORE_NAME_SIZE)
			n = STORE_NAME_SIZE - 1;
		encode_percent(path, n, encoded);
		text_add(t, encoded);
		path += n;
		if (*path == '/') {
			text_add_char(t, '/');
			path++;
		}
	}
}

/* what: "data" or "metadata". */
static enum status make_path(const struct store_vault *v, const char *what,
			     enum store_vault_kind kind, const char *name,
			     bool encoded, char *dst, struct reason *why)
{
	struct text t = text_make(STORE_VAULT_PATH_SIZE - 1), *p = &t;
	enum status s;

	if (encoded)
		add_path(p, v->mount);
	else
		text_add(p, v->mount);
	text_printf(p, "/%s/", what);
	if (encoded)
		add_path(p, v->prefix);
	else
		text_add(p, v->prefix);
	if (kind == STORE_VAULT_RECORD)
		text_add(p, RECORD_FOLDER);
	if (encoded)
		add_path(p, name);
	else
		text_add(p, name);
	s = text_status(p);
	if (s == STATUS_OK)
		s = text_copy(dst, STORE_VAULT_PATH_SIZE, text_str(p));
	text_free(p);
	if (s != STATUS_OK)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: the path of %s is too long",
				  v->name, name);
	return STATUS_OK;
}

/* A 403 as a person can act on it.  It is the same for a token that Vault does
 * not know and for a policy that says nothing. */
static enum status denied(const struct store_vault *v, const char *capability,
			  const char *what, enum store_vault_kind kind,
			  const char *name, struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE];

	make_path(v, what, kind, name, false, path, NULL);
	return reason_set(why, STATUS_REFUSED,
			  "store %s: permission denied: the token's policy "
			  "must grant \"%s\" on %s%s%s",
			  v->name, capability, path,
			  v->namespace[0] ? " in namespace " : "",
			  v->namespace);
}

static enum status odd_code(const struct store_vault *v, int code,
			    const char *act, struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "store %s refuses to %s (HTTP %d)%s", v->name, act,
			  code,
			  code == 413 ? ": the secret is too large" :
			  code == 405 ? ": the mount is not KV version 2, or "
					"this server cannot patch (Vault 1.9 "
					"or newer, or OpenBao)" :
					"");
}

/* ---- the mount --------------------------------------------------------- */

static enum status judge_mount(const struct store_vault *v, int code,
			       const struct doc *data, struct reason *why)
{
	const char *type = doc_text(doc_get(data, "type"));
	const char *version = doc_text(doc_path(data, "options.version"));

	if (code == 403 || code == 404)
		return reason_set(
			why, STATUS_REFUSED,
			"store %s: the mount %s%s%s does not exist, "
			"or the token's policy grants nothing in it%s",
			v->name, v->mount,
			v->namespace[0] ? " in namespace " : "", v->namespace,
			v->namespace[0] ? ", or this server has no "
					  "namespaces" :
					  "");
	if (code != 200)
		return odd_code(v, code, "describe the mount", why);
	if (!type || (strcmp(type, "kv") != 0 && strcmp(type, "generic") != 0))
		return reason_set(why, STATUS_REFUSED,
				  "store %s: the mount %s is no KV engine",
				  v->name, v->mount);
	if (!version || strcmp(version, "2") != 0)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: the mount %s is KV version 1, "
				  "which has no compare-and-swap; \"vault kv "
				  "enable-versioning %s\" makes it version 2",
				  v->name, v->mount, v->mount);
	return STATUS_OK;
}

enum status store_vault_kv_mount(struct store_vault *v, struct reason *why)
{
	/* A server without namespaces ignores the header, and its own secrets
	 * would be taken for those of the namespace; a path it cannot ignore. */
	struct store_vault_request r = { .method = "GET", .placed = true };
	struct store_vault_answer answer = { 0 };
	struct text path = text_make(STORE_VAULT_PATH_SIZE);
	enum status s;
	bool seen;

	pthread_mutex_lock(&v->lock);
	seen = v->mount_seen;
	pthread_mutex_unlock(&v->lock);
	if (seen)
		return STATUS_OK;
	if (v->namespace[0]) {
		add_path(&path, v->namespace);
		text_add_char(&path, '/');
	}
	text_add(&path, "sys/internal/ui/mounts/");
	add_path(&path, v->mount);
	r.path = text_str(&path);
	s = store_vault_auth_call(v, &r, &answer, why);
	text_free(&path);
	if (s != STATUS_OK)
		return s;
	s = judge_mount(v, answer.code, doc_get(answer.doc, "data"), why);
	store_vault_call_free(&answer);
	if (s == STATUS_OK) {
		pthread_mutex_lock(&v->lock);
		v->mount_seen = true;
		pthread_mutex_unlock(&v->lock);
	}
	return s;
}

/* ---- capabilities ------------------------------------------------------ */

static bool grants(const struct doc *list, const char *capability)
{
	const char *have;
	size_t i;

	for (i = 0; i < doc_count(list); i++) {
		have = doc_text(doc_at(list, i));
		if (have && (strcmp(have, capability) == 0 ||
			     strcmp(have, "root") == 0))
			return true;
	}
	return false;
}

static enum status judge_capabilities(struct store_vault *v,
				      const struct doc *answer,
				      const char *const paths[2],
				      const char *name, struct reason *why)
{
	static const char *const needed[] = { "create", "update", "read",
					      "patch" };
	const struct doc *list;
	size_t i, k;

	for (k = 0; k < 2; k++) {
		list = doc_get(doc_get(answer, "data"), paths[k]);
		if (!list)
			list = doc_get(answer, paths[k]);
		for (i = 0; list && i < sizeof(needed) / sizeof(needed[0]); i++)
			if (!grants(list, needed[i]))
				return denied(v, needed[i], "data",
					      (enum store_vault_kind)k, name,
					      why);
	}
	return STATUS_OK;
}

enum status store_vault_kv_capable(struct store_vault *v, const char *name,
				   struct reason *why)
{
	char current[STORE_VAULT_PATH_SIZE], record[STORE_VAULT_PATH_SIZE];
	const char *const paths[2] = { current, record };
	struct doc *body = doc_new_object(), *list = doc_new_array();
	struct store_vault_request r = { .method = "POST",
					 .path = "sys/capabilities-self",
					 .body = body };
	struct store_vault_answer answer = { 0 };
	enum status s;

	s = make_path(v, "data", STORE_VAULT_CURRENT, name, false, current,
		      why);
	if (s == STATUS_OK)
		s = make_path(v, "data", STORE_VAULT_RECORD, name, false,
			      record, why);
	if (s != STATUS_OK) {
		doc_free(list);
		goto out;
	}
	if (doc_push_text(list, current) != STATUS_OK ||
	    doc_push_text(list, record) != STATUS_OK) {
		doc_free(list);
		s = reason_set(why, STATUS_REFUSED,
			       "store %s: the path of %s is not UTF-8", v->name,
			       name);
		goto out;
	}
	if (doc_set(body, "paths", list) != STATUS_OK) {
		s = reason_set(why, STATUS_NO_MEMORY, "out of memory");
		goto out;
	}
	s = store_vault_auth_call(v, &r, &answer, why);
	/* Not allowed to ask: the writes will tell. */
	if (s == STATUS_OK && answer.code == 200)
		s = judge_capabilities(v, answer.doc, paths, name, why);
	store_vault_call_free(&answer);
out:
	doc_free(body);
	return s;
}

/* ---- reading ----------------------------------------------------------- */

static enum status corrupt(const struct store_vault *v, const char *name,
			   struct reason *why)
{
	return reason_set(why, STATUS_CORRUPT,
			  "store %s: what is stored for %s is not what KV "
			  "version 2 would give",
			  v->name, name);
}

/* The envelope comes with a 404 too, when the version is deleted. */
static enum status take_doc(const struct store_vault *v, const char *name,
			    struct store_vault_answer *answer,
			    struct store_vault_doc *ret_doc, struct reason *why)
{
	const struct doc *outer = doc_get(answer->doc, "data");
	const struct doc *meta = doc_get(outer, "metadata");
	struct store_vault_doc d = { 0 };

	if (!outer && answer->code == 404) {
		*ret_doc = d;
		return STATUS_OK;
	}
	if (!doc_int(doc_get(meta, "version"), &d.version) || d.version < 1)
		return corrupt(v, name, why);
	doc_copy(doc_get(meta, "created_time"), d.created, sizeof(d.created));
	d.passing = doc_text_len(doc_get(meta, "deletion_time")) > 0;
	d.data = doc_get(outer, "data");
	if (doc_is(d.data, DOC_NULL) || !d.data) {
		d.data = NULL;
		d.deleted = true;
	} else if (!doc_is(d.data, DOC_OBJECT) || answer->code != 200) {
		return corrupt(v, name, why);
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
		s = denied(v, "read", "data", kind, name, why);
	else if (answer.upgrading)
		s = reason_set(why, STATUS_STORE_UNAVAILABLE,
			       "store %s: the mount is being upgraded to KV "
			       "version 2; nothing was changed",
			       v->name);
	else
		s = odd_code(v, answer.code, "read", why);
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
	enum status s = store_vault_kv_mount(v, why);

	if (s == STATUS_OK)
		s = make_path(v, "data", kind, name, true, path, why);
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

static enum status wrap_data(int64_t cas, struct doc *data,
			     struct doc **ret_body)
{
	struct doc *body = doc_new_object(), *options = doc_new_object();
	enum status s = doc_set_int(options, "cas", cas);

	if (s != STATUS_OK)
		doc_free(options);
	else
		s = doc_set(body, "options", options);
	if (s == STATUS_OK)
		s = doc_set(body, "data", data);
	else
		doc_free(data);
	if (s != STATUS_OK) {
		doc_free(body);
		return STATUS_NO_MEMORY;
	}
	*ret_body = body;
	return STATUS_OK;
}

/* delete_version_after would take the newest version away by the clock. */
static enum status check_lasting(const struct store_vault *v, const char *name,
				 const struct doc *data, struct reason *why)
{
	const char *until = doc_text(doc_get(data, "deletion_time"));

	if (!until || until[0] == '\0')
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "store %s: delete_version_after of the mount or of "
			  "%s would delete what is written; set it to 0s",
			  v->name, name);
}

static enum status take_version(const struct store_vault *v,
				enum store_vault_kind kind, const char *name,
				const struct store_vault_answer *answer,
				int64_t *ret_version, struct reason *why)
{
	const struct doc *data = doc_get(answer->doc, "data");

	if (!doc_int(doc_get(data, "version"), ret_version) || *ret_version < 1)
		return reason_set(why, STATUS_UNKNOWN,
				  "store %s: the answer to the write of %s "
				  "names no version",
				  v->name, name);
	/* CURRENT was looked at before anything was staged, and has moved now:
	 * a refusal would only hide that. */
	if (kind == STORE_VAULT_CURRENT)
		return STATUS_OK;
	return check_lasting(v, name, data, why);
}

static enum status judge_write(const struct store_vault *v,
			       const struct store_vault_answer *answer,
			       enum store_vault_kind kind, const char *name,
			       bool patch, int64_t cas, int64_t *ret_version,
			       struct reason *why)
{
	switch (answer->code) {
	case 200:
		return take_version(v, kind, name, answer, ret_version, why);
	case 204:
		return reason_set(why, STATUS_UNKNOWN,
				  "store %s: the answer to the write of %s is "
				  "empty",
				  v->name, name);
	case 400:
		if (answer->upgrading)
			return reason_set(why, STATUS_STORE_UNAVAILABLE,
					  "store %s: the mount is being "
					  "upgraded to KV version 2; nothing "
					  "was changed",
					  v->name);
		return reason_set(why, STATUS_CONFLICT,
				  "store %s: %s is not at version %lld any "
				  "more: somebody else changed it",
				  v->name, name, (long long)cas);
	case 403:
		return denied(v,
			      patch    ? "patch" :
			      cas == 0 ? "create" :
					 "update",
			      "data", kind, name, why);
	case 404:
		if (patch)
			return reason_set(why, STATUS_NOT_FOUND,
					  "store %s: %s was deleted", v->name,
					  name);
		/* fall through */
	default:
		return odd_code(v, answer->code, "write", why);
	}
}

enum status store_vault_kv_write(struct store_vault *v,
				 enum store_vault_kind kind, const char *name,
				 bool patch, int64_t cas, struct doc *data,
				 int64_t *ret_version, struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE];
	struct store_vault_answer answer = { 0 };
	struct store_vault_request r = {
		.method = patch ? "PATCH" : "POST",
		.path = path,
		.content_type = patch ? "application/merge-patch+json" : NULL,
		.writes = true,
	};
	struct doc *body = NULL;
	enum status s = wrap_data(cas, data, &body);

	if (s != STATUS_OK)
		return reason_set(why, s, "out of memory");
	s = store_vault_kv_mount(v, why);
	if (s == STATUS_OK)
		s = make_path(v, "data", kind, name, true, path, why);
	r.body = body;
	if (s == STATUS_OK)
		s = store_vault_auth_call(v, &r, &answer, why);
	if (s == STATUS_OK)
		s = judge_write(v, &answer, kind, name, patch, cas, ret_version,
				why);
	store_vault_call_free(&answer);
	doc_free(body);
	return s;
}

/* ---- metadata ---------------------------------------------------------- */

/* What other tools are told; NULL without memory. */
static struct doc *make_news(const struct store_vault *v, const char *name,
			     const char *id, int64_t rotated_us)
{
	struct doc *body = doc_new_object(), *custom = doc_new_object();
	int64_t due = INT64_MAX;
	char stamp[NOW_STAMP_SIZE];
	enum status s;

	if (v->next_due)
		due = v->next_due(v->next_due_arg, name, rotated_us);
	s = doc_set_text(custom, "keyturn_version", id);
	if (s == STATUS_OK)
		s = doc_set_text(custom, "keyturn_rotated_at",
				 now_stamp(rotated_us, stamp));
	if (s == STATUS_OK)
		s = doc_set_text(custom, "keyturn_next_due",
				 due == INT64_MAX ? "by command" :
						    now_stamp(due, stamp));
	if (s == STATUS_OK) {
		s = doc_set(body, "custom_metadata", custom);
		custom = NULL;
	}
	if (s == STATUS_OK)
		return body;
	doc_free(custom);
	doc_free(body);
	return NULL;
}

enum status store_vault_kv_tell(struct store_vault *v, const char *name,
				const char *id, int64_t rotated_us,
				struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE];
	struct store_vault_request r = {
		.method = "PATCH",
		.path = path,
		.content_type = "application/merge-patch+json",
	};
	struct store_vault_answer answer = { 0 };
	struct doc *body = make_news(v, name, id, rotated_us);
	enum status s;

	if (!body)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	r.body = body;
	s = make_path(v, "metadata", STORE_VAULT_CURRENT, name, true, path,
		      why);
	if (s == STATUS_OK)
		s = store_vault_auth_call(v, &r, &answer, why);
	if (s == STATUS_OK && answer.code == 403)
		s = denied(v, "patch", "metadata", STORE_VAULT_CURRENT, name,
			   why);
	else if (s == STATUS_OK && answer.code >= 300)
		s = odd_code(v, answer.code, "tell the version", why);
	store_vault_call_free(&answer);
	doc_free(body);
	return s;
}

/* ---- canary ------------------------------------------------------------ */

static enum status drop_canary(struct store_vault *v, const char *name,
			       struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE];
	struct store_vault_request r = { .method = "DELETE", .path = path };
	struct store_vault_answer answer = { 0 };
	enum status s = make_path(v, "metadata", STORE_VAULT_RECORD, name, true,
				  path, why);

	if (s == STATUS_OK)
		s = store_vault_auth_call(v, &r, &answer, why);
	if (s == STATUS_OK && answer.code == 403)
		s = denied(v, "delete", "metadata", STORE_VAULT_RECORD, name,
			   why);
	else if (s == STATUS_OK && answer.code != 200 && answer.code != 204 &&
		 answer.code != 404)
		s = odd_code(v, answer.code, "delete its canary", why);
	store_vault_call_free(&answer);
	return s;
}

static enum status read_canary(struct store_vault *v, const char *name,
			       const char *value, struct reason *why)
{
	struct store_vault_doc d = { 0 };
	const char *back;
	enum status s;

	s = store_vault_kv_read(v, STORE_VAULT_RECORD, name, 0, &d, why);
	if (s != STATUS_OK)
		return s;
	back = doc_text(doc_get(d.data, "canary"));
	if (!d.data)
		s = reason_set(why, STATUS_STORE_UNAVAILABLE,
			       "store %s: the canary was written and is not "
			       "there",
			       v->name);
	else if (!back || strcmp(back, value) != 0)
		s = reason_set(why, STATUS_CORRUPT,
			       "store %s gave back another canary than it was "
			       "given",
			       v->name);
	store_vault_kv_free(&d);
	return s;
}

enum status store_vault_kv_canary(struct store_vault *v, struct reason *why)
{
	char id[RANDOM_UUID_SIZE], name[STORE_NAME_SIZE];
	struct doc *data;
	int64_t version;
	enum status s = random_uuid(v->random, id);

	if (s != STATUS_OK)
		return reason_set(why, s, "no randomness for a canary");
	/* A name of its own: two rotators may look at the same time. */
	snprintf(name, sizeof(name), CANARY_PREFIX "%s", id);
	data = doc_new_object();
	if (!data || doc_set_text(data, "canary", id) != STATUS_OK) {
		doc_free(data);
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	}
	s = store_vault_kv_write(v, STORE_VAULT_RECORD, name, false, 0, data,
				 &version, why);
	/* An unknown canary is nothing that can be relied on. */
	if (s == STATUS_UNKNOWN || s == STATUS_CONFLICT)
		s = STATUS_STORE_UNAVAILABLE;
	if (s == STATUS_OK)
		s = read_canary(v, name, id, why);
	if (s == STATUS_OK)
		return drop_canary(v, name, why);
	if (s == STATUS_CORRUPT || s == STATUS_REFUSED)
		drop_canary(v, name, NULL);
	return s;
}
