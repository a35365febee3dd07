/* SPDX-License-Identifier: PostgreSQL */
/* What the files of keyturnd's loop share; no one else includes it. */
#ifndef KEYTURN_DAEMON_INTERNAL_H
#define KEYTURN_DAEMON_INTERNAL_H

#include <pthread.h>

#include "base/thread_pool.h"
#include "daemon/agent_notify.h"
#include "daemon/daemon.h"
#include "daemon/follower.h"
#include "daemon/generation.h"
#include "daemon/plan.h"
#include "daemon/refresher.h"
#include "daemon/sampler.h"
#include "daemon/task.h"

#define DAEMON_REQUESTS_MAX 256
#define DAEMON_FILES_MAX    256 /* shown in the metrics */

/* A generation that is not in force any more, until its last run has ended. */
struct daemon_retired {
	struct daemon_retired *next;
	struct generation *generation;
	struct refresher *refresher;
	struct sampler *sampler;
	struct follower *follower;
};

struct daemon {
	const char *path; /* of the configuration */
	char actor[64];
	struct generation *
		generation; /* in force; without a ledger until one was opened */
	struct daemon_retired *retired;
	struct plan *plan;
	struct task_look *looks; /* one a role of the plan */
	struct task_hook *hooks;
	size_t n_hooks;
	struct thread_pool *runners; /* runs */
	struct thread_pool *worker;  /* everything else, one at a time */
	struct agent_notify *notifier;
	struct refresher *
		refresher; /* of the generation in force, NULL without such files */
	struct sampler
		*sampler; /* likewise, NULL without clusters to look at */
	struct follower *follower; /* likewise, NULL without such steps */
	unsigned long followed;	   /* its attempts, when last asked */
	unsigned runs;		   /* under way */
	bool worker_busy;

	bool ledger_made; /* one was opened: from now on it is not made again */
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
	unsigned long long runs_ok, runs_failed, runs_deferred;
	int64_t started_us, reloaded_us;
	char trouble[REASON_MAX]; /* why there is no ledger, or "" */
	char said[512];		  /* the last STATUS= */

	int wake_fd;	      /* eventfd: tasks or requests came */
	pthread_mutex_t lock; /* over what others than the loop change: */
	struct task *back, **back_end;
	char requests[DAEMON_REQUESTS_MAX][PLAN_NAME_SIZE];
	size_t n_requests;
};

#endif
