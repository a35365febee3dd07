/* SPDX-License-Identifier: PostgreSQL */
#include "open/open_schedule.h"

#include <string.h>

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
				struct schedule_zone *zone,
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
