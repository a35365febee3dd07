/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whose password the version at hand is.  For a single role what is asked here is
 * answered by its own name.
 */
#ifndef KEYTURN_RUNNER_MEMBER_H
#define KEYTURN_RUNNER_MEMBER_H

#include "rotation/runner.h"

/* Whose password the marker calls live; "" when it calls none so. */
const char *runner_member_active(const struct runner *r);
/* Whose password the version at hand is: the role that logs in with it. */
const char *runner_member_login(const struct runner *r);
/* The version at hand is this run's own from here on, and so is whose it is. */
void runner_member_own(struct runner *r);
/* The version at hand is this user's, as the store says.  STATUS_CORRUPT when
 * the pair has no one of that name. */
enum status runner_member_take(struct runner *r, const char *username,
			       struct reason *why);
/* The version that has ended, and is tried next; "" when there is none. */
const char *runner_member_ended(const struct runner *r);
/* Of the pair: the members, then the owner; 0 for a single role. */
size_t runner_member_index(const struct runner *r, const char *name);
/* The next password is for the active member: the server refuses its present
 * one. */
void runner_member_replace(struct runner *r);

#endif
