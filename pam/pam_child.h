/* SPDX-License-Identifier: PostgreSQL */
/* Something done as another user, in a child, so that the agent and the file
 * system see that user and no one else. */
#ifndef KEYTURN_PAM_CHILD_H
#define KEYTURN_PAM_CHILD_H

#include <limits.h>
#include <sys/types.h>

#include <security/pam_modules.h>

#include "base/reason.h"

/* What the child tells us; it fits into one write to a pipe. */
struct pam_child_report {
	int code;      /* PAM_* */
	unsigned done; /* how many it did */
	struct reason why;
};

_Static_assert(sizeof(struct pam_child_report) <= PIPE_BUF, "one write");

struct pam_child_user {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* NULL: keep those we have */
	size_t n_groups;
};

/*
 * Run work(arg, report) in a child with these ids and none other, real,
 * effective and saved; it must end by itself within timeout_ms and is killed
 * a little later, and not waited for if that does not end it either.  It may only
 * use what may be used after fork() in a process with threads: no allocation, no
 * lock, little stack.  With ids that we have already (and may not change) it runs
 * all the same.
 *
 * PAM_SUCCESS and the report; else PAM_SYSTEM_ERR or PAM_AUTHINFO_UNAVAIL (too
 * late), and why.  The process keeps its signal handlers, its mask and its
 * other children.
 */
int pam_child_run(const struct pam_child_user *user, unsigned timeout_ms,
		  void (*work)(void *arg, struct pam_child_report *report),
		  void *arg, struct pam_child_report *ret, struct reason *why);

#endif
