/* SPDX-License-Identifier: PostgreSQL */
/*
 * keyturn-credential asks the agent and prints one form; it links the C library
 * and nothing else.
 *
 * Every function of it that may fail returns the exit code that the program then
 * has, and fills `why`.
 */
#ifndef KEYTURN_CREDENTIAL_H
#define KEYTURN_CREDENTIAL_H

#include "base/reason.h"

#define CREDENTIAL_PROGRAM   "keyturn-credential"
#define CREDENTIAL_INPUT_MAX 65536 /* of a protocol's request */

enum credential_exit {
	CREDENTIAL_OK = 0,
	CREDENTIAL_ERROR = 1,
	CREDENTIAL_USAGE = 2,
	CREDENTIAL_NOT_FOUND = 3,
	CREDENTIAL_DENIED = 4,
	CREDENTIAL_UNAVAILABLE = 5,
	CREDENTIAL_TIMEOUT = 6,
	/* As shells say it, for `exec`. */
	CREDENTIAL_CANNOT_RUN = 126,
	CREDENTIAL_NO_COMMAND = 127,
};

/* CREDENTIAL_<e>, with a sentence as reason_set() writes it. */
#define CREDENTIAL_FAIL(e, why, ...) \
	(reason_set(why, __VA_ARGS__), CREDENTIAL_##e)

#endif
