/* SPDX-License-Identifier: PostgreSQL */
/* The variables of the vendors' clients; must never read another one. */
#include "token/token_environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_known(const char *name)
{
	static const char *const prefixes[] = { "DATABRICKS_", "ARM_", "AZURE_",
						"ACTIONS_ID_TOKEN_REQUEST_" };
	static const char *const names[] = { "GCE_METADATA_HOST",
					     "GOOGLE_APPLICATION_CREDENTIALS",
					     "HOME" };

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

const char *token_environment_get(const char *name)
{
	const char *value;

	if (!is_known(name))
		return NULL;
	/* Nothing for a set-user-id program. */
	value = secure_getenv(name);
	return value && *value ? value : NULL;
}
