/* SPDX-License-Identifier: PostgreSQL */
/* What a loaded configuration must be. */
#ifndef KEYTURN_CONFIG_CHECK_H
#define KEYTURN_CONFIG_CHECK_H

#include "config/config_model.h"

/*
 * Unquote and check every value (type, limits), then what the sections need
 * and refer to.  c is sorted.  STATUS_CONFIG names the first thing that is
 * wrong as "FILE:LINE: sentence"; c may only be freed then.
 */
enum status config_check_all(struct config *c, struct reason *why);

#endif
