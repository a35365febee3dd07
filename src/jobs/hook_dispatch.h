/* SPDX-License-Identifier: PostgreSQL */
/*
 * Brings the events of the audit trail to hooks, each hook in a thread of its
 * own, in order, at least once.  All that is kept of a hook is how far it has
 * come, in the ledger; so it makes no difference whether keyturnd, a command,
 * or the next one delivers an event, and a crash loses none.
 */
#ifndef KEYTURN_HOOK_DISPATCH_H
#define KEYTURN_HOOK_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "ledger/ledger.h"

struct hook_dispatch;

/* Something to log about a hook, from its thread. */
typedef void hook_dispatch_tell_fn(void *arg, const char *hook, bool bad,
				   const char *sentence);

/* Each [hook NAME] by itself: STATUS_CONFIG with its line. */
enum status hook_dispatch_check(const struct config *config,
				struct reason *why);

/*
 * Start the threads; *ret is NULL when there is no hook.  What was recorded
 * before a hook was configured is not for it.  Everything must outlive the
 * courier.
 */
enum status hook_dispatch_start(const struct config *config,
				struct ledger *ledger,
				hook_dispatch_tell_fn *tell, void *arg,
				struct hook_dispatch **ret, struct reason *why);

/* Something was recorded: look now, and not in a few seconds.  Takes NULL. */
void hook_dispatch_wake(struct hook_dispatch *c);

/* Wait until every hook was told of everything, or failed, or is served by
 * another process; at most limit_us.  Takes NULL. */
void hook_dispatch_drain(struct hook_dispatch *c, int64_t limit_us);

/* Begin nothing more; what is under way ends within its hook's timeout.  Takes
 * NULL. */
void hook_dispatch_stop(struct hook_dispatch *c);
/* Have all threads ended? */
bool hook_dispatch_stopped(struct hook_dispatch *c);
/* Stop, wait and release.  Takes NULL. */
void hook_dispatch_free(struct hook_dispatch *c);

#endif
