/* SPDX-License-Identifier: PostgreSQL */
/* Walks a schedule with what stands in its way; must never name a time in a
 * blackout, or outside of the window. */
#include "schedule/schedule_course.h"

static struct schedule_turn turn_of(const struct schedule_course *c,
				    int64_t due_us, int64_t now_us,
				    int64_t postponed_us)
{
	struct schedule_turn t = { .due_us = due_us,
				   .at_us = due_us,
				   .blackout = "" };
	int64_t before;

	if (due_us == INT64_MAX)
		return t;
	if (t.at_us < now_us)
		t.at_us = now_us;
	if (postponed_us > t.at_us) {
		t.at_us = postponed_us;
		t.postponed = true;
	}
	/* Each turn of the loop goes past a blackout or a closed window. */
	do {
		int64_t end = schedule_blackout_end(c->blackouts, t.at_us,
						    &t.blackout);

		before = t.at_us;
		if (end > t.at_us)
			t.blackout_us = end;
		t.at_us = schedule_opens(c->schedule, end);
	} while (t.at_us != before);
	return t;
}

void schedule_course_first(const struct schedule_course *c, int64_t last_us,
			   int64_t now_us, struct schedule_turn *ret)
{
	*ret = turn_of(c, schedule_next(c->schedule, last_us), now_us,
		       c->postponed_us);
}

void schedule_course_next(const struct schedule_course *c,
			  struct schedule_turn *turn)
{
	int64_t due = turn->due_us == INT64_MAX ?
			      INT64_MAX :
			      schedule_next(c->schedule, turn->at_us);

	*turn = turn_of(c, due, due, 0);
}
