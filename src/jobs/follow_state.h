/* SPDX-License-Identifier: PostgreSQL */
/* How far a step that follows a new password has come, as the ledger remembers
 * it. */
#ifndef KEYTURN_FOLLOW_STATE_H
#define KEYTURN_FOLLOW_STATE_H

#include "ledger/ledger.h"

#define FOLLOW_STEP_SIZE     256
#define FOLLOW_SENTENCE_SIZE 320 /* what a fact has room for beside the rest */

struct follow_state {
	char accepted[RANDOM_UUID_SIZE]; /* the version it took last, or "" */
	uint32_t
		settings; /* of the step, when it did: a hash of the caller's */
	unsigned attempts; /* that failed since then; 0: all is well */
	char tried[RANDOM_UUID_SIZE]; /* ... the last of them with this */
	int64_t since_us;	      /* ... wall clock of the first of them */
	int64_t last_us;	      /* ... of the last; 0: not known */
	int64_t next_us;	      /* ... and of the next one */
	char sentence[LEDGER_TEXT_SIZE]; /* ... why the last one failed; what is
					    longer than a fact has room for is
					    cut */
	/* As it was read, for follow_state_change(); "": there was none. */
	char was[LEDGER_TEXT_SIZE];
};

/* A step that the ledger does not know has taken nothing. */
enum status follow_state_load(struct ledger *l, const char *role,
			      const char *step, struct follow_state *ret,
			      struct reason *why);

/* Remember it with its event, in one transaction.  STATUS_CONFLICT: another
 * process has changed it. */
enum status follow_state_change(struct ledger *l, const char *role,
				const char *step, const struct follow_state *s,
				const struct audit_event *event,
				struct reason *why);

#endif
