/* SPDX-License-Identifier: PostgreSQL */
#ifndef KEYTURN_DAEMON_WORKER_H
#define KEYTURN_DAEMON_WORKER_H

#include "daemon/daemon_internal.h"

/* Give the worker what is most urgent, if it is idle. */
void daemon_worker_give(struct daemon *d, int64_t now);

/* A TASK_WRITE has come back. */
void daemon_worker_wrote(struct daemon *d, const struct task *e);

#endif
