/* SPDX-License-Identifier: PostgreSQL */
/* The thread that writes the agent's events to the ledger, all that have come
 * in one commit.  Counts that could not be written are kept for another try;
 * everything else is reported as failed. */
#ifndef KEYTURN_AGENT_SCRIBE_H
#define KEYTURN_AGENT_SCRIBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/now.h"
#include "ledger/ledger.h"

struct agent_scribe_line {
	struct agent_scribe_line *next;
	int64_t at_us;
	uint64_t ticket; /* 0: a count, which must not be lost */
	uint64_t count;
	uid_t uid;
	pid_t pid;
	bool stale;
	bool late; /* a count that could not be written, and is not yet */
	char kind[16], operation[16], status[16];
	char role[128], version[RANDOM_UUID_SIZE], whom[416];
};

struct agent_scribe;

/* Under what the ledger remembers, from a line of kind "request" and operation
 * "ROTATE" to one of operation "TAKEN", that the role's rotation was asked
 * for. */
#define AGENT_SCRIBE_KEY_SIZE 144
void agent_scribe_key(const char *role, char ret[AGENT_SCRIBE_KEY_SIZE]);

/* wake is called in the scribe's thread when something is done. */
enum status agent_scribe_new(struct ledger *ledger, const struct now *now,
			     void (*wake)(void *arg), void *arg,
			     struct agent_scribe **ret, struct reason *why);
/* Writes what is queued, signs a checkpoint, and ends. */
void agent_scribe_free(struct agent_scribe *s);

/* Queue a copy.  false: no memory, or too much is waiting. */
bool agent_scribe_write(struct agent_scribe *s,
			const struct agent_scribe_line *line);

/* The next line that is done, or NULL; the caller's. */
struct agent_scribe_line *agent_scribe_done(struct agent_scribe *s,
					    bool *ret_written);
void agent_scribe_line_free(struct agent_scribe_line *l);

/* How many counts could not be written and are not yet, and why.  Try them
 * again. */
unsigned agent_scribe_owed(struct agent_scribe *s, char *ret_why, size_t size);
void agent_scribe_retry(struct agent_scribe *s);

#endif
