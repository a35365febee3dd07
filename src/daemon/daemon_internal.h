/* SPDX-License-Identifier: PostgreSQL */
/* What the files of keyturnd's loop share; nobody else includes it. */
#ifndef KEYTURN_DAEMON_INTERNAL_H
#define KEYTURN_DAEMON_INTERNAL_H

#include <pthread.h>

#include "base/thread_pool.h"
#include "daemon/agent_notify.h"
#include "daemon/daemon.h"
#include "daemon/generation.h"
#include "daemon/plan.h"
#include "daemon/refresher.h"
#include "daemon/task.h"

#define DAEMON_REQUESTS_MAX 256
#define DAEMON_FILES_MAX    256 /* shown in the metrics */

/* A generation that is not in force any more, until its last run has ended. */
struct daemon_retired {
	struct daemon_retired *next;
	struct generation *generation;
	struct refresher *feed;
};

struct daemon {
	const char *path; /* of the configuration */
	char actor[64];
	struct generation *
		generation; /* in force; without a ledger until one was opened */
	struct daemon_retired *retired;
	struct plan *agenda;
	struct task_look *looks; /* one a role of the agenda */
	struct task_hook *hooks;
	size_t n_hooks;
	struct thread_pool *crew;  /* runs */
	struct thread_pool *clerk; /* everything else, one at a time */
	struct agent_notify *push;
	struct refresher
		*feed; /* of the generation in force, NULL without such files */
	unsigned runs; /* under way */
	bool clerk_busy;

	bool ledger_made; /* one was opened: from now on it is not made anew */
	int64_t head_seq; /* the trail's last event that was seen, 0: none */
	char head[LEDGER_HASH_SIZE];
	bool looked;   /* at all roles, since the generation came into force */
	bool recalled; /* what was asked for before the start */
	int64_t next_look;   /* boot clock */
	int64_t next_due_us; /* wall clock, INT64_MAX: none */
	bool checkpoint;     /* something was recorded since the last one */

	bool reload, reload_ok;
	bool stopping;
	int64_t stop_at; /* boot clock */

	bool changed; /* the metrics are out of date */
	int64_t written;
	bool write_failed;
	unsigned long long runs_ok, runs_failed;
	int64_t started_us, reloaded_us;
	char trouble[REASON_MAX]; /* why there is no ledger, or "" */
	char said[512];		  /* the last STATUS= */

	int wake_fd;	      /* eventfd: errands or requests came */
	pthread_mutex_t lock; /* over what others than the loop change: */
	struct task *back, **back_end;
	char requests[DAEMON_REQUESTS_MAX][PLAN_NAME_SIZE];
	size_t n_requests;
};

/* ---- daemon_tasks.c: giving errands out, and what came of them ---------- */

/* The thread's side: do it, and bring it back. */
void daemon_tasks_do(void *arg, void *thing);

/* Take in everything that came back. */
void daemon_tasks_settle(struct daemon *d, int64_t now);

/* Begin what the agenda wants begun; when it wants to be asked again. */
int64_t daemon_tasks_begin(struct daemon *d, int64_t now);

/* Keep the clerk at work. */
void daemon_tasks_clerk(struct daemon *d, int64_t now);

/* A plan for the roles of a generation. */
enum status daemon_tasks_plan(struct daemon *d,
			      const struct generation *generation,
			      struct plan **ret, struct reason *why);

/* From push's thread. */
void daemon_tasks_request(void *arg, const char *role);

#endif
