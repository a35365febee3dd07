/* SPDX-License-Identifier: PostgreSQL */
/* The variables of AWS's standard chain: the only place of the stores that
 * reads the environment. */
#ifndef KEYTURN_AWS_ENVIRONMENT_H
#define KEYTURN_AWS_ENVIRONMENT_H

#include <stdbool.h>

/* The value of AWS_<something> or HOME; NULL when it is not set or empty.
 * Belongs to the environment. */
const char *aws_environment_get(const char *name);

/* Is it "true" in any case? */
bool aws_environment_is_true(const char *name);

#endif
