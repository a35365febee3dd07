/* SPDX-License-Identifier: PostgreSQL */
/* Tokens of Entra ID; must never send the client's secret to the metadata
 * service, nor a token request for another resource than the configured one. */
#include "token/token_azure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/secret_source.h"
#include "base/text.h"
#include "token/token_environment.h"
#include "token/token_web.h"

#define AUTHORITY "https://login.microsoftonline.com"
#define METADATA  "http://169.254.169.254"
#define WORD_SIZE 256
/* As azure-identity: a 404 may be "not yet", and may be "never". */
#define METADATA_TRIES 5
#define SECRET	       "AZURE_CLIENT_SECRET"

struct azure {
	struct token_source base;
	struct token_web web;
	bool identity; /* managed; else an application's secret */
	char tenant[WORD_SIZE];
	char client_id[WORD_SIZE];
	char secret_from[1024];
	char resource[WORD_SIZE];
	char user[TOKEN_USER_SIZE];
};

static const char *without_slash(const char *url, char *buf, size_t size)
{
	size_t n;

	snprintf(buf, size, "%s", url);
	for (n = strlen(buf); n > 0 && buf[n - 1] == '/'; n--)
		buf[n - 1] = '\0';
	return buf;
}

/* ---- an application's secret -------------------------------------------------- */

/* "login.example.com", "https://login.example.com/": as azure-identity. */
static enum status find_authority(const struct azure *a, char *ret, size_t size,
				  struct reason *why)
{
	const char *set = token_environment_get("AZURE_AUTHORITY_HOST");
	char given[WORD_SIZE];

	without_slash(set ? set : AUTHORITY, given, sizeof(given));
	if (strstr(given, "://") && strncasecmp(given, "https://", 8) != 0)
		return reason_set(why, STATUS_CONFIG,
				  "[token %s]: AZURE_AUTHORITY_HOST is %s, and "
				  "a secret is sent by https:// only",
				  a->base.name, given);
	snprintf(ret, size, "%s%s", strstr(given, "://") ? "" : "https://",
		 given);
	return STATUS_OK;
}

static enum status ask_authority(struct azure *a, struct token_web_answer *ret,
				 struct reason *why)
{
	char base[WORD_SIZE + 8], tenant[3 * WORD_SIZE];
	char url[TOKEN_WEB_URL_SIZE], scope[WORD_SIZE + 16];
	struct token_web_field fields[] = {
		{ "grant_type", "client_credentials", NULL },
		{ "client_id", a->client_id, NULL },
		{ "scope", scope, NULL },
		{ "client_secret", NULL, NULL },
	};
	const struct token_web_exchange x = { "Entra ID", url, NULL, fields,
					      4 };
	struct secret *secret = NULL;
	enum status s = find_authority(a, base, sizeof(base), why);

	if (s != STATUS_OK)
		return s;
	s = secret_source_read(a->secret_from, SECRET, true, &secret, why);
	if (s != STATUS_OK)
		return reason_wrap(why, s, "[token %s]: client_secret_file",
				   a->base.name);
	fields[3].secret = secret;
	encode_percent(a->tenant, strlen(a->tenant), tenant);
	snprintf(url, sizeof(url), "%s/%s/oauth2/v2.0/token", base, tenant);
	snprintf(scope, sizeof(scope), "%s/.default", a->resource);
	s = token_web_exchange(&a->web, &x, ret, why);
	secret_free(secret);
	return s;
}

/* ---- the host's identity -------------------------------------------------------- */

static enum status ask_metadata(struct azure *a, struct token_web_answer *ret,
				struct reason *why)
{
	const char *set =
		token_environment_get("AZURE_POD_IDENTITY_AUTHORITY_HOST");
	const struct http_header header = { "Metadata", "true", NULL };
	char base[WORD_SIZE], resource[3 * WORD_SIZE], id[3 * WORD_SIZE];
	char url[TOKEN_WEB_URL_SIZE];
	const struct token_web_call call = {
		.whom = "the instance's metadata service",
		.method = "GET",
		.url = url,
		.headers = &header,
		.n_headers = 1,
		.tries = METADATA_TRIES,
		.gateway = true,
		.starting = true,
		.plain_http = true,
	};

	encode_percent(a->resource, strlen(a->resource), resource);
	encode_percent(a->client_id, strlen(a->client_id), id);
	snprintf(url, sizeof(url),
		 "%s/metadata/identity/oauth2/token?api-version=2018-02-01"
		 "&resource=%s%s%s",
		 without_slash(set ? set : METADATA, base, sizeof(base)),
		 resource, id[0] ? "&client_id=" : "", id);
	return token_web_call(&a->web, &call, ret, why);
}

/* ---- the interface -------------------------------------------------------------- */

/* The metadata service says expires_on, seconds since 1970 as text. */
static int64_t end_of(const struct token_web_answer *a, int64_t asked_us)
{
	int64_t in = token_web_seconds(json_doc_get(a->doc, "expires_in"));
	int64_t on = token_web_seconds(json_doc_get(a->doc, "expires_on"));

	if (on > 0)
		return on * NOW_SECOND - a->skew_us;
	return in > 0 ? asked_us + in * NOW_SECOND : -1;
}

static enum status mint_token(struct token_source *source, struct token *ret,
			      struct reason *why)
{
	struct azure *a = (struct azure *)source;
	struct token_web_answer answer = { .doc = NULL };
	struct token t = { .secret = NULL };
	enum status s;

	token_web_begin(&a->web);
	t.issued_us = now_wall(a->web.now);
	s = a->identity ? ask_metadata(a, &answer, why) :
			  ask_authority(a, &answer, why);
	if (s == STATUS_NOT_FOUND)
		s = STATUS_REFUSED;
	if (s != STATUS_OK)
		goto out;
	s = token_web_take(&a->web, &answer, end_of(&answer, t.issued_us), &t,
			   why);
	if (s != STATUS_OK)
		goto out;
	text_copy(t.user, sizeof(t.user), a->user);
	snprintf(t.scope, sizeof(t.scope), "%s", a->resource);
	*ret = t;
out:
	token_web_free(&answer);
	return s;
}

static void close_source(struct token_source *source)
{
	struct azure *a = (struct azure *)source;

	http_close(a->web.http);
	free((char *)a->base.name);
	free(a);
}

static const struct token_source_ops ops = {
	.type = "azure",
	.mint = mint_token,
	.close = close_source,
};

static enum status keep_setting(char *dst, size_t size, const char *given,
				const char *variable, struct reason *why)
{
	const char *set = variable ? token_environment_get(variable) : NULL;

	if (text_copy(dst, size, *given ? given : set ? set : "") == STATUS_OK)
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG, "a setting is too long");
}

static enum status configure_source(struct azure *a,
				    const struct token_azure_options *o,
				    struct reason *why)
{
	bool by_variable = token_environment_get(SECRET) != NULL;
	enum status s = keep_setting(a->tenant, sizeof(a->tenant), o->tenant,
				     "AZURE_TENANT_ID", why);

	a->identity = strcmp(o->auth, "managed-identity") == 0;
	if (s == STATUS_OK)
		s = keep_setting(a->client_id, sizeof(a->client_id),
				 o->client_id, "AZURE_CLIENT_ID", why);
	if (s == STATUS_OK)
		s = keep_setting(a->secret_from, sizeof(a->secret_from),
				 o->client_secret_from, NULL, why);
	if (s == STATUS_OK)
		s = keep_setting(a->resource, sizeof(a->resource), o->resource,
				 NULL, why);
	if (s == STATUS_OK)
		s = keep_setting(a->user, sizeof(a->user), o->user, NULL, why);
	if (s != STATUS_OK || a->identity)
		return s;
	if (!a->secret_from[0] && by_variable)
		text_copy(a->secret_from, sizeof(a->secret_from),
			  "environment");
	if (!*o->auth && !a->secret_from[0])
		return reason_set(why, STATUS_CONFIG,
				  "set auth to client-secret or "
				  "managed-identity");
	if (!a->tenant[0] || !a->client_id[0] || !a->secret_from[0])
		return reason_set(why, STATUS_CONFIG,
				  "client-secret needs tenant, client_id and "
				  "client_secret_file");
	return STATUS_OK;
}

enum status token_azure_open(const struct token_azure_options *o,
			     struct token_source **ret, struct reason *why)
{
	struct azure *a = calloc(1, sizeof(*a));
	enum status s;

	if (!a)
		return reason_no_memory(why);
	a->base.ops = &ops;
	a->base.name = strdup(o->name);
	a->web = (struct token_web){ .name = a->base.name,
				     .now = o->now,
				     .random = o->random,
				     .timeout_us = o->timeout_us };
	s = a->base.name ? configure_source(a, o, why) : reason_no_memory(why);
	if (s != STATUS_OK)
		reason_wrap(why, s, "[token %s]", o->name);
	else
		s = token_web_open(&a->web, o->ca_file, why);
	if (s != STATUS_OK) {
		close_source(&a->base);
		return s;
	}
	*ret = &a->base;
	return STATUS_OK;
}
