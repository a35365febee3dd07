/* SPDX-License-Identifier: PostgreSQL */
/* credential_process: a program of the administrator's that prints credentials. */
#ifndef KEYTURN_AWS_PROCESS_H
#define KEYTURN_AWS_PROCESS_H

#include <stddef.h>
#include <stdint.h>

#include "base/now.h"
#include "base/reason.h"
#include "base/secret.h"

#define AWS_PROCESS_OUTPUT_MAX 65536

/*
 * Run a command line and take what it writes to its standard output; the
 * caller's.  There is no shell: words are divided by blanks, and '...', "..."
 * and \ quote.  Its standard error goes nowhere, it reads nothing, and it is
 * killed after timeout_us.  STATUS_CONFIG: no such program, a bad command
 * line, an exit code other than 0; STATUS_STORE_UNAVAILABLE: it takes too long.
 */
enum status aws_process_run(const char *command, int64_t timeout_us,
			    const struct now *now, struct secret **ret_output,
			    struct reason *why);

#endif
