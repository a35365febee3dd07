/* SPDX-License-Identifier: PostgreSQL */
/* The access token of a workspace, and calls with it. */
#ifndef KEYTURN_TOKEN_DATABRICKS_LOGIN_H
#define KEYTURN_TOKEN_DATABRICKS_LOGIN_H

#include "token/databricks/common.h"

/*
 * Make l->bearer good for the calls of one mint.  *ret_fresh: it was obtained
 * now.  token_databricks_login_forget() makes the next call obtain another.
 */
enum status token_databricks_login(struct token_web *w,
				   struct token_databricks_login *l,
				   bool *ret_fresh, struct reason *why);
void token_databricks_login_forget(struct token_databricks_login *l);
void token_databricks_login_clear(struct token_databricks_login *l);

/*
 * A call to the workspace's REST API with the bearer.  An access token that is
 * refused, as 401 or as the 403 "Invalid Token" of an expired one, is obtained
 * anew, once.  body may be NULL.
 */
enum status token_databricks_login_call(struct token_web *w,
					struct token_databricks_login *l,
					const char *method, const char *path,
					const struct json_doc *body,
					struct token_web_answer *ret,
					struct reason *why);

#endif
