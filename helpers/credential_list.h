/* SPDX-License-Identifier: PostgreSQL */
/* The commands that show no secret. */
#ifndef KEYTURN_CREDENTIAL_LIST_H
#define KEYTURN_CREDENTIAL_LIST_H

#include "helpers/credential_ask.h"

enum credential_exit credential_list(struct credential_agent *a,
				     const struct credential_options *o,
				     struct reason *why);
enum credential_exit credential_list_watch(struct credential_agent *a,
					   const struct credential_options *o,
					   struct reason *why);
enum credential_exit credential_list_version(struct credential_agent *a,
					     struct reason *why);

#endif
