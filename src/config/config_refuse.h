/* SPDX-License-Identifier: PostgreSQL */
/* What is said of a setting that is wrong. */
#ifndef KEYTURN_CONFIG_REFUSE_H
#define KEYTURN_CONFIG_REFUSE_H

#include "config/config_model.h"

/* "FILE:LINE: [role sap] key: sentence", of v, or of the section when that is
 * NULL.  STATUS_CONFIG. */
enum status config_refuse(struct reason *why, const struct config_group *g,
			  const struct config_value *v, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
