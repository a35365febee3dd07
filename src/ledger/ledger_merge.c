/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a role is after a run, a freeze or a thaw.  Must never undo an operator's
 * freeze, take an epoch back, or read or write anything.
 */
#include "ledger/ledger_merge.h"

#include <string.h>

#include "base/text.h"

static void set_open(struct ledger_role *role, const char *run, int64_t us)
{
	text_copy(role->open_run, sizeof role->open_run, run);
	role->open_since_us = us;
}

void ledger_merge_begin(struct ledger_role *role, const char *run,
			int64_t now_us)
{
	set_open(role, run, now_us);
}

/* Does the role's open run stay open?  Not when it is this one, and not when it
 * only met another rotator and this run has settled what that one was about. */
static bool stays_open(const struct ledger_role *before,
		       const struct ledger_close *c,
		       const struct ledger_merge_run *run)
{
	bool settled = !c->keep_open && strcmp(c->status, "OK") == 0;

	if (!before->open_run[0] || strcmp(before->open_run, c->run) == 0)
		return false;
	return !(settled && run->open_was_busy);
}

/* Is the promotion that the run knows of the younger one?  By the epoch, which
 * no clock can turn; by time where both have the same or know the same version;
 * and never by a stamp that lies ahead. */
static bool is_younger(const struct ledger_role *learned,
		       const struct ledger_role *before, int64_t now_us)
{
	return learned->epoch >= before->epoch &&
	       (before->rotated_us > now_us ||
		learned->rotated_us >= before->rotated_us ||
		(learned->epoch > before->epoch &&
		 strcmp(learned->version, before->version) != 0));
}

/*
 * What the run learned replaces what was remembered, but for what may have
 * changed behind its back: an operator's freeze stays, the epoch never goes
 * back, a younger run's claim to be the open one stays, and so does the version
 * of a younger promotion.
 */
void ledger_merge_close(struct ledger_role *role, const struct ledger_close *c,
			const struct ledger_merge_run *run)
{
	const struct ledger_role before = *role;

	*role = *c->role;
	role->learnt = false;
	if (!is_younger(c->role, &before, run->now_us)) {
		memcpy(role->version, before.version, sizeof role->version);
		role->rotated_us = before.rotated_us;
	}
	if (role->epoch < before.epoch)
		role->epoch = before.epoch;
	if (before.frozen) {
		role->frozen = true;
		role->frozen_us = before.frozen_us;
		memcpy(role->frozen_reason, before.frozen_reason,
		       sizeof role->frozen_reason);
	}
	if (stays_open(&before, c, run))
		set_open(role, before.open_run, before.open_since_us);
	else if (c->keep_open)
		set_open(role, c->run, run->begun_us);
	else
		set_open(role, "", 0);
}

void ledger_merge_freeze(struct ledger_role *role, const char *reason,
			 int64_t now_us)
{
	role->frozen = true;
	role->frozen_us = now_us;
	text_cut(role->frozen_reason, sizeof role->frozen_reason,
		 reason ? reason : "");
}

void ledger_merge_thaw(struct ledger_role *role)
{
	role->frozen = false;
	role->frozen_us = 0;
	role->frozen_reason[0] = '\0';
}

/* A clock that goes back makes nothing younger, and no one counts down: a trail
 * that is read twice, or a table that was emptied. */
void ledger_merge_sighting(struct ledger_sighting *known,
			   const struct ledger_sighting *seen)
{
	if (seen->first_us < known->first_us)
		known->first_us = seen->first_us;
	if (seen->last_us > known->last_us)
		known->last_us = seen->last_us;
	if (!seen->total)
		known->count += seen->count;
	else if (seen->count > known->count)
		known->count = seen->count;
}
