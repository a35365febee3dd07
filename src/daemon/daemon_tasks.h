/* SPDX-License-Identifier: PostgreSQL */
/* Tasks given to threads, and what came of them. */
#ifndef KEYTURN_DAEMON_TASKS_H
#define KEYTURN_DAEMON_TASKS_H

#include "daemon/daemon_internal.h"

/* The thread's side: do it, and bring it back. */
void daemon_tasks_do(void *arg, void *thing);

/* Take in everything that came back. */
void daemon_tasks_settle(struct daemon *d, int64_t now);

/* Begin what the plan wants begun; when it wants to be asked again. */
int64_t daemon_tasks_begin(struct daemon *d, int64_t now);

/* A plan for the roles of a generation. */
enum status daemon_tasks_plan(struct daemon *d,
			      const struct generation *generation,
			      struct plan **ret, struct reason *why);

/* From the notifier's thread. */
void daemon_tasks_request(void *arg, const char *role);

#endif
