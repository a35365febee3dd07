/* SPDX-License-Identifier: PostgreSQL */
/* How a hook does, as the ledger remembers it. */
#ifndef KEYTURN_HOOK_STATE_H
#define KEYTURN_HOOK_STATE_H

#include "ledger/ledger.h"

struct hook_state {
	const char *hook; /* the [hook NAME] */
	int64_t seq;	  /* the trail is dealt with up to here, -1: never */
	unsigned
		attempts; /* failed ones of the event at hand, 0: all is well */
	int64_t since_us; /* wall clock of the first of them */
	unsigned lost;	  /* events that were given up */
	char sentence[LEDGER_TEXT_SIZE]; /* why the last attempt failed; what is
					    longer than 400 bytes is cut */
};

/* A hook that the ledger does not know has not been told of anything. */
enum status hook_state_load(struct ledger *l, const char *hook,
			    struct hook_state *ret, struct reason *why);
enum status hook_state_store(struct ledger *l, const struct hook_state *s,
			     struct reason *why);

#endif
