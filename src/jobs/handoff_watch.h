/* SPDX-License-Identifier: PostgreSQL */
/* Records what has come to pass of hand-offs, for commands and keyturnd alike. */
#ifndef KEYTURN_HANDOFF_WATCH_H
#define KEYTURN_HANDOFF_WATCH_H

#include "handoff/handoff.h"
#include "open/engine/engine.h"

/*
 * Load a role's hand-off, and record what is not recorded yet; while another
 * process works on the role that is left to the next time.  Of a role that is not
 * handed off by a person nothing is read but that.
 */
enum status handoff_watch(struct open_engine *w,
			  const struct config_group *role, const char *actor,
			  struct handoff *ret, struct reason *why);

/* Of all roles. */
enum status handoff_watch_all(struct open_engine *w, const char *actor,
			      struct reason *why);

#endif
