/* SPDX-License-Identifier: PostgreSQL */
/* What [token NAME] and [sink NAME] must be, beyond types and limits. */
#ifndef KEYTURN_CONFIG_CHECK_TOKEN_H
#define KEYTURN_CONFIG_CHECK_TOKEN_H

#include "config/config_model.h"

/* STATUS_CONFIG with "FILE:LINE: sentence". */
enum status config_check_token(const struct config_group *g,
			       struct reason *why);
enum status config_check_token_sink(const struct config *c,
				    const struct config_group *g,
				    struct reason *why);

#endif
