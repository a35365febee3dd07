/* SPDX-License-Identifier: PostgreSQL */
/* Writes and reads the one text that is remembered of a hook. */
#include "jobs/hook_state.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/now.h"
#include "base/text.h"

enum status hook_state_load(struct ledger *l, const char *hook,
			    struct hook_state *ret, struct reason *why)
{
	struct hook_state s = { .hook = hook, .seq = -1 };
	char value[LEDGER_TEXT_SIZE];
	int at = 0;
	enum status st = ledger_fact_recall(l, LEDGER_FACT_HOOK, hook,
					    now_wall(now_system()), value, why);

	if (st == STATUS_OK &&
	    sscanf(value, "%" SCNd64 " %u %" SCNd64 " %u %n", &s.seq,
		   &s.attempts, &s.since_us, &s.lost, &at) >= 4 &&
	    at > 0)
		text_copy(s.sentence, sizeof(s.sentence), value + at);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	*ret = s;
	return STATUS_OK;
}

enum status hook_state_store(struct ledger *l, const struct hook_state *s,
			     struct reason *why)
{
	char value[LEDGER_TEXT_SIZE];

	snprintf(value, sizeof(value), "%" PRId64 " %u %" PRId64 " %u %.400s",
		 s->seq, s->attempts, s->since_us, s->lost, s->sentence);
	return ledger_fact_remember(l, LEDGER_FACT_HOOK, s->hook, value, 0,
				    why);
}
