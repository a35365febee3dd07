/* SPDX-License-Identifier: PostgreSQL */
/* Hands one token out; must never give a byte that is not in the audit. */
#include "handout/handout_token.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

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

static enum status render_token(const struct config_group *token,
				const struct token *t, enum format_kind kind,
				struct secret **ret, struct reason *why)
{
	char issued[NOW_STAMP_SIZE], expires[NOW_STAMP_SIZE];
	const struct format_member extra[] = {
		{ .key = "issued_at",
		  .value = now_stamp(t->issued_us, issued) },
		{ .key = "expires_at",
		  .value = now_stamp(t->expires_us, expires) },
		{ .key = "scope", .value = t->scope },
	};
	struct format_credential c = handout_token_credential(token, t);

	/* The one form that needs no user. */
	if (kind == FORMAT_RAW)
		return secret_copy(t->secret, ret) == STATUS_OK ?
			       STATUS_OK :
			       reason_set(why, STATUS_NO_MEMORY,
					  "no locked memory for a token");
	c.expires = expires;
	c.extra = extra;
	c.n_extra = sizeof(extra) / sizeof(*extra);
	return format_render(kind, &c, ret, why);
}

enum status handout_token_record(struct ledger *ledger, const char *name,
				 const struct token *t, const char *where,
				 const char *actor, struct reason *why)
{
	char role[HANDOUT_TOKEN_NAME_SIZE], stamp[NOW_STAMP_SIZE], detail[256];
	struct audit_event ev = audit_event_make(
		AUDIT_HANDOUT, role, actor, status_name(STATUS_OK), detail);

	snprintf(role, sizeof(role), HANDOUT_TOKEN_PREFIX "%s", name);
	snprintf(detail, sizeof(detail), "%.150s, expires %s", where,
		 now_stamp(t->expires_us, stamp));
	ev.version = t->id;
	return ledger->ops->trail->note(ledger, &ev, 1, true, why);
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
	enum format_kind kind;
	enum status s = format_parse(r->format, true, &kind, why);

	if (s == STATUS_OK)
		s = open_token(b, r->name, &cache, why);
	if (s == STATUS_OK && min_life_us < 0)
		min_life_us = config_duration_us(g, CONFIG_token_min_life);
	if (s == STATUS_OK)
		s = token_cache_get(cache, min_life_us, &t, why);
	if (s == STATUS_OK)
		s = render_token(g, &t, kind, &bytes, why);
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
