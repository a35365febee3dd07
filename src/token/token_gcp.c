/* SPDX-License-Identifier: PostgreSQL */
/* Google's access tokens for Cloud SQL; must never ask for a wider scope than a
 * login, nor keep a private key. */
#include "token/token_gcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/text.h"
#include "crypto/rs256.h"
#include "token/token_environment.h"
#include "token/token_web.h"

#define SCOPE "https://www.googleapis.com/auth/sqlservice.login"
#define SCOPE_ENCODED \
	"https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fsqlservice.login"
#define METADATA  "metadata.google.internal"
#define ACCOUNT	  "/computeMetadata/v1/instance/service-accounts/default/"
#define BEARER	  "urn:ietf:params:oauth:grant-type:jwt-bearer"
#define DOMAIN	  ".gserviceaccount.com"
#define KEY_MAX	  65536
#define WORD_SIZE 256
#define PEM_MAX	  16384
#define LIFE_S	  3600

struct gcp {
	struct token_source base;
	struct token_web web;
	char key_file[1024]; /* "": the metadata service */
	char user[TOKEN_USER_SIZE];
	char email[WORD_SIZE]; /* of the instance's account, once asked */
};

/* ---- the instance's account ------------------------------------------------- */

static enum status ask_metadata(struct gcp *g, const char *path,
				struct token_web_answer *ret,
				struct reason *why)
{
	const char *set = token_environment_get("GCE_METADATA_HOST");
	const struct http_header header = { "Metadata-Flavor", "Google", NULL };
	char url[TOKEN_WEB_URL_SIZE];
	const struct token_web_call call = {
		.whom = "the instance's metadata service",
		.method = "GET",
		.url = url,
		.headers = &header,
		.n_headers = 1,
		.gateway = true,
		.plain_http = true,
	};

	snprintf(url, sizeof(url), "http://%s" ACCOUNT "%s",
		 set ? set : METADATA, path);
	return token_web_call(&g->web, &call, ret, why);
}

static enum status find_email(struct gcp *g, struct reason *why)
{
	struct token_web_answer a;
	enum status s;

	if (g->user[0] || g->email[0])
		return STATUS_OK;
	s = ask_metadata(g, "?recursive=true", &a, why);
	if (s == STATUS_OK &&
	    json_doc_copy(json_doc_get(a.doc, "email"), g->email,
			  sizeof(g->email)) != STATUS_OK)
		s = reason_set(why, STATUS_CORRUPT,
			       "[token %s]: the metadata service does not name "
			       "the account; set user",
			       g->base.name);
	token_web_free(&a);
	return s;
}

/* ---- a service account's key -------------------------------------------------- */

struct account {
	char email[WORD_SIZE];
	char key_id[WORD_SIZE];
	char token_uri[TOKEN_WEB_URL_SIZE];
	struct secret *pem;
};

static enum status read_account(struct gcp *g, struct account *ret,
				struct reason *why)
{
	struct secret *content = NULL;
	struct json_doc *d = NULL;
	char type[64];
	enum status s;

	s = file_read_private(g->key_file, KEY_MAX, &content, why);
	if (s != STATUS_OK)
		return reason_wrap(why, STATUS_CONFIG, "[token %s]: key_file",
				   g->base.name);
	s = json_doc_parse(secret_bytes(content), secret_len(content),
			   "the key", &d, NULL);
	secret_free(content);
	json_doc_copy(json_doc_get(d, "private_key_id"), ret->key_id,
		      sizeof(ret->key_id));
	if (json_doc_copy(json_doc_get(d, "type"), type, sizeof(type)) ==
		    STATUS_OK &&
	    strcmp(type, "service_account") != 0)
		s = reason_set(
			why, STATUS_CONFIG,
			"[token %s]: %s is of the type %s; only "
			"service_account keys are read here, and on an "
			"instance of Google's auth = metadata needs none",
			g->base.name, g->key_file, type);
	else if (s != STATUS_OK ||
		 json_doc_copy(json_doc_get(d, "client_email"), ret->email,
			       sizeof(ret->email)) != STATUS_OK ||
		 json_doc_copy(json_doc_get(d, "token_uri"), ret->token_uri,
			       sizeof(ret->token_uri)) != STATUS_OK ||
		 json_doc_secret(json_doc_get(d, "private_key"), PEM_MAX,
				 &ret->pem) != STATUS_OK)
		s = reason_set(why, STATUS_CONFIG,
			       "[token %s]: %s is not a service account's key "
			       "(JSON with client_email, private_key and "
			       "token_uri)",
			       g->base.name, g->key_file);
	json_doc_free(d);
	return s;
}

/* base64url without padding (RFC 7515), appended. */
static void add_base64url(struct text *t, const void *bytes, size_t n)
{
	char *coded = malloc(ENCODE_BASE64_SIZE(n));

	if (!coded) {
		t->failed = STATUS_NO_MEMORY;
		return;
	}
	encode_base64(bytes, n, coded);
	for (char *p = coded; *p && *p != '='; p++)
		text_add_char(t, *p == '+' ? '-' : *p == '/' ? '_' : *p);
	free(coded);
}

/* The signed statement of RFC 7523; it is a credential for LIFE_S. */
static enum status make_assertion(const struct account *a, int64_t at_us,
				  struct text *t, struct reason *why)
{
	unsigned char signature[RS256_SIGNATURE_MAX];
	struct text head = text_make(1024), claims = text_make(4096);
	long long at = at_us / NOW_SECOND;
	size_t n = 0;
	enum status s;

	text_add(&head, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":");
	text_add_json(&head, a->key_id);
	text_add(&head, "}");
	text_add(&claims, "{\"iss\":");
	text_add_json(&claims, a->email);
	text_add(&claims, ",\"scope\":\"" SCOPE "\",\"aud\":");
	text_add_json(&claims, a->token_uri);
	text_printf(&claims, ",\"iat\":%lld,\"exp\":%lld}", at, at + LIFE_S);
	add_base64url(t, text_str(&head), head.len);
	text_add(t, ".");
	add_base64url(t, text_str(&claims), claims.len);
	s = text_status(t);
	if (s == STATUS_OK)
		s = rs256_sign(a->pem, text_str(t), t->len, signature, &n, why);
	text_add(t, ".");
	add_base64url(t, signature, n);
	text_free(&head);
	text_free(&claims);
	return s == STATUS_OK ? text_status(t) : s;
}

static enum status post_assertion(struct gcp *g, const struct account *a,
				  int64_t at_us, struct token_web_answer *ret,
				  struct reason *why)
{
	struct text t = text_make(8192);
	enum status s = make_assertion(a, at_us, &t, why);
	const struct token_web_field fields[] = {
		{ "grant_type", BEARER, NULL },
		{ "assertion", text_str(&t), NULL },
	};
	const struct token_web_exchange x = { "Google's token endpoint",
					      a->token_uri, NULL, fields, 2 };

	*ret = (struct token_web_answer){ .doc = NULL };
	if (s == STATUS_OK)
		s = token_web_exchange(&g->web, &x, ret, why);
	else
		reason_wrap(why, s, "[token %s]: %s", g->base.name,
			    g->key_file);
	if (t.bytes)
		secret_wipe(t.bytes, t.len);
	text_free(&t);
	return s;
}

/* A clock that is off makes the statement one of the past or the future; the
 * answer's Date tells by how much. */
static enum status ask_by_key(struct gcp *g, struct token_web_answer *ret,
			      struct reason *why)
{
	struct account a = { .pem = NULL };
	int64_t skew;
	enum status s = read_account(g, &a, why);

	if (s == STATUS_OK)
		s = post_assertion(g, &a, now_wall(g->web.now), ret, why);
	skew = ret->skew_us;
	if (s == STATUS_DENIED && skew != 0) {
		token_web_free(ret);
		s = post_assertion(g, &a, now_wall(g->web.now) + skew, ret,
				   why);
	}
	if (s == STATUS_OK)
		text_copy(g->email, sizeof(g->email), a.email);
	secret_free(a.pem);
	return s;
}

/* ---- the interface ---------------------------------------------------------------- */

/* Cloud SQL's name of a service account. */
static enum status name_user(const struct gcp *g, char *ret, struct reason *why)
{
	size_t n = strlen(g->email), tail = sizeof(DOMAIN) - 1;

	if (!g->user[0] && n > tail && strcmp(g->email + n - tail, DOMAIN) == 0)
		n -= tail;
	if (g->user[0])
		return text_copy(ret, TOKEN_USER_SIZE, g->user);
	if (n >= TOKEN_USER_SIZE)
		return reason_set(why, STATUS_CORRUPT,
				  "[token %s]: the account's name is too long",
				  g->base.name);
	memcpy(ret, g->email, n);
	ret[n] = '\0';
	return STATUS_OK;
}

static enum status take_token(struct gcp *g, const struct token_web_answer *a,
			      struct token *t, struct reason *why)
{
	int64_t in = token_web_seconds(json_doc_get(a->doc, "expires_in"));
	enum status s = token_web_take(
		&g->web, a, in > 0 ? t->issued_us + in * NOW_SECOND : -1, t,
		why);

	snprintf(t->scope, sizeof(t->scope), "%s", SCOPE);
	return s == STATUS_OK ? name_user(g, t->user, why) : s;
}

static enum status mint_token(struct token_source *source, struct token *ret,
			      struct reason *why)
{
	struct gcp *g = (struct gcp *)source;
	struct token_web_answer a = { .doc = NULL };
	struct token t = { .secret = NULL };
	enum status s = STATUS_OK;

	token_web_begin(&g->web);
	t.issued_us = now_wall(g->web.now);
	if (g->key_file[0])
		s = ask_by_key(g, &a, why);
	else {
		s = find_email(g, why);
		if (s == STATUS_OK)
			s = ask_metadata(g, "token?scopes=" SCOPE_ENCODED, &a,
					 why);
	}
	if (s == STATUS_OK)
		s = take_token(g, &a, &t, why);
	token_web_free(&a);
	if (s != STATUS_OK) {
		token_free(&t);
		return s == STATUS_NOT_FOUND ? STATUS_REFUSED : s;
	}
	*ret = t;
	return STATUS_OK;
}

static void close_source(struct token_source *source)
{
	struct gcp *g = (struct gcp *)source;

	http_close(g->web.http);
	free((char *)g->base.name);
	free(g);
}

static const struct token_source_ops ops = {
	.type = "gcp",
	.mint = mint_token,
	.close = close_source,
};

static enum status configure_source(struct gcp *g,
				    const struct token_gcp_options *o,
				    struct reason *why)
{
	const char *set =
		token_environment_get("GOOGLE_APPLICATION_CREDENTIALS");
	const char *file = *o->key_file ? o->key_file : set ? set : "";
	bool metadata = strcmp(o->auth, "metadata") == 0;

	if (!*o->auth && !*file)
		return reason_set(why, STATUS_CONFIG,
				  "set auth to metadata, or key_file");
	if (strcmp(o->auth, "key") == 0 && !*file)
		return reason_set(why, STATUS_CONFIG, "key needs key_file");
	if (!metadata && *file != '/')
		return reason_set(why, STATUS_CONFIG,
				  "key_file must be an absolute path");
	if (text_copy(g->key_file, sizeof(g->key_file), metadata ? "" : file) !=
		    STATUS_OK ||
	    text_copy(g->user, sizeof(g->user), o->user) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG, "a setting is too long");
	return STATUS_OK;
}

enum status token_gcp_open(const struct token_gcp_options *o,
			   struct token_source **ret, struct reason *why)
{
	struct gcp *g = calloc(1, sizeof(*g));
	enum status s;

	if (!g)
		return reason_no_memory(why);
	g->base.ops = &ops;
	g->base.name = strdup(o->name);
	g->web = (struct token_web){ .name = g->base.name,
				     .now = o->now,
				     .random = o->random,
				     .timeout_us = o->timeout_us };
	s = g->base.name ? configure_source(g, o, why) : reason_no_memory(why);
	if (s != STATUS_OK)
		reason_wrap(why, s, "[token %s]", o->name);
	else
		s = token_web_open(&g->web, o->ca_file, why);
	if (s != STATUS_OK) {
		close_source(&g->base);
		return s;
	}
	*ret = &g->base;
	return STATUS_OK;
}
