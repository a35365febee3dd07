/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is left undone with a version of a gateway's login: a fact of the ledger,
 * written before a label moves.
 *   promoted VERSION   it is to be proved, or CURRENT goes back
 *   returned VERSION   likewise, by a rollback: it stays in any case
 *   abandoned VERSION  it is never to be CURRENT or PREVIOUS again
 *   withdrawn VERSION  it is to be shown to be refused
 * A ledger that is lost costs the proof of an end, or of a version that logs in
 * anyway: without the fact nothing is taken back.
 */
#ifndef KEYTURN_RUNNER_FACT_H
#define KEYTURN_RUNNER_FACT_H

#include "rotation/runner.h"

#define RUNNER_FACT_PROMOTED  "promoted"
#define RUNNER_FACT_RETURNED  "returned"
#define RUNNER_FACT_ABANDONED "abandoned"
#define RUNNER_FACT_WITHDRAWN "withdrawn"

struct runner_fact {
	char text[LEDGER_TEXT_SIZE]; /* as the ledger has it, "" for none */
	char word[16];
	char version[RANDOM_UUID_SIZE];
};

/* STATUS_LEDGER_UNAVAILABLE: it cannot be told whether there is one. */
enum status runner_fact_read(struct runner *r, struct runner_fact *f,
			     struct reason *why);

/* In one durable transaction with its event.  STATUS_LEDGER_UNAVAILABLE: no label
 * may move, also since another run has written it first, which r->outrun tells. */
enum status runner_fact_write(struct runner *r, const char *word,
			      const char *version, const char *detail,
			      struct reason *why);
/* Before CURRENT moves to the version at hand, and before PREVIOUS is withdrawn;
 * likewise. */
enum status runner_fact_promotion(struct runner *r, struct reason *why);
enum status runner_fact_end(struct runner *r, struct reason *why);

/* This version was proved, or shown to be refused; what another run has noted of
 * another one stays.  Best effort: the next run does it again. */
void runner_fact_settle(struct runner *r, const char *version);

#endif
