/* SPDX-License-Identifier: PostgreSQL */
/* How far a step that follows a new password has come, as the ledger remembers
 * it. */
#ifndef KEYTURN_FOLLOW_STATE_H
#define KEYTURN_FOLLOW_STATE_H

#include "ledger/ledger.h"
#include "open/open.h"

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

/* Has it taken this version, with these settings? */
bool follow_state_has_taken(const struct follow_state *s, uint32_t settings,
			    const char *version);

/* Its time, of a version that it has failed with; a clock that went back since the
 * last attempt does not hold it up, and leads to one attempt, not to many. */
bool follow_state_must_wait(const struct follow_state *s, const char *version);

/* How long until the next attempt, after so many that failed. */
int64_t follow_state_pause(struct opened *b, unsigned attempts);

/* A step that the ledger does not know has taken nothing. */
enum status follow_state_load(struct ledger *l, const char *role,
			      const char *step, struct follow_state *ret,
			      struct reason *why);

/* One attempt, and how it went. */
struct follow_attempt {
	const char *role; /* as the ledger has it */
	const char *step;
	uint32_t settings;
	const char *version;
	const char *actor;
	enum status how;
	const char *detail; /* what was done, or why not */
};

/* Change *s by it and remember both it and its event, in one transaction, so that
 * neither is there without the other.  STATUS_CONFLICT: another process has
 * changed it. */
enum status follow_state_remember(struct opened *b, struct ledger *l,
				  const struct follow_attempt *a,
				  struct follow_state *s, struct reason *why);

#endif
