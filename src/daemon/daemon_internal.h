/* SPDX-License-Identifier: PostgreSQL */
/* What the files of keyturnd's loop share; nobody else includes it. */
#ifndef KEYTURN_DAEMON_INTERNAL_H
#define KEYTURN_DAEMON_INTERNAL_H

#include <pthread.h>

#include "assembly/crew.h"
#include "daemon/agenda.h"
#include "daemon/daemon.h"
#include "daemon/errand.h"
#include "daemon/feed.h"
#include "daemon/push.h"
#include "daemon/shop.h"

#define DAEMON_REQUESTS_MAX 256
#define DAEMON_FILES_MAX    256 /* shown in the metrics */

/* A shop that is not in force any more, until its last run has ended. */
struct daemon_retired {
	struct daemon_retired *next;
	struct shop *shop;
	struct feed *feed;
};

struct daemon {
	const char *path; /* of the configuration */
	char actor[64];
	struct shop *shop; /* in force; without a ledger until one was opened */
	struct daemon_retired *retired;
	struct agenda *agenda;
	struct errand_look *looks; /* one a role of the agenda */
	struct errand_hook *hooks;
	size_t n_hooks;
	struct crew *crew;  /* runs */
	struct crew *clerk; /* everything else, one at a time */
	struct push *push;
	struct feed *feed; /* of the shop in force, NULL without such files */
	unsigned runs;	   /* under way */
	bool clerk_busy;

	bool ledger_made; /* one was opened: from now on it is not made anew */
	int64_t head_seq; /* the trail's last event that was seen, 0: none */
	char head[LEDGER_HASH_SIZE];
	bool looked;	     /* at all roles, since the shop came into force */
	bool recalled;	     /* what was asked for before the start */
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
	struct errand *back, **back_end;
	char requests[DAEMON_REQUESTS_MAX][AGENDA_NAME_SIZE];
	size_t n_requests;
};

/* ---- daemon_errands.c: giving errands out, and what came of them ---------- */

/* The thread's side: do it, and bring it back. */
void daemon_errands_do(void *arg, void *thing);

/* Take in everything that came back. */
void daemon_errands_settle(struct daemon *d, int64_t now);

/* Begin what the agenda wants begun; when it wants to be asked again. */
int64_t daemon_errands_begin(struct daemon *d, int64_t now);

/* Keep the clerk at work. */
void daemon_errands_clerk(struct daemon *d, int64_t now);

/* An agenda for the roles of a shop. */
enum status daemon_errands_plan(struct daemon *d, const struct shop *shop,
				struct agenda **ret, struct reason *why);

/* From push's thread. */
void daemon_errands_request(void *arg, const char *role);

#endif
