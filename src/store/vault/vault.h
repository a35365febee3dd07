/* SPDX-License-Identifier: PostgreSQL */
/*
 * HashiCorp Vault and OpenBao, KV version 2: see vault.c for the layout
 * and why it is safe.
 */
#ifndef KEYTURN_STORE_VAULT_H
#define KEYTURN_STORE_VAULT_H

#include "base/now.h"
#include "store/store.h"

#define STORE_VAULT_ADDRESSES_MAX 8

struct store_vault_options {
	const char *name; /* [store NAME] */
	/* "https://host:8200"; the first that answers is asked, and a standby
	 * may redirect to another one of them, but to no other host. */
	const char *addresses[STORE_VAULT_ADDRESSES_MAX];
	size_t n_addresses;
	const char *mount;     /* "secret" */
	const char *prefix;    /* "" or "partners/" */
	const char *namespace; /* "" or "team/a" */

	/* "token", "approle", "kubernetes", "jwt" or "cert". */
	const char *auth;
	const char *auth_mount; /* "": named like the method */
	/* Of the auth method; NULL or "": the same namespace, "/": the server's
	 * own. */
	const char *auth_namespace;
	/* Where a token, secret_id or JWT comes from: an absolute path;
	 * "credential:NAME", a file in $CREDENTIALS_DIRECTORY; or, for a token
	 * only, "environment", which is $VAULT_TOKEN. */
	const char *token_from;
	const char *secret_id_from;
	const char *jwt_from;
	const char *role_id;
	const char *auth_role; /* kubernetes, jwt, cert; and the AppRole's name
				  for a wrapped secret_id */
	bool secret_id_wrapped;

	const char *ca_file; /* "" or a path, as the four below */
	const char *ca_dir;
	const char *client_cert;
	const char *client_key;
	const char *proxy;
	int64_t timeout_us; /* one request */
	/* When a secret that is rotated at at_us is due again; INT64_MAX: by
	 * command only.  Thread-safe; may be NULL. */
	int64_t (*next_due)(const void *arg, const char *name, int64_t at_us);
	const void *next_due_arg;
	unsigned ring;
	const struct now *now;
	const struct random *random; /* thread-safe */
};

/*
 * Look at the settings and files; nothing is sent before the first call.
 * STATUS_CONFIG: an address without scheme, http to a host that is not
 * loopback, a file that is missing or readable by others, a method without
 * what it needs.  *ret_store: ops->close() frees it, and revokes the token that
 * was obtained by a login.
 */
enum status store_vault_open(const struct store_vault_options *o,
			     struct store **ret_store, struct reason *why);

#endif
