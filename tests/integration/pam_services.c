/* SPDX-License-Identifier: PostgreSQL */
/*
 * LD_PRELOAD shim of the integration tests: PAM services of our own, from the
 * folder that KEYTURN_PAM_SERVICES names in the place of /etc/pam.d.  What is
 * said to the system's log goes to standard error.
 *
 * libpam_wrapper, which does this and more, makes a folder /tmp/pam.X for each
 * process; two that start at the same moment can take each other's for a stale
 * one, and then end the process, which a server's client sees as a connection
 * that was closed.
 */
#include <security/pam_appl.h>
#include <security/pam_ext.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int pam_start(const char *service, const char *user,
	      const struct pam_conv *conversation, pam_handle_t **handle)
{
	return pam_start_confdir(service, user, conversation,
				 getenv("KEYTURN_PAM_SERVICES"), handle);
}

void pam_vsyslog(const pam_handle_t *handle, int priority, const char *format,
		 va_list args)
{
	char line[1024];

	(void)handle;
	(void)priority;
	vsnprintf(line, sizeof(line), format, args);
	fprintf(stderr, "pam: %s\n", line);
}

void pam_syslog(const pam_handle_t *handle, int priority, const char *format,
		...)
{
	va_list args;

	va_start(args, format);
	pam_vsyslog(handle, priority, format, args);
	va_end(args);
}
