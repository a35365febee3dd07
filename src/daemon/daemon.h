/* SPDX-License-Identifier: PostgreSQL */
/* keyturnd's one loop: signals, what came back, what to begin. */
#ifndef KEYTURN_DAEMON_H
#define KEYTURN_DAEMON_H

#include "base/reason.h"

/*
 * Run until SIGTERM or SIGINT.  Signals must not be handled by anybody else, and
 * no thread may have been started before.  STATUS_OK when everything had
 * finished; STATUS_UNKNOWN when stop_timeout did not suffice for that: then
 * threads still run, and the program must end without releasing anything.
 * Before it has begun: STATUS_CONFIG and others with a reason.
 */
enum status daemon_run(const char *config_path, struct reason *why);

#endif
