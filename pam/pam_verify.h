/* SPDX-License-Identifier: PostgreSQL */
/* auth and account: is this the role's password, and does that still hold? */
#ifndef KEYTURN_PAM_VERIFY_H
#define KEYTURN_PAM_VERIFY_H

#include "pam/pam_options.h"

/*
 * Ask for the user's name and password as far as libpam does not have them,
 * and let the agent compare.  What it said is kept in the handle, without the
 * password, for pam_verify_account().  Any PAM code of pam_keyturn(8).
 */
int pam_verify_password(pam_handle_t *pamh, const struct pam_options *o);

/*
 * Repeat what pam_verify_password() found for this user, unless the grace of
 * the previous password ended since.  PAM_SERVICE_ERR when it found nothing.
 */
int pam_verify_account(pam_handle_t *pamh, const struct pam_options *o);

#endif
