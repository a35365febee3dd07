/* SPDX-License-Identifier: PostgreSQL */
/* Hands one token out; must never give a byte that is not in the audit. */
#include "handout/handout_token.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define AWS_FORMAT "aws"
#define OVERHEAD   2048

struct format_credential handout_token_credential(
	const struct config_group *token, const struct token *t)
{
	return (struct format_credential){
		.host = config_string(token, CONFIG_token_host),
		.port = config_string(token, CONFIG_token_port),
		.dbname = config_string(token, CONFIG_token_dbname),
		.username = t->user,
		.version = t->id,
		.sslmode = config_string(token, CONFIG_token_sslmode),
		.password = t->secret,
	};
}

/* Text that is no secret, as a member of an object. */
static enum status put_json(struct secret *to, const char *key,
			    const char *value)
{
	struct text t = text_make(OVERHEAD);
	enum status s;

	text_printf(&t, "\"%s\":", key);
	text_add_json(&t, value);
	s = text_status(&t);
	if (s == STATUS_OK)
		s = secret_append(to, text_str(&t), t.len);
	text_free(&t);
	return s;
}

static enum status put(struct secret *to, const char *s)
{
	return secret_append(to, s, strlen(s));
}

/* format's object, and what a token has besides. */
static enum status render_json(const struct format_credential *c,
			       const struct token *t, struct secret **ret,
			       struct reason *why)
{
	char issued[NOW_STAMP_SIZE], expires[NOW_STAMP_SIZE];
	const char *const more[][2] = {
		{ "issued_at", now_stamp(t->issued_us, issued) },
		{ "expires_at", now_stamp(t->expires_us, expires) },
		{ "scope", t->scope },
	};
	struct secret *plain = NULL, *made = NULL;
	enum status s = format_render(FORMAT_JSON, c, &plain, why);

	if (s != STATUS_OK)
		return s;
	s = secret_new(secret_len(plain) + OVERHEAD, &made);
	if (s == STATUS_OK)
		s = secret_append(made, secret_bytes(plain),
				  secret_len(plain) - 1); /* "}" */
	for (size_t i = 0; i < 3 && s == STATUS_OK; i++) {
		s = put(made, ",");
		if (s == STATUS_OK)
			s = put_json(made, more[i][0], more[i][1]);
	}
	if (s == STATUS_OK)
		s = put(made, "}");
	secret_free(plain);
	if (s != STATUS_OK) {
		secret_free(made);
		return reason_set(why, s, "cannot render the token as JSON");
	}
	*ret = made;
	return STATUS_OK;
}

/* "credential_process": version 1, with the end that makes a client ask again
 * (AWS CLI user guide, sourcing credentials with an external process). */
static enum status render_aws(const struct token *t, struct secret **ret,
			      struct reason *why)
{
	char expires[NOW_STAMP_SIZE];
	struct secret *made = NULL;
	const char *p = secret_bytes(t->secret);
	enum status s = secret_new(2 * secret_len(t->secret) + OVERHEAD, &made);

	if (s == STATUS_OK)
		s = put(made, "{\"Version\":1,");
	if (s == STATUS_OK)
		s = put_json(made, "AccessKeyId", t->user);
	if (s == STATUS_OK)
		s = put(made, ",\"SecretAccessKey\":\"");
	for (size_t i = 0; i < secret_len(t->secret) && s == STATUS_OK; i++) {
		if (p[i] == '"' || p[i] == '\\')
			s = put(made, "\\");
		if (s == STATUS_OK)
			s = secret_append(made, p + i, 1);
	}
	if (s == STATUS_OK)
		s = put(made, "\",");
	if (s == STATUS_OK)
		s = put_json(made, "Expiration",
			     now_stamp(t->expires_us, expires));
	if (s == STATUS_OK)
		s = put(made, "}");
	if (s != STATUS_OK) {
		secret_free(made);
		return reason_set(why, s, "cannot render the token for AWS");
	}
	*ret = made;
	return STATUS_OK;
}

static enum status render(const struct config_group *token,
			  const struct token *t, const char *format,
			  struct secret **ret, struct reason *why)
{
	const struct format_credential c = handout_token_credential(token, t);
	enum format_kind kind;

	if (strcmp(format, AWS_FORMAT) == 0)
		return render_aws(t, ret, why);
	if (format_parse(format, &kind, why) != STATUS_OK)
		return STATUS_USAGE;
	if (kind == FORMAT_JSON)
		return render_json(&c, t, ret, why);
	/* The one form that needs no user. */
	if (kind == FORMAT_RAW)
		return secret_copy(t->secret, ret) == STATUS_OK ?
			       STATUS_OK :
			       reason_set(why, STATUS_NO_MEMORY,
					  "no locked memory for a token");
	return format_render(kind, &c, ret, why);
}

enum status handout_token_record(struct ledger *ledger, const char *name,
				 const struct token *t, const char *where,
				 const char *actor, struct reason *why)
{
	char role[HANDOUT_TOKEN_NAME_SIZE], stamp[NOW_STAMP_SIZE], detail[256];
	const struct audit_event ev = {
		.kind = "handout",
		.role = role,
		.run = "",
		.actor = actor,
		.version = t->id,
		.status = status_name(STATUS_OK),
		.detail = detail,
		.took_us = -1,
	};

	snprintf(role, sizeof(role), HANDOUT_TOKEN_PREFIX "%s", name);
	snprintf(detail, sizeof(detail), "%.150s, expires %s", where,
		 now_stamp(t->expires_us, stamp));
	return ledger->ops->trail->note(ledger, &ev, 1, true, why);
}

static enum status check_format(const char *format, struct reason *why)
{
	enum format_kind kind;

	if (strcmp(format, AWS_FORMAT) == 0 ||
	    format_parse(format, &kind, why) == STATUS_OK)
		return STATUS_OK;
	return reason_set(why, STATUS_USAGE,
			  "there is no format \"%s\"; choose from raw, json, "
			  "pgpass, env, uri, conninfo, userlist, aws",
			  format);
}

enum status handout_token(struct opened *b, struct ledger *ledger,
			  const struct handout_token_request *r,
			  struct secret **ret_bytes, struct reason *why)
{
	const struct config_group *g =
		config_find(open_config(b), CONFIG_SECTION_token, r->name);
	struct token t = { .secret = NULL };
	struct token_cache *cache = NULL;
	struct secret *bytes = NULL;
	int64_t min_life_us = r->min_life_us;
	char where[64];
	enum status s = check_format(r->format, why);

	if (s == STATUS_OK)
		s = open_token(b, r->name, &cache, why);
	if (s == STATUS_OK && min_life_us < 0)
		min_life_us = config_duration_us(g, CONFIG_token_min_life);
	if (s == STATUS_OK)
		s = token_cache_get(cache, min_life_us, &t, why);
	if (s == STATUS_OK)
		s = render(g, &t, r->format, &bytes, why);
	snprintf(where, sizeof(where), "format %s", r->format);
	if (s == STATUS_OK)
		s = handout_token_record(ledger, r->name, &t, where, r->actor,
					 why);
	if (s == STATUS_OK) {
		*ret_bytes = bytes;
		bytes = NULL;
	}
	secret_free(bytes);
	token_free(&t);
	return s;
}
