/* SPDX-License-Identifier: PostgreSQL */
/*
 * Response wrapping: a token that opens a content once.  Must never leave a token
 * anywhere but in a secret, nor call one opened that Vault did not tell of.
 *
 * https://developer.hashicorp.com/vault/docs/concepts/response-wrapping and
 * .../api-docs/system/wrapping-wrap, .../api-docs/auth/token (lookup-accessor);
 * OpenBao's are the same.
 */
#include "store/vault/call.h"

#include <ctype.h>
#include <string.h>

#include "base/text.h"

#define WRAP_PATH      "sys/wrapping/wrap"
#define LOOK_PATH      "auth/token/lookup-accessor"
#define WRAP_TOKEN_MAX 1024

/* What a partner sees that opens it, by `vault unwrap` for example. */
static struct json_out make_content(const char *id, const struct store_entry *e)
{
	struct json_out d = json_out_object();

	json_out_text(&d, "host", e->host);
	json_out_text(&d, "port", e->port);
	json_out_text(&d, "database", e->dbname);
	json_out_text(&d, "user", e->username);
	json_out_secret(&d, "password", e->password);
	json_out_text(&d, "version", id);
	return d;
}

/* It is copied into command lines, and the accessor into a ledger. */
static bool is_plain(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr("._-", p[i]))
			return false;
	return n > 0;
}

static enum status take_wrapped(const struct store_vault *v,
				const struct store_vault_answer *answer,
				int64_t life_s, struct store_wrapped *ret,
				struct reason *why)
{
	const struct json_doc *info = json_doc_get(answer->doc, "wrap_info");
	struct store_wrapped w = { .life_s = 0 };
	enum status s = json_doc_secret(json_doc_get(info, "token"),
					WRAP_TOKEN_MAX, &w.token);

	if (s == STATUS_NO_MEMORY)
		return reason_no_memory(why);
	if (s == STATUS_OK)
		s = json_doc_copy(json_doc_get(info, "accessor"), w.accessor,
				  sizeof(w.accessor));
	if (s == STATUS_OK)
		s = json_doc_copy(json_doc_get(info, "creation_path"),
				  w.made_by, sizeof(w.made_by));
	if (s == STATUS_OK &&
	    json_doc_int(json_doc_get(info, "ttl"), &w.life_s) &&
	    w.life_s > 0 && w.life_s <= life_s &&
	    is_plain(w.accessor, strlen(w.accessor)) &&
	    is_plain(secret_bytes(w.token), secret_len(w.token)) &&
	    !text_has_control(w.made_by, strlen(w.made_by))) {
		*ret = w;
		return STATUS_OK;
	}
	secret_free(w.token);
	return reason_set(why, STATUS_STORE_UNAVAILABLE,
			  "store %s: the answer has no wrapping token as Vault "
			  "0.8 and newer give it",
			  v->name);
}

static enum status refuse(const struct store_vault *v, const char *path,
			  const struct store_vault_answer *answer,
			  struct reason *why)
{
	if (answer->code == 403)
		return reason_set(why, STATUS_REFUSED,
				  "store %s: the policy does not grant update "
				  "on %s%s (HTTP 403)",
				  v->name, path,
				  strcmp(path, WRAP_PATH) == 0 ?
					  ", or not for so long" :
					  "");
	return reason_set(why, STATUS_REFUSED,
			  "store %s: %s is refused (HTTP %d)", v->name, path,
			  answer->code);
}

enum status store_vault_wrap(struct store *store, const char *id,
			     const struct store_entry *entry, int64_t life_s,
			     struct store_wrapped *ret, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct json_out body = make_content(id, entry);
	const struct store_vault_request r = { .method = "POST",
					       .path = WRAP_PATH,
					       .body = &body,
					       .writes = true,
					       .wrap_s = life_s };
	struct store_vault_answer answer = { 0 };
	enum status s = store_vault_auth_call(v, &r, &answer, why);

	json_out_free(&body);
	if (s == STATUS_UNKNOWN)
		return reason_wrap(why, STATUS_STORE_UNAVAILABLE,
				   "a wrapping token may have been made, which "
				   "no one has");
	if (s == STATUS_OK)
		s = answer.code == 200 ?
			    take_wrapped(v, &answer, life_s, ret, why) :
			    refuse(v, WRAP_PATH, &answer, why);
	store_vault_call_free(&answer);
	return s;
}

enum status store_vault_wrap_look(struct store *store, const char *accessor,
				  bool *ret_there, struct reason *why)
{
	struct store_vault *v = (struct store_vault *)store;
	struct json_out body = json_out_object();
	const struct store_vault_request r = { .method = "POST",
					       .path = LOOK_PATH,
					       .body = &body,
					       .looks = true };
	struct store_vault_answer answer = { 0 };
	enum status s;

	json_out_text(&body, "accessor", accessor);
	s = store_vault_auth_call(v, &r, &answer, why);
	json_out_free(&body);
	if (s == STATUS_OK && answer.code == 200)
		*ret_there = true;
	else if (s == STATUS_OK && store_vault_call_no_token(&answer))
		*ret_there = false;
	else if (s == STATUS_OK)
		s = refuse(v, LOOK_PATH, &answer, why);
	store_vault_call_free(&answer);
	return s;
}
