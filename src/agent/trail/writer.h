/* SPDX-License-Identifier: PostgreSQL */
/* The thread that writes the agent's events to the ledger, all that have come
 * in one commit.  Counts that could not be written are kept for another try;
 * everything else is reported as failed. */
#ifndef KEYTURN_AGENT_TRAIL_WRITER_H
#define KEYTURN_AGENT_TRAIL_WRITER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/now.h"
#include "ledger/ledger.h"

struct agent_trail_writer_line {
	struct agent_trail_writer_line *next;
	int64_t at_us;
	uint64_t ticket; /* 0: a count, which must not be lost */
	uint64_t count;
	uid_t uid;
	pid_t pid;
	bool stale;
	bool late; /* a count that could not be written, and is not yet */
	enum audit_kind kind;
	char operation[16], status[16], label[16];
	char role[128], version[RANDOM_UUID_SIZE];
	char host[256], service[160], detail[64];
};

struct agent_trail_writer;

/* wake is called in the writer's thread when something is done. */
enum status agent_trail_writer_new(struct ledger *ledger, const struct now *now,
				   void (*wake)(void *arg), void *arg,
				   struct agent_trail_writer **ret,
				   struct reason *why);
/* Writes what is queued, signs a checkpoint, and ends. */
void agent_trail_writer_free(struct agent_trail_writer *s);

/* Queue a copy.  false: no memory, or too much is waiting. */
bool agent_trail_writer_write(struct agent_trail_writer *s,
			      const struct agent_trail_writer_line *line);

/* The next line that is done, or NULL; the caller's. */
struct agent_trail_writer_line *agent_trail_writer_done(
	struct agent_trail_writer *s, bool *ret_written);
void agent_trail_writer_line_free(struct agent_trail_writer_line *l);

/* How many counts could not be written and are not yet, and why.  Try them
 * again. */
unsigned agent_trail_writer_owed(struct agent_trail_writer *s, char *ret_why,
				 size_t size);
void agent_trail_writer_retry(struct agent_trail_writer *s);

#endif
