/* SPDX-License-Identifier: PostgreSQL */
/* The file of a session, written as its user. */
#ifndef KEYTURN_PAM_PASSFILE_H
#define KEYTURN_PAM_PASSFILE_H

#include "pam/pam_child.h"
#include "pam/pam_options.h"

struct pam_passfile_work {
	const struct pam_options *o;
	int folder;   /* the user's own, mode 0700 */
	pid_t opener; /* the process whose session it is */
};

/*
 * The work of pam_child_run(); arg is a struct pam_passfile_work.  Removes the
 * files of sessions whose process is gone, asks the agent for the roles that
 * this user may have, and writes a new file of mode 0600.  In the report: its
 * name, how many roles it holds, PAM_SUCCESS, and why it lacks one that the user
 * may have, if it does; PAM_USER_UNKNOWN (PAM_IGNORE with ignore_unknown_role)
 * when there is none; PAM_AUTHINFO_UNAVAIL (PAM_IGNORE with ignore_unavail);
 * PAM_SESSION_ERR.
 */
void pam_passfile_write(void *arg, struct pam_child_report *report);

#endif
