/* SPDX-License-Identifier: PostgreSQL */
/* What is left undone with a version at a gateway; must never be taken for done by
 * a reply. */
#include "rotation/runner_fact.h"

#include <stdio.h>
#include <string.h>

#include "rotation/runner_env.h"
#include "rotation/runner_ledger.h"

enum status runner_fact_read(struct runner *r, struct runner_fact *f,
			     struct reason *why)
{
	enum status s;

	memset(f, 0, sizeof(*f)); /* not secret */
	s = ledger_fact_recall(r->env->o.ledger, LEDGER_FACT_GATEWAY,
			       r->job->role, now_wall(r->env->o.now), f->text,
			       why);
	if (s == STATUS_NOT_FOUND) {
		f->text[0] = '\0';
		reason_clear(why);
		return STATUS_OK;
	}
	if (s == STATUS_OK &&
	    sscanf(f->text, "%15s %36s", f->word, f->version) != 2)
		return reason_set(why, STATUS_LEDGER_UNAVAILABLE,
				  "what the ledger remembers of role %s cannot "
				  "be read",
				  r->job->role);
	return s;
}

/* In one transaction with its event, and only over what was read. */
enum status runner_fact_write(struct runner *r, const char *word,
			      const char *version, const char *detail,
			      struct reason *why)
{
	struct audit_event ev = runner_ledger_event(r, AUDIT_EVIDENCE, version,
						    STATUS_OK, detail);
	char text[64];
	struct runner_fact f;
	enum status s = runner_fact_read(r, &f, why);

	snprintf(text, sizeof(text), "%s %s", word, version);
	if (s == STATUS_OK)
		s = ledger_fact_change(r->env->o.ledger, LEDGER_FACT_GATEWAY,
				       r->job->role, f.text, text, &ev, why);
	r->outrun = s == STATUS_CONFLICT;
	if (r->outrun)
		reason_set(why, s,
			   "another run of role %s got ahead of this one",
			   r->job->role);
	return s == STATUS_OK ? s : STATUS_LEDGER_UNAVAILABLE;
}

enum status runner_fact_promotion(struct runner *r, struct reason *why)
{
	return runner_fact_write(
		r,
		r->engine.reverting ? RUNNER_FACT_RETURNED :
				      RUNNER_FACT_PROMOTED,
		r->version,
		"the password is in the store, read back, and is "
		"proved at each gateway as soon as they know it; the "
		"one before stays good",
		why);
}

enum status runner_fact_end(struct runner *r, struct reason *why)
{
	struct runner_fact f;
	enum status s;

	if (!r->ended[0])
		return STATUS_OK;
	s = runner_fact_read(r, &f, why);
	if (s != STATUS_OK)
		return s;
	/* Who gives a version up has noted that. */
	if (strcmp(f.word, RUNNER_FACT_ABANDONED) == 0 &&
	    strcmp(f.version, r->ended) == 0)
		return STATUS_OK;
	return runner_fact_write(r, RUNNER_FACT_WITHDRAWN, r->ended,
				 "the password before is withdrawn, then tried",
				 why);
}

void runner_fact_settle(struct runner *r, const char *version)
{
	struct audit_event ev =
		runner_ledger_event(r, AUDIT_EVIDENCE, version, STATUS_OK,
				    "what was left undone with it is done");
	struct runner_fact f;

	if (runner_fact_read(r, &f, NULL) == STATUS_OK &&
	    strcmp(f.version, version) == 0)
		(void)ledger_fact_change(r->env->o.ledger, LEDGER_FACT_GATEWAY,
					 r->job->role, f.text, "", &ev, NULL);
}
