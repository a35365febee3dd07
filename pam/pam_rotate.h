/* SPDX-License-Identifier: PostgreSQL */
/* password: ask for a rotation; the new password is keyturn's to make. */
#ifndef KEYTURN_PAM_ROTATE_H
#define KEYTURN_PAM_ROTATE_H

#include "pam/pam_options.h"

/* PAM_PRELIM_CHECK: does an agent answer?  PAM_SUCCESS or PAM_TRY_AGAIN. */
int pam_rotate_check(pam_handle_t *pamh, const struct pam_options *o);

/* PAM_UPDATE_AUTHTOK: ask, as the user who called the program (its real uid),
 * for a rotation of the role that PAM_USER names.  No password is asked for,
 * and none is set in the handle. */
int pam_rotate_ask(pam_handle_t *pamh, const struct pam_options *o, int flags);

#endif
