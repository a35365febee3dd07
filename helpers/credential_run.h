/* SPDX-License-Identifier: PostgreSQL */
/* A child process that gets our signals. */
#ifndef KEYTURN_CREDENTIAL_RUN_H
#define KEYTURN_CREDENTIAL_RUN_H

#include <stdbool.h>

/*
 * Run `child` (which does not return) in a child process, with what a terminal
 * or a manager sends us passed on to it, and wait: its wait status.  -1: errno.
 */
int credential_run(void (*child)(void *), void *arg);

/* Were we told to end while a child ran?  SIGHUP, SIGINT, SIGQUIT, SIGTERM. */
bool credential_run_stopped(void);

/* End as the status says: with its exit code, or by its signal. */
int credential_run_exit(int status);

#endif
