/* SPDX-License-Identifier: PostgreSQL */
/* Where a role's settings become its schedule. */
#ifndef KEYTURN_OPEN_SCHEDULE_H
#define KEYTURN_OPEN_SCHEDULE_H

#include <stdint.h>

#include "config/config.h"
#include "schedule/schedule_life.h"
#include "schedule/schedule_notice.h"

/* Is there a schedule at all? */
bool open_schedule_is_set(const struct config_group *role);

/* The schedule of a role that has one; the zone must outlive it. */
enum status open_schedule_parse(const struct config_group *role,
				const struct schedule_zone *zone,
				struct schedule **ret, struct reason *why);

/* When the role is due after at_us, both wall clock; INT64_MAX: it has no
 * schedule, or one that cannot be read. */
int64_t open_schedule_next(const struct config *c,
			   const struct config_group *role, int64_t at_us);

/* The role's notice, or else that of [keyturn]; none without a schedule.
 * STATUS_CONFIG names the setting. */
enum status open_schedule_notice(const struct config *c,
				 const struct config_group *role,
				 struct schedule_notice *ret,
				 struct reason *why);

/* Is it longer than the time between two rotations?  STATUS_CONFIG then. */
enum status open_schedule_check_notice(const struct config *c,
				       const struct config_group *role,
				       const struct schedule *s, int64_t now_us,
				       struct reason *why);

/* At a gateway: is its grace as long as the time between two rotations?
 * STATUS_CONFIG then.  s may be NULL. */
enum status open_schedule_check_grace(const struct config_group *role,
				      const struct schedule *s, int64_t now_us,
				      struct reason *why);

/*
 * The life of the role's passwords; its schedule is s, or NULL.  Where its policy
 * sets no limit the interval, which takes time to find, is left at 0.
 */
struct schedule_life open_schedule_life(const struct config *c,
					const struct config_group *role,
					const struct schedule *s,
					int64_t now_us);

#endif
