/* SPDX-License-Identifier: PostgreSQL */
/*
 * Paths in Vault, and what it means when Vault refuses one.  Must never let a
 * name end a path early.
 */
#include "store/vault/path.h"

#include <inttypes.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"

#define RECORD_FOLDER ".keyturn/"

char *store_vault_path_trim(const char *path)
{
	size_t n;

	path += strspn(path, "/");
	n = strlen(path);
	while (n > 0 && path[n - 1] == '/')
		n--;
	return strndup(path, n);
}

void store_vault_path_add(struct text *t, const char *path)
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

enum status store_vault_path_make(const struct store_vault *v, const char *what,
				  enum store_vault_kind kind, const char *name,
				  bool encoded, char *dst, struct reason *why)
{
	void (*add)(struct text *, const char *) =
		encoded ? store_vault_path_add : text_add;
	struct text t = text_make(STORE_VAULT_PATH_SIZE - 1);
	enum status s;

	add(&t, v->mount);
	text_printf(&t, "/%s/", what);
	add(&t, v->prefix);
	if (kind == STORE_VAULT_RECORD)
		text_add(&t, RECORD_FOLDER);
	add(&t, name);
	s = text_status(&t);
	if (s == STATUS_OK)
		s = text_copy(dst, STORE_VAULT_PATH_SIZE, text_str(&t));
	text_free(&t);
	if (s != STATUS_OK)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: the path of %s is too long",
				  v->name, name);
	return STATUS_OK;
}

/* A 403 as a person can act on it.  It is the same for a token that Vault does
 * not know and for a policy that says nothing. */
enum status store_vault_path_denied(const struct store_vault *v,
				    const char *capability, const char *what,
				    enum store_vault_kind kind,
				    const char *name, struct reason *why)
{
	char path[STORE_VAULT_PATH_SIZE];

	store_vault_path_make(v, what, kind, name, false, path, NULL);
	return reason_set(why, STATUS_REFUSED,
			  "store %s: permission denied: the token's policy "
			  "must grant \"%s\" on %s%s%s",
			  v->name, capability, path,
			  v->namespace[0] ? " in namespace " : "",
			  v->namespace);
}

enum status store_vault_path_odd(const struct store_vault *v, int code,
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

enum status store_vault_path_passing(const struct store_vault *v,
				     enum store_vault_kind kind,
				     const char *name, int64_t version,
				     struct reason *why)
{
	struct text t = text_make(REASON_MAX);
	char path[STORE_VAULT_PATH_SIZE];
	const char *place = path + strlen(v->mount) + strlen("/data/");

	store_vault_path_make(v, "data", kind, name, false, path, NULL);
	text_printf(&t,
		    "vault kv metadata put -mount=%s -delete-version-after=0s "
		    "%s",
		    v->mount, place);
	/* What was written has its end, whatever is set now. */
	if (version > 0)
		text_printf(&t,
			    ", and vault kv undelete -mount=%s "
			    "-versions=%" PRId64 " %s",
			    v->mount, version, place);
	reason_set(why, STATUS_REFUSED,
		   "store %s: delete_version_after deletes versions of %s by "
		   "the clock: %s",
		   v->name, path, text_str(&t));
	text_free(&t);
	return STATUS_REFUSED;
}
