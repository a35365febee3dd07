/* SPDX-License-Identifier: PostgreSQL */
/* The endpoint behind the name of a host. */
#ifndef KEYTURN_TOKEN_DATABRICKS_FIND_H
#define KEYTURN_TOKEN_DATABRICKS_FIND_H

#include "token/databricks/common.h"

/*
 * The path of the endpoint that answers at host, by listing projects, branches
 * and endpoints.  STATUS_CONFIG when none does, or when only a pooler does.
 */
enum status token_databricks_find(struct token_web *w,
				  struct token_databricks_login *l,
				  const char *host, char *ret, size_t size,
				  struct reason *why);

#endif
