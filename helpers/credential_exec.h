/* SPDX-License-Identifier: PostgreSQL */
/* Starts a command that logs in with the current password. */
#ifndef KEYTURN_CREDENTIAL_EXEC_H
#define KEYTURN_CREDENTIAL_EXEC_H

#include "helpers/credential_ask.h"

/* What we change of ourselves and a command must have back: taken before
 * anything else is done, NULL without memory. */
struct credential_before;
struct credential_before *credential_exec_before(void);

/*
 * Become the command; returns only when that fails, or, with --retry, the
 * command's exit code when it has ended.
 */
int credential_exec(struct credential_agent *a,
		    const struct credential_options *o,
		    const struct credential_before *before, struct reason *why);

#endif
