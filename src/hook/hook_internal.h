/* SPDX-License-Identifier: PostgreSQL */
/* What the files of hooks share; no one else includes it. */
#ifndef KEYTURN_HOOK_INTERNAL_H
#define KEYTURN_HOOK_INTERNAL_H

#include <sys/types.h>

#include "hook/hook.h"
#include "http/http.h"

struct hook {
	struct hook_options o;
	unsigned events;
	struct http *http; /* of a webhook */
};

/* A running program, from hook_kin_start() to hook_kin_end(). */
struct hook_kin {
	struct hook_kin *next;
	pid_t pid;
	unsigned long long since;
};

/* Start it, as the leader of a session of its own; 0, or an errno. */
typedef int hook_kin_spawn_fn(void *arg, pid_t *ret_pid);
int hook_kin_start(struct hook_kin *k, hook_kin_spawn_fn *spawn, void *arg);
/* End and reap it, and all that it has started. */
void hook_kin_end(const struct now *now, struct hook_kin *k);
/* What hook_end() does. */
void hook_kin_end_all(const struct now *now);

/* The two kinds of hook_deliver(). */
enum status hook_command_run(const struct hook *h, const struct hook_notice *n,
			     struct reason *why);
enum status hook_web_call(const struct hook *h, const struct hook_notice *n,
			  struct reason *why);

#endif
