/* SPDX-License-Identifier: PostgreSQL */
/* What `check` tells of the database that a token is for. */
#ifndef KEYTURN_TOKEN_DATABRICKS_LOOK_H
#define KEYTURN_TOKEN_DATABRICKS_LOOK_H

#include "token/databricks/common.h"

struct token_databricks_look {
	struct token_web *web;
	struct token_databricks_login *login;
	const char *host; /* where the cluster is reached */
	token_finding_fn *finding;
	void *arg;
};

enum status token_databricks_look_endpoint(
	const struct token_databricks_look *k, const char *endpoint,
	struct reason *why);
enum status token_databricks_look_instance(
	const struct token_databricks_look *k, const char *instance,
	struct reason *why);

#endif
