/* SPDX-License-Identifier: PostgreSQL */
#include "open/open_schedule.h"

#include <string.h>

#include "base/now.h"

bool open_schedule_is_set(const struct config_group *role)
{
	return config_is_set(role, CONFIG_role_schedule) ||
	       config_is_set(role, CONFIG_role_every);
}

static const char *set_or_null(const struct config_group *g, enum config_key k)
{
	return config_is_set(g, k) ? config_string(g, k) : NULL;
}

enum status open_schedule_parse(const struct config_group *role,
				const struct schedule_zone *zone,
				struct schedule **ret, struct reason *why)
{
	const struct schedule_spec spec = {
		.cron = set_or_null(role, CONFIG_role_schedule),
		.every = set_or_null(role, CONFIG_role_every),
		.window = set_or_null(role, CONFIG_role_window),
		.splay = set_or_null(role, CONFIG_role_splay),
		.name = config_name(role),
	};

	return schedule_parse(&spec, zone, ret, why);
}

int64_t open_schedule_next(const struct config *c,
			   const struct config_group *role, int64_t at_us)
{
	const struct config_group *g =
		config_find(c, CONFIG_SECTION_keyturn, "");
	struct schedule_zone *zone = NULL;
	struct schedule *schedule = NULL;
	int64_t due = INT64_MAX;

	if (!open_schedule_is_set(role))
		return due;
	/* The zone is read each time: this is rare. */
	if (schedule_zone_open(config_string(g, CONFIG_keyturn_timezone), &zone,
			       NULL) == STATUS_OK &&
	    open_schedule_parse(role, zone, &schedule, NULL) == STATUS_OK)
		due = schedule_next(schedule, at_us);
	schedule_free(schedule);
	schedule_zone_free(zone);
	return due;
}

/* The section that has the notice of a role. */
static const struct config_group *notice_of(const struct config *c,
					    const struct config_group *role,
					    enum config_key *ret_key)
{
	if (config_is_set(role, CONFIG_role_notice)) {
		*ret_key = CONFIG_role_notice;
		return role;
	}
	*ret_key = CONFIG_keyturn_notice;
	return config_find(c, CONFIG_SECTION_keyturn, "");
}

static enum status refuse_notice(const struct config_group *g,
				 enum config_key k, struct reason *why)
{
	return reason_wrap(why, STATUS_CONFIG, "%s: [%s%s] notice",
			   config_origin(g, k),
			   k == CONFIG_role_notice ? "role " : "keyturn",
			   config_name(g));
}

enum status open_schedule_notice(const struct config *c,
				 const struct config_group *role,
				 struct schedule_notice *ret,
				 struct reason *why)
{
	enum config_key k = CONFIG_role_notice;
	const struct config_group *g = notice_of(c, role, &k);

	if (schedule_notice_parse(config_string(g, k), ret, why) != STATUS_OK)
		return refuse_notice(g, k, why);
	if (!open_schedule_is_set(role))
		ret->n = 0;
	return STATUS_OK;
}

#define POINTS_AHEAD 200 /* looked at; what is irregular repeats within them */

/* The shortest time between two rotations to come, and a little for the change of
 * the clocks, which makes a day an hour shorter. */
static int64_t between_us(const struct schedule *s, int64_t now_us)
{
	int64_t at = schedule_next(s, now_us), shortest = INT64_MAX, next;

	for (int i = 0; i < POINTS_AHEAD && at != INT64_MAX; i++) {
		next = schedule_next(s, at);
		if (next != INT64_MAX && next - at < shortest)
			shortest = next - at;
		at = next;
	}
	return shortest == INT64_MAX ? shortest : shortest + shortest / 24;
}

enum status open_schedule_check_notice(const struct config *c,
				       const struct config_group *role,
				       const struct schedule *s, int64_t now_us,
				       struct reason *why)
{
	enum config_key k = CONFIG_role_notice;
	const struct config_group *g = notice_of(c, role, &k);
	struct schedule_notice n = { .n = 0 };
	char step[32], interval[32];
	int64_t shortest;
	enum status st = open_schedule_notice(c, role, &n, why);

	if (st != STATUS_OK || n.n == 0)
		return st;
	shortest = between_us(s, now_us);
	if (n.steps_us[0] <= shortest)
		return STATUS_OK;
	now_age(n.steps_us[0], step);
	now_age(shortest / 25 * 24, interval);
	reason_set(why, STATUS_CONFIG,
		   "%s is longer than the %s between two rotations of [role "
		   "%s]%s",
		   step, interval, config_name(role),
		   g == role ? "" :
			       "; give that role a notice of its own (none, or "
			       "shorter)");
	return refuse_notice(g, k, why);
}

enum status open_schedule_check_grace(const struct config_group *role,
				      const struct schedule *s, int64_t now_us,
				      struct reason *why)
{
	int64_t grace_us = config_duration_us(role, CONFIG_role_grace);
	char grace[32], interval[32];
	int64_t shortest;

	if (!s || !config_is_at_gateway(role))
		return STATUS_OK;
	shortest = between_us(s, now_us) / 25 * 24;
	if (grace_us < shortest)
		return STATUS_OK;
	now_age(grace_us, grace);
	now_age(shortest, interval);
	return reason_set(why, STATUS_CONFIG,
			  "%s: [role %s] grace: %s is not shorter than the %s "
			  "between two of its rotations, which would not begin "
			  "before it is over",
			  config_origin(role, CONFIG_role_grace),
			  config_name(role), grace, interval);
}

struct schedule_life open_schedule_life(const struct config *c,
					const struct config_group *role,
					const struct schedule *s,
					int64_t now_us)
{
	const struct config_group *policy =
		config_find(c, CONFIG_SECTION_policy,
			    config_string(role, CONFIG_role_policy));
	struct schedule_life none = { .grace_us = config_duration_us(
					      role, CONFIG_role_grace) };
	int64_t max_us = 0;

	if (!policy || !config_is_set(policy, CONFIG_policy_max_life) ||
	    schedule_duration(config_string(policy, CONFIG_policy_max_life),
			      &max_us, NULL) != STATUS_OK)
		return none;
	if (!config_is_pair(role))
		return schedule_life_of(s, none.grace_us, max_us, now_us);
	if (strcmp(config_string(role, CONFIG_role_retire), "auto") == 0) {
		none = schedule_life_of(s, none.grace_us, max_us, now_us);
		none.automatic = true;
		none.quiet_us = config_duration_us(role, CONFIG_role_quiet);
		none.tombstone_us =
			config_duration_us(role, CONFIG_role_tombstone);
	}
	none.pair = true;
	none.max_us = max_us;
	return none;
}
