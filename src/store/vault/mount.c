/* SPDX-License-Identifier: PostgreSQL */
/*
 * The mount, and what the policy lets us do there.  Must never take KV version 1
 * for version 2, nor a server's own mount for one of a namespace.
 */
#include "store/vault/common.h"

#include "base/text.h"
#include "store/vault/call.h"
#include "store/vault/path.h"

static enum status judge_mount(const struct store_vault *v, int code,
			       const struct json_doc *data, struct reason *why)
{
	const struct json_doc *type = json_doc_get(data, "type");

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
		return store_vault_path_odd(v, code, "describe the mount", why);
	if (!json_doc_says(type, "kv") && !json_doc_says(type, "generic"))
		return reason_set(why, STATUS_REFUSED,
				  "store %s: the mount %s is not a KV engine",
				  v->name, v->mount);
	if (!json_doc_says(json_doc_path(data, "options.version"), "2"))
		return reason_set(why, STATUS_REFUSED,
				  "store %s: the mount %s is KV version 1, "
				  "which has no compare-and-swap; \"vault kv "
				  "enable-versioning %s\" makes it version 2",
				  v->name, v->mount, v->mount);
	return STATUS_OK;
}

enum status store_vault_mount_check(struct store_vault *v, struct reason *why)
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
		store_vault_path_add(&path, v->namespace);
		text_add_char(&path, '/');
	}
	text_add(&path, "sys/internal/ui/mounts/");
	store_vault_path_add(&path, v->mount);
	r.path = text_str(&path);
	s = store_vault_auth_call(v, &r, &answer, why);
	text_free(&path);
	if (s != STATUS_OK)
		return s;
	s = judge_mount(v, answer.code, json_doc_get(answer.doc, "data"), why);
	store_vault_call_free(&answer);
	if (s == STATUS_OK) {
		pthread_mutex_lock(&v->lock);
		v->mount_seen = true;
		pthread_mutex_unlock(&v->lock);
	}
	return s;
}
