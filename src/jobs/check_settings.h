/* SPDX-License-Identifier: PostgreSQL */
/* The whole configuration at once, before anything is done with it. */
#ifndef KEYTURN_CHECK_SETTINGS_H
#define KEYTURN_CHECK_SETTINGS_H

#include "open/engine/engine.h"

/* Policies, schedules, sinks, hooks and the time zone; what is wrong is said
 * with FILE:LINE.  STATUS_CONFIG for what the configuration has wrong. */
enum status check_settings(struct open_engine *w, struct reason *why);

#endif
