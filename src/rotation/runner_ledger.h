/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on the ledger; see runner_env.h. */
#ifndef KEYTURN_RUNNER_LEDGER_H
#define KEYTURN_RUNNER_LEDGER_H

#include "rotation/runner.h"

/* An event of this run, not recorded yet; it points to version and detail. */
struct audit_event runner_ledger_event(const struct runner *r,
				       enum audit_kind kind,
				       const char *version, enum status s,
				       const char *detail);
/* Record one event of this run; took_us: -1 for none.  What cannot be recorded is
 * passed over, the close of the run says so. */
void runner_ledger_note(struct runner *r, enum audit_kind kind,
			const char *version, enum status s, const char *detail,
			int64_t took_us);
/* A person should look at it; likewise. */
void runner_ledger_alarm(struct runner *r, const char *version,
			 const char *detail);
/* Record an event that went well; it is on disk when this returns STATUS_OK. */
enum status runner_ledger_note_durably(struct runner *r, enum audit_kind kind,
				       const char *version, const char *detail,
				       struct reason *why);
/* One audit event a step; the run's own frame (intent, freeze, close) is
 * written by the ledger itself. */
void runner_ledger_step(struct runner *r, enum engine_state was,
			enum engine_event ev, const struct engine_row *row,
			const struct reason *why, int64_t took_us);
/* What the run comes to for others: the engine's outcome, but STATUS_BUSY where
 * the ledger is well and another run was first. */
enum status runner_ledger_outcome(const struct runner *r);
enum engine_event runner_ledger_intent(struct runner *r, struct reason *why);
enum engine_event runner_ledger_close(struct runner *r, struct reason *why);
enum engine_event runner_ledger_freeze(struct runner *r, struct reason *why);

#endif
