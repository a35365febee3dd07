/* SPDX-License-Identifier: PostgreSQL */
/* Settings, DATABRICKS_* variables and a profile, merged. */
#ifndef KEYTURN_TOKEN_DATABRICKS_SETTINGS_H
#define KEYTURN_TOKEN_DATABRICKS_SETTINGS_H

#include "token/databricks/common.h"

/* Merge; every sentence begins with "[token NAME]".  The login is cleared
 * with token_databricks_login_clear(). */
enum status token_databricks_settings(const struct token_databricks_options *o,
				      struct token_databricks_login *ret,
				      struct reason *why);

/* Read what an origin says; the caller's. */
enum status token_databricks_settings_secret(
	const struct token_databricks_login *l,
	const struct token_databricks_origin *from, const char *key,
	bool is_private, struct secret **ret, struct reason *why);

#endif
