/* SPDX-License-Identifier: PostgreSQL */
/* What follows new passwords, for the commands that bring them about. */
#ifndef KEYTURN_CLI_FOLLOW_H
#define KEYTURN_CLI_FOLLOW_H

#include "cli/cli.h"

/*
 * Run what is behind of a role's steps (follow.h).  STATUS_UNDELIVERED: one of them
 * is behind still, and *ret_why says which and why; it is for the caller to show.
 * ret_ran: so many have taken the version just now.  Thread-safe.
 */
enum status cli_follow_role(const struct cli *c,
			    const struct config_group *role, bool at_once,
			    bool again, size_t *ret_ran,
			    struct reason *ret_why);

/* The same for all roles, but for the n that `done` has, in the time that each
 * step's next attempt has, with a line for each role that is behind, or that has
 * come in step. */
enum status cli_follow_all(struct cli *c, bool at_once, bool again,
			   const struct config_group *const *done, size_t n);

/* Has any role a step? */
bool cli_follow_any(const struct cli *c);

#endif
