/* SPDX-License-Identifier: PostgreSQL */
/* The six functions that libpam calls; all that the module exports. */
#include <security/pam_modules.h>

#include "pam/pam_options.h"
#include "pam/pam_rotate.h"
#include "pam/pam_session.h"
#include "pam/pam_verify.h"

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc,
			const char **argv)
{
	struct pam_options o;
	int rc = pam_options_read(pamh, argc, argv, &o);

	(void)flags;
	return rc == PAM_SUCCESS ? pam_verify_password(pamh, &o) : rc;
}

/* Nothing is established that would have to be set or taken away. */
int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct pam_options o;

	(void)flags;
	return pam_options_read(pamh, argc, argv, &o);
}

int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct pam_options o;
	int rc = pam_options_read(pamh, argc, argv, &o);

	(void)flags;
	return rc == PAM_SUCCESS ? pam_verify_account(pamh, &o) : rc;
}

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc,
			const char **argv)
{
	struct pam_options o;
	int rc = pam_options_read(pamh, argc, argv, &o);

	(void)flags;
	return rc == PAM_SUCCESS ?
		       pam_session_open(pamh, &o, PAM_SESSION_FOLDER) :
		       rc;
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc,
			 const char **argv)
{
	struct pam_options o;
	int rc = pam_options_read(pamh, argc, argv, &o);

	(void)flags;
	return rc == PAM_SUCCESS ? pam_session_close(pamh, &o) : rc;
}

int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct pam_options o;
	int rc = pam_options_read(pamh, argc, argv, &o);

	if (rc != PAM_SUCCESS)
		return rc;
	/* "Change it only if it has expired": ours never does. */
	if (flags & PAM_CHANGE_EXPIRED_AUTHTOK)
		return PAM_SUCCESS;
	if (flags & PAM_PRELIM_CHECK)
		return pam_rotate_check(pamh, &o);
	return pam_rotate_ask(pamh, &o, flags);
}
