/* SPDX-License-Identifier: PostgreSQL */
/* Where settings `blackout` become sets of times. */
#ifndef KEYTURN_OPEN_BLACKOUT_H
#define KEYTURN_OPEN_BLACKOUT_H

#include "config/config.h"
#include "schedule/schedule_blackout.h"

/*
 * Add the blackouts of a setting `k` (of [keyturn] or of a [role]) to b, and sort
 * it; .ics files are read now.  STATUS_CONFIG names the setting, and of a file its
 * line.
 */
enum status open_blackout_read(const struct config_group *g, enum config_key k,
			       const struct schedule_zone *zone,
			       struct schedule_blackout *b, struct reason *why);

#endif
