/* SPDX-License-Identifier: PostgreSQL */
/* AWS's variables; must never read another one. */
#include "aws/aws_environment.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *aws_environment_get(const char *name)
{
	const char *value;

	if (strncmp(name, "AWS_", 4) != 0 && strcmp(name, "HOME") != 0)
		return NULL;
	/* Nothing for a set-user-id program. */
	value = secure_getenv(name);
	return value && *value ? value : NULL;
}

bool aws_environment_is_true(const char *name)
{
	const char *value = aws_environment_get(name);

	return value && strcasecmp(value, "true") == 0;
}
