/* SPDX-License-Identifier: PostgreSQL */
/* AWS's variables; must never read another one. */
#include "store/store_aws_environment.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *store_aws_environment_get(const char *name)
{
	const char *value;

	if (strncmp(name, "AWS_", 4) != 0 && strcmp(name, "HOME") != 0)
		return NULL;
	/* Nothing for a set-user-id program. */
	value = secure_getenv(name);
	return value && *value ? value : NULL;
}

bool store_aws_environment_is_true(const char *name)
{
	const char *value = store_aws_environment_get(name);

	return value && strcasecmp(value, "true") == 0;
}
