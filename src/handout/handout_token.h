/* SPDX-License-Identifier: PostgreSQL */
/* A token leaves keyturn: minted or remembered, rendered, recorded, and only
 * then given out.  Part of the readers' half. */
#ifndef KEYTURN_HANDOUT_TOKEN_H
#define KEYTURN_HANDOUT_TOKEN_H

#include "base/secret.h"
#include "open/open.h"
#include "sink/sink.h"

/* "token:NAME", as audit, agent and sinks call it. */
#define HANDOUT_TOKEN_PREFIX	"token:"
#define HANDOUT_TOKEN_NAME_SIZE (sizeof(HANDOUT_TOKEN_PREFIX) + CONFIG_NAME_MAX)

struct handout_token_request {
	const char *name;    /* of the [token NAME] */
	int64_t min_life_us; /* negative: the setting */
	const char *format;  /* format/format.h; json has more members */
	const char *actor;   /* who asks */
};

/*
 * A token.  As JSON it has issued_at, expires_at and scope, too.  The hand-out is
 * durable in the audit when this returns STATUS_OK; when it cannot be recorded
 * there is none.  *ret_bytes is the caller's.
 */
enum status handout_token(struct opened *b, struct ledger *ledger,
			  const struct handout_token_request *r,
			  struct secret **ret_bytes, struct reason *why);

/*
 * Record that a token is about to leave: durable when STATUS_OK.  where is for
 * people: "format raw", "sink app".
 */
enum status handout_token_record(struct ledger *ledger, const char *name,
				 const struct token *t, const char *where,
				 const char *actor, struct reason *why);

/* What consumers of the token are told; points into t and the settings. */
struct format_credential handout_token_credential(
	const struct config_group *token, const struct token *t);

#endif
