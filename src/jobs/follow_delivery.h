/* SPDX-License-Identifier: PostgreSQL */
/* A [delivery NAME] as a step that follows a new password. */
#ifndef KEYTURN_FOLLOW_DELIVERY_H
#define KEYTURN_FOLLOW_DELIVERY_H

#include "delivery/delivery.h"
#include "handout/handout.h"
#include "open/engine/engine.h"

/* Its settings; the strings are the configuration's.  STATUS_CONFIG with the line
 * of what is too long. */
enum status follow_delivery_settings(const struct config_group *delivery,
				     struct delivery *ret, struct reason *why);

/* A number that changes with the settings. */
uint32_t follow_delivery_hash(const struct config_group *delivery);

/* What the store calls CURRENT. */
struct follow_version {
	char id[RANDOM_UUID_SIZE];
	struct store_entry entry;
};

/* Of a pair, the user who may log in beside the current one until it is retired;
 * "" where there is none, or it cannot be found out. */
void follow_delivery_previous(struct open_engine *w,
			      const struct config_group *role,
			      const struct store_entry *entry, char *ret,
			      size_t size);

/*
 * Give the program what is current, with the hand-out in the audit first.
 * Statuses of delivery_run(), or of the ledger.  ret_said is what it printed.
 */
enum status follow_delivery_run(struct open_engine *w,
				const struct config_group *role,
				const struct config_group *delivery,
				const struct follow_version *current,
				const char *actor,
				char ret_said[DELIVERY_SAID_MAX + 1],
				struct reason *why);

#endif
