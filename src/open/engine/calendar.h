/* SPDX-License-Identifier: PostgreSQL */
/* Time zones and blackouts of a configuration, opened and read once. */
#ifndef KEYTURN_OPEN_ENGINE_CALENDAR_H
#define KEYTURN_OPEN_ENGINE_CALENDAR_H

#include "config/config.h"
#include "schedule/schedule_blackout.h"

struct open_engine_calendar;

/* The configuration must outlive it.  Opens nothing yet.  NULL without memory. */
struct open_engine_calendar *open_engine_calendar_new(
	const struct config *config);
void open_engine_calendar_free(struct open_engine_calendar *c); /* takes NULL */

/* What is returned belongs to the calendar; all of these are thread-safe. */

/* The zone of schedules and windows. */
enum status open_engine_calendar_zone(struct open_engine_calendar *c,
				      const struct schedule_zone **ret,
				      struct reason *why);

/* A time of schedule_time_parse(), by the zone of schedules. */
enum status open_engine_calendar_time(struct open_engine_calendar *c,
				      const char *s, bool *ret_date,
				      int64_t *ret_us, struct reason *why);

/* That of the role's partner, and its name. */
enum status open_engine_calendar_partner(struct open_engine_calendar *c,
					 const struct config_group *role,
					 const struct schedule_zone **ret,
					 const char **ret_name,
					 struct reason *why);

/* The role's blackouts with those of all; may be NULL for none. */
enum status open_engine_calendar_blackouts(struct open_engine_calendar *c,
					   const struct config_group *role,
					   const struct schedule_blackout **ret,
					   struct reason *why);

#endif
