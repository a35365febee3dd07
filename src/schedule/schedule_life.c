/* SPDX-License-Identifier: PostgreSQL */
/* Adds up the life of a password; must never call one bounded that is not. */
#include "schedule/schedule_life.h"

#include <stdio.h>

#include "base/now.h"

struct schedule_life schedule_life_of(const struct schedule *s,
				      int64_t grace_us, int64_t max_us,
				      int64_t now_us)
{
	int64_t longest = s != NULL ? schedule_longest_us(s, now_us) :
				      INT64_MAX;

	return (struct schedule_life){
		.interval_us = longest == INT64_MAX ? 0 : longest,
		.grace_us = grace_us,
		.max_us = max_us,
	};
}

/* How long the password before may still log in. */
static int64_t after_us(const struct schedule_life *l)
{
	return l->pair && l->quiet_us > l->grace_us ? l->quiet_us : l->grace_us;
}

int64_t schedule_life_longest(const struct schedule_life *l)
{
	if (l->interval_us == 0 || (l->pair && !l->automatic))
		return 0;
	return l->interval_us + after_us(l) + (l->pair ? l->tombstone_us : 0);
}

bool schedule_life_exceeds(const struct schedule_life *l)
{
	int64_t longest = schedule_life_longest(l);

	return l->max_us > 0 && (longest == 0 || longest > l->max_us);
}

/* A pair's, whose old password ends by itself. */
static enum status judge_pair(const struct schedule_life *l, const char *limit,
			      struct reason *why)
{
	char life[32], interval[32], after[32], tombstone[32];

	return reason_set(
		why, schedule_life_exceeds(l) ? STATUS_REFUSED : STATUS_OK,
		"a password lives %s when nothing puts its end off (%s to the "
		"next rotation, %s of grace and quiet, %s without LOGIN), and "
		"%s%s",
		now_age(schedule_life_longest(l), life),
		now_age(l->interval_us, interval), now_age(after_us(l), after),
		now_age(l->tombstone_us, tombstone), limit,
		schedule_life_exceeds(l) ?
			": rotate more often, or shorten grace, quiet or "
			"tombstone" :
			"");
}

enum status schedule_life_judge(const struct schedule_life *l,
				struct reason *why)
{
	char life[32], interval[32], grace[32], max[32], excess[32];
	int64_t longest = schedule_life_longest(l);
	char limit[64] = "the policy has no max_life";

	now_age(l->max_us, max);
	if (l->max_us > 0)
		snprintf(limit, sizeof(limit), "max_life of the policy is %s",
			 max);
	if (l->pair && !l->automatic)
		return reason_set(
			why,
			schedule_life_exceeds(l) ? STATUS_REFUSED : STATUS_OK,
			"nothing bounds the life of a pair's old password, "
			"which ends by keyturn retire, and %s",
			limit);
	if (longest == 0)
		return reason_set(
			why,
			schedule_life_exceeds(l) ? STATUS_REFUSED : STATUS_OK,
			"nothing bounds the life of a password that is rotated "
			"by command only, and %s%s",
			limit, l->max_us > 0 ? ": set every or schedule" : "");
	if (l->pair)
		return judge_pair(l, limit, why);
	now_age(longest, life);
	now_age(l->interval_us, interval);
	now_age(l->grace_us, grace);
	if (!schedule_life_exceeds(l))
		return reason_set(why, STATUS_OK,
				  "a password lives at most %s (%s to the next "
				  "rotation, %s of grace), and %s",
				  life, interval, grace, limit);
	now_age(longest - l->max_us, excess);
	return reason_set(why, STATUS_REFUSED,
			  "a password may live %s (%s to the next rotation, %s "
			  "of grace), and %s: rotate more often, or shorten "
			  "window, splay or grace, by %s in all",
			  life, interval, grace, limit, excess);
}
