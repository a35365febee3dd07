/* SPDX-License-Identifier: PostgreSQL */
/* session: a private pgpass file for the time of a service's login. */
#ifndef KEYTURN_PAM_SESSION_H
#define KEYTURN_PAM_SESSION_H

#include "pam/pam_options.h"

/* Root's, mode 0711; below it one folder of mode 0700 for each user. */
#ifndef PAM_SESSION_FOLDER
#define PAM_SESSION_FOLDER "/run/keyturn-pam"
#endif

/*
 * As the user of the handle, ask the agent for every role that this user may
 * list and read, write them to a new file of that user's below `folder`, and
 * set PGPASSFILE in the session's environment.  PAM_SUCCESS; PAM_USER_UNKNOWN,
 * the user may read no role; PAM_AUTHINFO_UNAVAIL, PAM_SESSION_ERR.
 */
int pam_session_open(pam_handle_t *pamh, const struct pam_options *o,
		     const char *folder);

/* Remove the file again; PAM_SUCCESS too when there is none of this handle. */
int pam_session_close(pam_handle_t *pamh, const struct pam_options *o);

#endif
