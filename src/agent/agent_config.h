/* SPDX-License-Identifier: PostgreSQL */
/* The configuration in use, and how another takes its place. */
#ifndef KEYTURN_AGENT_CONFIG_H
#define KEYTURN_AGENT_CONFIG_H

#include "agent/cache/cache.h"
#include "base/reason.h"
#include "config/config.h"

struct agent;

struct agent_settings {
	struct agent_cache_settings cache;
	unsigned clients, clients_per_user, wrong_passwords;
};

enum status agent_config_load(struct agent *a, struct reason *why);
/* Begin to load it while serving; agent_config_take() ends that.  When it
 * failed, everything stays as it was. */
void agent_config_reload(struct agent *a);
void agent_config_take(struct agent *a);
/* Look the names up again that were not known, when it is time. */
void agent_config_names(struct agent *a);
void agent_config_stop(struct agent *a);
/* May one of its stores or tokens start a program? */
bool agent_config_programs(const struct config *c);
/* Is no former configuration in use any more? */
bool agent_config_idle(const struct agent *a);
/* Free former configurations that are not in use any more, or wait until they
 * are not. */
void agent_config_reap(struct agent *a, bool wait);

#endif
