/* SPDX-License-Identifier: PostgreSQL */
/* Decides whether a role is due; must never take a role over on its own. */
#include "assembly/due.h"

#include <string.h>

#include "base/text.h"

/* When the schedule says so; a role without one only by command. */
static enum status ask_schedule(struct workshop *w,
				const struct config_group *role, int64_t now_us,
				struct due *d, struct reason *why)
{
	struct schedule *schedule = NULL;
	enum status s = workshop_schedule(w, role, &schedule, why);

	if (s != STATUS_OK || !schedule)
		return s;
	d->next_us = schedule_next(schedule, d->known.rotated_us);
	if (d->next_us == INT64_MAX)
		d->next_us = 0;
	if (schedule_due(schedule, d->known.rotated_us, now_us)) {
		d->mode = ENGINE_MODE_ROTATE;
		d->wanted = true;
	}
	schedule_free(schedule);
	return STATUS_OK;
}

enum status due_look(struct workshop *w, const struct config_group *role,
		     int64_t now_us, struct due *ret, struct reason *why)
{
	struct due d = { .mode = ENGINE_MODE_RECOVER };
	enum status s;

	s = backends_remembered(workshop_backends(w), workshop_ledger(w), role,
				&d.known, why);
	text_copy(d.known.role, sizeof(d.known.role), config_name(role));
	if (s == STATUS_NOT_FOUND) {
		d.untaken = !d.known.open_run[0];
		d.wanted = !d.untaken;
		s = STATUS_OK;
	} else if (s != STATUS_OK) {
		d.doubt = s;
		d.wanted = true;
		s = STATUS_OK;
	} else {
		d.wanted = d.known.open_run[0] != '\0';
		s = ask_schedule(w, role, now_us, &d, why);
	}
	if (s == STATUS_OK)
		*ret = d;
	return s;
}
