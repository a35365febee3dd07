/* SPDX-License-Identifier: PostgreSQL */
/* What a [cluster] of type gateway and its roles must be. */
#ifndef KEYTURN_CONFIG_GATEWAY_H
#define KEYTURN_CONFIG_GATEWAY_H

#include "config/config_model.h"

#define CONFIG_GATEWAYS_MAX 16 /* endpoints of one [cluster] */

/* A [cluster NAME] of any type, and a role of one; each value was checked by
 * itself.  STATUS_CONFIG and the sentence. */
enum status config_gateway_check_cluster(const struct config_group *g,
					 struct reason *why);
enum status config_gateway_check_role(const struct config *c,
				      struct config_group *role,
				      struct reason *why);

/* No two of them have a gateway in common: each would take the other's
 * rotations for somebody else's. */
enum status config_gateway_check_all(const struct config *c,
				     struct reason *why);

#endif
