/* SPDX-License-Identifier: PostgreSQL */
/* One request to Vault, with a token of ours or without, and what its answer
 * means. */
#ifndef KEYTURN_STORE_VAULT_CALL_H
#define KEYTURN_STORE_VAULT_CALL_H

#include "store/vault/common.h"
#include "json/json_out.h"

struct store_vault_request {
	const char *method;
	const char *path;	     /* behind "/v1/", percent-encoded */
	const struct secret *token;  /* NULL: none */
	const struct json_out *body; /* NULL: none */
	const char *content_type;    /* NULL: application/json */
	bool writes;	/* repeated only when it was certainly not done */
	bool placed;	/* path begins with the namespace; no header names it */
	bool login;	/* it goes to the namespace of the auth method */
	bool looks;	/* it asks whether there is another token */
	int64_t wrap_s; /* seconds for which the answer is wrapped; 0: not */
};

struct store_vault_answer {
	int code;	      /* 2xx, 400, 403, 404, 405, 413, 415 */
	struct json_doc *doc; /* NULL: no body */
	bool upgrading;	      /* 400: the mount is being upgraded just now */
};

/* Wipes; takes a zeroed one. */
void store_vault_call_free(struct store_vault_answer *a);

/* Is this among its errors? */
bool store_vault_call_says(const struct store_vault_answer *a,
			   const char *words);

/* Of a request that looks: there is none, which is no answer of a policy's. */
bool store_vault_call_no_token(const struct store_vault_answer *a);

/*
 * STATUS_OK: answered with one of the codes above.  STATUS_STORE_UNAVAILABLE:
 * not done (no connection, sealed, no active node, rate limited, not yet
 * replicated, a redirect to a host that is not listed), or a read that got no
 * proper answer.  STATUS_UNKNOWN: a write whose effect is not known.
 * STATUS_REFUSED: certificates or address.  The sentence begins with the
 * store's name.
 */
enum status store_vault_call(struct store_vault *v,
			     const struct store_vault_request *r,
			     struct store_vault_answer *ret_answer,
			     struct reason *why);

/* ---- tokens: obtained, renewed, and given back ------------------------- */

enum status store_vault_auth_new(const struct store_vault_options *o,
				 struct store_vault_auth **ret_auth,
				 struct reason *why);
void store_vault_auth_free(struct store_vault_auth *a);

/* store_vault_call() with a token, which is obtained, renewed or, after a 403,
 * obtained again and the request repeated once: a 403 has no effect.
 * STATUS_REFUSED: Vault does not know the token. */
enum status store_vault_auth_call(struct store_vault *v,
				  const struct store_vault_request *r,
				  struct store_vault_answer *ret_answer,
				  struct reason *why);

/* Give a token that a login obtained back; best effort. */
void store_vault_auth_revoke(struct store_vault *v);

#endif
