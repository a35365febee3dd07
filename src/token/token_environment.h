/* SPDX-License-Identifier: PostgreSQL */
/* The variables that the vendors' own clients read: the only place of the
 * tokens that reads the environment. */
#ifndef KEYTURN_TOKEN_ENVIRONMENT_H
#define KEYTURN_TOKEN_ENVIRONMENT_H

/* The value of DATABRICKS_<something>, ARM_, AZURE_, GCE_METADATA_HOST,
 * GOOGLE_APPLICATION_CREDENTIALS, ACTIONS_ID_TOKEN_REQUEST_ or HOME;
 * NULL when it is another one, not set or empty.  Belongs to the
 * environment. */
const char *token_environment_get(const char *name);

#endif
