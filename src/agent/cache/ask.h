/* SPDX-License-Identifier: PostgreSQL */
/*
 * One question to a store and what it answered: the cheap description, and the
 * content of those versions only that the asker does not hold.  Made by the
 * event loop, run by a worker, read by the event loop.
 */
#ifndef KEYTURN_AGENT_CACHE_ASK_H
#define KEYTURN_AGENT_CACHE_ASK_H

#include "config/config.h"
#include "store/store.h"
#include "token/token.h"

#define AGENT_NAME_SIZE 128 /* "sap", "token:lakebase" */
#define AGENT_TOKEN	"token:"

struct agent_cache_ask {
	struct agent_cache_ask *next; /* in a queue */

	/* The question. */
	uint64_t serial; /* of the secret that asks */
	char name[AGENT_NAME_SIZE];
	char store[AGENT_NAME_SIZE];	      /* a token is its own store */
	char have_current[RANDOM_UUID_SIZE];  /* "" for none */
	char have_previous[RANDOM_UUID_SIZE]; /* "" for none */
	bool want_content;		      /* else the description only */
	bool want_previous;		      /* the previous version as well */
	bool token;			      /* name is "token:NAME" */
	char refuse
		[RANDOM_UUID_SIZE]; /* a token that a server refused, or "" */
	int64_t life_us;	    /* the least life of a token; 0: any */

	/* The answer. */
	bool cancelled; /* never asked */
	enum status status;
	struct reason why;
	struct store_state state;
	bool has_current, has_previous; /* the entries below are filled */
	bool previous_gone;		/* asking again would not help */
	struct store_entry current, previous;
	int64_t expires_us; /* wall: the token's end; 0 for what has none */
};

struct agent_cache_ask *agent_cache_ask_new(void);
void agent_cache_ask_free(struct agent_cache_ask *q); /* wipes; takes NULL */

/* Ask.  It succeeds without the previous version too; a current version with a
 * control character in it is STATUS_CORRUPT. */
void agent_cache_ask_run(struct agent_cache_ask *q, struct store *store);

/* The same of a token: the only version there is, under an id of its own. */
void agent_cache_ask_run_token(struct agent_cache_ask *q,
			       struct token_cache *tokens);

#endif
