/* SPDX-License-Identifier: PostgreSQL */
/*
 * Tokens of a store that open a password once, and were given out for a partner.
 * The token is the partner's alone; what is kept is its accessor, which tells
 * whether it is there and opens nothing.
 */
#ifndef KEYTURN_HANDOFF_TOKEN_H
#define KEYTURN_HANDOFF_TOKEN_H

#include "handoff/handoff.h"
#include "open/open.h"

#define HANDOFF_TOKEN_SOURCE "vault"
/* The store does not tell who opened it. */
#define HANDOFF_TOKEN_ACTOR "unknown"

/* Those of h->version that were given out at or after since_us; one that was opened
 * is HANDOFF_STATE_FETCHED.  For handoff_load(). */
enum status handoff_token_load(struct ledger *l, struct handoff *h,
			       int64_t since_us, int64_t now_us,
			       struct reason *why);

/* Is one not known to be opened or ended? */
bool handoff_token_is_out(const struct handoff *h);

/*
 * Ask the role's store what became of those that are out, which may take the store's
 * timeout; nothing is recorded.  What cannot be told is said in h->not_told.  One
 * that is gone before its end was opened, or somebody revoked it.
 */
void handoff_token_look(struct opened *b, const struct config_group *role,
			struct handoff *h);

/* What a look at `of` has shown of those that h has, too. */
void handoff_token_take(struct handoff *h, const struct handoff *of);

/*
 * Keep what a look at the i-th has found.  That it was opened is kept with the event
 * that says so, in one transaction, and by one of all that share the ledger:
 * *ret_told.  For handoff_record().
 */
enum status handoff_token_settle(struct ledger *l, const struct handoff *h,
				 size_t i, const struct audit_event *opened,
				 bool *ret_told, struct reason *why);

/* Is there room for another?  STATUS_REFUSED: HANDOFF_TOKENS are out. */
enum status handoff_token_room(const struct handoff *h, struct reason *why);

/* Keep another, for which there is room. */
enum status handoff_token_keep(struct ledger *l, struct handoff *h,
			       const struct handoff_token *t,
			       struct reason *why);

/* "not opened ..." for people, without its accessor. */
void handoff_token_sentence(const struct handoff_token *t, struct text *out);

/* "out", "opened", "ended"; static. */
const char *handoff_token_word(enum handoff_token_state s);

#endif
